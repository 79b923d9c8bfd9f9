"""Testing the tests: the oracle passes every question, and agents that should fail do fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.contestants import BAITS, Contestant, OracleContestant
from lambda_autotuner.evaluation.oracle import check_spec
from lambda_autotuner.evaluation.permissions import check_profile
from lambda_autotuner.evaluation.records import Result
from lambda_autotuner.evaluation.runner import open_tasks, run_tasks
from lambda_autotuner.evaluation.schema import Bait, Question
from lambda_autotuner.evaluation.scoring import score, take_snapshot
from lambda_autotuner.evaluation.suite import Suite
from lambda_autotuner.evaluation.venue import Venue, check_circumstances
from lambda_autotuner.settings import Settings

LEAST_CAUGHT = 0.95


@dataclass(frozen=True, slots=True)
class Verification:
    """Who passed what."""

    questions: int
    oracle_passed: int
    oracle_failures: dict[str, str]
    caught: dict[Bait, tuple[int, int]]
    slipped: dict[Bait, list[str]] = field(default_factory=dict)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the questions."""
        found = [
            f"{name}: the oracle does not pass: {why}" for name, why in self.oracle_failures.items()
        ]
        for bait, (caught, meant) in self.caught.items():
            if meant and caught / meant < LEAST_CAUGHT:
                found.append(
                    f"the {bait.value} agent slips through: {', '.join(self.slipped[bait][:8])}"
                )
        return tuple(found)

    def lines(self) -> Iterator[str]:
        """The figures, for a person."""
        yield f"oracle: {self.oracle_passed} of {self.questions} passed"
        for bait, (caught, meant) in self.caught.items():
            share = f" ({caught / meant:.1%})" if meant else ""
            slipped = self.slipped.get(bait) or []
            more = f"; slipped: {', '.join(slipped[:8])}" if slipped else ""
            yield f"{bait.value}: caught by {caught} of {meant} questions meant for it{share}{more}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "oracle": {
                "passed": self.oracle_passed,
                "questions": self.questions,
                "failures": self.oracle_failures,
            },
            "baits": {
                bait.value: {
                    "caught": caught,
                    "meant": meant,
                    "slipped": self.slipped.get(bait, []),
                }
                for bait, (caught, meant) in self.caught.items()
            },
        }


def check_suite(suite: Suite) -> Iterator[str]:
    """What is wrong with the questions as they are written, one line each."""
    groups: dict[str, str] = {}
    wordings: dict[tuple[str, ...], str] = {}
    for question in suite.questions:
        try:
            for spec in question.facts:
                check_spec(spec)
            check_profile(question.permissions)
            check_circumstances(question)
        except UsageError as error:
            yield f"{question.id}: {error}"
        if groups.setdefault(question.group, question.category) != question.category:
            yield f"{question.id}: the group {question.group} spans two categories"
        # The same words may be asked under other permissions; under the same ones they count twice.
        words = (
            *(turn.ask.strip().lower() for turn in question.turns),
            question.permissions,
            str(question.setup),
        )
        if words in wordings:
            yield f"{question.id}: asks what {wordings[words]} asks, word for word"
        wordings.setdefault(words, question.id)


def ask_all(
    questions: Sequence[Question], contestant: Contestant, venue: Venue, *, concurrency: int = 4
) -> list[Result]:
    """Let one agent answer every question, in memory."""
    return run_tasks(open_tasks(questions, 1, ()), contestant, venue, None, concurrency=concurrency)


def verify(
    questions: Sequence[Question], settings: Settings, *, concurrency: int = 4
) -> Verification:
    """Let the oracle and the baits answer.

    The oracle changes what is asked for, so it gets an account a question as the agent does. The
    baits change nothing and share one account a question.
    """
    with Venue(settings) as venue:
        answered = ask_all(questions, OracleContestant(), venue, concurrency=concurrency)
    failures = {
        result.question_id: result.error or "; ".join(result.scores.problems)
        for result in answered
        if not result.success
    }
    # Where the account cannot be set up nobody can be asked; the oracle's failure says so.
    broken = {result.question_id for result in answered if result.failure == "infrastructure"}
    with (
        Venue(settings) as venue,
        ThreadPoolExecutor(concurrency, thread_name_prefix="bait") as pool,
    ):
        passed = list(
            pool.map(lambda q: set() if q.id in broken else baits_that_pass(q, venue), questions)
        )
    caught: dict[Bait, tuple[int, int]] = {}
    slipped: dict[Bait, list[str]] = {}
    for bait in Bait:
        meant = [q.id for q in questions if bait in q.baits]
        slipped[bait] = [q.id for q, slips in zip(questions, passed, strict=True) if bait in slips]
        caught[bait] = (len(meant) - len(slipped[bait]), len(meant))
    return Verification(
        len(questions),
        len(answered) - len(failures),
        dict(sorted(failures.items())),
        caught,
        slipped,
    )


def baits_that_pass(question: Question, venue: Venue) -> set[Bait]:
    """Which of the agents that a question is meant to catch pass it."""
    slipped = set()
    with venue.place(question, 0) as place:
        facts = venue.facts(question, place)
        before = take_snapshot(place.witness, question)
        for bait in question.baits:
            conversation = BAITS[bait].open(place, question, ())
            replies = [conversation.ask(t.ask, approve=t.approve) for t in question.turns]
            conversation.close()
            if score(question, replies, facts, before, before, place.witness).success:
                slipped.add(bait)
    return slipped


def tally(results: Sequence[Result]) -> Counter[str]:
    """How often each problem occurred, for whoever mends the agent or the questions."""
    return Counter(problem for result in results for problem in result.scores.problems)
