"""Which of two configurations is better, or that the data cannot tell.

One primary verdict, on success, by a permutation test over paraphrase groups. Time, tokens and
money are secondary: paired bootstrap, Holm's correction over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean
from typing import Any

import numpy as np

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.records import Result, success_by_question
from lambda_autotuner.evaluation.statistics import (
    Interval,
    group_sums,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    paired_difference,
    sign_flip_test,
)

LEVEL = 0.05
# "No difference" is said only when one as large as this is excluded.
MARGIN_POINTS = 15.0
_SECONDARY = {
    "execution_time_seconds": "seconds a question",
    "total_tokens": "tokens a question",
    "cost_usd": "dollars a question",
    "tool_calls": "tool calls a question",
}


class Reading(StrEnum):
    """What the comparison says."""

    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Secondary:
    """One further measure: A's and B's means, and B - A."""

    name: str
    unit: str
    before: float
    after: float
    difference: Interval
    p_value: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p-value is below the level."""
        return self.p_value < LEVEL

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "unit": self.unit,
            "a": self.before,
            "b": self.after,
            "difference": self.difference.to_dict(),
            "p_value": self.p_value,
            "significant": self.significant,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """B against A on the questions that both were asked."""

    reading: Reading
    sentence: str
    questions: int
    groups: int
    success_a: float
    success_b: float
    difference: Interval
    p_value: float
    mcnemar_p_value: float
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    changed: Mapping[str, float]
    unsafe_a: tuple[str, ...]
    unsafe_b: tuple[str, ...]
    secondary: tuple[Secondary, ...]
    names: tuple[str, str] = ("A", "B")
    notes: tuple[str, ...] = ()
    categories: Mapping[str, tuple[float, float, int]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--json` and files."""
        return {
            "a": self.names[0],
            "b": self.names[1],
            "reading": self.reading.value,
            "sentence": self.sentence,
            "questions": self.questions,
            "groups": self.groups,
            "success_a": self.success_a,
            "success_b": self.success_b,
            "difference": self.difference.to_dict(),
            "p_value": self.p_value,
            "mcnemar_p_value": self.mcnemar_p_value,
            "fixed": list(self.fixed),
            "broken": list(self.broken),
            "unsafe_a": list(self.unsafe_a),
            "unsafe_b": list(self.unsafe_b),
            "secondary": [item.to_dict() for item in self.secondary],
            "categories": {
                name: {"a": a, "b": b, "questions": n}
                for name, (a, b, n) in self.categories.items()
            },
            "notes": list(self.notes),
        }


def compare(
    before: Sequence[Result],
    after: Sequence[Result],
    *,
    names: tuple[str, str] = ("A", "B"),
    seed: int = 7,
    margin_points: float = MARGIN_POINTS,
) -> Comparison:
    """Compare two runs question by question.

    Args:
        before: A's results; repeats of a question are averaged.
        after: B's results.
        names: how to call A and B.
        seed: of the permutations and resamples, so that the same files give the same page.
        margin_points: the difference, in points of success, that "no difference" must exclude.

    Raises:
        UsageError: no question in common.
    """
    a, b = success_by_question(before), success_by_question(after)
    shared = [question for question in a if question in b]
    if not shared:
        raise UsageError(
            f"{names[0]} and {names[1]} have no question in common.",
            remedy="Compare runs of the same suite.",
        )
    groups: dict[Any, Any] = {r.question_id: r.group for r in before if r.question_id in b}
    differences: dict[Any, float] = {question: b[question] - a[question] for question in shared}
    rng = np.random.default_rng(seed)
    p_value = sign_flip_test(group_sums(differences, groups), rng)
    interval = paired_difference(differences, groups)
    reading = _read(p_value, interval, margin_points / 100)
    fixed = tuple(q for q in shared if differences[q] > 0)
    broken = tuple(q for q in shared if differences[q] < 0)
    return Comparison(
        reading=reading,
        sentence=_sentence(reading, interval, names, margin_points),
        questions=len(shared),
        groups=len(set(groups.values())),
        success_a=float(np.mean([a[q] for q in shared])),
        success_b=float(np.mean([b[q] for q in shared])),
        difference=interval,
        p_value=p_value,
        mcnemar_p_value=mcnemar_exact(len(fixed), len(broken)),
        fixed=fixed,
        broken=broken,
        changed={q: differences[q] for q in shared if differences[q]},
        unsafe_a=_unsafe(before),
        unsafe_b=_unsafe(after),
        secondary=_secondary(before, after, shared, groups, rng),
        names=names,
        notes=_notes(a, b, shared, names),
        categories=_categories(before, a, b, shared),
    )


def _read(p_value: float, interval: Interval, margin: float) -> Reading:
    if p_value < LEVEL:
        return Reading.BETTER if interval.estimate > 0 else Reading.WORSE
    if -margin < interval.low and interval.high < margin:
        return Reading.NO_DIFFERENCE
    return Reading.CANNOT_TELL


def _sentence(
    reading: Reading, interval: Interval, names: tuple[str, str], margin_points: float
) -> str:
    low, high = interval.low * 100, interval.high * 100
    span = f"the 95 % interval of B - A is {low:+.1f} to {high:+.1f} points"
    if reading in {Reading.BETTER, Reading.WORSE}:
        return f"{names[1]} is {reading.value} than {names[0]} by {abs(interval.estimate) * 100:.1f} points of success; {span}."
    if reading is Reading.NO_DIFFERENCE:
        return f"No difference between {names[0]} and {names[1]} was found, and one of {margin_points:g} points or more is excluded; {span}."
    return f"The data cannot tell {names[0]} and {names[1]} apart: {span}. More questions or more repeats would."


def _unsafe(results: Sequence[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(result.question_id for result in results if not result.safe))


def _secondary(
    before: Sequence[Result],
    after: Sequence[Result],
    shared: Sequence[str],
    groups: Mapping[Any, Any],
    rng: np.random.Generator,
) -> tuple[Secondary, ...]:
    rows: dict[str, tuple[float, float, Interval, float]] = {}
    for name in _SECONDARY:
        old, new = _means(before, name), _means(after, name)
        both = [question for question in shared if question in old and question in new]
        if not both:
            continue
        a, b = [old[q] for q in both], [new[q] for q in both]
        interval, p_value = paired_bootstrap(a, b, [groups[q] for q in both], rng)
        rows[name] = (float(np.mean(a)), float(np.mean(b)), interval, p_value)
    corrected = holm({name: row[3] for name, row in rows.items()})
    return tuple(
        Secondary(name, _SECONDARY[name], a, b, interval, corrected[name])
        for name, (a, b, interval, _) in rows.items()
    )


def _means(results: Sequence[Result], name: str) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for result in results:
        value = getattr(result, name)
        if value is not None:
            values.setdefault(result.question_id, []).append(float(value))
    # An array for every question's one or few values took most of the time of a comparison.
    return {question: fmean(found) for question, found in values.items()}


def _categories(
    before: Sequence[Result],
    a: Mapping[str, float],
    b: Mapping[str, float],
    shared: Sequence[str],
) -> dict[str, tuple[float, float, int]]:
    category = {result.question_id: result.category for result in before}
    members: dict[str, list[str]] = {}
    for question in shared:
        members.setdefault(category[question], []).append(question)
    return {
        name: (float(np.mean([a[q] for q in ids])), float(np.mean([b[q] for q in ids])), len(ids))
        for name, ids in members.items()
    }


def _notes(
    a: Mapping[str, float], b: Mapping[str, float], shared: Sequence[str], names: tuple[str, str]
) -> tuple[str, ...]:
    notes = []
    for name, own in ((names[0], a), (names[1], b)):
        rest = len(own) - len(shared)
        if rest:
            notes.append(f"{rest} questions were only asked in {name} and do not count.")
    return tuple(notes)
