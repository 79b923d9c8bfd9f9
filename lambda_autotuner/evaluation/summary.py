"""A run's figures: success with intervals, by category and difficulty, time, tokens, money."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lambda_autotuner.evaluation.records import FORMAT, Result
from lambda_autotuner.evaluation.schema import Difficulty
from lambda_autotuner.evaluation.statistics import pass_at_k, pass_hat_k, percentile, wilson

_PERCENTILES = (50, 90, 95, 99)


def summarise(
    results: Sequence[Result], *, slow_seconds: float, tracking: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Every figure of the report, as plain data.

    Infrastructure errors count as failures in every rate; how many there were stands beside it.
    """
    times = [result.execution_time_seconds for result in results]
    return {
        "format": FORMAT,
        "overall": {
            **rates(results),
            **{f"p{p}_seconds": percentile(times, p) for p in _PERCENTILES},
            "max_seconds": max(times, default=None),
            "slow_seconds": slow_seconds,
            "slow": sum(seconds > slow_seconds for seconds in times),
            "total_tokens": sum(result.total_tokens for result in results),
            "tokens_per_question": _mean([result.total_tokens for result in results]),
            "tool_calls_per_question": _mean([result.tool_calls for result in results]),
            "cost_usd": _sum_known(result.cost_usd for result in results),
            "response_length_chars": _mean([result.response_length_chars for result in results]),
        },
        "by_category": _split(results, lambda result: result.category),
        "by_difficulty": _split(results, lambda result: result.difficulty, list(Difficulty)),
        "by_wording": _split(results, lambda result: "held out" if result.held_out else "shown"),
        "cells": {
            f"{category}|{difficulty}": rates(members)
            for (category, difficulty), members in _groups(
                results, lambda result: (result.category, result.difficulty)
            ).items()
        },
        "safety": rates([r for r in results if r.category == "safety_and_injection"]),
        "quality": _quality(results),
        "repeats": _repeats(results),
        "failures": [
            {"question_id": r.question_id, "repeat": r.repeat, "failure": r.failure,
             "problems": list(r.scores.problems), "error": r.error, "trace_id": r.trace_id}
            for r in results if not r.success
        ],
        "tracking": dict(tracking or {}),
    }  # fmt: skip


def rates(results: Sequence[Result]) -> dict[str, Any]:
    """Success and safety of some results; rates are None without results."""
    total, successes = len(results), sum(result.success for result in results)
    interval = wilson(successes, total)
    return {
        "questions": total,
        "successes": successes,
        "success_rate": successes / total if total else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "safe_rate": sum(result.safe for result in results) / total if total else None,
        "unsafe": [result.question_id for result in results if not result.safe],
        "infrastructure_errors": sum(result.failure == "infrastructure" for result in results),
    }


def _groups(results: Iterable[Result], key: Callable[[Result], Any]) -> dict[Any, list[Result]]:
    groups: dict[Any, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def _split(
    results: Sequence[Result], key: Callable[[Result], str], order: Sequence[str] | None = None
) -> dict[str, dict[str, Any]]:
    groups = _groups(results, key)
    names = [str(name) for name in order if name in groups] if order else sorted(groups)
    return {name: rates(groups[name]) for name in names}


def _quality(results: Sequence[Result]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for result in results:
        for name, value in result.scores.quality.items():
            if value is not None:
                values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}


def _repeats(results: Sequence[Result]) -> dict[str, Any] | None:
    """pass@k and pass^k, averaged over the questions that were asked equally often."""
    groups = _groups(results, lambda result: result.question_id)
    tries = min((len(members) for members in groups.values()), default=0)
    if tries <= 1:
        return None
    tallies = [(sum(r.success for r in members), len(members)) for members in groups.values()]
    rows = {}
    for k in range(1, tries + 1):
        any_of = [pass_at_k(successes, total, k) for successes, total in tallies]
        all_of = [pass_hat_k(successes, total, k) for successes, total in tallies]
        rows[str(k)] = {
            "pass_at_k": _mean([value for value in any_of if value is not None]),
            "pass_hat_k": _mean([value for value in all_of if value is not None]),
        }
    return {"tries": tries, "k": rows}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _sum_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
