"""Limits that no approval lifts: windows, tags and who owns the configuration."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lambda_autotuner.errors import SettingsError
from lambda_autotuner.rollout.guardrails import check_guardrails, in_window
from lambda_autotuner.settings import GuardrailSettings

FRIDAY_EVENING = datetime(2026, 3, 6, 20, 30, tzinfo=UTC)
SATURDAY_NIGHT = datetime(2026, 3, 7, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        ("mon-fri 09:00-17:00 UTC", FRIDAY_EVENING, False),
        ("mon-fri 09:00-21:00", FRIDAY_EVENING, True),
        ("mon-fri 09:00-17:00 America/New_York", FRIDAY_EVENING, True),
        ("20:30-20:31", FRIDAY_EVENING, True),
        ("19:30-20:30", FRIDAY_EVENING, False),
        ("fri 22:00-04:00", SATURDAY_NIGHT, True),
        ("sat 22:00-04:00", SATURDAY_NIGHT, False),
        ("sat,sun 00:00-24:00", SATURDAY_NIGHT, True),
        ("fri-mon 00:00-24:00", SATURDAY_NIGHT, True),
        ("MON-THU 00:00-24:00", SATURDAY_NIGHT, False),
    ],
)
def test_change_windows(window, moment, inside):
    assert in_window(window, moment) is inside


@pytest.mark.parametrize(
    "window",
    ["", "always", "mon 9-17", "xyz 09:00-17:00", "mon 25:00-26:00", "mon 09:00-17:00 Mars/Base"],
)
def test_a_window_that_cannot_be_read_is_an_error_and_not_a_gap(window):
    with pytest.raises(SettingsError):
        in_window(window, FRIDAY_EVENING)


def findings(tags: dict[str, str], **settings: object) -> list:
    return check_guardrails(
        GuardrailSettings(**settings),
        function="orders",
        tags=tags,
        before={"memory_mb": 512, "timeout_seconds": 3},
        after={"memory_mb": 1024, "timeout_seconds": 5},
    )


@pytest.mark.parametrize(
    ("tags", "remedy"),
    [
        (
            {"aws:cloudformation:stack-name": "shop", "aws:cloudformation:logical-id": "Orders"},
            (
                "resource Orders in the template (SAM, CDK) of stack shop instead: "
                "MemorySize: 1024, Timeout: 5"
            ),
        ),
        ({"terraform": "true"}, "memory_size = 1024, timeout = 5"),
        ({"managed-by": "Terraform"}, "Terraform configuration"),
        ({"serverless:service": "shop"}, "serverless.yml instead: memorySize: 1024, timeout: 5"),
    ],
)
def test_the_owner_of_a_configuration_is_named_with_the_lines(tags, remedy):
    found = findings(tags)
    assert [item.severity for item in found] == ["block"]
    assert remedy in found[0].remedy
    assert findings(tags, allow_iac_managed=True)[0].severity == "warn"


@pytest.mark.parametrize(
    ("tags", "blocked"),
    [
        ({"autotuner:protected": "yes"}, True),
        ({"autotuner:protected": ""}, True),
        ({"autotuner:protected": "false"}, False),
        ({"team": "shop"}, False),
    ],
)
def test_protected_tags(tags, blocked):
    assert bool(findings(tags)) is blocked
    assert bool(findings({"env": "prod"}, protected_tags=("env=prod",))) is True
    assert bool(findings({"env": "dev"}, protected_tags=("env=prod",))) is False
