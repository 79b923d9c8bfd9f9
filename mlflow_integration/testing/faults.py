"""A server that is away in every way a server can be, or stands in front of a real one."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from mlflow_integration.testing.listening import Listening

_PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"
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
        if owner.authorization and self.headers.get("Authorization") != owner.authorization:
            self._answer(401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you"}')
        elif owner.poison and owner.poison in body:
            self._answer(owner.poison_status, owner.poison_page.encode())
        elif owner.mode == "silent":
            owner.released.wait()
            self.close_connection = True
        elif owner.mode == "hangup":
            self._hang_up()
        elif owner.mode == "drip":
            self._drip(owner.released)
        elif owner.mode == "page":
            self._answer(200, _PAGE, [("Content-Type", "text/html")])
        elif owner.mode == "redirect":
            self._answer(302, _PAGE, [("Location", "https://login.example.com/?next=x")])
        elif owner.mode.isdigit():
            self._answer(int(owner.mode), owner.body.encode(), owner.headers)
        else:
            self._forward(owner.upstream, body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _drip(self, released: threading.Event) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            if released.wait(0.2):
                break
            self.wfile.write(b" ")
            self.wfile.flush()
        self.close_connection = True

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
        connection.close()
        owner: FaultyServer = self.server.owner  # type: ignore[attr-defined]
        if owner.mode == "forgetful" and self.command != "GET":
            # It was done; whoever asked does not get to know.
            self._hang_up()
            return
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP_HEADERS]
        self._answer(answer.status, content, kept)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names that http.server looks for


class FaultyServer(Listening):
    """Stands in front of a real server, or in its place, and answers as `mode` says.

    `through` forwards; `forgetful` forwards and hangs up instead of answering a write; `silent`
    never answers; `hangup` hangs up; `drip` answers one byte at a time; `page` answers 200 with a
    log-in page; `redirect` sends elsewhere; a number is an HTTP status, with `body`.

    Attributes:
        seen: Requests by the mode in which they came.
        headers: What an answer by number has besides, `Retry-After` for instance.
        authorization: The header without which everything is answered 401, None for none.
        poison: What no request may contain; it is answered with `poison_status`.
    """

    handler = _Handler

    def __init__(
        self,
        mode: str = "503",
        *,
        upstream: str = "",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(port, tls=tls)
        self.authorization: str | None = None
        self.poison: bytes | None = None
        self.poison_status = 500
        self.poison_page = '{"error_code": "INTERNAL_ERROR", "message": "stumbled"}'
        self.mode = mode
        self.upstream = upstream
        self.headers: list[tuple[str, str]] = []
        self.body = '{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "try later"}'
        self.seen: Counter[str] = Counter()
        self.released = threading.Event()

    def __exit__(self, *details: object) -> None:
        self.released.set()
        super().__exit__(*details)
