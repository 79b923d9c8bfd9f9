"""The picture as scalable vector graphics, drawn by matplotlib and stripped to what a page needs."""

from __future__ import annotations

import io
import re
import threading
from typing import Any

from lambda_autotuner.report.chart import Chart, round_ticks
from lambda_autotuner.report.terminal import number

# matplotlib's settings and its font cache belong to the whole process.
_DRAWING = threading.Lock()
_COLORS = {"x86_64": "#1f6feb", "arm64": "#2da44e"}
_OTHER = "#6e7781"
_PICK = "#bf3989"
_FAILED = "#cf222e"
# Whatever is black takes the page's own text colour, light or dark.
_INK = "#000000"
_SETTINGS: Any = {
    # Text stays text: it can be searched and read out, and the file needs no fonts of its own.
    "svg.fonttype": "none",
    "svg.hashsalt": "lambda-autotuner",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(chart: Chart) -> str:
    """Both panels as one `<svg>` element; an empty string where nothing can be drawn."""
    if not chart.curve and not chart.measured:
        return ""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with _DRAWING, mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(9.2, 7.2), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True)
        _panel(top, chart, "cost", "Cost, $ per million invocations")
        _panel(bottom, chart, "latency", f"Latency {chart.latency_label}, ms")
        bottom.set_xlabel("Memory, MB")
        handles, labels = bottom.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
        buffer = io.StringIO()
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return _strip(buffer.getvalue(), chart)


def _panel(axes: Any, chart: Chart, quantity: str, label: str) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_ylabel(label)
    axes.grid(visible=True, which="major", alpha=0.25, linewidth=0.6)
    for name in chart.architectures():
        _series(axes, chart, name, quantity)
    _marks(axes, chart, quantity)
    ticks = chart.memory_ticks(10)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    low, high = axes.get_ylim()
    marks = round_ticks(low, high) or [low, high]
    axes.set_yticks(marks, [number(mark) for mark in marks])
    axes.set_ylim(low, high)


def _series(axes: Any, chart: Chart, name: str, quantity: str) -> None:
    color = _COLORS.get(name, _OTHER)
    series = chart.series(name, quantity)
    if series:
        sizes = [memory for memory, _ in series]
        axes.fill_between(
            sizes,
            [band.low for _, band in series],
            [band.high for _, band in series],
            color=color,
            alpha=0.15,
            linewidth=0,
            label=f"{chart.confidence_pct:g} % band, {name}",
        )
        label = f"{chart.latency_label}, {name}" if quantity == "latency" else name
        axes.plot(sizes, [band.mid for _, band in series], color=color, linewidth=1.6, label=label)
    mean = chart.series(name, "mean") if quantity == "latency" else []
    if mean:
        axes.plot(
            [memory for memory, _ in mean], [band.mid for _, band in mean],
            color=color, linewidth=1.0, linestyle=":", label=f"mean, {name}",
        )  # fmt: skip
    warm = chart.dots(name, quantity)
    _scatter(axes, warm, f"one invocation, {name}", s=16, color=color, alpha=0.6, linewidths=0)
    cold = chart.dots(name, quantity, cold=True)
    _scatter(axes, cold, "cold start, without INIT", s=20, facecolors="none", edgecolors=color)
    failed = chart.dots(name, quantity, failed=True)
    _scatter(axes, failed, "failed", s=36, marker="X", color=_FAILED, linewidths=0)


def _scatter(axes: Any, dots: list[tuple[int, float]], label: str, **style: Any) -> None:
    if dots:
        sizes, values = zip(*dots, strict=True)
        axes.scatter(sizes, values, zorder=3, label=label, **style)


def _marks(axes: Any, chart: Chart, quantity: str) -> None:
    if quantity == "latency" and chart.slo_ms:
        axes.axhline(
            chart.slo_ms, color=_FAILED, linestyle="--", linewidth=1.1,
            label=f"SLO {number(chart.slo_ms)} ms",
        )  # fmt: skip
    sizes = [point.memory_mb for point in chart.curve]
    if chart.floor_mb and sizes and min(sizes) < chart.floor_mb:
        axes.axvspan(
            min(sizes),
            chart.floor_mb,
            color=_FAILED,
            alpha=0.06,
            linewidth=0,
            label="too little memory",
        )
    tied = [(m, chart.value_at(m, chart.pick_architecture, quantity)) for m in chart.tied_mb]
    points = [(m, value) for m, value in tied if value is not None]
    if points:
        axes.scatter(
            [m for m, _ in points], [v for _, v in points], s=46, facecolors="none",
            edgecolors=_PICK, linewidths=1.1, zorder=4, label="tied with the pick",
        )  # fmt: skip
    for memory, name, style, label in (
        (chart.current_mb, chart.current_architecture, "s", "current"),
        (chart.pick_mb, chart.pick_architecture, "*", chart.pick_label),
    ):
        value = chart.value_at(memory, name, quantity)
        if value is not None and memory is not None:
            axes.scatter(
                [memory], [value], s=150 if style == "*" else 55, marker=style, zorder=5,
                color=_PICK if style == "*" else _INK, label=label,
            )  # fmt: skip
            axes.annotate(
                _label(memory, value, quantity),
                (memory, value), xytext=(0, 9 if style == "*" else -15),
                textcoords="offset points", ha="center", fontsize=9, zorder=6, annotation_clip=False,
                color=_PICK if style == "*" else _INK,
            )  # fmt: skip


def _label(memory: int, value: float, quantity: str) -> str:
    return f"{memory:,} MB: " + (
        f"${number(value)}" if quantity == "cost" else f"{number(value)} ms"
    )


def _strip(document: str, chart: Chart) -> str:
    """Keep the element alone: no prolog, no document type, no metadata that names addresses."""
    document = document[document.index("<svg") :]
    document = re.sub(r"<metadata>.*?</metadata>", "", document, flags=re.DOTALL)
    document = document.replace(_INK, "currentColor")
    document = re.sub(r' xmlns(:xlink)?="[^"]*"', "", document)
    title = f"Cost and latency against memory size for {chart.function}"
    return document.replace("<svg ", f'<svg role="img" aria-label="{_attribute(title)}" ', 1)


def _attribute(text: str) -> str:
    import html

    return html.escape(text, quote=True)
