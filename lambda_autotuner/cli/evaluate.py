"""`lambda-autotuner evaluate`: the suite of synthetic questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_NEGATIVE, UsageError

if TYPE_CHECKING:
    from lambda_autotuner.evaluation.session import Outcome


@click.command("evaluate")
@click.option(
    "--sample-size", type=click.IntRange(min=1), help="Ask a stratified sample of this size."
)
@click.option("--category", "categories", multiple=True, help="Only this category (repeatable).")
@click.option(
    "--difficulty",
    "difficulties",
    multiple=True,
    type=click.Choice(["easy", "medium", "hard"]),
    help="Only this difficulty (repeatable).",
)
@click.option("--ids", help="Only these questions, separated by commas.")
@click.option(
    "--questions", type=click.Path(path_type=Path), help="A file or folder of one's own questions."
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    help="Ask each question so often.",
)
@click.option("--model", help="Model to evaluate, as the setting `model`.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a setting (repeatable)."
)
@click.option("--concurrency", type=click.IntRange(min=1, max=64), help="Questions at once.")
@click.option("--results", type=click.Path(path_type=Path), help="Folder for the results.")
@click.option(
    "--new", "fresh", is_flag=True, help="Start afresh instead of continuing an unfinished run."
)
@click.option(
    "--gate", type=click.Path(path_type=Path), help="Rules that must hold; exit code 1 if not."
)
@click.option("--baseline", help="A finished run to compare with (a path, a name, or `latest`).")
@click.option(
    "--judge",
    "judge_model",
    metavar="MODEL",
    help="Also ask this model's opinion (decides nothing).",
)
@common_options
@pass_door
def command(door: Door, /, **options: Any) -> int:
    """Ask the agent the questions of the suite, in a private sandbox, and score the answers."""
    return run(door, **options)


def run(
    door: Door,
    *,
    categories: tuple[str, ...],
    difficulties: tuple[str, ...],
    ids: str | None,
    assignments: tuple[str, ...],
    repeat: int,
    fresh: bool,
    gate: Path | None,
    baseline: str | None,
    judge_model: str | None,
    **overrides: Any,
) -> int:
    """Run an evaluation from a command's options and return the exit code."""
    from lambda_autotuner.evaluation.session import Options, Talk, evaluate
    from lambda_autotuner.evaluation.suite import Selection

    _override(door, assignments, overrides)
    settings = door.settings
    if settings.evaluation.debug_logging:
        door.verbose = max(door.verbose, 2)
    status = start_tracing(door)
    selection = Selection(
        categories=categories,
        difficulties=difficulties,
        ids=tuple(part.strip() for part in (ids or "").split(",") if part.strip()),
        sample_size=settings.evaluation.sample_size,
        seed=settings.evaluation.seed,
    )
    outcome = evaluate(
        settings,
        Options(selection, repeat, fresh, gate, baseline, judge_model),
        talk=Talk(say=lambda text: door.say(text, style="dim"), watch=_watch(door)),
        tracing=status,
    )
    _emit(door, outcome)
    return EXIT_NEGATIVE if outcome.gate is not None and not outcome.gate.passed else 0


def _override(door: Door, assignments: tuple[str, ...], overrides: dict[str, Any]) -> None:
    door.override(
        model=overrides.get("model"),
        evaluation__sample_size=overrides.get("sample_size"),
        evaluation__questions_path=overrides.get("questions"),
        evaluation__concurrency=overrides.get("concurrency"),
        evaluation__results_dir=overrides.get("results"),
    )
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment!r} is not KEY=VALUE.")
        door.overrides[key.strip()] = value.strip()


def start_tracing(door: Door) -> Any:
    """Initialise tracing and print the guide's start-up block; the run goes on in every case."""
    import mlflow_integration as tracing

    status = tracing.initialize_mlflow(state_dir=door.settings.state_dir)
    for line in status.banner_lines():
        click.echo(line, err=door.json)
    return status


def _watch(door: Door) -> Any:
    def watch(total: int, earlier: Sequence[Any]) -> Any:
        from lambda_autotuner.evaluation.reports import LiveProgress

        return LiveProgress(
            door.err, total, earlier=len(earlier), successes=sum(r.success for r in earlier)
        )

    return watch


def _emit(door: Door, outcome: Outcome) -> None:
    from rich.console import Group
    from rich.text import Text

    from lambda_autotuner.evaluation.reports import comparison_text, run_text

    data: dict[str, Any] = {"run": str(outcome.folder.path), **outcome.summary}
    parts: list[Any] = [
        run_text(outcome.summary, outcome.results, title=f"Evaluation {outcome.folder.name}"),
        Text(f"Results, report and page: {outcome.folder.path}", style="dim"),
    ]
    if outcome.comparison is not None:
        data["comparison"] = outcome.comparison.to_dict()
        parts.append(comparison_text(outcome.comparison))
    if outcome.gate is not None:
        data["gate"] = {"passed": outcome.gate.passed, "reasons": list(outcome.gate.reasons)}
        verdict = "open" if outcome.gate.passed else "closed: " + "; ".join(outcome.gate.reasons)
        parts.append(Text(f"Gate {verdict}", style="bold"))
    door.emit(data, text=Group(*parts))
