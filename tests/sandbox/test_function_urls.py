"""Function URLs: who may call them, what the function sees, what the caller gets."""

from __future__ import annotations

import base64
import http.client
import json
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lambda_autotuner.sandbox.call import Principal
from lambda_autotuner.sandbox.functions.url_events import event_of, response_of
from lambda_autotuner.sandbox.gateway import Gateway
from lambda_autotuner.sandbox.handlers import available
from lambda_autotuner.sandbox.process import start_private
from lambda_autotuner.sandbox.serving import Options, build_world
from lambda_autotuner.sandbox.wire.http import Request

from .conftest import make_client, settle, zip_of

OPEN = ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction")


def fetch(url, method="GET", body=None, headers=None, host=None):
    """(status, headers, body) over a connection of its own."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    target = place.path + (f"?{place.query}" if place.query else "")
    connection.request(
        method, target, body, {**(headers or {}), **({"Host": host} if host else {})}
    )
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read()
    connection.close()
    return found


def open_to_all(functions, name, **qualified):
    for number, action in enumerate(OPEN):
        extra = {"FunctionUrlAuthType": "NONE"} if action == OPEN[0] else {}
        functions.add_permission(
            FunctionName=name, StatementId=f"all{number}", Action=action, Principal="*",
            **extra, **qualified,
        )  # fmt: skip


def signed(url, key, secret, token=None, method="GET", body=b""):
    request = AWSRequest(method, url, data=body)
    SigV4Auth(Credentials(key, secret, token), "lambda", "us-east-1").add_auth(request)
    return {name: value for name, value in request.headers.items() if name.lower() != "host"}


def test_none_needs_a_policy_with_both_actions(functions):
    url = functions.create_function_url_config(FunctionName="geo-lookup", AuthType="NONE")[
        "FunctionUrl"
    ]
    status, headers, body = fetch(url)
    assert (status, headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert json.loads(body)["Message"].startswith("Forbidden. For troubleshooting")
    functions.add_permission(
        FunctionName="geo-lookup", StatementId="one", Action=OPEN[0], Principal="*",
        FunctionUrlAuthType="NONE",
    )  # fmt: skip
    assert fetch(url)[0] == 403
    functions.add_permission(
        FunctionName="geo-lookup", StatementId="two", Action=OPEN[1], Principal="*"
    )
    status, headers, body = fetch(url + "a/b?x=1")
    assert (status, body) == (200, b"geo-lookup done")
    functions.delete_function_url_config(FunctionName="geo-lookup")
    assert fetch(url)[0] == 403


def test_a_request_is_an_invocation_like_any_other(functions, connect):
    functions.create_function_url_config(
        FunctionName="nobody-calls-me",
        AuthType="NONE",
        Cors={"AllowOrigins": ["https://a.example"]},
    )
    open_to_all(functions, "nobody-calls-me")
    url = functions.get_function_url_config(FunctionName="nobody-calls-me")["FunctionUrl"]
    _, headers, _ = fetch(url, headers={"Origin": "https://a.example"})
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in fetch(url, headers={"Origin": "https://b"})[1]
    host = f"{url.rstrip('/').rsplit('/', 1)[1]}.lambda-url.us-east-1.on.aws"
    root = "/".join(url.split("/")[:3]) + "/"
    assert fetch(root, host=host)[0] == 200
    logs = connect("logs")
    now = int(time.time() * 1000)
    found = logs.filter_log_events(
        logGroupName="/aws/lambda/nobody-calls-me", startTime=now - 600_000, filterPattern="REPORT"
    )
    assert len(found["events"]) == 3


def test_throttles_and_failures_have_their_statuses(functions):
    functions.create_function_url_config(FunctionName="timeout-loop", AuthType="NONE")
    open_to_all(functions, "timeout-loop")
    url = functions.get_function_url_config(FunctionName="timeout-loop")["FunctionUrl"]
    # Only some of its invocations run into the timeout.
    assert any(fetch(url)[0] == 502 for _ in range(64))
    functions.put_function_concurrency(FunctionName="timeout-loop", ReservedConcurrentExecutions=0)
    assert fetch(url)[0] == 429


def test_iam_wants_a_signature_and_leave(functions, connect, account_id, server):
    functions.create_function_url_config(FunctionName="geo-lookup", AuthType="AWS_IAM")
    url = functions.get_function_url_config(FunctionName="geo-lookup")["FunctionUrl"]
    assert fetch(url)[0] == 403
    assert fetch(url, headers=signed(url, account_id, "any"))[0] == 200
    iam = connect("iam")
    iam.create_user(UserName="caller")
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    own, secret = key["AccessKeyId"], key["SecretAccessKey"]
    assert fetch(url, headers=signed(url, own, secret))[0] == 403
    statement = {"Effect": "Allow", "Action": list(OPEN), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="caller", PolicyName="p", PolicyDocument=document)
    assert fetch(url, headers=signed(url, own, secret))[0] == 200
    status, _, body = fetch(url, headers=signed(url, own, secret + "x"))
    assert status == 403
    assert b"signature we calculated does not match" in body
    stranger = make_client(server, "lambda", "200000999999")
    assert fetch(url, headers=signed(url, "200000999999", "any"))[0] == 403
    stranger.close()


def test_an_alias_has_a_url_of_its_own(functions):
    functions.create_function_url_config(
        FunctionName="checkout-api", Qualifier="live", AuthType="NONE"
    )
    open_to_all(functions, "checkout-api", Qualifier="live")
    url = functions.get_function_url_config(FunctionName="checkout-api", Qualifier="live")
    assert fetch(url["FunctionUrl"])[0] == 200


def gateway_call(request):
    gateway = Gateway(build_world(Options(now_ms=1_790_000_000_000)))
    account = gateway.world.account("123456789012")
    principal = Principal("arn:aws:iam::anonymous:user/anonymous", "", "anonymous")
    return gateway._call(request, account, None, principal, ("lambda-url", "Visit"))


def test_the_event_is_payload_format_two():
    request = Request(
        "POST", "/x", "a=1&a=2&b=%20", {"content-type": "text/plain", "cookie": "k=v; l=w",
        "user-agent": "t"}, b"hello",
    )  # fmt: skip
    event = event_of(gateway_call(request), request, "u" * 32, "/x")
    assert event["version"] == "2.0"
    assert event["rawPath"] == "/x"
    assert event["queryStringParameters"] == {"a": "1,2", "b": " "}
    assert event["cookies"] == ["k=v", "l=w"]
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["accountId"] == "anonymous"
    assert event["requestContext"]["time"] == "21/Sep/2026:14:13:20 +0000"
    binary = Request("POST", "/", "", {}, b"\xff\x00")
    event = event_of(gateway_call(binary), binary, "u" * 32, "/")
    assert base64.b64decode(event["body"]) == b"\xff\x00"
    assert event["isBase64Encoded"]


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"statusCode": 201, "body": "made", "headers": {"X-A": "1"}}, 201, b"made"),
        ({"statusCode": "404"}, 404, b""),
        ({"statusCode": 200, "body": "aGk=", "isBase64Encoded": True}, 200, b"hi"),
        ({"statusCode": 200, "body": "?", "isBase64Encoded": True}, 502, b"Internal Server Error"),
        ({"statusCode": 99}, 502, b"Internal Server Error"),
        ({"statusCode": 200, "body": {"no": "text"}}, 502, b"Internal Server Error"),
        ({"any": "thing"}, 200, b'{"any": "thing"}'),
        ("text", 200, b"text"),
        (None, 200, b"null"),
    ],
)  # fmt: skip
def test_what_an_answer_becomes(answer, status, body):
    response = response_of(json.dumps(answer).encode())
    assert (response.status, response.body) == (status, body)


@pytest.mark.skipif(not available(), reason="awslambdaric is not installed (extra: handlers)")
def test_a_real_handler_behind_a_url():
    source = (
        "import json\n"
        "def handler(event, context):\n"
        "    if event['rawPath'] == '/boom':\n"
        "        raise ValueError('boom')\n"
        "    return {'statusCode': 202, 'cookies': ['a=1', 'b=2'],\n"
        "            'headers': {'X-Path': event['rawPath']}, 'body': event.get('body', '')}\n"
    )
    with start_private(handlers=True) as server:
        functions = make_client(server, "lambda", "123456789012")
        functions.create_function(
            FunctionName="f", Runtime="python3.12", Role="arn:aws:iam::123456789012:role/r",
            Handler="app.handler", Code={"ZipFile": zip_of(source)},
        )  # fmt: skip
        settle(functions, "f")
        url = functions.create_function_url_config(FunctionName="f", AuthType="NONE")["FunctionUrl"]
        open_to_all(functions, "f")
        status, headers, body = fetch(url + "p/q", "PUT", b"sent", {"content-type": "text/plain"})
        assert (status, body, headers["x-path"]) == (202, b"sent", "/p/q")
        assert headers.get_all("set-cookie") == ["a=1", "b=2"]
        assert fetch(url + "boom")[0] == 502
        stream = functions.invoke_with_response_stream(
            FunctionName="f", Payload=json.dumps({"rawPath": "/", "body": "x" * 40_000})
        )["EventStream"]
        with closing(stream):
            events = list(stream)
        parts = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
        assert len(parts) > 1
        assert json.loads(b"".join(parts))["body"] == "x" * 40_000
        functions.close()


def read(answer):
    with closing(answer["EventStream"]) as stream:
        return list(stream)


def test_response_streams(functions):
    answer = functions.invoke_with_response_stream(FunctionName="geo-lookup", LogType="Tail")
    assert answer["StatusCode"] == 200
    events = read(answer)
    assert json.loads(events[0]["PayloadChunk"]["Payload"])["body"] == "geo-lookup done"
    tail = base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode()
    assert tail.splitlines()[-1].startswith("REPORT RequestId: ")
    complete: dict[str, str] = {}
    for _ in range(64):
        answer = functions.invoke_with_response_stream(FunctionName="timeout-loop")
        complete = read(answer)[-1]["InvokeComplete"]
        # Once in a while it fails as any function does, before its time is up.
        if "Task timed out" in complete.get("ErrorDetails", ""):
            break
    assert complete["ErrorCode"] == "Unhandled"
    assert "Task timed out" in complete["ErrorDetails"]
    dry = functions.invoke_with_response_stream(FunctionName="geo-lookup", InvocationType="DryRun")
    assert dry["StatusCode"] == 204
    dry["EventStream"].close()
