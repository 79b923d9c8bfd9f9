"""The wire: protocols, shapes of errors, signatures, and requests that make no sense."""

from __future__ import annotations

import http.client
import json
import random
import socket
from typing import Any

import cbor2
import pytest
from botocore.exceptions import ClientError

from lambda_autotuner.sandbox import registry
from lambda_autotuner.sandbox.gateway import Gateway
from lambda_autotuner.sandbox.serving import Options, build_world
from lambda_autotuner.sandbox.wire.http import Request
from lambda_autotuner.sandbox.wire.models import SIGNING_NAMES, load_service

SCOPE = "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/{service}/aws4_request, "
ACCOUNT = "123456789012"


def signed(service: str, key: str = ACCOUNT) -> dict[str, str]:
    scope = SCOPE.format(key=key, service=service)
    return {"authorization": f"{scope}SignedHeaders=host, Signature=0"}


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    return Gateway(build_world(Options(now_ms=1_790_000_000_000)))


def ask(gateway: Gateway, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    path, _, query = path.partition("?")
    return gateway.handle(Request(method, path, query, names, body)).response


def test_the_same_question_in_all_three_protocols_of_cloudwatch(gateway):
    scope = signed("monitoring")
    query = ask(gateway, "POST", "/", b"Action=ListDashboards&Version=2010-08-01", **scope)
    assert b"<ListDashboardsResult>" in query.body
    target = {**scope, "x-amz-target": "GraniteServiceVersion20100801.ListDashboards"}
    assert "DashboardEntries" in json.loads(ask(gateway, "POST", "/", b"{}", **target).body)
    path = "/service/GraniteServiceVersion20100801/operation/ListDashboards"
    binary = ask(gateway, "POST", path, cbor2.dumps({}), **scope)
    assert "DashboardEntries" in cbor2.loads(binary.body)
    assert binary.headers["smithy-protocol"] == "rpc-v2-cbor"


def test_unsigned_requests_are_turned_away(gateway):
    response = ask(gateway, "GET", "/2015-03-31/functions/")
    assert response.status == 403
    assert response.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"


def test_unknown_keys_are_the_default_accounts_administrator(gateway):
    response = ask(
        gateway, "GET", "/2016-08-19/account-settings", **signed("lambda", "AKIDUNKNOWN")
    )
    assert response.status == 200
    who = b"Action=GetCallerIdentity&Version=2011-06-15"
    assert ACCOUNT.encode() in ask(gateway, "POST", "/", who, **signed("sts", "AKIDUNKNOWN")).body


def test_keys_that_the_sandbox_issued_are_verified_and_restricted(connect, account_id):
    iam = connect("iam")
    iam.create_user(UserName="reader")
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    own = {"aws_access_key_id": key["AccessKeyId"]}
    good = connect_with(connect, own, key["SecretAccessKey"])
    with pytest.raises(ClientError, match="is not authorized to perform: lambda:ListFunctions"):
        good.list_functions()
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "lambda:List*", "Resource": "*"}],
    }
    iam.put_user_policy(UserName="reader", PolicyName="p", PolicyDocument=json.dumps(document))
    assert good.list_functions()["Functions"]
    bad = connect_with(connect, own, "not" + "-the-secret")
    with pytest.raises(ClientError) as caught:
        bad.list_functions()
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def connect_with(connect: Any, key: dict[str, str], secret: str) -> Any:
    import boto3
    import botocore.config

    endpoint = connect("lambda").meta.endpoint_url
    return boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"max_attempts": 0}),
        **key,
    )


@pytest.mark.parametrize(
    ("service", "headers", "body", "code"),
    [
        ("logs", {"x-amz-target": "Logs_20140328.NoSuchThing"}, b"{}", "UnknownOperationException"),
        ("logs", {"x-amz-target": "Nobody_1.X"}, b"{}", "UnknownOperationException"),
        (
            "logs",
            {"x-amz-target": "Logs_20140328.DescribeLogGroups"},
            b"{",
            "SerializationException",
        ),
        (
            "logs",
            {"x-amz-target": "Logs_20140328.DescribeLogGroups"},
            b'{"limit": "many"}',
            "SerializationException",
        ),
        ("sts", {}, b"Action=NoSuchThing&Version=2011-06-15", "InvalidAction"),
        ("nobody", {}, b"", "UnknownOperationException"),
    ],
)
def test_nonsense_gets_an_answer_in_the_services_shape(gateway, service, headers, body, code):
    response = ask(gateway, "POST", "/", body, **signed(service), **headers)
    assert 400 <= response.status < 500
    assert code.encode() in response.body or response.headers.get("x-amzn-errortype") == code


def test_what_is_not_answered_says_so(gateway):
    headers = {"x-amz-target": "Logs_20140328.PutAccountPolicy"}
    body = b'{"policyName": "a", "policyDocument": "{}", "policyType": "DATA_PROTECTION_POLICY"}'
    response = ask(gateway, "POST", "/", body, **signed("logs"), **headers)
    assert response.status == 501


def test_every_registered_operation_is_one_of_the_model():
    for service in SIGNING_NAMES.values():
        known = set(load_service(service).operations)
        assert set(registry.supported(service)) <= known, service


