"""One evaluation from its settings to its report; what `evaluate` and the thin door both run."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from lambda_autotuner import __version__
from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.comparison import Comparison, compare
from lambda_autotuner.evaluation.contestants import AgentContestant, Contestant
from lambda_autotuner.evaluation.gate import GateOutcome, judge, load_rules
from lambda_autotuner.evaluation.records import (
    REPORT,
    RESULTS,
    Result,
    RunFolder,
    RunPlan,
    find_run,
)
from lambda_autotuner.evaluation.runner import Judge, open_tasks, run_tasks
from lambda_autotuner.evaluation.schema import Question
from lambda_autotuner.evaluation.suite import Selection, Suite, load_suite, select
from lambda_autotuner.evaluation.summary import summarise
from lambda_autotuner.evaluation.tracking import Tracking
from lambda_autotuner.evaluation.venue import Venue
from lambda_autotuner.settings import Settings

# Questions at once where the answers come from somewhere else.
_AT_A_PROVIDER = 4
_REHEARSED = ("help", "Which functions are busiest, and where would another size save money?")
# What can change an answer; where results and state are kept cannot.
_COUNTS = ("model", "advanced_model", "fallback_model", "temperature", "search_provider",
           "tuning", "guardrails", "approval", "rollout", "agent")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked for on the command line."""

    selection: Selection = field(default_factory=Selection)
    repeat: int = 1
    fresh: bool = False
    gate: Path | None = None
    baseline: str | None = None
    judge_model: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished evaluation."""

    folder: RunFolder
    summary: Mapping[str, Any]
    results: Sequence[Result]
    gate: GateOutcome | None = None
    comparison: Comparison | None = None


class Watcher(Protocol):
    """Somebody who is told how far the evaluation is; used in `with`."""

    def __enter__(self) -> Callable[[Result], None]:
        """Begin to watch."""
        ...

    def __exit__(self, *details: object) -> None:
        """Stop watching."""
        ...


@dataclass(frozen=True, slots=True)
class Talk:
    """How the evaluation speaks to a person."""

    say: Callable[[str], None] = field(default=lambda _: None)
    watch: Callable[[int, Sequence[Result]], Watcher] | None = None


def evaluate(
    settings: Settings,
    options: Options,
    *,
    talk: Talk | None = None,
    contestant: Contestant | None = None,
    tracing: Any = None,
) -> Outcome:
    """Run the suite, or go on with an unfinished run of the same suite and configuration.

    Args:
        settings: everything that can be set.
        options: what to ask and how.
        talk: how to speak to a person.
        contestant: who answers; the agent of the settings by default.
        tracing: the tracing status when tracing was initialised; None records nothing.

    Raises:
        UsageError: malformed questions, an unknown id, a folder that cannot be written, or a
            baseline of another suite.
    """
    talk = talk or Talk()
    if settings.evaluation.debug_logging:
        logging.getLogger().setLevel(logging.DEBUG)
    suite = load_suite(settings.evaluation.questions_path)
    questions = select(suite, options.selection)
    contestant = contestant or AgentContestant(None, settings)
    rules = load_rules(options.gate) if options.gate else None
    results_dir = settings.evaluation.results_dir
    baseline = find_run(options.baseline, results_dir) if options.baseline else None
    plan = _plan(suite, questions, options, contestant, settings)
    folder = None if options.fresh else RunFolder.unfinished(results_dir, plan)
    continued = folder is not None
    folder = folder or RunFolder.create(results_dir, plan, datetime.now(UTC))
    with folder.lock():
        folder.repair()
        earlier = folder.results()
        if continued:
            talk.say(f"Continuing {folder.name}: {len(earlier)} answers are there already.")
        tracking = _tracking(folder, plan, questions, settings, tracing)
        results = _ask(settings, options, questions, contestant, folder, earlier, tracking, talk)
        results = _in_order(results, questions)
        summary = summarise(
            results,
            slow_seconds=settings.evaluation.slow_question_seconds,
            tracking={"run_id": tracking.run_id} if tracking.run_id else {},
        )
        _write_report(folder, summary, results, plan, tracing)
        tracking.finish(summary, _artifacts(folder, summary))
        folder.finish(summary)
    comparison = None
    if baseline is not None:
        comparison = compare_runs(baseline, folder)
    outcome = None
    if rules is not None:
        earlier_results = baseline.results() if baseline else ()
        outcome = judge(rules, results, baseline=earlier_results, comparison=comparison)
    return Outcome(folder, summary, results, outcome, comparison)


def _ask(
    settings: Settings,
    options: Options,
    questions: Sequence[Question],
    contestant: Contestant,
    folder: RunFolder,
    earlier: Sequence[Result],
    tracking: Tracking,
    talk: Talk,
) -> list[Result]:
    tasks = open_tasks(questions, options.repeat, earlier)
    if not tasks:
        return list(earlier)
    opinion = _judge(options.judge_model, settings)
    concurrency = concurrency_of(settings, contestant)
    total = len(earlier) + len(tasks)
    with Venue(settings) as venue:
        with tracking.rehearsal():
            for question in {task.question.seed: task.question for task in tasks}.values():
                warm_up(contestant, venue, question)
        if talk.watch is None:
            fresh = run_tasks(
                tasks, contestant, venue, folder,
                concurrency=concurrency, tracking=tracking, judge=opinion,
            )  # fmt: skip
        else:
            with talk.watch(total, earlier) as listener:
                fresh = run_tasks(
                    tasks, contestant, venue, folder,
                    concurrency=concurrency, tracking=tracking, listener=listener, judge=opinion,
                )  # fmt: skip
    return [*earlier, *fresh]


def concurrency_of(settings: Settings, contestant: Contestant) -> int:
    """How many questions at once where nobody says: as many as can be answered side by side.

    The offline planner computes, so that more questions than processors would only wait for each
    other and their latency would tell about the neighbours. A model's provider is waited for.
    """
    if settings.evaluation.concurrency is not None:
        return settings.evaluation.concurrency
    if contestant.name != "offline":
        return _AT_A_PROVIDER
    return max(1, min(_AT_A_PROVIDER, processors()))


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def warm_up(contestant: Contestant, venue: Venue, question: Question) -> None:
    """Load what the first answer needs, so that no question pays for what is there beforehand.

    That is the import of libraries, and the account's two weeks of history: the embedded account
    makes them when they are first read, while one in AWS has them. Only the offline planner is
    asked something: a provider would send a bill for it.
    """
    simple = question.model_copy(
        update={"id": "warm-up", "permissions": "administrator", "setup": (), "faults": ()}
    )
    with venue.place(simple, 0) as place:
        conversation = contestant.open(place, simple, ())
        if contestant.name == "offline":
            for ask in _REHEARSED:
                conversation.ask(ask, approve=None)
        conversation.close()


def _judge(model: str | None, settings: Settings) -> Judge | None:
    if model is None:
        return None
    from lambda_autotuner.evaluation.scoring.opinion import opinion_of

    return opinion_of(model, settings)


def _plan(
    suite: Suite,
    questions: Sequence[Question],
    options: Options,
    contestant: Contestant,
    settings: Settings,
) -> RunPlan:
    values = settings.model_dump(mode="json")
    return RunPlan(
        suite=suite.name,
        suite_digest=suite.digest,
        selection=options.selection.to_dict(),
        question_ids=tuple(question.id for question in questions),
        repeat=options.repeat,
        model=contestant.name,
        configuration={"version": __version__, **{name: values[name] for name in _COUNTS}},
        prompt_versions=dict(contestant.prompt_versions),
    )


def _tracking(
    folder: RunFolder,
    plan: RunPlan,
    questions: Sequence[Question],
    settings: Settings,
    tracing: Any,
) -> Tracking:
    if tracing is None or not tracing.recording:
        return Tracking.off()
    tracking = Tracking.start(
        folder.name,
        run_id=folder.description().get("tracking_run"),
        model=plan.model,
        params={
            "model": plan.model,
            "suite": plan.suite,
            "suite_digest": plan.suite_digest,
            "questions": len(questions),
            "repeat": plan.repeat,
            "concurrency": settings.evaluation.concurrency or "automatic",
        },
        tags={"kind": "evaluation", "suite_digest": plan.suite_digest, "model": plan.model},
        dataset={
            "name": plan.suite,
            "digest": plan.suite_digest,
            "questions": [
                {"question_id": q.id, "category": q.category, "difficulty": q.difficulty.value,
                 "question": q.turns[0].ask[:500]}
                for q in questions
            ],
        },
        configuration={
            "model": plan.model,
            **_flat(plan.configuration),
            **{f"prompt.{name}": digest for name, digest in plan.prompt_versions.items()},
        },
    )  # fmt: skip
    folder.note(tracking_run=tracking.run_id)
    return tracking


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = str(value)
    return flat


def _in_order(results: Sequence[Result], questions: Sequence[Question]) -> list[Result]:
    """The suite's order, whoever was finished first."""
    places = {question.id: place for place, question in enumerate(questions)}
    return sorted(results, key=lambda result: (result.repeat, places[result.question_id]))


