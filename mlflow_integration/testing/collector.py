"""An OpenTelemetry collector that keeps what it is sent."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

from mlflow_integration.testing.listening import Listening


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_POST(self) -> None:
        """Take one export request."""
        owner: Collector = self.server.owner  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        owner.take(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()


class Collector(Listening):
    """Receives OTLP over HTTP.

    Attributes:
        spans: The received spans, as protobuf messages.
        bodies: The received requests, byte for byte.
    """

    handler = _Handler

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self.spans: list[Any] = []
        self.bodies: list[bytes] = []
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        """Decode one export request."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.bodies.append(body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans.extend(scope.spans)
