"""Connecting, calling, failing: against the real embedded account."""

from __future__ import annotations

import socket
import threading

import pytest
from botocore.exceptions import ClientError

from lambda_autotuner.aws import Account, AccountTarget, AwsError, ErrorCode, MissingError, session
from lambda_autotuner.aws.errors import classify, translate
from lambda_autotuner.aws.operations import UndeclaredOperationError, operations
from lambda_autotuner.errors import AccountError, SettingsError


def sandbox(url: str | None) -> AccountTarget:
    return AccountTarget(
        "sandbox", "us-east-1", endpoint_url=url, access_key_id="1" * 12, secret_access_key="x"
    )


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "http://10.0.0.1:80",
        "https://lambda.us-east-1.amazonaws.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://user@example.com:80/127.0.0.1",
        "ftp://127.0.0.1",
        "//127.0.0.1",
        "127.0.0.1:80",
    ],
)
def test_a_sandbox_is_on_this_machine_or_nowhere(url):
    with pytest.raises(SettingsError):
        Account.connect(sandbox(url))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"])
def test_loopback_is_accepted(url):
    with Account.connect(sandbox(url)) as account:
        assert account.account_id == "1" * 12


def test_the_persons_own_settings_do_not_reach_a_sandbox(server, monkeypatch, tmp_path):
    trap = socket.socket()
    trap.bind(("127.0.0.1", 0))
    trap.listen()
    elsewhere = f"http://127.0.0.1:{trap.getsockname()[1]}"
    config = tmp_path / "config"
    config.write_text(f"[default]\nendpoint_url = {elsewhere}\nregion = eu-central-1\n")
    for name, value in {
        "AWS_ENDPOINT_URL": elsewhere,
        "AWS_ENDPOINT_URL_LAMBDA": elsewhere,
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "999999999999",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTP_PROXY": elsewhere,
        "HTTPS_PROXY": elsewhere,
        "http_proxy": elsewhere,
        "ALL_PROXY": elsewhere,
    }.items():
        monkeypatch.setenv(name, value)
    target = AccountTarget(
        "sandbox",
        "us-east-1",
        endpoint_url=server.endpoint_url,
        access_key_id="222222222222",
        secret_access_key="x",
    )
    with Account.connect(target) as account:
        assert account.identity()["Account"] == "222222222222"
        assert account.call("lambda", "ListFunctions")["Functions"]
    trap.settimeout(0.1)
    with pytest.raises(TimeoutError):
        trap.accept()
    trap.close()


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, ErrorCode.NO_CREDENTIALS),
        ({"profile": "none"}, ErrorCode.NO_CREDENTIALS),
        ({"access_key_id": "a", "secret_access_key": "b"}, ErrorCode.NO_REGION),
        (
            {
                "access_key_id": "a",
                "secret_access_key": "b",
                "region": "us-east-1",
                "endpoint_url": "http://127.0.0.1:9",
            },
            ErrorCode.UNREACHABLE,
        ),
    ],
)
def test_an_account_that_cannot_be_used_says_why_in_one_line(values, code, monkeypatch):
    monkeypatch.setattr(session, "READ_ATTEMPTS", 1)
    with pytest.raises(AwsError) as caught:
        Account.connect(AccountTarget("aws", **values))
    assert caught.value.code is code
    assert caught.value.exit_code == 4
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_an_aws_account_is_read_only_until_that_is_allowed(server):
    values = {
        "region": "us-east-1",
        "endpoint_url": server.endpoint_url,
        "access_key_id": "333333333333",
        "secret_access_key": "x",
    }
    with Account.connect(AccountTarget("aws", **values)) as account:
        for operation in ("Invoke", "UpdateFunctionConfiguration", "DeleteFunction"):
            with pytest.raises(AwsError) as caught:
                account.call("lambda", operation, FunctionName="image-resize")
            assert caught.value.code is ErrorCode.READ_ONLY
        assert account.calls["lambda:Invoke"] == 0
    with Account.connect(AccountTarget("aws", writes_allowed=True, **values)) as account:
        account.call(
            "lambda", "UpdateFunctionConfiguration", FunctionName="image-resize", Timeout=5
        )


