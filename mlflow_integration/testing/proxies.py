"""A forward proxy as companies have them: CONNECT, plain HTTP, a password if wanted."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from mlflow_integration.testing.listening import Listening

_NOT_PASSED_ON = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "proxy-authorization", "proxy-connection"}
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def owner(self) -> ForwardProxy:
        return self.server.owner  # type: ignore[attr-defined,no-any-return]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _admitted(self) -> bool:
        wanted = self.owner.password
        if wanted is None:
            return True
        pair = base64.b64encode(wanted.encode()).decode()
        if self.headers.get("Proxy-Authorization") == f"Basic {pair}":
            return True
        self._refuse(407)
        return False

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_CONNECT(self) -> None:
        if not self._admitted():
            return
        host, _, port = self.path.partition(":")
        self.owner.seen[f"CONNECT {self.path}"] += 1
        if host not in self.owner.names:
            self._refuse(403)
            return
        upstream = socket.create_connection((self.owner.names[host], int(port)))
        self.send_response(200)
        self.end_headers()
        back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
        back.start()
        _pump(self.connection, upstream)
        back.join(5)
        self.close_connection = True

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._admitted():
            return
        parts = urlsplit(self.path)
        self.owner.seen[f"{self.command} {parts.netloc}"] += 1
        if parts.hostname not in self.owner.names:
            # Without a host in the request line this is a request to the proxy itself.
            self._refuse(400)
            return
        connection = http.client.HTTPConnection(
            self.owner.names[parts.hostname], parts.port or 80, timeout=60
        )
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _NOT_PASSED_ON}
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(self.command, target, body=body, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_PASSED_ON | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - names that http.server looks for


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class ForwardProxy(Listening):
    """Knows the hosts in `names` only, which nobody else needs to be able to resolve.

    Attributes:
        names: Address by host name.
        password: `user:password` that is asked for, None for nothing.
        seen: Requests by method and target.
    """

    handler = _Handler

    def __init__(self, names: Mapping[str, str], *, password: str | None = None) -> None:
        super().__init__()
        self.names = dict(names)
        self.password = password
        self.seen: Counter[str] = Counter()
