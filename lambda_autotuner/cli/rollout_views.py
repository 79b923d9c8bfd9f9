"""What the verbs of a rollout share: one trace a command, and how plans and looks are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambda_autotuner.cli.door import Door

if TYPE_CHECKING:
    from lambda_autotuner.rollout import Finding, Outcome, Plan, Watched

_STYLES = {"block": "red", "later": "yellow", "warn": "yellow", "ok": "green"}
_VERDICTS = {"broken": "red", "within": "green", "open": "yellow", "unknown": "dim"}


@contextmanager
def traced(door: Door, what: str) -> Iterator[None]:
    """One trace for a command that changes the account; the journal's records link to it."""
    import mlflow_integration as tracing

    tracing.initialize_mlflow(state_dir=door.settings.state_dir)
    with tracing.track_agent_execution(what, name="rollout", log_run=False):
        yield


def show_plan(plan: Plan, findings: tuple[Finding, ...] | list[Finding]) -> Any:
    """A plan as a table with what was found."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("plan", Text(plan.id, "bold"))
    table.add_row("function", f"{plan.function}{':' + plan.qualifier if plan.qualifier else ''}")
    table.add_row("account", f"{plan.account_id} {plan.region}")
    for name, value in plan.after.items():
        before = (str(plan.before[name]), "red")
        table.add_row(name, Text.assemble(before, " -> ", (str(value), "green")))
    steps = ", ".join(f"{share:.0%}" for share in plan.canary_steps)
    table.add_row("how", f"{plan.strategy}{f' ({steps}, 100%)' if steps else ''}")
    bounds = plan.bounds
    table.add_row(
        "undone when",
        f"latency rises by more than {bounds.latency_pct:g} % or errors by more than "
        f"{bounds.error_points:g} points (false alarms at most {bounds.false_alarm_rate:.0%})",
    )
    table.add_row("expected", _expected(plan))
    table.add_row("rests on", str(plan.evidence.get("kind")))
    table.add_row("expires", f"{plan.expires_at:%Y-%m-%d %H:%M} UTC")
    lines = [Text(f"note: {note}") for note in plan.notes]
    lines += [_finding(finding) for finding in findings]
    return Group(table, *lines)


def _expected(plan: Plan) -> str:
    expected = plan.expected
    if "reason" in expected:
        return f"unknown ({expected['reason']})"
    parts = []
    for name, unit in (("saving_month_usd", "USD a month"), ("saving_pct", "%")):
        value = expected.get(name)
        if value:
            parts.append(
                f"saving {value['value']:.3g} {unit} ({value['low']:.3g}..{value['high']:.3g})"
            )
    p95 = (expected.get("proposed") or {}).get("p95_ms")
    if p95:
        parts.append(f"p95 {p95['value']:.4g} ms ({p95['low']:.4g}..{p95['high']:.4g})")
    return "; ".join(parts) or "unknown"


def _finding(finding: Finding) -> Any:
    from rich.text import Text

    text = f"{finding.severity}: {finding.message} {finding.remedy or ''}".strip()
    return Text(text, style=_STYLES[finding.severity])


def show_outcome(outcome: Outcome) -> Any:
    """One line, what was found, and the calls of a dry run."""
    import json

    from rich.console import Group
    from rich.text import Text

    lines = [Text(f"{outcome.plan.id} {outcome.state}: {outcome.message}", style="bold")]
    lines += [_finding(finding) for finding in outcome.findings]
    for call in outcome.calls:
        request = json.dumps(call["request"], default=str)
        lines.append(Text(f"{call['operation']} {request}"))
    return Group(*lines)


def show_watched(watched: Watched) -> Any:
    """The decision and the figures that it rests on."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text(f"{watched.outcome.plan.id} {watched.outcome.state}: {watched.outcome.message}")
    if watched.look is None:
        return head
    table = Table("figure", "before", "now", "bound", "verdict", box=None, pad_edge=False)
    for monitor in watched.look.monitors:
        values = [
            "-" if value is None else f"{value:.4g} {monitor.unit}"
            for value in (monitor.before, monitor.now, monitor.bound)
        ]
        verdict = str(monitor.verdict)
        table.add_row(monitor.name, *values, Text(verdict, style=_VERDICTS[verdict]))
    return Group(head, table)