def test_a_role_is_assumed(server):
    admin = AccountTarget(
        "aws",
        "us-east-1",
        role_arn="arn:aws:iam::444444444444:role/no-such-role",
        endpoint_url=server.endpoint_url,
        access_key_id="444444444444",
        secret_access_key="x",
    )
    with pytest.raises(AccountError):
        Account.connect(admin)


def test_calls_that_declare_no_actions_are_refused(account):
    with pytest.raises(UndeclaredOperationError, match="DeleteBucket"):
        account.call("s3", "DeleteBucket", Bucket="x")


def test_every_declared_operation_exists_with_its_paging():
    import botocore.session

    loader = botocore.session.Session()
    for (service, name), declared in operations().items():
        model = loader.get_service_model(service).operation_model(name)
        assert declared.actions, declared.key
        if declared.paging:
            items, parameter, member = declared.paging
            assert items in model.output_shape.members, declared.key
            assert member in model.output_shape.members, declared.key
            assert parameter in model.input_shape.members, declared.key


def test_writes_are_known_as_writes():
    reading = ("Get", "List", "Describe", "Filter", "Start", "Stop", "Simulate", "Assume")
    for declared in operations().values():
        if declared.service != "sts":
            assert declared.writes is not declared.name.startswith(reading), declared.key


@pytest.mark.parametrize(
    ("kind", "code", "ambiguous"),
    [
        ("throttle", ErrorCode.THROTTLED, False),
        ("access-denied", ErrorCode.ACCESS_DENIED, False),
        ("error", ErrorCode.UNAVAILABLE, True),
        ("cut", ErrorCode.UNREACHABLE, True),
    ],
)
def test_a_write_is_sent_once_and_its_failure_is_told_apart(server, account, kind, code, ambiguous):
    server.add_fault(kind=kind, operation="PutFunctionConcurrency")
    asked = {"FunctionName": "image-resize", "ReservedConcurrentExecutions": 5}
    before = server.control("GET", "health")["requests"]
    with pytest.raises(AwsError) as caught:
        account.call("lambda", "PutFunctionConcurrency", **asked)
    assert (caught.value.code, caught.value.ambiguous) == (code, ambiguous)
    assert caught.value.retryable is (code is not ErrorCode.ACCESS_DENIED)
    # The health request itself counts, the write once.
    assert server.control("GET", "health")["requests"] - before <= 2
    if kind == "access-denied":
        assert caught.value.actions == ("lambda:PutFunctionConcurrency",)


def test_a_read_survives_a_passing_fault(server, account):
    server.add_fault(kind="throttle", operation="GetFunctionConfiguration", count=1)
    found = account.call("lambda", "GetFunctionConfiguration", FunctionName="image-resize")
    assert found["FunctionName"] == "image-resize"


def test_one_account_serves_many_threads(account):
    errors = []

    def work() -> None:
        try:
            for _ in range(5):
                account.call("lambda", "GetFunctionConfiguration", FunctionName="image-resize")
        except AwsError as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert account.calls["lambda:GetFunctionConfiguration"] == 80


@pytest.mark.parametrize(
    ("service_code", "message", "status", "code"),
    [
        (
            "ResourceConflictException",
            "An update is in progress for resource: x",
            409,
            "update_in_progress",
        ),
        ("ResourceConflictException", "Alias already exists: x", 409, "conflict"),
        (
            "PreconditionFailedException",
            "The Revision Id provided does not match",
            412,
            "stale_revision",
        ),
        ("TooManyRequestsException", "Rate Exceeded.", 429, "throttled"),
        ("Unheard", "?", 503, "unavailable"),
        ("Unheard", "?", 400, "other"),
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            403,
            "expired_credentials",
        ),
    ],
)
def test_answers_fall_into_a_closed_set(service_code, message, status, code):
    assert classify(service_code, message, status) == code


def test_missing_things_and_long_pages_of_html():
    response = {"Error": {"Code": "ResourceNotFoundException", "Message": "gone"}}
    error = translate(ClientError(response, "GetAlias"), operation="lambda:GetAlias")
    assert isinstance(error, MissingError)
    page = {"Error": {"Code": "500", "Message": "<html>\n" + "x" * 5_000}}
    assert len(str(translate(ClientError(page, "GetAlias")))) < 600
