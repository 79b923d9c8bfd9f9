"""What if, before and after, places in a list: read as such, and never as a wish."""

from __future__ import annotations

import pytest

from lambda_autotuner.agent.planner.plan import first_calls
from lambda_autotuner.agent.reading.question import read_question
from lambda_autotuner.agent.reading.suppositions import Periods, Supposition

INVENTORY = ("checkout-api", "cart-service", "image-resize", "otp-sender", "throttled-exporter")


def _calls(*turns: str, shown: tuple[tuple[str, ...], ...] = ()) -> dict[str, dict[str, object]]:
    question = read_question(turns, INVENTORY, shown=shown)
    return {call.tool: call.arguments for call in first_calls(question)}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("what if checkout-api had twice the memory?", {"times": 2.0}),
        ("would halving checkout-api's memory make it slower", {"times": 0.5}),
        ("what would checkout-api cost at 2 GB", {"sizes_mb": [2048]}),
        ("what would checkout-api cost with 512 MB?", {"sizes_mb": [512]}),
        ("checkout-api on 512: cheaper?", {"sizes_mb": [512]}),
        ("suppose we give checkout-api 256 MB more... by 256 MB, what happens", {"plus_mb": 256}),
        ("what happens to checkout-api if it goes from 1024 MB to 1769 MB", {"sizes_mb": [1769]}),
        ("how much would checkout-api cost on graviton", {"architecture": "arm64"}),
        ("et si checkout-api avait 512 MB ?", {"sizes_mb": [512]}),
        ("was kostet checkout-api mit 512 MB", {"sizes_mb": [512]}),
        ("how much would we save if checkout-api had 25 % less, so by 25 % less memory", {"times": 0.75}),
    ],
)  # fmt: skip
def test_a_supposition_is_estimated_and_changes_nothing(text, wanted):
    calls = _calls(text)
    assert calls["estimate_change"] == {"function": "checkout-api", **wanted}
    assert not {"plan_change", "tune_function", "apply_change", "roll_back"} & set(calls)


@pytest.mark.parametrize(
    "text",
    [
        "checkout-api has 1024 MB, does it need that?",
        "how much memory does checkout-api use",
        "is checkout-api running at 1024 MB now?",
        "set checkout-api to 512 MB",
        "double the memory of checkout-api",
    ],
)
def test_what_is_stated_or_wished_is_no_supposition(text):
    assert "estimate_change" not in _calls(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p95 of checkout-api, last 3 days vs the week before", Periods(72.0, 168.0)),
        ("checkout-api errors today compared to yesterday", Periods(24.0, 24.0)),
        ("is checkout-api slower than last week", Periods(168.0, 168.0)),
        ("has checkout-api gotten more expensive?", Periods(None, None)),
        ("how is checkout-api doing since the last deploy", Periods(since_change=True)),
        ("checkout-api latency after the latest release", Periods(since_change=True)),
        ("hat sich die Latenz von checkout-api gegenüber letzte Woche verändert", Periods(168.0, 168.0)),
    ],
)  # fmt: skip
def test_two_spans_are_set_beside_each_other(text, wanted):
    question = read_question((text,), INVENTORY)
    assert question.periods == wanted
    assert "compare_periods" in {call.tool for call in first_calls(question)}


def test_the_account_is_compared_where_no_function_is_named():
    assert _calls("which function regressed this week?")["compare_periods"] == {
        "window_hours": 168.0,
        "metric": "duration",
    }
    assert (
        _calls("what got more expensive over the last 2 days")["compare_periods"]["metric"]
        == "cost"
    )


def test_going_up_is_a_comparison_in_time():
    assert "compare_periods" in _calls("did error rates go up anywhere in the past day")


def test_to_go_is_no_runtime():
    arguments = _calls("functions that could go to graviton")["list_functions"]
    assert arguments == {"architecture": "x86_64"}
    assert _calls("which functions run go")["list_functions"]["runtime"] == "go"


def test_whether_a_timeout_fits_is_judged_by_the_metrics():
    for text in ("does image-resize need a longer timeout?", "is 3 s enough for image-resize?"):
        assert "get_metrics" in _calls(text)


