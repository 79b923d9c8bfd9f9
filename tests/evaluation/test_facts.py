from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.evaluation.facts import (
    Absent,
    Choice,
    Names,
    Number,
    Ranking,
    Words,
    passages,
)
from lambda_autotuner.evaluation.quantities import find_quantities


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("it took 1.2 s", 1200, "ms"),
        ("1,234.5 milliseconds", 1234.5, "ms"),
        ("p95 is 820ms", 820, "ms"),
        ("15 seconds", 15_000, "ms"),
        ("2 min", 120_000, "ms"),
        ("512 MB", 512, "mb"),
        ("1.5 GB", 1536, "mb"),
        ("2 GiB of memory", 2048, "mb"),
        ("$3.21 a month", 3.21, "usd"),
        ("US$ 1,204", 1204, "usd"),
        ("0.05 USD", 0.05, "usd"),
        ("0.43 %", 0.43, "percent"),
        ("12 percent", 12, "percent"),
        ("1.2 million invocations", 1_200_000, None),
        ("12.5k calls", 12_500, None),
        ("525,286", 525_286, None),
        ("\u221240 MB", -40, "mb"),
        ("5e-07", 5e-7, None),
    ],
)
def test_quantities_are_brought_to_one_unit(text, value, dimension) -> None:
    found = list(find_quantities(text))
    assert [(q.value, q.dimension) for q in found] == [(pytest.approx(value), dimension)]


@pytest.mark.parametrize(
    "text",
    ["p95", "thumbnail-2", "python3.12", "us-east-1", "2026-03-11T15:30:00Z", "at 15:30", "x86_64",
     "arn:aws:lambda:us-east-1:123456789012:function:a", "4f1e2a9b-1c2d-4e5f-8a9b-0c1d2e3f4a5b"],
)  # fmt: skip
def test_names_dates_and_identifiers_state_no_quantity(text) -> None:
    assert list(find_quantities(text)) == []


def test_a_piece_of_an_id_is_no_power_of_ten() -> None:
    # Plan and request ids are hexadecimal: some look like 28 times ten to the 427,667.
    for text in ("id 28e0427667", "plan p-28e0427667", "5e400000-1c2d of x"):
        assert all(quantity.value < 1_000 for quantity in find_quantities(text))
    assert [q.value for q in find_quantities("2.5e-4 usd")] == [0.00025]


@given(st.text(max_size=200))
@settings(max_examples=80)
def test_any_text_can_be_read(text) -> None:
    for quantity in find_quantities(text):
        assert 0 <= quantity.start < quantity.end <= len(text)


def number(value=512.0, dimension="mb", **more):
    return Number("memory size", value, dimension, more.pop("tolerance_pct", 0), **more)


@pytest.mark.parametrize(
    "text", ["512 MB", "**512** MB", "0.5 GB", "memory: 512", "| memory MB | 512 |"]
)
def test_a_number_is_recognised_however_it_is_written(text) -> None:
    assert number().check(text).ok


@pytest.mark.parametrize(
    "text", ["512 ms", "51.2 MB", "5120 MB", "$512", "513 MB", "1024 MB", "", "512 GB"]
)
def test_another_number_or_unit_is_not_it(text) -> None:
    assert not number().check(text).ok


def test_rounding_to_the_printed_digits_is_tolerated_but_not_guessing() -> None:
    fact = number(374.0, "ms", tolerance_pct=2)
    assert fact.check("0.37 s").ok
    assert fact.check("about 0.4 s").ok
    assert not fact.check("0.3 s").ok
    assert not fact.check("under 1 s").ok


def test_a_number_must_stand_near_its_word() -> None:
    fact = number(3.0, "count", near=("error",))
    assert fact.check("There were 3 errors.").ok
    assert not fact.check("I called 3 tools.").ok
    assert number(0.0, "count", near=("error",)).check("It had no errors in that time.").ok
    assert not number(3.0, "count", near=("error",)).check("It had no errors.").ok


def test_a_number_belongs_to_its_subject() -> None:
    fact = number(512.0, "mb", subject="alpha", others=("beta",))
    assert fact.check("alpha has 512 MB, beta has 1024 MB").ok
    assert fact.check("| alpha | 512 MB |\n| beta | 1024 MB |").ok
    assert not fact.check("alpha has 1024 MB, beta has 512 MB").ok
    assert fact.check("512 MB for alpha and 1024 MB for beta").ok


def test_passages_end_at_another_name() -> None:
    assert passages("alpha 1, beta 2, alpha 3", "alpha", ["beta"]) == ["alpha 1, ", "alpha 3"]


def test_names_must_be_all_and_no_others() -> None:
    fact = Names("on arm", ("geo-lookup", "session-store"), ("geo-lookup", "session-store", "geo"))
    assert fact.check("geo-lookup and session-store").ok
    assert not fact.check("geo-lookup").ok
    assert not fact.check("geo-lookup, session-store, geo").ok
    assert Names("none", (), ("a-b",)).check("There are none.").ok
    assert not Names("none", (), ("a-b",)).check("a-b").ok


