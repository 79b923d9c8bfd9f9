"""What a function URL's request becomes as an event, and what an answer becomes as a response.

Payload format 2.0, as the Developer Guide describes it ("Invoking Lambda function URLs").
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.wire.http import Request, Response

BROKEN: Final = Response(502, b"Internal Server Error", {"content-type": "application/json"})
_STATUSES: Final = range(200, 600)
_TEXTUAL: Final = ("text/", "application/json", "application/xml", "application/javascript")


def event_of(call: Call, request: Request, url_id: str, path: str) -> dict[str, Any]:
    """The event of one request; `call.principal` is who signed it, if anybody did."""
    domain = f"{url_id}.lambda-url.{call.region_name}.on.aws"
    body, encoded = _body(request)
    headers = {name: value for name, value in request.headers.items() if name != "cookie"}
    headers["host"] = domain
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.raw_query,
        "headers": headers,
        "requestContext": _context(call, request, url_id, domain, path),
        "isBase64Encoded": encoded,
    }
    if request.raw_query:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in request.query.items()
        }
    if cookies := request.headers.get("cookie"):
        event["cookies"] = [each.strip() for each in cookies.split(";")]
    if body is not None:
        event["body"] = body
    return event


def _body(request: Request) -> tuple[str | None, bool]:
    if not request.body:
        return None, False
    kind = request.headers.get("content-type", "")
    if kind.startswith(_TEXTUAL) or "charset=" in kind:
        try:
            return request.body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(request.body).decode(), True


def _context(call: Call, request: Request, url_id: str, domain: str, path: str) -> dict[str, Any]:
    moment = dt.datetime.fromtimestamp(call.now_ms / 1000, dt.UTC)
    signed = call.principal.kind != "anonymous"
    context: dict[str, Any] = {
        "accountId": call.account_id if signed else "anonymous",
        "apiId": url_id,
        "domainName": domain,
        "domainPrefix": url_id,
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": call.source_ip,
            "userAgent": call.user_agent,
        },
        "requestId": call.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": call.now_ms,
    }
    if signed:
        context["authorizer"] = {
            "iam": {
                "accessKey": call.access_key_id,
                "accountId": call.account_id,
                "callerId": call.principal.user_id,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": call.principal.arn,
                "userId": call.principal.user_id,
            }
        }
    return context


def response_of(payload: bytes) -> Response:
    """The response that a function's answer stands for.

    An object with `statusCode` says it all; any other JSON is the body of a 200.
    """
    try:
        answer = json.loads(payload or b"null")
    except ValueError:
        return BROKEN
    if not isinstance(answer, dict) or "statusCode" not in answer:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(200, text.encode(), {"content-type": "application/json"})
    status = answer["statusCode"]
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    body = answer.get("body", "")
    if not isinstance(status, int) or status not in _STATUSES or not isinstance(body, str):
        return BROKEN
    raw = body.encode()
    if answer.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(raw, validate=True)
        except binascii.Error:
            return BROKEN
    headers = _headers(answer.get("headers"))
    if isinstance(answer.get("cookies"), list):
        headers["set-cookie"] = "\n".join(str(cookie) for cookie in answer["cookies"])
    return Response(status, raw, {"content-type": "application/json", **headers})


def _headers(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        return {}
    hidden = {"content-length", "connection", "transfer-encoding", "date"}
    return {
        str(name).lower(): str(value)
        for name, value in given.items()
        if str(name).lower() not in hidden
    }
