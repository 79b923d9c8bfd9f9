"""The HTTP server: one thread, one event loop, 127.0.0.1 and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any, Final

import httptools

from lambda_autotuner.sandbox.flow import Flow, Flows
from lambda_autotuner.sandbox.gateway import Exchange, Gateway
from lambda_autotuner.sandbox.wire.http import Request, Response

log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
MAX_HANDLERS: Final = 32
MAX_BODY: Final = 80 * 1024 * 1024
_REASONS: Final = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request",
    403: "Forbidden", 404: "Not Found", 409: "Conflict", 412: "Precondition Failed",
    413: "Payload Too Large", 429: "Too Many Requests", 500: "Internal Server Error",
    501: "Not Implemented", 503: "Service Unavailable",
}  # fmt: skip

Control = Callable[[Request], Response | None]


class Server:
    """Everything that connections share."""

    def __init__(self, gateway: Gateway, control: Control) -> None:
        self.gateway = gateway
        self.control = control
        self.flows = Flows()
        self.last_request = time.monotonic()
        self.open: set[Connection] = set()
        self.tasks: set[asyncio.Future[None]] = set()
        self.workers = ThreadPoolExecutor(MAX_HANDLERS, "handler")

    def handle(self, request: Request) -> Exchange:
        """Answer a request of the account, or one that steers the sandbox itself."""
        self.last_request = time.monotonic()
        if request.raw_path.startswith("/_sandbox/"):
            response = self.control(request)
            return Exchange(response or Response(404, b"{}"))
        return self.gateway.handle(request)


class Connection(asyncio.Protocol):
    """One client connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: asyncio.Transport | None = None
        self.parser: Any = httptools.HttpRequestParser(self)
        self.flow: Flow | None = None
        self.identity = ""
        self._queue: list[Request] = []
        self._busy = False
        self._reset()

    def _reset(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self.transport = transport  # type: ignore[assignment]
        self.server.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's protocol
        """Keep the caller's line of time for its next connection."""
        self.server.open.discard(self)
        if self.flow is not None:
            self.server.flows.give_back(self.identity, self.flow)
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser; bytes that are no HTTP end the connection, not the server."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(400, b'{"message":"Bad Request"}')
        except httptools.HttpParserUpgrade:
            self._refuse(400, b'{"message":"Upgrade is not supported"}')

    # --- httptools --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request starts."""
        self._reset()

    def on_url(self, url: bytes) -> None:
        """The request's target, possibly in parts."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """A client that asks first is told to go on."""
        if self._headers.get("expect", "").lower() == "100-continue" and self.transport:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._size += len(body)
        if self._size <= MAX_BODY:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if self._size > MAX_BODY:
            self._refuse(413, b'{"message":"Request must be smaller than 83886080 bytes"}')
            return
        raw = self._url.decode("latin-1")
        if raw.startswith(("http://", "https://")):
            raw = "/" + raw.split("/", 3)[3] if raw.count("/") > 2 else "/"  # noqa: PLR2004
        path, _, query = raw.partition("?")
        request = Request(
            method=self.parser.get_method().decode("latin-1"),
            raw_path=path,
            raw_query=query,
            headers=self._headers,
            body=_unchunked(self._headers, b"".join(self._body)),
        )
        request.flow = self._own_flow(request)
        self._queue.append(request)
        keep_alive = self.parser.should_keep_alive()
        if not self._busy:
            self._next(keep_alive=keep_alive)

    # --- answering --------------------------------------------------------------------------

    def _own_flow(self, request: Request) -> Flow:
        if self.flow is None:
            authorization = request.headers.get("authorization", "")
            key = authorization.partition("Credential=")[2].partition("/")[0]
            self.identity = f"{key}|{request.headers.get('user-agent', '')}"
            self.flow = self.server.flows.borrow(self.identity)
        return self.flow

    def _next(self, *, keep_alive: bool) -> None:
        while self._queue and not self._busy:
            exchange = self.server.handle(self._queue.pop(0))
            if exchange.pending is not None:
                self._busy = True
                task = asyncio.ensure_future(self._finish(exchange, keep_alive=keep_alive))
                self.server.tasks.add(task)
                task.add_done_callback(self.server.tasks.discard)
                return
            if exchange.delay_seconds > 0:
                self._busy = True
                loop = asyncio.get_running_loop()
                loop.call_later(exchange.delay_seconds, self._late, exchange, keep_alive)
                return
            self._write(exchange, keep_alive=keep_alive)

    async def _finish(self, exchange: Exchange, *, keep_alive: bool) -> None:
        pending = exchange.pending
        if pending is None:
            return
        loop = asyncio.get_running_loop()
        outcome: Any
        try:
            outcome = await loop.run_in_executor(self.server.workers, pending.run)
        except Exception as error:  # noqa: BLE001 - handed on: complete() tells and logs it
            outcome = error
        exchange.response = pending.complete(outcome)
        await asyncio.sleep(exchange.delay_seconds)
        self._late(exchange, keep_alive)

    def _late(self, exchange: Exchange, keep_alive: bool) -> None:  # noqa: FBT001 - call_later
        self._busy = False
        self._write(exchange, keep_alive=keep_alive)
        self._next(keep_alive=keep_alive)

    def _write(self, exchange: Exchange, *, keep_alive: bool) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if exchange.cut:
            self.transport.abort()
            return
        self.transport.write(_bytes(exchange.response, keep_alive=keep_alive))
        if not keep_alive:
            self.transport.close()

    def _refuse(self, status: int, body: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(_bytes(Response(status, body), keep_alive=False))
            self.transport.close()


def _unchunked(headers: dict[str, str], body: bytes) -> bytes:
    """The body out of AWS's own chunked signing (streaming uploads)."""
    if not headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return body
    parts = []
    position = 0
    while position < len(body):
        end = body.find(b"\r\n", position)
        if end < 0:
            break
        with contextlib.suppress(ValueError):
            size = int(body[position:end].split(b";")[0], 16)
            if size == 0:
                break
            parts.append(body[end + 2 : end + 2 + size])
            position = end + 2 + size + 2
            continue
        return body
    return b"".join(parts)


def _bytes(response: Response, *, keep_alive: bool) -> bytes:
    reason = _REASONS.get(response.status, "Unknown")
    lines = [f"HTTP/1.1 {response.status} {reason}"]
    for name, value in response.headers.items():
        # Each cookie needs a line of its own.
        parts = value.split("\n") if name == "set-cookie" else [value]
        lines += [f"{name}: {_safe(part)}" for part in parts]
    lines.append(f"date: {_date()}")
    if "content-length" not in response.headers:  # a HEAD tells the length of what it leaves out
        lines.append(f"content-length: {len(response.body)}")
    lines.append("connection: keep-alive" if keep_alive else "connection: close")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + response.body


def _safe(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ")


_date_cache: tuple[int, str] = (0, "")


def _date() -> str:
    # Always the machine's own time: a date of another time makes clients correct their clocks.
    global _date_cache  # noqa: PLW0603 - formatting the date is a fifth of an answer's cost
    now = int(time.time())
    if _date_cache[0] != now:
        _date_cache = (now, formatdate(now, usegmt=True))
    return _date_cache[1]


async def listen(server: Server, port: int) -> asyncio.Server:
    """Accept connections on 127.0.0.1 (`port` 0: any free one)."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(server), HOST, port, backlog=512)
