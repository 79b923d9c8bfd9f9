"""Checks tracing hop by hop: what was tried, how long it took, what is wrong, what helps."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_integration.environment import (
    Destination,
    find_dotenv,
    foreign_notices,
    load_dotenv,
    parse_switch,
    read_destination,
    state_dir,
)
from mlflow_integration.errors import TracingError
from mlflow_integration.masking import mask
from mlflow_integration.probe import probe
from mlflow_integration.retention import report
from mlflow_integration.spool import ensure_spool
from mlflow_integration.sqlite_files import schema_version
from mlflow_integration.worker import deliver_all

_VARIABLES = (
    "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_ENABLE_TRACING", "DATABRICKS_HOST",
    "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE", "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_SERVER_CERT_PATH",
)  # fmt: skip
_SECRET = ("TOKEN", "PASSWORD", "USERNAME")
_DELIVERY_SECONDS = 45.0


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: What was tried.
        outcome: `ok`, `failed`, `warning` or `skipped`.
        milliseconds: Time it took.
        detail: What was found.
        remedy: What helps, when it is not ok.
    """

    name: str
    outcome: str
    milliseconds: float
    detail: str
    remedy: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "check": self.name,
            "outcome": self.outcome,
            "milliseconds": round(self.milliseconds, 1),
            "detail": self.detail,
            "remedy": self.remedy,
        }


class _Checks:
    def __init__(self) -> None:
        self.all: list[Check] = []

    def add(self, name: str, action: Callable[[], tuple[str, str, str | None]]) -> bool:
        began = time.perf_counter()
        try:
            outcome, detail, remedy = action()
        except TracingError as error:
            outcome, detail, remedy = "failed", error.message, error.remedy
        took = (time.perf_counter() - began) * 1000
        self.all.append(Check(name, outcome, took, detail, remedy))
        return outcome != "failed"


def diagnose(folder: Path | str | None = None, *, write: bool = True) -> list[Check]:
    """Run all checks; each has a deadline of its own.

    Args:
        folder: The state folder, by default as `initialize_mlflow` finds it.
        write: Whether to write a test trace and read it back.
    """
    checks = _Checks()
    dotenv = find_dotenv()
    environ = os.environ
    checks.add("environment file", lambda: _dotenv(dotenv))
    checks.add("variables", lambda: _variables(environ))
    checks.add("other tools", lambda: _others(environ))
    checks.add("masking", _masking)
    chosen = state_dir(folder, environ)
    spool = chosen / "spool"
    if not checks.add("spool", lambda: _spool(spool)):
        return checks.all
    found: list[Destination] = []

    def destination() -> tuple[str, str, str | None]:
        if not parse_switch(
            environ.get("MLFLOW_ENABLE_TRACING"), default=True, name="MLFLOW_ENABLE_TRACING"
        ):
            return "warning", "MLFLOW_ENABLE_TRACING=false", "Set it to true to record traces."
        found.append(read_destination(environ, chosen))
        return "ok", f"{found[0].uri}, experiment {found[0].experiment!r}", None

    checks.add("destination", destination)
    if not found:
        return checks.all
    reachable = _hops(checks, found[0])
    checks.add("schema", lambda: _schema(found[0]))
    if not reachable or not write:
        why = "the back end is not reachable" if not reachable else "not asked for"
        checks.add("test trace", lambda: ("skipped", why, None))
    else:
        checks.add("test trace", lambda: _test_trace(found[0], chosen))
    return checks.all


def _dotenv(path: Path | None) -> tuple[str, str, str | None]:
    if path is None:
        return "warning", "no .env from here upwards", "cp .env.example .env, then edit it."
    added = load_dotenv(path, os.environ)
    return "ok", f"{path} ({len(added)} variables taken from it)", None


def _variables(environ: Mapping[str, str]) -> tuple[str, str, str | None]:
    shown = []
    for name in _VARIABLES:
        value = environ.get(name)
        if value is None:
            continue
        secret = any(word in name for word in _SECRET)
        shown.append(f"{name}={'(set)' if secret else mask(value)}")
    return "ok", ", ".join(shown) or "none set: local SQLite", None


def _others(environ: Mapping[str, str]) -> tuple[str, str, str | None]:
    notices = foreign_notices(environ)
    if notices:
        return "warning", " ".join(notices), "Unset what you do not want."
    return "ok", "no setting of another tool touches tracing", None


