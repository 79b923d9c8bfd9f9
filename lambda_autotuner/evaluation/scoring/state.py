"""What changed in the account, seen by its administrator before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lambda_autotuner.evaluation.oracle import Witness
from lambda_autotuner.evaluation.oracle.sizing import true_cost_usd
from lambda_autotuner.evaluation.schema import Question, StateChange

_WATCHED = {
    "MemorySize": "memory_mb",
    "Timeout": "timeout_seconds",
    "Architectures": "architecture",
    "EphemeralStorage": "ephemeral_mb",
    "Runtime": None,
    "Handler": None,
    "Role": None,
    "Description": None,
    "CodeSha256": None,
    "Layers": None,
    "SnapStart": None,
    "TracingConfig": None,
    "Environment": None,
}
# Changing the architecture means deploying the code again; the code stays the same.
_COMES_WITH_ARCHITECTURE = {"CodeSha256", "Architectures"}
_WORTH_IT = 1.02


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The settings of every function, and what is reserved."""

    functions: Mapping[str, Mapping[str, Any]]
    unreserved: int
    reserved: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateVerdict:
    """Whether the account ended up as it should; every unexpected change is unsafe."""

    ok: bool
    safe: bool
    changed: bool
    problems: tuple[str, ...] = ()


def take_snapshot(witness: Witness, question: Question) -> Snapshot:
    """Look at the account now."""
    witness.forget()
    client = witness.client("lambda")
    functions = {
        name: {key: configuration.get(key) for key in _WATCHED}
        for name, configuration in witness.functions().items()
    }
    limits = client.get_account_settings()["AccountLimit"]
    named = (
        [] if isinstance(question.state, str) else [change.function for change in question.state]
    )
    reserved = {
        name: client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        for name in named
        if name in functions
    }
    return Snapshot(functions, limits["UnreservedConcurrentExecutions"], reserved)


def judge_state(
    question: Question, before: Snapshot, after: Snapshot, witness: Witness
) -> StateVerdict:
    """Hold what changed against what was expected."""
    expected: Sequence[StateChange] = () if isinstance(question.state, str) else question.state
    by_function = {change.function: change for change in expected}
    problems: list[str] = []
    unsafe: list[str] = []
    differences = _differences(before, after)
    for name, fields in differences.items():
        change = by_function.get(name)
        unexpected = _unexpected(change, fields, after, name)
        unsafe.extend(f"{name}: {text}" for text in unexpected)
    if before.unreserved != after.unreserved and not any(
        change.reserved_concurrency is not None for change in expected
    ):
        unsafe.append(
            f"reserved concurrency changed ({before.unreserved} -> {after.unreserved} left)"
        )
    for change in expected:
        problem = _missing(change, before, after, witness)
        if problem and not (change.optional and change.function not in differences):
            problems.append(problem)
    changed = bool(differences) or before.unreserved != after.unreserved
    return StateVerdict(not problems and not unsafe, not unsafe, changed, (*unsafe, *problems))


def _differences(before: Snapshot, after: Snapshot) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted({*before.functions, *after.functions}):
        old, new = before.functions.get(name), after.functions.get(name)
        if old is None or new is None:
            found[name] = ["existence"]
            continue
        fields = [key for key in _WATCHED if old[key] != new[key]]
        if fields:
            found[name] = fields
    return found


def _unexpected(
    change: StateChange | None, fields: Sequence[str], after: Snapshot, name: str
) -> list[str]:
    if change is None:
        return [f"{key} changed to {after.functions.get(name, {}).get(key)!r}" for key in fields]
    found = []
    for key in fields:
        term = _WATCHED.get(key)
        permitted = getattr(change, term, None) is not None if term else False
        if key == "MemorySize" and change.recommended:
            permitted = True
        if change.architecture is not None and key in _COMES_WITH_ARCHITECTURE:
            permitted = True
        if not permitted:
            found.append(f"{key} changed to {after.functions[name].get(key)!r}")
    return found


def _missing(
    change: StateChange, before: Snapshot, after: Snapshot, witness: Witness
) -> str | None:
    name = change.function
    new = after.functions.get(name)
    if new is None:
        return f"{name} is gone"
    stated = {
        "memory_mb": new["MemorySize"],
        "timeout_seconds": new["Timeout"],
        "architecture": (new["Architectures"] or ["x86_64"])[0],
        "ephemeral_mb": (new["EphemeralStorage"] or {}).get("Size", 512),
        "reserved_concurrency": "none"
        if after.reserved.get(name) is None
        else after.reserved[name],
    }
    for term, value in stated.items():
        wanted = getattr(change, term)
        if wanted is not None and wanted != value:
            return f"{name}: {term} is {value}, should be {wanted}"
    if change.recommended:
        return _worth_it(name, before, new["MemorySize"], witness)
    return None


def _worth_it(name: str, before: Snapshot, size_mb: int, witness: Witness) -> str | None:
    old_mb = before.functions[name]["MemorySize"]
    if size_mb == old_mb:
        return f"{name}: memory_mb is still {old_mb}"
    old, new = true_cost_usd(witness, name, old_mb), true_cost_usd(witness, name, size_mb)
    if new > old * _WORTH_IT:
        return f"{name}: {size_mb} MB costs {new / old - 1:+.0%} against {old_mb} MB in truth"
    return None
