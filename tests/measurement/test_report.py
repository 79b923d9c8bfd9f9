"""The pictures: in the terminal and as one page that needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.report import page, summary, svg, terminal
from lambda_autotuner.report.chart import Band, Chart, CurvePoint, MeasuredPoint, round_ticks
from lambda_autotuner.report.from_answer import chart_of
from lambda_autotuner.tuning import (
    Configuration,
    CostUnderSlo,
    Evidence,
    LowestCost,
    Outcome,
    PriceBook,
    Sample,
    Search,
    Settled,
    Space,
)
from lambda_autotuner.tuning.recommendation import MEMORY_FLOOR, Constraint, Interval

VOID = {"meta", "br", "use", "path"}


class Balanced(HTMLParser):
    """Checks that tags close in order, and collects what could reach out of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.outside: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in {"meta", "br", "link", "img"}:
            self.open.append(tag)
        for name, value in attrs:
            fetches = name in {"src", "href", "xlink:href", "data", "srcset", "action"}
            if fetches and not (value or "").startswith("#"):
                self.outside.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def answered(objective: Any = None) -> tuple[Settled, Evidence, Any]:
    """A real answer of the engine."""
    rates = PriceBook.load().all_rates("us-east-1")
    rng = np.random.default_rng(1)
    samples = [
        Sample(m, "x86_64", (40 + 300 * 1769 / min(m, 1769)) * rng.normal(1, 0.03))
        for m in (128, 512, 1024, 1792, 3008)
        for _ in range(4)
    ]
    samples.append(Sample(512, "x86_64", 1100, init_ms=300))
    samples.append(Sample(128, "x86_64", 9000, outcome=Outcome.TIMEOUT))
    search = Search(
        Space.range(128, 3008, step=128),
        objective or LowestCost(),
        rates,
        rng,
        current=Configuration(512),
        evidence=Evidence(samples),
    )
    answer = search.recommendation()
    assert isinstance(answer, Settled)
    return answer, search.evidence, rates


def real_chart(objective: Any = None, **changes: Any) -> Chart:
    answer, evidence, rates = answered(objective)
    return chart_of(
        answer,
        function=changes.pop("function", "resize"),
        verdict="Change 512 MB to something else.",
        evidence=evidence,
        rates=rates,
        current=Configuration(512),
        **changes,
    )


def test_the_terminal_shows_pick_current_points_and_units() -> None:
    text = terminal.draw(real_chart(), width=90)
    assert "Cost, $ per million invocations" in text
    assert "Latency p95, ms" in text
    assert "memory, MB" in text
    plot = text.split("P pick")[0]
    assert "P" in plot
    assert "C" in plot
    assert "•" in plot
    assert "x" in plot
    assert "\x1b" not in text
    assert max(len(line) for line in plot.splitlines()) <= 92


def test_the_slo_is_a_line_where_it_belongs() -> None:
    chart = real_chart(CostUnderSlo(95, 900.0))
    assert chart.slo_ms == 900
    assert "SLO 900 ms" in terminal.draw(chart)
    assert "SLO 900 ms" in svg.draw(chart)
    assert "SLO" not in terminal.draw(real_chart())


def test_nothing_to_draw_is_said() -> None:
    empty = Chart(function="f", verdict="Not enough evidence.")
    assert "Nothing to draw" in terminal.draw(empty)
    assert svg.draw(empty) == ""
    assert "there is no picture" in page.render(empty)


def test_a_flat_curve_and_a_single_point_can_be_drawn() -> None:
    flat = Chart(
        function="f",
        verdict="v",
        curve=tuple(
            CurvePoint(m, "x86_64", Band(5, 5, 5), Band(20, 20, 20)) for m in (128, 256, 512)
        ),
    )
    assert "Latency" in terminal.draw(flat)
    one = Chart(function="f", verdict="v", measured=(MeasuredPoint(512, "arm64", 10.0, 2.0),))
    assert "Cost" in terminal.draw(one)
    assert "<svg" in svg.draw(one)


def test_cold_starts_do_not_stretch_the_cost_axis() -> None:
    chart = real_chart()
    assert chart.dots("x86_64", "cost", cold=True) == []
    assert [m for m, _ in chart.dots("x86_64", "latency", cold=True)] == [512]
    assert len(chart.dots("x86_64", "latency")) == 20
    assert [m for m, _ in chart.dots("x86_64", "latency", failed=True)] == [128]


