"""Answers that AWS was recorded giving, beside the sandbox's for the same requests."""

from __future__ import annotations

import fnmatch
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambda_autotuner.sandbox.process import start_private

from . import (
    lambda_scenarios,
    lambda_scenarios_concurrency,
    lambda_scenarios_events,
    lambda_scenarios_layers,
    lambda_scenarios_names,
    lambda_scenarios_policies,
    lambda_scenarios_versions,
)
from .conftest import make_client
from .lambda_stage import SCENARIOS, Stage
from .recordings import differences

pytestmark = pytest.mark.shared
# Importing them is what registers the scenarios.
MODULES = (
    lambda_scenarios,
    lambda_scenarios_concurrency,
    lambda_scenarios_events,
    lambda_scenarios_layers,
    lambda_scenarios_names,
    lambda_scenarios_policies,
    lambda_scenarios_versions,
)

LISTED = yaml.safe_load((Path(__file__).parent / "lambda_differences.yaml").read_text())
FILES = ("test_lambda_api", "test_lambda", "test_lambda_common")
_ERROR_PARTS = {"Code", "Count", "Errors", "Message"}
_accounts = itertools.count(310_000_000_000)


@pytest.fixture(scope="module")
def recordings(shared_dir) -> dict[str, dict[str, Any]]:
    found = {}
    for name in FILES:
        path = shared_dir / "aws-recorded" / f"{name}.snapshot.json"
        for test, content in json.loads(path.read_text()).items():
            found.setdefault(test.partition("::")[2], {}).update(content["recorded-content"])
    return found


@pytest.fixture(scope="module")
def played() -> dict[str, dict[str, Any]]:
    answers = {}
    # On a clock that ticks by 10 ms a request an update is in progress for five requests.
    with start_private(now=1_790_000_000, settle_seconds=0.05) as server:
        for test, scenario in SCENARIOS.items():
            account_id = str(next(_accounts))
            client = make_client(server, "lambda", account_id, parameter_validation=False)
            stage = Stage(client, account_id, test)
            scenario(stage)
            client.close()
            answers[test] = {"account": account_id, "answers": stage.answers}
    return answers


def compared(recordings, played):
    """(case, recorded, list of differences) of every response that was both recorded and played."""
    for test, found in played.items():
        recorded = recordings.get(test, {})
        for response, answer in found["answers"].items():
            if response not in recorded:
                yield f"{test}/{response}", None, ["no such response was recorded"]
                continue
            expected = recorded[response]
            if isinstance(expected, dict) and "Errors" in expected:
                expected = {**expected, "Errors": sorted(expected["Errors"])}
            yield (
                f"{test}/{response}",
                expected,
                list(differences(expected, answer, found["account"])),
            )


def is_error(recorded: Any) -> bool:
    return isinstance(recorded, dict) and (
        "Error" in recorded or ("Code" in recorded and len(recorded) <= 3)
    )


def test_every_difference_is_known_and_every_known_one_is_real(recordings, played):
    found = {case: diff for case, _, diff in compared(recordings, played) if diff}
    unlisted = {case: diff for case, diff in found.items() if case not in LISTED["differences"]}
    assert not unlisted, json.dumps(unlisted, indent=1)
    stale = set(LISTED["differences"]) - set(found)
    assert not stale


def test_enough_cases_match(recordings, played):
    matching = [recorded for _, recorded, diff in compared(recordings, played) if not diff]
    errors = sum(is_error(recorded) for recorded in matching)
    print(f"{len(matching)} recorded Lambda responses match, {errors} of them errors")
    assert len(matching) >= 520
    assert errors >= 340


def test_every_recorded_test_is_played_or_has_a_reason_not_to_be(recordings):
    unplayed = [test for test, content in recordings.items() if content and test not in SCENARIOS]
    used = set()
    left = []
    for test in unplayed:
        matching = [
            pattern
            for pattern in LISTED["not_played"]
            if fnmatch.fnmatchcase(test, pattern.replace("[", "[[]"))
        ]
        used.update(matching)
        if not matching:
            left.append(test)
    assert not left
    assert used == set(LISTED["not_played"])
