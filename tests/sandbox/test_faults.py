"""Faults on demand."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from lambda_autotuner.errors import AccountError


@pytest.fixture
def fault(server, account_id):
    def add(**values):
        server.add_fault(account=account_id, **values)

    yield add
    server.clear_faults()


def code_of(call, **params) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"]


def test_throttling_strikes_so_many_times(functions, fault):
    fault(kind="throttle", operation="GetFunction*", count=2)
    for _ in range(2):
        assert code_of(functions.get_function, FunctionName="geo-lookup") == (
            429,
            "TooManyRequestsException",
        )
    functions.get_function(FunctionName="geo-lookup")


def test_access_denied_names_the_action(functions, fault):
    fault(kind="access-denied", operation="UpdateFunctionConfiguration", function="geo-*")
    with pytest.raises(ClientError, match="lambda:UpdateFunctionConfiguration") as caught:
        functions.update_function_configuration(FunctionName="geo-lookup", MemorySize=256)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    functions.update_function_configuration(FunctionName="cart-service", MemorySize=256)


def test_server_errors_cuts_and_slowness(functions, fault):
    fault(kind="error", operation="ListFunctions", count=1, status=503)
    assert code_of(functions.list_functions)[0] == 503
    fault(kind="cut", operation="ListFunctions", count=1)
    with pytest.raises(HTTPClientError):
        functions.list_functions()
    fault(kind="slow", operation="ListFunctions", count=1, seconds=0.3)
    started = time.monotonic()
    functions.list_functions()
    assert time.monotonic() - started >= 0.3


def test_reads_may_be_stale_for_a_while(functions, fault):
    fault(kind="stale", operation="GetFunctionConfiguration", seconds=3)
    before = functions.get_function_configuration(FunctionName="geo-lookup")["MemorySize"]
    functions.update_function_configuration(FunctionName="geo-lookup", MemorySize=before + 64)
    shown = functions.get_function_configuration(FunctionName="geo-lookup")
    assert shown["MemorySize"] == before
    deadline = time.monotonic() + 60
    while shown["MemorySize"] == before and time.monotonic() < deadline:
        time.sleep(0.1)
        shown = functions.get_function_configuration(FunctionName="geo-lookup")
    assert shown["MemorySize"] == before + 64


def test_other_accounts_are_spared(connect, fault):
    fault(kind="throttle")
    other = connect("lambda", account="298888888888")
    other.list_functions()


def test_probability_is_kept(functions, fault):
    fault(kind="throttle", operation="GetFunctionConfiguration", probability=0.5)
    struck = 0
    for _ in range(60):
        try:
            functions.get_function_configuration(FunctionName="geo-lookup")
        except ClientError:
            struck += 1
    assert 12 <= struck <= 48


@pytest.mark.parametrize(
    "values", [{"kind": "earthquake"}, {"kind": "slow", "probability": 2}, {"kind": "slow", "x": 1}]
)
def test_a_fault_that_makes_no_sense_is_refused(server, values):
    with pytest.raises(AccountError):
        server.add_fault(**values)
