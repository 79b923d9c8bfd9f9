"""The report and the live progress in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from lambda_autotuner.evaluation.comparison import Comparison
from lambda_autotuner.evaluation.records import Result

_SHOWN_FAILURES = 15
_LINES_APART = 10


class LiveProgress:
    """A bar with the success rate so far; without a terminal, a line every ten questions.

    Args:
        console: where to, usually standard error.
        total: how many answers there will be.
        earlier: answers of an interrupted process that count already.
        successes: how many of those were right.
    """

    def __init__(
        self, console: Console, total: int, *, earlier: int = 0, successes: int = 0
    ) -> None:
        self._console = console
        self._total = total
        self._done = earlier
        self._successes = successes
        self._bar: Progress | None = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._label(), total=self._total, completed=self._done)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, result: Result) -> None:
        """One more answer is scored."""
        self._done += 1
        self._successes += result.success
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=self._label())
        elif self._done % _LINES_APART == 0 or self._done == self._total:
            self._console.print(
                f"{self._done}/{self._total} questions, {self._label()}", highlight=False
            )

    def _label(self) -> str:
        share = self._successes / self._done if self._done else 0.0
        return f"{share:.0%} right" if self._done else "asking"


def percent(value: float | None) -> str:
    """A rate as people read it; a dash for unknown."""
    return "-" if value is None else f"{100 * value:.1f} %"


def rate_cell(row: Mapping[str, Any] | None) -> str:
    """`18/20 90.0 % (69.9..97.2)`."""
    if not row or not row["questions"]:
        return "-"
    return (
        f"{row['successes']}/{row['questions']} {100 * row['success_rate']:.0f} % "
        f"({100 * row['low']:.0f}..{100 * row['high']:.0f})"
    )


def chance(value: float) -> str:
    """A p-value as people read it: it is never 0."""
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.4f}"  # noqa: PLR2004 - four digits


def seconds(value: float | None) -> str:
    """A duration in seconds; a dash for unknown."""
    return "-" if value is None else f"{value:.2f} s"


def run_text(
    summary: Mapping[str, Any], results: Sequence[Result], *, title: str
) -> RenderableType:
    """The report of a run."""
    overall = summary["overall"]
    low, high = percent(overall["low"]), percent(overall["high"])
    head: list[RenderableType] = [
        Text(title, style="bold"),
        (
            f"Success {percent(overall['success_rate'])} (95 % interval {low} to {high}), "
            f"{overall['successes']} of {overall['questions']}; safe {percent(overall['safe_rate'])}; "
            f"infrastructure errors {overall['infrastructure_errors']} (counted as failures)"
        ),
        _wordings(summary),
        (
            f"Time p50 {seconds(overall['p50_seconds'])}, p95 {seconds(overall['p95_seconds'])}, "
            f"p99 {seconds(overall['p99_seconds'])}, longest {seconds(overall['max_seconds'])}; "
            f"over {overall['slow_seconds']:g} s: {overall['slow']}"
        ),
        _usage(overall),
    ]
    parts: list[RenderableType] = [*head, _grid(summary)]
    if summary.get("repeats"):
        parts.append(_repeat_table(summary["repeats"]))
    failures = [result for result in results if not result.success]
    if failures:
        parts.append(_failures(failures))
    return Group(*parts)


def _wordings(summary: Mapping[str, Any]) -> str:
    cells = [f"{name}: {rate_cell(row)}" for name, row in summary["by_wording"].items()]
    return "Wordings " + "; ".join(cells)


def _usage(overall: Mapping[str, Any]) -> str:
    cost = overall["cost_usd"]
    return (
        f"A question took {overall['tool_calls_per_question'] or 0:.1f} tool calls and "
        f"{overall['tokens_per_question'] or 0:.0f} tokens; in all "
        + (f"${cost:.4f}" if cost is not None else "an unknown amount of money")
    )


def _grid(summary: Mapping[str, Any]) -> Table:
    difficulties = list(summary["by_difficulty"])
    table = Table("category", *difficulties, "all", box=None, pad_edge=False, header_style="bold")
    for category, row in summary["by_category"].items():
        cells = [rate_cell(summary["cells"].get(f"{category}|{name}")) for name in difficulties]
        table.add_row(category, *cells, rate_cell(row))
    totals = [rate_cell(summary["by_difficulty"][name]) for name in difficulties]
    table.add_row("all", *totals, rate_cell(summary["overall"]), style="bold")
    return table


def _repeat_table(repeats: Mapping[str, Any]) -> Table:
    table = Table("k", "at least one of k right", "all of k right", box=None, pad_edge=False)
    for k, row in repeats["k"].items():
        table.add_row(k, percent(row["pass_at_k"]), percent(row["pass_hat_k"]))
    return table


def _failures(failures: Sequence[Result]) -> Table:
    table = Table("failed", "why", box=None, pad_edge=False, header_style="bold")
    for result in failures[:_SHOWN_FAILURES]:
        why = result.error or "; ".join(result.scores.problems)
        table.add_row(result.question_id, Text(why[:200]))
    if len(failures) > _SHOWN_FAILURES:
        table.add_row(f"... {len(failures) - _SHOWN_FAILURES} more", "see report.html")
    return table


def comparison_text(comparison: Comparison) -> RenderableType:
    """The report of a comparison."""
    a, b = comparison.names
    table = Table("", a, b, "B - A (95 %)", "p (Holm)", box=None, pad_edge=False)
    for row in comparison.secondary:
        d = row.difference
        table.add_row(
            row.unit, f"{row.before:.4g}", f"{row.after:.4g}",
            f"{d.estimate:+.4g} ({d.low:+.4g}..{d.high:+.4g})",
            f"{row.p_value:.3f}" + (" *" if row.significant else ""),
        )  # fmt: skip
    lines: list[RenderableType] = [
        Text(comparison.sentence, style="bold"),
        (
            f"Success {percent(comparison.success_a)} -> {percent(comparison.success_b)} on "
            f"{comparison.questions} questions in {comparison.groups} paraphrase groups; permutation "
            f"test {chance(comparison.p_value)}, exact McNemar {chance(comparison.mcnemar_p_value)}"
        ),
        f"Fixed: {', '.join(comparison.fixed) or 'none'}",
        f"Broken: {', '.join(comparison.broken) or 'none'}",
    ]
    if comparison.unsafe_b:
        lines.append(Text(f"Unsafe in {b}: {', '.join(comparison.unsafe_b)}", style="bold red"))
    return Group(*lines, *comparison.notes, table)
