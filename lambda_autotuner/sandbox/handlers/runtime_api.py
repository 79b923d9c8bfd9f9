"""Lambda's Runtime API for one execution environment, on loopback.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes".
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

PREFIX: Final = "/2018-06-01/runtime"


@dataclass(slots=True)
class Event:
    """One invocation on its way to the handler."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    taken: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    answer: bytes = b""
    failed: bool = False


class RuntimeApi:
    """Hands events to a runtime and takes its answers."""

    def __init__(self) -> None:
        self.ready = threading.Event()  # the runtime asked for its first event
        self.init_error: bytes | None = None
        self._waiting: queue.Queue[Event | None] = queue.Queue()
        self._running: dict[str, Event] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def send(self, event: Event) -> None:
        """Queue an event for the runtime."""
        self._waiting.put(event)

    def close(self) -> None:
        """Serve no longer."""
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> Event | None:
        """Wait for an event, on behalf of the runtime."""
        self.ready.set()
        event = self._waiting.get()
        if event is not None:
            self._running[event.request_id] = event
            event.taken.set()
        return event

    def finish(self, request_id: str, answer: bytes, *, failed: bool) -> bool:
        """Take an answer; False when nobody waits for it."""
        event = self._running.pop(request_id, None)
        if event is None:
            return False
        event.answer, event.failed = answer, failed
        event.done.set()
        return True

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"api": self})


class _Handler(BaseHTTPRequestHandler):
    """One connection of the runtime."""

    api: RuntimeApi
    protocol_version = "HTTP/1.1"
    # Two small packets would wait for a delayed acknowledgement: 40 ms an invocation.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def do_GET(self) -> None:
        """The runtime waits for its next event."""
        event = self.api.next_event() if self.path == f"{PREFIX}/invocation/next" else None
        if event is None:
            self._reply(404, b"{}", {})
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": event.request_id,
            "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": event.function_arn,
        }
        self._reply(200, event.payload, headers)

    def do_POST(self) -> None:
        """The runtime answers, or says what went wrong."""
        body = self._body()
        parts = self.path.removeprefix(PREFIX).strip("/").split("/")
        if parts == ["init", "error"]:
            self.api.init_error = body
            self.api.ready.set()
        elif len(parts) == 3 and parts[2] in {"response", "error"}:  # noqa: PLR2004
            self.api.finish(parts[1], body, failed=parts[2] == "error")
        self._reply(202, b'{"status":"OK"}', {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        # A runtime that was killed does not wait for its answer.
        with contextlib.suppress(OSError):
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
