from __future__ import annotations

import io

from rich.console import Console

from lambda_autotuner.evaluation.reports import LiveProgress, run_page, run_text
from lambda_autotuner.evaluation.summary import summarise


def results(make_result):
    return [
        make_result("q-1", category="a_a"),
        make_result("q-2", category="a_a", difficulty="hard", held_out=True, execution_time_seconds=3.0),
        make_result("q-3", category="b_b", success=False, answer=("<script>alert(1)</script>",), trace_id="tr-1"),
        make_result("q-4", category="b_b", success=False, failure="infrastructure", error="AccountError: gone", safe=False),
    ]  # fmt: skip


def test_infrastructure_errors_count_and_are_told_apart(make_result) -> None:
    summary = summarise(results(make_result), slow_seconds=2)
    overall = summary["overall"]
    assert (overall["questions"], overall["successes"], overall["infrastructure_errors"]) == (
        4,
        2,
        1,
    )
    assert overall["success_rate"] == 0.5
    assert overall["low"] < 0.5 < overall["high"]
    assert overall["slow"] == 1
    assert overall["unsafe"] == ["q-4"]
    assert summary["by_wording"]["held out"]["success_rate"] == 1.0
    assert summary["cells"]["a_a|hard"]["questions"] == 1
    assert [row["question_id"] for row in summary["failures"]] == ["q-3", "q-4"]
    assert summary["repeats"] is None


def test_repeats_give_pass_at_k_and_pass_hat_k(make_result) -> None:
    rows = [make_result("q-1", repeat=n, success=n < 2) for n in range(4)]
    k2 = summarise(rows, slow_seconds=2)["repeats"]["k"]["2"]
    assert k2["pass_at_k"] == 1 - 1 / 6
    assert k2["pass_hat_k"] == 1 / 6


def test_a_summary_of_nothing_has_no_rates() -> None:
    overall = summarise([], slow_seconds=2)["overall"]
    assert overall["success_rate"] is None
    assert overall["p95_seconds"] is None


def test_the_page_stands_alone_and_escapes_what_it_shows(make_result) -> None:
    rows = results(make_result)
    page = run_page(
        summarise(rows, slow_seconds=2), rows, title="Run <1>", facts={"model": "offline"}
    )
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "Run &lt;1&gt;" in page
    for outside in ("http://", "https://", "src=", "@import", "url("):
        assert outside not in page
    assert page.index("q-3") < page.index("q-1"), "failures come first"
    assert "lambda-autotuner traces show tr-1" in page
    linked = run_page(
        summarise(rows, slow_seconds=2),
        rows,
        title="x",
        facts={},
        trace_link="http://127.0.0.1:5000/#/{trace_id}",
    )
    assert 'href="http://127.0.0.1:5000/#/tr-1"' in linked


def test_the_terminal_report_names_the_figures(make_result) -> None:
    rows = results(make_result)
    console = Console(width=160, file=io.StringIO(), record=True)
    console.print(run_text(summarise(rows, slow_seconds=2), rows, title="Run"))
    text = console.export_text()
    for part in (
        "Success 50.0 %",
        "2 of 4",
        "infrastructure errors 1",
        "held out: 1/1",
        "p95",
        "q-3",
        "AccountError: gone",
    ):
        assert part in text


def test_progress_without_a_terminal_is_a_line_now_and_then(make_result) -> None:
    console = Console(file=io.StringIO(), width=80)
    with LiveProgress(console, 12, earlier=1, successes=1) as listener:
        for number in range(11):
            listener(make_result(f"q-{number}", success=number % 2 == 0))
    assert console.file.getvalue().splitlines() == [
        "10/12 questions, 60% right",
        "12/12 questions, 58% right",
    ]
