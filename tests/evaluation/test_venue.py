from __future__ import annotations

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.contestants.agent import open_place
from lambda_autotuner.evaluation.permissions import PROFILES, check_profile
from lambda_autotuner.evaluation.suite import load_suite
from lambda_autotuner.evaluation.venue import Venue, account_of


@pytest.fixture(scope="module")
def venue():
    from lambda_autotuner.settings import load_settings

    with Venue(load_settings({})) as opened:
        yield opened


def question(**values):
    return load_suite().by_id()["config-memory-1"].model_copy(update=values)


def test_an_account_follows_from_its_question() -> None:
    assert account_of("q-1", 0) == account_of("q-1", 0) != account_of("q-1", 1)
    accounts = {account_of(q.id, n) for q in load_suite().questions for n in range(3)}
    assert len(accounts) == 3 * len(load_suite().questions)
    assert all(len(account) == 12 and account.isdigit() for account in accounts)


@pytest.mark.timeout(120)
def test_what_one_question_changes_no_other_sees(venue) -> None:
    with venue.place(question(id="one"), 0) as first, venue.place(question(id="two"), 0) as second:
        first.witness.client("lambda").update_function_configuration(
            FunctionName="checkout-api", MemorySize=3008
        )
        first.witness.forget()
        assert first.witness.function("checkout-api")["MemorySize"] == 3008
        assert second.witness.function("checkout-api")["MemorySize"] == 1024
        assert venue.facts(question(), second)[0].value == 1024


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("profile", "service", "operation", "parameters"),
    [
        ("no_logs", "logs", "DescribeLogGroups", {}),
        (
            "no_metrics",
            "cloudwatch",
            "GetMetricData",
            {"MetricDataQueries": [], "StartTime": 0, "EndTime": 60},
        ),
        ("no_list", "lambda", "ListFunctions", {}),
        ("nothing", "lambda", "GetFunctionConfiguration", {"FunctionName": "checkout-api"}),
    ],
)
def test_a_limited_user_is_refused_by_the_account_itself(
    venue, profile, service, operation, parameters
) -> None:
    from lambda_autotuner.aws import AwsError, ErrorCode

    with venue.place(question(id=profile.replace("_", "-"), permissions=profile), 0) as place:
        workspace = open_place(place)
        try:
            with pytest.raises(AwsError) as caught:
                workspace.account.call(service, operation, **parameters)
            assert caught.value.code is ErrorCode.ACCESS_DENIED
        finally:
            workspace.close()


def test_an_unknown_profile_is_refused() -> None:
    for name in PROFILES:
        check_profile(name)
    with pytest.raises(UsageError, match="read_only"):
        check_profile("readonly")


@pytest.mark.timeout(120)
def test_a_setup_is_made_and_seen_by_the_facts(venue) -> None:
    known = load_suite().by_id()["alarms-list-1"]
    with venue.place(known, 7) as place:
        (fact,) = venue.facts(known, place)
        assert set(fact.names) == {"checkout-errors-high", "exporter-throttles"}
