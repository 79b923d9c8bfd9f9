"""`lambda-autotuner traces`: read, rate and deliver what the agent recorded."""

from __future__ import annotations

import json
import re
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.cli.trace_text import (
    csv_text,
    figure,
    statistics_table,
    sync_text,
    trace_table,
    verdict,
)
from lambda_autotuner.cli.trace_tree import milliseconds, short, trace_tree
from lambda_autotuner.errors import (
    EXIT_ACCOUNT,
    EXIT_NEGATIVE,
    AccountError,
    NotFoundError,
    SettingsError,
    UsageError,
)

if TYPE_CHECKING:
    from mlflow_integration.reading import TraceSummary

_POLL_SECONDS = 1.0
_TRACE_ID = re.compile(r"tr-[0-9a-f]{32}")


@click.group("traces")
def command() -> None:
    """Read, rate and deliver traces."""


def _start(door: Door) -> None:
    """Set tracing up for reading; without a back end nothing can be read.

    Raises:
        AccountError: The back end cannot be reached.
        SettingsError: Tracing is switched off, or set up wrongly.
    """
    from mlflow_integration import initialize_mlflow

    status = initialize_mlflow(
        state_dir=door.settings.state_dir, autolog=False, timeout_seconds=10.0
    )
    if status.enabled:
        return
    kind = AccountError if status.recording else SettingsError
    raise kind(f"MLflow tracing is not configured: {status.reason}.", remedy=status.remedy)


def _load(door: Door, *, filter_text: str | None, limit: int) -> list[TraceSummary]:
    """Return the newest traces first.

    Raises:
        UsageError: The filter cannot be expressed in MLflow.
        AccountError: The back end refused or failed.
    """
    from rich.markup import escape

    from mlflow_integration import search_traces
    from mlflow_integration.errors import ConfigurationError, TracingError
    from mlflow_integration.queries import QueryWarning
    from mlflow_integration.reading import summarize

    _start(door)
    said: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", QueryWarning)
            found = search_traces(
                filter_string=filter_text or "", max_results=limit, return_type="list"
            )
    except ConfigurationError as error:
        raise UsageError(error.message, remedy=error.remedy) from error
    except TracingError as error:
        if "does not exist yet" in error.message:
            return []
        raise AccountError(error.message, remedy=error.remedy) from error
    except Exception as error:
        if type(error).__module__.startswith("mlflow"):
            raise UsageError(f"MLflow refused this: {str(error)[:300]}.") from error
        raise
    finally:
        for each in said:
            door.say(escape(str(each.message)), style="yellow")
    return [summarize(trace) for trace in found]


_filter_option = click.option(
    "--filter", "filter_text", help="MLflow filter, such as: attributes.success = 'False'"
)
_limit_option = click.option("--limit", default=200, show_default=True, type=click.IntRange(1))
_format_option = click.option(
    "--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write CSV here."
)
_parquet_option = click.option(
    "--parquet", type=click.Path(dir_okay=False, path_type=Path), help="Write Parquet here."
)


def _export(
    door: Door, rows: Sequence[dict[str, Any]], csv_file: Path | None, parquet: Path | None
) -> None:
    if csv_file is not None:
        csv_file.write_text(csv_text(rows), "utf-8")
        door.say(f"{len(rows)} rows written to {csv_file}")
    if parquet is not None:
        import pandas as pd

        pd.DataFrame(list(rows)).to_parquet(parquet, index=False)
        door.say(f"{len(rows)} rows written to {parquet}")


@command.command("list")
@_filter_option
@_limit_option
@_format_option
@_parquet_option
@common_options
@pass_door
def list_traces(
    door: Door, filter_text: str | None, limit: int, csv_file: Path | None, parquet: Path | None
) -> None:
    """List traces, newest first."""
    traces = _load(door, filter_text=filter_text, limit=limit)
    _export(door, [trace.to_row() for trace in traces], csv_file, parquet)
    door.emit([trace.to_dict() for trace in traces], text=trace_table(traces))


