"""Oracles by name: what a question file may ask for, with which arguments."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.oracle.witness import Witness
from lambda_autotuner.evaluation.schema import FactSpec

Compute = Callable[[Witness, FactSpec], Fact]


@dataclass(frozen=True, slots=True)
class Oracle:
    """One way of finding something out."""

    name: str
    about: str
    compute: Compute
    required: tuple[str, ...]
    optional: tuple[str, ...]


ORACLES: dict[str, Oracle] = {}


def oracle(
    name: str, *, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Callable[[Compute], Compute]:
    """Register an oracle under the name that question files use."""

    def register(compute: Compute) -> Compute:
        about = (compute.__doc__ or "").strip().splitlines()[0]
        ORACLES[name] = Oracle(name, about, compute, required, optional)
        return compute

    return register


def check_spec(spec: FactSpec) -> None:
    """Refuse a fact that no oracle can compute.

    Raises:
        UsageError: unknown oracle, missing or unknown argument.
    """
    found = ORACLES.get(spec.oracle)
    if found is None:
        near = difflib.get_close_matches(spec.oracle, ORACLES, n=2, cutoff=0.4)
        hint = f"Nearest: {', '.join(near)}." if near else None
        raise UsageError(f"There is no oracle {spec.oracle!r}.", remedy=hint)
    missing = [name for name in found.required if name not in spec.args]
    unknown = [name for name in spec.args if name not in (*found.required, *found.optional)]
    if missing or unknown:
        what = f"misses {', '.join(missing)}" if missing else f"does not take {', '.join(unknown)}"
        raise UsageError(f"The oracle {spec.oracle!r} {what}.")


def compute(witness: Witness, spec: FactSpec) -> Fact:
    """Find a fact out, now, in the witness's account.

    Raises:
        UsageError: the fact's specification is malformed.
    """
    check_spec(spec)
    return ORACLES[spec.oracle].compute(witness, spec)


def text_argument(args: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """A text argument.

    Raises:
        UsageError: it is missing or not a text.
    """
    value = args.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"{name} should be a text, not {value!r}.")
    return value


def number_argument(args: Mapping[str, Any], name: str, default: float | None = None) -> float:
    """A number argument.

    Raises:
        UsageError: it is missing or not a number.
    """
    value = args.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{name} should be a number, not {value!r}.")
    return float(value)


def names_argument(args: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """An argument that is a text or a list of texts.

    Raises:
        UsageError: it is neither.
    """
    value = args.get(name, ())
    values = (value,) if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(item, str) for item in values):
        raise UsageError(f"{name} should be a list of texts, not {value!r}.")
    return tuple(values)