def test_a_ranking_admits_ties_and_nothing_else() -> None:
    fact = Ranking("cost", ("a1x", "b2x", "c3x"), (100.0, 99.0, 10.0), ("a1x", "b2x", "c3x"), top=2)
    assert fact.check("a1x, then b2x").ok
    assert fact.check("b2x, then a1x").ok
    assert not fact.check("a1x, then c3x").ok
    assert not fact.check("a1x").ok


def test_a_choice_is_read_from_the_order_in_a_sentence() -> None:
    fact = Choice("speed", "alpha", ("beta",), ("slower",), ("faster",))
    assert fact.check("alpha is slower than beta.").ok
    assert fact.check("The slower one is alpha.").ok
    assert fact.check("beta is faster than alpha.").ok
    assert not fact.check("beta is slower than alpha.").ok
    assert not fact.check("alpha 400 ms\nbeta 100 ms").ok


def test_words_are_whole_words() -> None:
    assert Words("architecture", ("arm64", "arm")).check("It runs on ARM.").ok
    assert not Words("architecture", ("arm",)).check("An alarm exists.").ok


@pytest.mark.parametrize(
    "fact",
    [
        number(),
        number(0.00012, "usd", tolerance_pct=5),
        number(1_234_567.0, "count", tolerance_pct=1, near=("invocation",)),
        number(12.3456, "percent", tolerance_pct=1, subject="a-b", others=("c-d",)),
        number(0.0, "count", near=("throttl",)),
        Names("n", ("a-b", "c-d"), ("a-b", "c-d", "e-f")),
        Names("n", (), ("a-b",)),
        Ranking("r", ("a-b", "c-d"), (2.0, 1.0), ("a-b", "c-d"), top=2),
        Choice("c", "a-b", ("c-d",), ("more",)),
        Words("w", ("python3.12",), near=("runtime",)),
    ],
)
def test_every_fact_recognises_its_own_statement(fact) -> None:
    assert fact.check(fact.statement()).ok, fact.statement()


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("alpha has no reserved concurrency, none provisioned; 978 of 1,000 unreserved", True),
        ("Reserved concurrency: none.", True),
        ("There isn't a reservation on alpha.", True),
        ("alpha reserves 100, none provisioned; 978 unreserved", False),
        ("alpha has 100 reserved; nothing is provisioned", False),
        ("Reserved concurrency: 100. It was not throttled.", False),
        ("None.", False),
    ],
)
def test_absence_is_said_in_one_clause_with_its_name(text, ok) -> None:
    assert Absent("reserved concurrency", ("reserv", "limit")).check(text).ok is ok
    fact = Absent("reserved concurrency", ("reserv",))
    assert fact.check(fact.statement()).ok


_LINE = (
    "inventory-sync, 24 hours to 2026-03-11 15:31 UTC (last invocation): duration mean 45.2 ms, "
    "p50 44.0 ms, p95 52.3 ms, p99 57.1 ms; 4 errors over 1,232 invocations."
)
_LIMITS = "In this region the account allows {} concurrent executions, {} of them unreserved."
_USED = "x used at most {} MB of {} MB (14.3 %) in 149 REPORT lines."


@pytest.mark.parametrize(
    ("kind", "value", "text", "right"),
    [
        ("p50", 44.0, _LINE, True),
        ("p50", 57.1, _LINE, False),
        ("p99", 57.1, _LINE, True),
        ("p99", 44.0, _LINE, False),
        ("average", 45.2, _LINE, True),
        ("average", 57.1, _LINE, False),
        ("p95", 52.3, "| p50 | p95 |\n|---|---|\n| 44.0 | 52.3 |", True),
        ("p95", 52.3, "95 % of requests took less than 52.3 ms", True),
        ("p95", 52.3, "The 95th percentile is 52.3 ms, the median 44 ms.", True),
        ("p50", 52.3, "The 95th percentile is 52.3 ms, the median 44 ms.", False),
        ("p50", 44.0, "p50 and p99 are 44 ms and 57.1 ms", True),
        ("maximum", 510.0, "The longest run took 510 ms (mean 42 ms).", True),
        ("maximum", 42.0, "The longest run took 510 ms (mean 42 ms).", False),
    ],
)
def test_a_right_number_under_a_wrong_label_is_wrong(
    *, kind: str, value: float, text: str, right: bool
) -> None:
    assert Number(kind, value, "ms", kind=kind).check(text).ok == right


@pytest.mark.parametrize(
    ("kind", "value", "dimension", "text", "right"),
    [
        ("concurrency limit", 1000, "count", _LIMITS.format("1,000", "978"), True),
        ("concurrency limit", 1000, "count", _LIMITS.format("978", "1,000"), False),
        ("unreserved", 978, "count", _LIMITS.format("1,000", "978"), True),
        ("unreserved", 978, "count", _LIMITS.format("978", "1,000"), False),
        ("memory used", 73, "mb", _USED.format(73, 512), True),
        ("memory used", 73, "mb", _USED.format(512, 73), False),
        ("errors", 4, "count", _LINE, True),
        ("invocations", 1232, "count", _LINE, True),
        ("errors", 1232, "count", _LINE, False),
        ("invocations", 55_237, "count", "1. static-site-router: 55,237", True),
    ],
)
def test_a_number_is_held_to_what_it_counts(
    *, kind: str, value: float, dimension: Any, text: str, right: bool
) -> None:
    assert Number(kind, value, dimension, kind=kind).check(text).ok == right