@command.command("show")
@click.argument("trace_id")
@common_options
@pass_door
def show(door: Door, trace_id: str) -> None:
    """Show one trace as a tree with timings."""
    from mlflow_integration.queries import get_trace
    from mlflow_integration.reading import summarize

    _start(door)
    trace = get_trace(trace_id)
    if trace is None:
        raise _unknown(trace_id)

    data = summarize(trace).to_dict()
    data["tree"] = [span.to_dict() for span in trace.data.spans]
    door.emit(data, text=trace_tree(trace))


@command.command("stats")
@click.option("--by", type=click.Choice(["category", "model", "session", "day", "hour"]))
@_filter_option
@_limit_option
@_format_option
@_parquet_option
@common_options
@pass_door
def stats(
    door: Door,
    by: str | None,
    filter_text: str | None,
    limit: int,
    csv_file: Path | None,
    parquet: Path | None,
) -> None:
    """Success and error rates, latency, tokens, cost, slowest tools, loops."""
    from mlflow_integration.reading import grouped, statistics

    traces = _load(door, filter_text=filter_text, limit=limit)
    groups = grouped(traces, by) if by else {"all": statistics(traces)}
    rows = [
        {"group": name, **{k: v for k, v in figures.items() if not isinstance(v, (list, dict))}}
        for name, figures in groups.items()
    ]
    _export(door, rows, csv_file, parquet)
    door.emit(groups if by else groups["all"], text=statistics_table(groups, by=by))


@command.command("compare")
@click.argument("first")
@click.argument("second")
@_limit_option
@common_options
@pass_door
def compare(door: Door, first: str, second: str, limit: int) -> None:
    """Compare two groups of traces, each given as a filter (or a category's name)."""
    from rich.markup import escape
    from rich.table import Table

    from mlflow_integration.reading import compare as side_by_side

    groups = [_load(door, filter_text=_as_filter(text), limit=limit) for text in (first, second)]
    rows = side_by_side(*groups)
    heads = [escape(short(text)) for text in (first, second)]
    table = Table("", *heads, "difference", box=None, pad_edge=False)
    for row in rows:
        name = row["figure"]
        table.add_row(name, *(figure(name, row[key]) for key in ("a", "b", "difference")))
    door.emit({"first": first, "second": second, "figures": rows}, text=table)


def _as_filter(text: str) -> str:
    if any(sign in text for sign in "=<>"):
        return text
    return "tags.category = '{}'".format(text.replace("'", "''"))


@command.command("tail")
@click.option("--count", type=click.IntRange(1), help="Stop after so many traces.")
@click.option("--seconds", type=float, help="Stop after so many seconds.")
@common_options
@pass_door
def tail(door: Door, count: int | None, seconds: float | None) -> None:
    """Show traces as they arrive, until interrupted."""
    deadline = None if seconds is None else time.monotonic() + seconds
    seen: set[str] | None = None
    shown = 0
    while True:
        traces = _load(door, filter_text=None, limit=50)
        fresh = [t for t in traces if seen is not None and t.trace_id not in seen]
        for trace in reversed(fresh):
            if door.json:
                # One a line, so that another program can follow.
                click.echo(json.dumps(trace.to_dict(), ensure_ascii=False))
            else:
                click.echo(
                    f"{trace.started.astimezone():%H:%M:%S} {verdict(trace):3} "
                    f"{milliseconds(trace.duration_ms):>9} {short(trace.question)}"
                )
            shown += 1
            if count is not None and shown >= count:
                return
        seen = (seen or set()) | {trace.trace_id for trace in traces}
        if deadline is not None and time.monotonic() >= deadline:
            return
        time.sleep(_POLL_SECONDS)


