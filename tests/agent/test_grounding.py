"""A number is traced at the precision at which it is written, or it is marked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.agent.grounding import Ledger, ground
from lambda_autotuner.agent.presentation import clean
from lambda_autotuner.agent.writing.figures import count, milliseconds, usd

LEDGER = Ledger.of(
    [
        {
            "memory_mb": 1024,
            "p95_ms": 1234.5,
            "rate": 0.0123,
            "cost": 19.624,
            "when": "2026-11-23 00:09 UTC",
            "names": ["a", "b", "c"],
            "bytes": 3145728,
        }
    ],
    ["set it to 777 MB"],
)


@pytest.mark.parametrize(
    "text",
    ["1024 MB", "1 GB", "1,234.5 ms", "1.2 s", "1.23 %", "$19.62", "$20", "on 2026-11-23 00:09", "3 functions", "777 MB", "3 MB",
     "1. first\n2. second", "see [7]", "1024 - 777 = 247", "python3.12 on arm64 with p95", "`4711`"],
)  # fmt: skip
def test_traced_numbers_stay_as_they_are(text):
    assert ground(text, LEDGER).unverified == ()


@pytest.mark.parametrize(
    ("text", "marked"),
    [("2048 MB", "2048 MB"), ("1,234.9 ms", "1,234.9 ms"), ("$19.63", "$19.63"), ("1.3 %", "1.3 %"), ("on 2025-01-01", "2025"),
     ("1024 - 777 = 250", "250"), ('the log says "4711"', "4711"), ("5 GB", "5 GB")],
)  # fmt: skip
def test_other_numbers_are_marked(text, marked):
    found = ground(text, LEDGER)
    assert marked in found.unverified
    assert "[unverified]" in found.text


@given(st.floats(min_value=0.0001, max_value=1e9))
@settings(max_examples=80)
def test_what_our_own_figures_write_is_always_traced(value):
    ledger = Ledger.of([{"x": value}], [])
    for written in (usd(value), milliseconds(value), count(value)):
        assert ground(written, ledger).unverified == (), written


def test_a_text_can_neither_act_nor_lead_away():
    text = "\x1b[31mred ![x](https://evil.example/?q=1) [here](https://evil.example) https://evil.example/a <script>x</script> https://docs.aws.amazon.com/lambda/"
    cleaned = clean(text)
    assert "evil.example" not in cleaned
    assert "\x1b" not in cleaned
    assert "<script" not in cleaned
    assert "https://docs.aws.amazon.com/lambda/" in cleaned


def test_names_of_functions_are_no_secrets():
    text = "auth-token-validator: 15,704 errors"
    assert clean(text, names=["auth-token-validator"]) == text


def test_an_id_that_looks_like_a_power_of_ten_is_read_as_no_such_thing():
    for text in ("request 28e0427667 failed", "hash 1e999 and 5e400000"):
        assert ground(text, LEDGER).text.startswith(text[:4])
