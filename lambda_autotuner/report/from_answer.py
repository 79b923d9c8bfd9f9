"""A recommendation and its evidence as a chart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lambda_autotuner.report import summary
from lambda_autotuner.report.chart import Band, Chart, CurvePoint, MeasuredPoint
from lambda_autotuner.report.terminal import number
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome
from lambda_autotuner.tuning.pricing import Rates, invocation_cost_usd
from lambda_autotuner.tuning.recommendation import (
    MEMORY_FLOOR,
    Answer,
    Interval,
    NeedMoreData,
    Settled,
)
from lambda_autotuner.tuning.recommendation import CurvePoint as Point
from lambda_autotuner.tuning.units import Architecture

_MILLION = 1e6
_SLO = re.compile(r"slo:p(?P<percentile>[\d.]+)<(?P<slo_ms>[\d.]+)ms")
_MOST_POINTS = 400
_TOOLS = {"sam": "AWS SAM", "terraform": "Terraform", "serverless": "serverless.yml"}


def chart_of(
    answer: Answer,
    *,
    function: str,
    verdict: str,
    evidence: Evidence,
    rates: Mapping[Architecture, Rates],
    current: Configuration | None = None,
    request_fee: bool = True,
    ephemeral_mb: int = 512,
) -> Chart:
    """Put together what the picture shows.

    Args:
        answer: the recommendation.
        function: whose.
        verdict: it in one sentence.
        evidence: what it rests on; its samples become the measured points.
        rates: prices by architecture.
        current: the configuration in production.
        request_fee: whether the price per request counts.
        ephemeral_mb: ephemeral storage in MB.
    """
    found = _SLO.match(answer.objective)
    percentile = f"p{found['percentile']}" if found else "p95"
    pick = _pick(answer)
    floor = next((c for c in answer.constraints if c.name == MEMORY_FLOOR and c.limit > 0), None)
    settled = answer if isinstance(answer, Settled) else None
    return Chart(
        function=function,
        verdict=verdict,
        figures=summary.figures(answer),
        sections=tuple(_sections(answer)),
        latency_label=percentile,
        confidence_pct=round(answer.confidence * 100, 1),
        curve=tuple(_curve(answer)),
        measured=tuple(
            _measured(evidence, rates, request_fee=request_fee, ephemeral_mb=ephemeral_mb)
        ),
        current_mb=current.memory_mb if current else None,
        current_architecture=current.architecture if current else None,
        pick_mb=pick.memory_mb if pick else None,
        pick_architecture=pick.architecture if pick else None,
        settled=settled is not None,
        tied_mb=tuple(
            where.memory_mb
            for where in (settled.tied if settled else ())
            if pick is not None and where != pick and where.architecture == pick.architecture
        ),
        slo_ms=float(found["slo_ms"]) if found else None,
        floor_mb=int(floor.limit) if floor else None,
        table=tuple(_table(answer, pick, current)),
        iac=tuple((_TOOLS.get(k, k), v) for k, v in settled.infrastructure.items())
        if settled
        else (),
    )


def _sections(answer: Answer) -> Iterable[tuple[str, tuple[str, ...]]]:
    yield from summary.sections(answer)
    if answer.measurement.invocations:
        yield "What it took", (summary.measured(answer),)


def _runs(answer: Answer, point: Point) -> bool:
    """Whether a size belongs into the picture: those too small to run have no cost to show."""
    floor = next((c.limit for c in answer.constraints if c.name == MEMORY_FLOOR), 0)
    return point.memory_mb >= floor or point.measured > 0


def _pick(answer: Answer) -> Configuration | None:
    if isinstance(answer, Settled):
        name: Architecture = "arm64" if answer.proposed.architecture == "arm64" else "x86_64"
        return Configuration(answer.proposed.memory_mb, name)
    return answer.leaning if isinstance(answer, NeedMoreData) else None


def _curve(answer: Answer) -> Iterable[CurvePoint]:
    for point in (point for point in answer.curve if _runs(answer, point)):
        # The tail moves with the mean: its band is the mean's, in the same proportion.
        ratio = point.tail_ms / point.mean_ms.value if point.mean_ms.value > 0 else 1.0
        yield CurvePoint(
            point.memory_mb,
            point.architecture,
            _band(point.cost_usd, _MILLION),
            _band(point.mean_ms, ratio),
            _band(point.mean_ms, 1.0),
        )


def _band(interval: Interval, factor: float) -> Band:
    return Band(interval.low * factor, interval.value * factor, interval.high * factor)


def _measured(
    evidence: Evidence,
    rates: Mapping[Architecture, Rates],
    *,
    request_fee: bool,
    ephemeral_mb: int,
) -> Iterable[MeasuredPoint]:
    samples = [s for s in evidence if s.outcome is not Outcome.THROTTLED]
    step = max(1, -(-len(samples) // _MOST_POINTS))
    for sample in samples[::step]:
        cost = invocation_cost_usd(
            sample.charged_ms,
            sample.memory_mb,
            rates[sample.architecture],
            request_fee=request_fee,
            ephemeral_mb=ephemeral_mb,
        )
        yield MeasuredPoint(
            sample.memory_mb,
            sample.architecture,
            sample.duration_ms,
            cost * _MILLION,
            outcome=str(sample.outcome),
            cold=sample.cold,
        )


def _table(
    answer: Answer, pick: Configuration | None, current: Configuration | None
) -> Iterable[tuple[str, ...]]:
    yield ("Memory, MB", "Architecture", "$ per million", "low", "high", "mean, ms", "low", "high",
           "measured", "")  # fmt: skip
    tied = answer.tied if isinstance(answer, Settled) else ()
    for point in (point for point in answer.curve if _runs(answer, point)):
        where = (point.memory_mb, point.architecture)
        cost = _band(point.cost_usd, _MILLION)
        notes = [
            word
            for word, place in (
                ("pick" if isinstance(answer, Settled) else "leaning", pick),
                ("current", current),
            )
            if place is not None and where == (place.memory_mb, place.architecture)
        ]
        if not {"pick", "leaning"} & {*notes} and any(
            where == (t.memory_mb, t.architecture) for t in tied
        ):
            notes.append("tied")
        if not point.allowed:
            notes.append("not allowed")
        yield (
            str(point.memory_mb),
            point.architecture,
            *(number(v) for v in (cost.mid, cost.low, cost.high)),
            *(number(v) for v in (point.mean_ms.value, point.mean_ms.low, point.mean_ms.high)),
            str(point.measured) if point.measured else "-",
            ", ".join(notes),
        )