def _masking() -> tuple[str, str, str | None]:
    key = "AKIA" + "Q3EXAMPLE7TEST42"
    planted = {
        "text": f"key {key} and postgres://u:pa55word@db/x",
        "Environment": {"Variables": {"DB_PASSWORD": "pa55word"}},
    }
    innocent = {"arn": "arn:aws:lambda:us-east-1:123456789012:function:checkout", "memory_mb": 512}
    shown = str(mask(planted))
    if key in shown or "pa55word" in shown:
        return "failed", "a planted secret came through", "Report this; tracing should stay off."
    if mask(innocent) != innocent:
        return "failed", "an innocent value was masked", "Report this."
    return "ok", "planted secrets masked, innocent values kept", None


def _spool(spool: Path) -> tuple[str, str, str | None]:
    ensure_spool(spool)
    found = report(spool)
    waiting = found["pending"]
    detail = f"{spool}: {sum(waiting.values())} records wait, {found['bytes']} bytes"
    rejected = sum(found["rejected"].values())
    if found.get("damaged") or rejected:
        detail += f", {rejected} refused, {sum(found.get('damaged', {}).values())} damaged"
        return "warning", detail, f"See {spool / 'rejected.jsonl'} and {spool / 'delivery.log'}."
    if waiting:
        return "warning", detail, "Run `lambda-autotuner traces sync`."
    return "ok", detail, None


def _hops(checks: _Checks, destination: Destination) -> bool:
    result = probe(destination, seconds=10.0)
    for hop in result.hops:
        if hop.ok:
            checks.all.append(Check(hop.name, "ok", hop.milliseconds, hop.detail or "ok"))
    if result.code is None:
        name = result.experiment or destination.experiment
        made = "exists" if result.experiment_id else "is made by the first trace"
        checks.all.append(Check("experiment", "ok", 0.0, f"{name!r} {made}"))
        return True
    failed = next((hop for hop in result.hops if not hop.ok), None)
    names = {"unauthorized": "authentication", "forbidden": "permission", "tls": "tls"}
    name = names.get(result.code) or (failed.name if failed else "destination")
    took = failed.milliseconds if failed else 0.0
    checks.all.append(Check(name, "failed", took, result.reason or result.code, result.remedy))
    return False


def _schema(destination: Destination) -> tuple[str, str, str | None]:
    """Compare a local file's schema with MLflow's: a newer MLflow migrates it one way."""
    file = destination.database_file
    if file is None or not file.exists():
        return "ok", "nothing to compare", None
    from mlflow_integration.pipeline import mlflow_module

    version = mlflow_module().__version__
    try:
        stored = schema_version(file)
    except sqlite3.DatabaseError as error:
        return "failed", f"{file}: {error}", "Move the file away; a new one is made."
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(f"sqlite:///{file}"))
    known = {revision.revision for revision in script.walk_revisions()}
    if stored in script.get_heads():
        return "ok", f"schema {stored} is that of MLflow {version}", None
    if stored in known:
        return (
            "warning",
            f"schema {stored} is older than MLflow {version}",
            "It is migrated at the next start; keep a copy if an older MLflow must read it.",
        )
    return (
        "failed",
        f"schema {stored} was written by a newer MLflow than {version}",
        "Upgrade mlflow, or move the file away; a new one is made.",
    )


def _test_trace(destination: Destination, folder: Path) -> tuple[str, str, str | None]:
    """Write one trace through the whole way and read it back."""
    from mlflow_integration import pipeline
    from mlflow_integration.execution import AgentExecution

    status = pipeline.initialize_mlflow(state_dir=folder, autolog=False)
    found = pipeline.current()
    if found is None:
        return "failed", status.reason or "tracing could not start", status.remedy
    question = f"doctor {uuid.uuid4().hex[:8]}"
    with AgentExecution(question, name="doctor", tags={"doctor": True}, log_run=False) as check:
        check.set_answer("written by doctor")
    for writer in found.recorder.writers():
        writer.close()
    result = deliver_all(found.recorder.writer.spool, _DELIVERY_SECONDS)
    trouble = next((t for t in result["destinations"].values() if t.get("code")), None)
    if trouble:
        return "failed", trouble["reason"], trouble["remedy"]
    from mlflow.tracing.client import TracingClient

    try:
        trace = TracingClient(destination.uri).get_trace(check.trace_id or "")
    except Exception as error:  # noqa: BLE001 - whatever MLflow raises is the finding
        return "failed", f"written, but not read back: {mask(str(error))[:200]}", "Try again."
    return "ok", f"{check.trace_id} written and read back ({len(trace.data.spans)} span)", None