def test_the_page_needs_nothing_else() -> None:
    text = page.render(real_chart())
    reader = Balanced()
    reader.feed(text)
    assert reader.open == []
    assert reader.outside == []
    assert not reader.tags & {"script", "link", "img", "iframe"}
    assert "<svg" in text
    assert "default-src 'none'" in text
    # No address at all, not even one that is never fetched.
    assert not re.search(r"https?://", text)
    assert "url(http" not in text


def test_the_page_holds_table_and_template_lines() -> None:
    chart = real_chart()
    text = page.render(chart)
    assert f"MemorySize: {chart.pick_mb}" in text
    assert f"memory_size = {chart.pick_mb}" in text
    assert f"memorySize: {chart.pick_mb}" in text
    rows = re.findall(r"<tr[^>]*><td>(\d+)</td>", text)
    assert [int(row) for row in rows] == sorted({p.memory_mb for p in chart.curve})
    assert "pick" in text
    assert "current" in text


def test_the_page_sets_today_beside_the_proposal_in_dollars() -> None:
    answer, evidence, rates = answered()
    saving = Interval(2.5, -1.0, 6.0)
    month = Interval(10.0, 9.0, 11.0)
    assert answer.current is not None
    rich = replace(
        answer,
        saving_month_usd=saving,
        current=replace(answer.current, month_usd=month),
        proposed=replace(answer.proposed, month_usd=Interval(7.5, 7.0, 8.0)),
    )
    chart = chart_of(rich, function="f", verdict="v", evidence=evidence, rates=rates)
    assert [row[0] for row in chart.figures] == ["", "now", "proposed", "saved a month"]
    assert chart.figures[-1][-1] == "2.50 (-1.00..6.00)"
    costs_more = replace(rich, saving_month_usd=Interval(-2.5, -6.0, -1.0))
    assert summary.figures(costs_more)[-1] == ("more a month", *[""] * 6, "2.50 (1.00..6.00)")
    text = page.render(chart)
    assert "<small>-1.00..6.00</small>" in text
    for title in ("Why", "What would change it"):
        assert f"<h2>{title}</h2>" in text


def test_sizes_that_cannot_run_are_left_out() -> None:
    answer, evidence, rates = answered()
    floor = Constraint(MEMORY_FLOOR, 300, 512, "MB", met=True, probability=None)
    limited = replace(answer, constraints=(floor,))
    chart = chart_of(limited, function="f", verdict="v", evidence=evidence, rates=rates)
    # 128 MB was invoked, so it stays as what was seen; nothing is claimed about 256 MB.
    assert 256 not in {point.memory_mb for point in chart.curve}
    assert {point.memory_mb for point in chart.curve} >= {128, 384, 512}
    assert not re.search(r"<td>256</td>", page.render(chart))
    assert "Sizes below 300 MB" in page.render(chart)


def test_the_picture_follows_a_dark_theme() -> None:
    text = page.render(real_chart())
    assert "prefers-color-scheme: dark" in text
    drawn = text[text.index("<svg") : text.index("</svg>")]
    assert "#000000" not in drawn
    assert "currentColor" in drawn


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (101, 238, [150, 200]),
        (20, 34, [20, 25, 30]),
        (290, 5_200, [500, 1_000, 2_000, 5_000]),
        (0.8, 90_000, [1, 10, 100, 1_000, 10_000]),
    ],
)
def test_axes_have_round_ticks(low: float, high: float, ticks: list[float]) -> None:
    found = round_ticks(low, high)
    assert set(ticks) <= {round(tick, 9) for tick in found}
    assert len(found) <= 8
    assert all(low <= tick <= high for tick in found)


def test_names_of_others_stay_text() -> None:
    hostile = "<script>alert(1)</script>\"'"
    text = page.render(real_chart(function=hostile))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_same_answer_draws_the_same_page() -> None:
    assert page.render(real_chart()) == page.render(real_chart())


def test_the_page_is_private_and_whole_or_absent(tmp_path: Path) -> None:
    path = page.write(real_chart(), tmp_path / "answer.html")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().endswith("</html>\n")
    assert [item.name for item in tmp_path.iterdir()] == ["answer.html"]
    with pytest.raises(UsageError, match="cannot be written"):
        page.write(real_chart(), tmp_path / "nowhere" / "answer.html")


def test_words_hold_money_latency_reasons_and_cost() -> None:
    answer, _, _ = answered()
    text = "\n".join(summary.lines(answer, "Verdict."))
    assert text.startswith("Verdict.")
    for part in ("$ per million", "p99 ms", "proposed", "now", "Why:", "512 MB x86_64"):
        assert part in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12_345.6, "12,346"), (1.2345, "1.23"), (0.00123, "0.00123"), (9.999, "10.00")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert terminal.number(value) == text