def _write_report(
    folder: RunFolder,
    summary: Mapping[str, Any],
    results: Sequence[Result],
    plan: RunPlan,
    tracing: Any,
) -> None:
    from lambda_autotuner.evaluation.reports.page import run_page

    facts = {
        "model": plan.model,
        "suite": f"{plan.suite} ({plan.suite_digest}), {len(plan.question_ids)} questions, {plan.repeat} x",
        "version": str(plan.configuration["version"]),
        "tracing": _tracing_line(tracing),
    }
    page = run_page(
        summary,
        results,
        title=f"Evaluation {folder.name}",
        facts=facts,
        trace_link=_trace_link(tracing),
    )
    folder.report(page)


def _tracing_line(tracing: Any) -> str:
    if tracing is None:
        return "not initialised"
    state = "on" if tracing.enabled else f"off: {tracing.reason}"
    return f"{state} ({tracing.destination}, experiment {tracing.experiment})"


def _trace_link(tracing: Any) -> str | None:
    """Where a browser finds a trace; only a server has such a place."""
    destination = str(getattr(tracing, "destination", "") or "")
    if not destination.startswith(("http://", "https://")):
        return None
    return destination.rstrip("/") + "/#/experiments?searchInput={trace_id}"


def _artifacts(folder: RunFolder, summary: Mapping[str, Any]) -> dict[str, str]:
    import json

    return {
        RESULTS: (folder.path / RESULTS).read_text(encoding="utf-8"),
        REPORT: (folder.path / REPORT).read_text(encoding="utf-8"),
        "summary.json": json.dumps(summary, indent=2, default=str),
    }


def compare_runs(a: RunFolder, b: RunFolder, *, seed: int = 7) -> Comparison:
    """Compare two folders of results.

    Raises:
        UsageError: they are of different suites, or one holds no results.
    """
    digests = []
    for folder in (a, b):
        plan = folder.description().get("plan", {})
        digests.append(plan.get("suite_digest"))
        if not folder.results():
            raise UsageError(f"{folder.path} holds no results.")
    if digests[0] != digests[1]:
        raise UsageError(
            f"{a.name} and {b.name} are of different suites ({digests[0]} and {digests[1]}).",
            remedy="Run both configurations on one suite.",
        )
    return compare(a.results(), b.results(), names=(a.name, b.name), seed=seed)