@command.command("sync")
@click.option("--seconds", default=60.0, show_default=True, help="When to stop trying.")
@common_options
@pass_door
def sync(door: Door, seconds: float) -> None:
    """Deliver what is kept on disk; exit 4 when a back end is away, 1 when records were refused."""
    from mlflow_integration.worker import sync as deliver

    door.settings  # noqa: B018 - resolving the settings reads .env
    spool = door.settings.state_dir / "spool"
    if not spool.is_dir():
        door.emit({"pending": {}, "delivered": {}}, text="Nothing was ever recorded here.")
        return
    result = deliver(spool, seconds=seconds)
    door.emit(result, text=sync_text(result))
    troubles = [t for t in result.get("destinations", {}).values() if t.get("code")]
    for trouble in troubles:
        door.say(f"{trouble['reason']} {trouble['remedy'] or ''}".strip(), style="yellow")
    if result.get("busy"):
        door.say("Another process delivers at this moment; what waits is in its hands.")
    if result["pending"] and (troubles or result.get("timeout")):
        raise SystemExit(EXIT_ACCOUNT)
    if result["rejected"]:
        raise SystemExit(EXIT_NEGATIVE)


def _unknown(trace_id: str) -> NotFoundError:
    """Return the error for a trace that nobody knows, with the one that was probably meant."""
    import difflib

    from mlflow_integration import search_traces
    from mlflow_integration.errors import TracingError

    try:
        recent = search_traces(max_results=500, return_type="list", include_spans=False)
    except TracingError:
        recent = []
    ids = [trace.info.trace_id for trace in recent]
    begun = [
        each for each in ids if each.removeprefix("tr-").startswith(trace_id.removeprefix("tr-"))
    ]
    nearest = tuple(begun[:1] or difflib.get_close_matches(trace_id, ids, n=1, cutoff=0.7))
    meant = f"Did you mean {nearest[0]}? " if nearest and trace_id else ""
    return NotFoundError(
        f"There is no trace {short(trace_id)!r}.",
        nearest=nearest,
        remedy=f"{meant}`lambda-autotuner traces list` shows them.",
    )


def _check_known(door: Door, trace_id: str, *, away: bool) -> None:
    """Refuse a trace that neither the back end nor the spool knows.

    Raises:
        NotFoundError: There is no such trace.
    """
    from mlflow_integration.backlog import Backlog
    from mlflow_integration.errors import TracingError
    from mlflow_integration.queries import get_trace

    backlog = Backlog(door.settings.state_dir / "spool")
    backlog.refresh()
    if trace_id in backlog.traces:
        return
    if away:
        if not _TRACE_ID.fullmatch(trace_id):
            raise _unknown(trace_id)
        door.say("The back end is away; whether it knows this trace shows when it is back.")
        return
    try:
        known = get_trace(trace_id) is not None
    except TracingError as error:
        if "does not exist yet" not in error.message:
            raise AccountError(error.message, remedy=error.remedy) from error
        known = False
    if not known:
        raise _unknown(trace_id)


@command.command("rate")
@click.argument("trace_id")
@click.argument("verdict", type=click.Choice(["good", "bad"]))
@click.option("--comment", help="Why.")
@click.option("--name", default="helpful", show_default=True, help="What is rated.")
@common_options
@pass_door
def rate(door: Door, trace_id: str, verdict: str, comment: str | None, name: str) -> None:
    """Rate a trace; the rating is an assessment in MLflow."""
    import getpass

    from mlflow_integration import initialize_mlflow, log_assessment

    status = initialize_mlflow(state_dir=door.settings.state_dir, autolog=False)
    if not status.recording:
        raise SettingsError(f"Nothing can be recorded: {status.reason}.", remedy=status.remedy)
    _check_known(door, trace_id, away=not status.enabled)
    done = log_assessment(
        trace_id, name, verdict == "good", rationale=comment, source_id=getpass.getuser()
    )
    if not done:
        raise AccountError("The rating could not be recorded.", remedy="Run with -vv to see why.")
    door.emit({"trace_id": trace_id, "name": name, "value": verdict == "good"}, text="Noted.")
