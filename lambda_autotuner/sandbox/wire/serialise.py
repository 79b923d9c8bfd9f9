"""Answers and errors, by protocol, in the shapes of the services' models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import cbor2
from botocore.model import OperationModel

from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.wire.event_stream import CONTENT_TYPE, encoded
from lambda_autotuner.sandbox.wire.http import Response
from lambda_autotuner.sandbox.wire.models import Service, Target, error_shape
from lambda_autotuner.sandbox.wire.writers import dumps, to_header, writer, xml

_CLIENT_ERROR = 400
_SERVER_ERROR = 500


def answer(target: Target, result: Mapping[str, Any] | None, request_id: str) -> Response:
    """An operation's result as a response."""
    operation = target.operation
    if operation is None:
        raise ServiceError("UnknownOperationException", target.operation_name, 404)
    values = result or {}
    if target.protocol == "rest-json":
        response = _rest(operation, values)
    elif target.protocol == "query":
        response = _query(target.service, operation, values, request_id)
    elif target.protocol == "cbor":
        body = _body(operation, values, binary=True)
        response = Response(200, cbor2.dumps(body), _cbor_headers())
    else:
        version = target.service.model.metadata.get("jsonVersion", "1.1")
        body = dumps(_body(operation, values, binary=False))
        response = Response(200, body, {"content-type": f"application/x-amz-json-{version}"})
    response.headers["x-amzn-requestid"] = request_id
    return response


def _cbor_headers() -> dict[str, str]:
    return {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}


def _body(operation: OperationModel, values: Mapping[str, Any], *, binary: bool) -> Any:
    if operation.output_shape is None:
        return {}
    return writer(operation.output_shape, binary=binary)(values)


def _rest(operation: OperationModel, values: Mapping[str, Any]) -> Response:
    status = int(operation.http.get("responseCode", 200))
    shape: Any = operation.output_shape
    headers: dict[str, str] = {}
    if shape is None:
        return Response(status, b"", headers)
    for name, member in shape.members.items():
        value = values.get(name)
        location = member.serialization.get("location")
        if value is None or location is None:
            continue
        if location == "statusCode":
            status = int(value)
        elif location == "header":
            headers[member.serialization.get("name", name)] = to_header(member, value)
    payload = shape.serialization.get("payload")
    if payload:
        if shape.members[payload].serialization.get("eventstream"):
            events = values.get(payload) or ()
            return Response(
                status,
                encoded(shape.members[payload], events),
                {**headers, "content-type": CONTENT_TYPE},
            )
        body = _payload(shape.members[payload], values.get(payload))
        if isinstance(values.get("$content-type"), str):
            headers["content-type"] = values["$content-type"]
    elif status == 204:  # noqa: PLR2004 - No Content
        return Response(status, b"", headers)
    else:
        body = dumps(writer(shape)(values))
    headers.setdefault("content-type", "application/json")
    return Response(status, body, headers)


def _payload(member: Any, value: Any) -> bytes:
    if value is None:
        return b""
    if member.type_name == "blob" or isinstance(value, bytes):
        return value if isinstance(value, bytes) else str(value).encode()
    return dumps(writer(member)(value))


def _query(
    service: Service, operation: OperationModel, values: Mapping[str, Any], request_id: str
) -> Response:
    shape: Any = operation.output_shape
    namespace = service.model.metadata.get("xmlNamespace", "")
    inner = ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        inner = xml(shape, values, wrapper)
    body = (
        f'<{operation.name}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{operation.name}Response>"
    )
    return Response(200, body.encode(), {"content-type": "text/xml"})


def failure(target: Target | None, error: ServiceError, request_id: str) -> Response:
    """An error as a response, in its service's shape where the model has one."""
    protocol = target.protocol if target else "rest-json"
    service = target.service if target else None
    shape: Any = error_shape(service, error.code) if service else None
    trait: Mapping[str, Any] = shape.metadata.get("error", {}) if shape is not None else {}
    status = error.status or int(trait.get("httpStatusCode", _CLIENT_ERROR))
    name = str(shape.name) if shape is not None else error.code
    wire_code = str(trait.get("code", name))
    if protocol == "query":
        response = _query_failure(service, error, wire_code, status, request_id)
    else:
        body = _error_body(shape, error)
        response = _typed_failure(service, protocol, body, name, status)
        if service is not None and service.query_compatible:
            fault = "Sender" if error.sender else "Receiver"
            response.headers["x-amzn-query-error"] = f"{wire_code};{fault}"
    response.headers["x-amzn-requestid"] = request_id
    response.headers.update(error.headers)
    return response


def _error_body(shape: Any, error: ServiceError) -> dict[str, Any]:
    body: dict[str, Any] = {}
    members = shape.members if shape is not None else {}
    if "Type" in members and members["Type"].serialization.get("location") is None:
        body["Type"] = "User" if error.sender else "Service"
    message_name = next((name for name in members if name.lower() == "message"), "message")
    if error.message or shape is None or message_name in members:
        body[message_name] = error.message
    for name, value in error.fields.items():
        if value is None:  # some answers lack a member that their shape has
            body.pop(name, None)
            continue
        member = members.get(name)
        body[name] = writer(member)(value) if member is not None else value
    return body


def _typed_failure(
    service: Service | None, protocol: str, body: dict[str, Any], name: str, status: int
) -> Response:
    if protocol == "cbor" and service is not None:
        return Response(
            status, cbor2.dumps({"__type": _type_name(service, name), **body}), _cbor_headers()
        )
    if protocol == "json":
        version = service.model.metadata.get("jsonVersion", "1.1") if service else "1.1"
        headers = {"content-type": f"application/x-amz-json-{version}", "x-amzn-errortype": name}
        full = _type_name(service, name) if service and service.query_compatible else name
        return Response(status, dumps({"__type": full, **body}), headers)
    headers = {"content-type": "application/json", "x-amzn-errortype": name}
    # Nobody knows which protocol an unknown service speaks: clients of the JSON ones look here.
    known = body if service is not None else {"__type": name, **body}
    return Response(status, dumps(known), headers)


def _type_name(service: Service, name: str) -> str:
    """An error's name with the namespace that the service's own answers have."""
    if service.name == "cloudwatch":
        if name == "ValidationException":
            return f"com.amazon.coral.validate#{name}"
        return f"com.amazonaws.cloudwatch.v2010_08_01#{name}"
    return f"com.amazonaws.{service.name.replace('-', '')}#{name}"


def _query_failure(
    service: Service | None, error: ServiceError, code: str, status: int, request_id: str
) -> Response:
    namespace = service.model.metadata.get("xmlNamespace", "") if service else ""
    kind = "Sender" if error.sender else "Receiver"
    said = f"<Message>{escape(error.message)}</Message>" if error.message else ""
    body = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type><Code>{escape(code)}</Code>'
        f"{said}</Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Response(status, body.encode(), {"content-type": "text/xml"})
