"""The picture in a terminal: cost and latency against memory, in characters."""

from __future__ import annotations

import math
import threading
from typing import Any

from lambda_autotuner.report.chart import Chart, round_ticks

# plotext keeps one figure for the whole process.
_FIGURE = threading.Lock()
_MARKERS = {"x86_64": "•", "arm64": "◦"}
_BAND = "·"
_COLORS = {"x86_64": "blue", "arm64": "green"}


def draw(chart: Chart, *, width: int = 100, height: int = 15, color: bool = False) -> str:
    """Both panels as text, one below the other; a sentence instead where nothing can be drawn.

    Args:
        chart: what to draw.
        width: columns of the terminal.
        height: rows of one panel.
        color: whether ANSI colours may be used.
    """
    panels = []
    for quantity, title in (
        ("cost", "Cost, $ per million invocations"),
        ("latency", f"Latency {chart.latency_label}, ms"),
    ):
        panel = _panel(chart, quantity, title, width=width, height=height, color=color)
        if panel is not None:
            panels.append(panel)
    if not panels:
        return "Nothing to draw: no size has been measured or predicted yet."
    panels.append(_legend(chart))
    return "\n".join(panels)


def _panel(
    chart: Chart, quantity: str, title: str, *, width: int, height: int, color: bool
) -> str | None:
    import plotext

    with _FIGURE:
        figure = plotext.figure
        figure.clear()
        figure.theme("default" if color else "colorless")
        figure.plot_size(max(width, 40), max(height, 8))
        values: list[float] = []
        for name in chart.architectures():
            values += _draw_series(figure, chart, name, quantity)
        if not values:
            figure.clear()
            return None
        _draw_marks(figure, chart, quantity, values)
        _axes(figure, chart, values)
        figure.title(title)
        text = str(figure.build())
        figure.clear()
    return text if color else _plain(text)


def _draw_series(figure: Any, chart: Chart, name: str, quantity: str) -> list[float]:
    """Band, middle, measured and failed points of one architecture; returns what was drawn."""
    values: list[float] = []
    series = chart.series(name, quantity)
    if series:
        x = [math.log2(memory) for memory, _ in series]
        for edge in ("low", "high"):
            y = [math.log10(getattr(band, edge)) for _, band in series]
            figure.draw(figure.signal(x, y, marker=_BAND))
            values += y
        middle = [math.log10(band.mid) for _, band in series]
        figure.draw(figure.signal(x, middle, marker="braille").lines())
        values += middle
    for failed, marker in ((False, _MARKERS.get(name, "*")), (True, "x")):
        dots = chart.dots(name, quantity, failed=failed)
        if dots:
            y = [math.log10(value) for _, value in dots]
            if failed and values:
                # A time-out far above the curve would flatten everything else: pin it to the edge.
                y = [min(max(value, min(values)), max(values)) for value in y]
            figure.draw(figure.signal([math.log2(m) for m, _ in dots], y, marker=marker))
            values += y
    return values


def _draw_marks(figure: Any, chart: Chart, quantity: str, values: list[float]) -> None:
    """SLO line, out-of-memory floor, tied sizes, current size and, on top, the pick."""
    if quantity == "latency" and chart.slo_ms:
        values.append(math.log10(chart.slo_ms))
        figure.line(math.log10(chart.slo_ms), "horizontal", style="dotted")
    sizes = [p.memory_mb for p in chart.curve]
    if chart.floor_mb and sizes and min(sizes) < chart.floor_mb:
        figure.line(math.log2(chart.floor_mb), "vertical", style="dotted")
    for memory in chart.tied_mb:
        _mark(figure, chart, quantity, memory, chart.pick_architecture, "=")
    _mark(figure, chart, quantity, chart.current_mb, chart.current_architecture, "C")
    _mark(figure, chart, quantity, chart.pick_mb, chart.pick_architecture, "P")


def _mark(
    figure: Any,
    chart: Chart,
    quantity: str,
    memory: int | None,
    architecture: str | None,
    letter: str,
) -> None:
    value = chart.value_at(memory, architecture, quantity)
    if memory is not None and value is not None:
        figure.draw(figure.signal([math.log2(memory)], [math.log10(value)], marker=letter))


def _axes(figure: Any, chart: Chart, values: list[float]) -> None:
    """Label logarithmic positions with plain numbers."""
    ticks = chart.memory_ticks()
    figure.ruler("x").ticks([math.log2(tick) for tick in ticks], [str(tick) for tick in ticks])
    low, high = min(values), max(values)
    if high - low < 0.02:  # noqa: PLR2004 - a flat curve still needs an axis of some height
        low, high = low - 0.05, high + 0.05
    figure.ruler("y").lim(low, high)
    marks = round_ticks(10**low, 10**high, 5) or [10**low, 10**high]
    figure.ruler("y").ticks([math.log10(mark) for mark in marks], [number(m) for m in marks])
    figure.label("memory, MB", "x")


def number(value: float) -> str:
    """A value with three significant digits and no exponent."""
    if value == 0 or not math.isfinite(value):
        return "-" if value else "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def _legend(chart: Chart) -> str:
    parts = [f"P {chart.pick_label}", "C current", "= tied on the objective"]
    if len(chart.architectures()) > 1:
        parts += [f"{_MARKERS[name]} {name}" for name in chart.architectures() if name in _MARKERS]
    else:
        parts.append(f"{_MARKERS.get(next(iter(chart.architectures()), ''), '*')} measured")
    parts += ["x failed", f"{_BAND} {chart.confidence_pct:g} % band"]
    if chart.slo_ms:
        parts.append(f"dotted: SLO {number(chart.slo_ms)} ms")
    return "   ".join(parts)
