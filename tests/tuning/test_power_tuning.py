"""Power tuning's input file in this product's words."""

from __future__ import annotations

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning import LowestCost, Weighted
from lambda_autotuner.tuning.power_tuning import DEFAULT_POWER_VALUES_MB, read_input


def test_the_smallest_input():
    read = read_input({"lambdaARN": "arn:aws:lambda:us-east-1:123456789012:function:f"})
    assert read.space.sizes_mb == DEFAULT_POWER_VALUES_MB
    assert read.objective == LowestCost()
    assert read.most_invocations == 60
    assert read.payloads == ()
    assert read.notes == ()


@pytest.mark.parametrize(
    ("strategy", "weight", "objective"),
    [("cost", 0.1, LowestCost()), ("speed", 0.9, Weighted(0.0)), ("balanced", 0.7, Weighted(0.7))],
)
def test_strategies(strategy, weight, objective):
    read = read_input({"strategy": strategy, "balancedWeight": weight})
    assert read.objective == objective


def test_weighted_payloads_become_shares():
    read = read_input(
        {"payload": [{"payload": {"a": 1}, "weight": 30}, {"payload": [], "weight": 10}]}
    )
    assert [p.share for p in read.payloads] == [0.75, 0.25]
    assert read.payloads[0].payload == {"a": 1}


def test_a_plain_list_is_one_payload():
    read = read_input({"payload": [1, 2]})
    assert [p.payload for p in read.payloads] == [[1, 2]]


def test_what_has_no_counterpart_is_said():
    read = read_input({"discardTopBottom": 0.2, "allowedExceptions": [], "colour": "red"})
    text = " ".join(read.notes)
    assert "discardTopBottom" in text
    assert "allowedExceptions" in text
    assert "colour" in text


def test_all_sizes():
    sizes = read_input({"powerValues": "ALL"}).space.sizes_mb
    assert sizes[0] == 128
    assert sizes[-1] == 10_240


@pytest.mark.parametrize(
    "content",
    [
        {"powerValues": []},
        {"powerValues": [64]},
        {"powerValues": "SOME"},
        {"num": 2},
        {"num": "10"},
        {"strategy": "cheap"},
        {"strategy": "balanced", "balancedWeight": 2},
        {"balancedWeight": 0.5, "strategy": "balanced", "sleepBetweenRunsMs": -1},
        {"parallelInvocation": "yes"},
        {"payloadS3": 3},
        {"payload": [{"payload": 1, "weight": 0}]},
        [],
    ],
)
def test_bad_input_is_one_clear_error(content):
    with pytest.raises(UsageError):
        read_input(content)
