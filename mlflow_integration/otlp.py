"""The second copy for an OpenTelemetry collector, when dual export was asked for."""

from __future__ import annotations

import http
import os
from typing import Any
from urllib.parse import unquote

from mlflow_integration.errors import UnreachableError

_SECONDS = 10


def send_to_collector(endpoint: str, spans: list[Any]) -> None:
    """Post MLflow spans as one OTLP request (protobuf over HTTP).

    Raises:
        UnreachableError: The collector did not take them.
    """
    import requests
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    if not spans:
        return
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    service = resource.resource.attributes.add()
    service.key = "service.name"
    service.value.string_value = os.environ.get("OTEL_SERVICE_NAME") or "lambda-autotuner"
    scope = resource.scope_spans.add()
    scope.scope.name = "mlflow_integration"
    scope.spans.extend(span.to_otel_proto() for span in spans)
    try:
        answer = requests.post(
            endpoint,
            data=request.SerializeToString(),
            headers={"Content-Type": "application/x-protobuf", **_headers()},
            timeout=_SECONDS,
        )
    except requests.RequestException as error:
        raise UnreachableError(f"the collector {endpoint} did not answer: {error}") from error
    if answer.status_code >= http.HTTPStatus.BAD_REQUEST:
        raise UnreachableError(f"the collector {endpoint} answered HTTP {answer.status_code}")


def _headers() -> dict[str, str]:
    raw = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or os.environ.get(
        "OTEL_EXPORTER_OTLP_HEADERS", ""
    )
    pairs = (pair.partition("=") for pair in raw.split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
