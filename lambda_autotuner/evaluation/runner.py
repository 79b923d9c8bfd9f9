"""Asking the questions: side by side, each in its own account, each result written through."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lambda_autotuner.evaluation.contestants.base import Contestant, Place, Reply
from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.records import Result, RunFolder, Scores
from lambda_autotuner.evaluation.schema import Question
from lambda_autotuner.evaluation.scoring import Scored, score, take_snapshot
from lambda_autotuner.evaluation.tracking import Tracking
from lambda_autotuner.evaluation.venue import Venue

log = logging.getLogger(__name__)
_MOST_ERROR_CHARS = 500
_KEPT_CHARS = 6_000

Listener = Callable[[Result], None]
Judge = Callable[[Question, Sequence[Reply], Sequence[Fact]], float | None]


@dataclass(frozen=True, slots=True)
class Task:
    """One asking of one question."""

    question: Question
    repeat: int


def open_tasks(questions: Iterable[Question], repeat: int, done: Iterable[Result]) -> list[Task]:
    """What is still to be asked: no question that is finished is asked again."""
    finished = {(result.question_id, result.repeat) for result in done}
    return [
        Task(question, number)
        for number in range(repeat)
        for question in questions
        if (question.id, number) not in finished
    ]


def run_tasks(
    tasks: Sequence[Task],
    contestant: Contestant,
    venue: Venue,
    folder: RunFolder | None,
    *,
    concurrency: int,
    tracking: Tracking | None = None,
    listener: Listener | None = None,
    judge: Judge | None = None,
) -> list[Result]:
    """Ask every task's question and return the results in the order they were finished.

    Args:
        tasks: what to ask.
        contestant: who answers.
        venue: where.
        folder: where results are written before they count; None keeps them in memory.
        concurrency: how many questions at once.
        tracking: where runs and traces go.
        listener: told of each result.
        judge: an optional further opinion; it never decides on success.

    Raises:
        KeyboardInterrupt: the person stopped it; everything finished is on disk.
    """
    tracking = tracking or Tracking.off()
    results: list[Result] = []
    writing = threading.Lock()

    def finish(result: Result) -> None:
        with writing:
            if folder is not None:
                folder.append(result)
            results.append(result)
            if listener is not None:
                listener(result)

    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="question")
    waiting = list(reversed(tasks))
    running: set[Future[Result]] = set()
    try:
        while waiting or running:
            while waiting and len(running) < concurrency:
                running.add(
                    pool.submit(answer_one, waiting.pop(), contestant, venue, tracking, judge)
                )
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                finish(future.result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return results


def answer_one(
    task: Task,
    contestant: Contestant,
    venue: Venue,
    tracking: Tracking,
    judge: Judge | None = None,
) -> Result:
    """Ask one question and score what comes back; a failure of any part becomes a result too."""
    question = task.question
    started_at = datetime.now(UTC)
    attempt = _Attempt(question, task.repeat)
    try:
        with venue.place(question, task.repeat) as place:
            attempt.run(place, contestant, tracking, venue.facts(question, place))
            if judge is not None and attempt.scored is not None:
                opinion = judge(question, attempt.replies, attempt.facts)
                scores = replace(attempt.scored.scores, judge=opinion)
                attempt.scored = replace(attempt.scored, scores=scores)
    except Exception as error:
        log.debug("question %s failed", question.id, exc_info=True)
        attempt.error = error
    result = attempt.result(started_at)
    tracking.verdict(result)
    return result


class ProviderError(RuntimeError):
    """The model could not be asked: whatever the agent put together instead is not its answer."""


class _Attempt:
    """One question on its way: whatever is known when something breaks is still reported."""

    def __init__(self, question: Question, repeat: int) -> None:
        self.question = question
        self.repeat = repeat
        self.replies: list[Reply] = []
        self.facts: tuple[Fact, ...] = ()
        self.seconds: list[float] = []
        self.scored: Scored | None = None
        self.error: Exception | None = None
        self.trace_id: str | None = None

    def run(
        self, place: Place, contestant: Contestant, tracking: Tracking, facts: tuple[Fact, ...]
    ) -> None:
        """Look at the account, ask, look at it again, score."""
        self.facts = facts
        before = take_snapshot(place.witness, self.question)
        with tracking.question(self.question, place, self.repeat) as execution:
            self.trace_id = execution.trace_id
            self._converse(place, contestant)
            execution.set_answer(self.replies[-1].text if self.replies else "")
            execution.log_metrics(**self._usage())
        after = take_snapshot(place.witness, self.question)
        self.scored = score(self.question, self.replies, self.facts, before, after, place.witness)

    def _converse(self, place: Place, contestant: Contestant) -> None:
        conversation = contestant.open(place, self.question, self.facts)
        try:
            for turn in self.question.turns:
                began = time.perf_counter()
                try:
                    reply = conversation.ask(turn.ask * turn.repeat, approve=turn.approve)
                finally:
                    self.seconds.append(time.perf_counter() - began)
                self.replies.append(reply)
                if reply.provider_failure is not None:
                    raise ProviderError(reply.provider_failure)
        finally:
            conversation.close()

    def _usage(self) -> dict[str, float]:
        """Tokens, calls and money, where they are known."""
        costs = [reply.cost_usd for reply in self.replies if reply.cost_usd is not None]
        return {
            "total_tokens": float(sum(reply.total_tokens for reply in self.replies)),
            "model_calls": float(sum(reply.model_calls for reply in self.replies)),
            "tool_calls": float(sum(len(reply.tools) for reply in self.replies)),
            **({"cost_usd": sum(costs)} if costs else {}),
        }

    def result(self, started_at: datetime) -> Result:
        """Everything that is known, as one line of the results."""
        question, scored = self.question, self.scored
        failed = scored is None
        success = scored is not None and scored.success
        scores = scored.scores if scored else _no_scores()
        costs = [reply.cost_usd for reply in self.replies]
        return Result(
            question_id=question.id,
            repeat=self.repeat,
            category=question.category,
            difficulty=question.difficulty.value,
            group=question.group,
            held_out=question.held_out,
            success=success,
            # What nobody could look at afterwards cannot be called safe for a safety question.
            safe=scored.safe if scored else not question.safety,
            failure=None if success else ("infrastructure" if failed else "answer"),
            execution_time_seconds=round(sum(self.seconds), 6),
            response_length_chars=sum(len(reply.text) for reply in self.replies),
            total_tokens=sum(reply.total_tokens for reply in self.replies),
            model_calls=sum(reply.model_calls for reply in self.replies),
            tool_calls=sum(len(reply.tools) for reply in self.replies),
            cost_usd=sum(c for c in costs if c is not None)
            if any(c is not None for c in costs)
            else None,
            error=_described(self.error),
            trace_id=self.trace_id or next((r.trace_id for r in self.replies if r.trace_id), None),
            question=tuple(turn.ask[:_KEPT_CHARS] for turn in question.turns),
            answer=tuple(reply.text[:_KEPT_CHARS] for reply in self.replies),
            expected=tuple(fact.expected for fact in self.facts),
            tools=tuple(tool.name for reply in self.replies for tool in reply.tools),
            scores=scores,
            started_at=started_at.isoformat(),
            turn_seconds=tuple(round(seconds, 6) for seconds in self.seconds),
        )


def _described(error: Exception | None) -> str | None:
    if error is None:
        return None
    return f"{type(error).__name__}: {error}"[:_MOST_ERROR_CHARS]


def _no_scores() -> Scores:
    return Scores(
        facts=None, kind=False, state=False, tools=False, grounded=None, cited=None, focus=False
    )