def test_a_setting_of_nothing_is_asked_back_and_not_ranked():
    assert _calls("what's its handler") == {}
    turns = ("when was image-resize updated last", "what's its handler")
    assert set(_calls(*turns)) == {"get_configuration"}


def test_a_change_in_french_or_german_is_a_wish():
    for text in (
        "réduis la mémoire de image-resize à 512 MB",
        "setze den Speicher von image-resize auf 512 MB",
    ):
        assert _calls(text)["plan_change"] == {"function": "image-resize", "memory_mb": 512}


def test_a_plan_is_no_function():
    calls = _calls("approve plan p-1234567")
    assert calls["apply_change"] == {"plan_id": "p-1234567"}
    assert read_question(("approve p-1234567",), INVENTORY).named.unknown == ()


def test_what_is_grepped_is_searched():
    assert _calls("grep ECONNREFUSED in image-resize logs")["get_logs"]["search"] == "ECONNREFUSED"


def test_a_comparison_of_two_functions_is_not_one_of_two_times():
    calls = _calls("is checkout-api slower than cart-service?")
    assert "compare_periods" not in calls
    assert "get_metrics" in calls


def test_a_follow_up_is_about_the_function_before():
    turns = ("p95 of checkout-api", "is that worse than the week before?")
    assert _calls(*turns)["compare_periods"]["function"] == "checkout-api"


def test_a_place_in_a_list_is_looked_at():
    shown = ((), ("image-resize", "otp-sender", "checkout-api"))
    calls = _calls("top 3 by cost", "tell me more about the second", shown=shown)
    assert calls["get_metrics"]["function"] == "otp-sender"
    turns = ("top 3 by cost", "tell me more about the second", "why is it slow")
    calls = _calls(*turns, shown=(*shown, shown[1]))
    assert calls["get_metrics"]["function"] == "otp-sender"


def test_it_after_a_ranking_is_the_first_of_it():
    shown = ((), ("image-resize", "otp-sender"))
    calls = _calls("who is the biggest spender?", "what memory does it have?", shown=shown)
    assert calls["get_configuration"]["function"] == "image-resize"
    calls = _calls("who is the biggest spender?", "set it to 512 MB", shown=shown)
    assert "plan_change" not in calls


def test_a_short_addition_keeps_the_question():
    calls = _calls("p99 of image-resize in the last 12 hours", "and yesterday?")
    assert calls["get_metrics"] == {"function": "image-resize", "span": "yesterday"}


def test_what_is_asked_of_a_place_is_kept():
    shown = ((), ("image-resize", "otp-sender"))
    calls = _calls("top 2 slowest", "how about the errors of the second", shown=shown)
    assert set(calls) == {"get_errors", "get_metrics"}


def test_a_place_in_a_list_is_no_target_of_a_change():
    shown = ((), ("image-resize", "otp-sender"))
    for text in (
        "set the second to 512 MB",
        "set the memory of the first one to 512",
        "tune the first",
    ):
        calls = _calls("top 2 by cost", text, shown=shown)
        assert not {"plan_change", "tune_function", "apply_change", "roll_back"} & set(calls)


def test_the_two_are_those_that_were_named_last():
    question = read_question(
        ("p95 of checkout-api", "same for otp-sender", "which of the two is cheaper?"), INVENTORY
    )
    assert set(question.functions) == {"checkout-api", "otp-sender"}
    assert question.topic == "compare"


@pytest.mark.parametrize(
    "text", ["any lambda throttled in the last day?", "which lambdas time out"]
)
def test_a_plain_word_beside_lambda_is_no_name(text):
    assert read_question((text,), INVENTORY).functions == ()


def test_everyday_words_are_no_typing_errors():
    assert "cost" not in read_question(("did anything change in checkout-api",), INVENTORY).concepts
    assert (
        "cold_starts" not in read_question(("could you look at checkout-api",), INVENTORY).concepts
    )


def test_yesterday_is_a_day_and_since_yesterday_is_not():
    assert _calls("what did checkout-api cost yesterday")["get_cost"] == {
        "function": "checkout-api",
        "span": "yesterday",
    }
    assert _calls("cost of checkout-api since yesterday")["get_cost"]["window_hours"] == 48.0


def test_suppositions_are_values():
    assert Supposition((512,)) == Supposition((512,))