def test_a_broken_operation_breaks_nothing_else(gateway, monkeypatch):
    def broken(call: Any, params: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(registry._operations, ("lambda", "GetAccountSettings"), broken)
    response = ask(gateway, "GET", "/2016-08-19/account-settings", **signed("lambda"))
    assert (response.status, response.headers["x-amzn-errortype"]) == (500, "InternalFailure")
    monkeypatch.undo()
    assert ask(gateway, "GET", "/2016-08-19/account-settings", **signed("lambda")).status == 200


def mutated(draw: random.Random, data: bytes) -> bytes:
    """Bytes with some changed, doubled, cut out or made up."""
    out = bytearray(data)
    for _ in range(draw.randint(0, 6)):
        if not out:
            break
        place = draw.randrange(len(out))
        kind = draw.randrange(4)
        if kind == 0:
            out[place] = draw.randrange(256)
        elif kind == 1:
            del out[place : place + draw.randint(1, 8)]
        elif kind == 2:
            out[place:place] = out[place : place + 16]
        else:
            out[place:place] = draw.randbytes(draw.randint(1, 6))
    return bytes(out)


VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**63, 1e308, "", "x", "$LATEST", "a" * 300, "\u202e\x00", [], {},
    [None], {"a": None}, [[[[]]]], "2026-01-01T00:00:00Z", "arn:aws:lambda:us-east-1:1:function:f",
)  # fmt: skip


def structured(draw: random.Random, service: str) -> tuple[str, str, bytes, dict[str, str]]:
    """A request for a real operation with values that may be anything."""
    model = load_service(service)
    name = draw.choice(sorted(model.operations))
    operation = model.operations[name]
    members = list(getattr(operation.input_shape, "members", ()))
    params = {member: draw.choice(VALUES) for member in members if draw.random() < 0.6}
    headers = signed({value: key for key, value in SIGNING_NAMES.items()}[service])
    protocol = model.model.metadata["protocol"]
    if protocol == "rest-json":
        path = operation.http["requestUri"]
        for member in members:
            value = draw.choice(("geo-lookup", "x", "%2E%2E", "arn%3Aaws", "a" * 200, "1"))
            path = path.replace("{" + member + "}", value)
        return operation.http["method"], path, json.dumps(params).encode(), headers
    if protocol == "query":
        fields = "&".join(f"{key}={value}" for key, value in params.items())
        return "POST", "/", f"Action={name}&{fields}".encode("utf-8", "replace"), headers
    if draw.random() < 0.5 and "cbor" in protocol:
        path = f"/service/{model.target_prefix}/operation/{name}"
        return "POST", path, cbor2.dumps(params), headers
    headers["x-amz-target"] = f"{model.target_prefix}.{name}"
    return "POST", "/", json.dumps(params).encode(), headers


FUZZED = ("lambda", "cloudwatch", "logs", "sts", "iam", "pricing", "service-quotas",
          "application-autoscaling", "resourcegroupstaggingapi", "compute-optimizer")  # fmt: skip


def fuzz(gateway: Gateway, count: int, seed: int) -> dict[int, int]:
    draw = random.Random(seed)
    statuses: dict[int, int] = {}
    for _ in range(count):
        method, path, body, headers = structured(draw, draw.choice(FUZZED))
        if draw.random() < 0.5:
            body = mutated(draw, body)
        if draw.random() < 0.2:
            path = mutated(draw, path.encode()).decode("latin-1")
        if draw.random() < 0.1:
            name = draw.choice(sorted(headers))
            headers[name] = mutated(draw, headers[name].encode()).decode("latin-1")
        raw, _, query = path.partition("?")
        response = gateway.handle(Request(method, raw, query, headers, body)).response
        statuses[response.status] = statuses.get(response.status, 0) + 1
        if response.status == 500:
            raise AssertionError((method, path, headers, body, response.body))
    return statuses


def test_five_hundred_requests_of_any_kind_are_answered(gateway):
    statuses = fuzz(gateway, 500, seed=3)
    assert sum(statuses.values()) == 500
    assert any(200 <= status < 300 for status in statuses)


@pytest.mark.soak
def test_five_thousand_requests_of_any_kind_are_answered(gateway):
    for seed in range(10):
        fuzz(gateway, 600, seed=100 + seed)


def test_bytes_that_are_no_http_do_not_stop_the_server(server):
    port = int(server.endpoint_url.rsplit(":", 1)[1])
    draw = random.Random(5)
    valid = b"POST /2015-03-31/functions/x/invocations HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"
    for number in range(200):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            data = draw.randbytes(60) if number % 3 == 0 else mutated(draw, valid)
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(5)
            while connection.recv(65536):
                pass
    assert server.control("GET", "health")["status"] == "ok"


def test_pipelined_and_interleaved_requests_are_answered_in_order(server):
    port = int(server.endpoint_url.rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(3):
        connection.request("GET", "/2016-08-19/account-settings", headers=signed("lambda"))
        answer = connection.getresponse()
        assert answer.status == 200
        assert "AccountLimit" in json.loads(answer.read())
    connection.close()
    one = b"GET /2016-08-19/account-settings HTTP/1.1\r\nhost: a\r\nauthorization: "
    one += signed("lambda")["authorization"].encode() + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(one * 3)
        seen = b""
        while seen.count(b"AccountUsage") < 3:
            part = raw.recv(65536)
            assert part
            seen += part
