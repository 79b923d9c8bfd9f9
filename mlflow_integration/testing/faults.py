"""A server that is away in every way a server can be, or stands in front of a real one."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from mlflow_integration.testing.listening import Listening

_HOP_HEADERS = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _serve(self) -> None:
        owner: FaultyServer = self.server.owner  # type: ignore[attr-defined]
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        owner.seen[owner.mode] += 1
        if owner.mode == "silent":
            owner.released.wait()
            self.close_connection = True
        elif owner.mode == "hangup":
            self.close_connection = True
            self.connection.close()
        elif owner.mode.isdigit():
            self._answer(int(owner.mode), owner.body.encode())
        else:
            self._forward(owner.upstream, body)

    def _answer(self, status: int, body: bytes, headers: Any = ()) -> None:
        self.send_response(status)
        names = {name.lower() for name, _ in headers}
        for name, value in headers:
            self.send_header(name, value)
        if "content-type" not in names:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _forward(self, upstream: str, body: bytes) -> None:
        parts = urlsplit(upstream)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_HEADERS}
        connection.request(self.command, self.path, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_HEADERS]
        self._answer(answer.status, content, kept)
        connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names that http.server looks for


class FaultyServer(Listening):
    """Answers as `mode` says: `silent`, `hangup`, an HTTP status such as `503`, or `through`.

    Attributes:
        seen: Requests by the mode in which they came.
    """

    handler = _Handler

    def __init__(self, mode: str = "503", *, upstream: str = "", port: int = 0) -> None:
        super().__init__(port)
        self.mode = mode
        self.upstream = upstream
        self.body = '{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "try later"}'
        self.seen: Counter[str] = Counter()
        self.released = threading.Event()

    def __exit__(self, *details: object) -> None:
        self.released.set()
        super().__exit__(*details)
