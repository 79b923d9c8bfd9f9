"""Asks a back end whether it would take our traces: hop by hop, each under a deadline.

It speaks HTTP itself and never through MLflow or the Databricks SDK, because both retry for
minutes and cannot be stopped; the delivery worker uses it too, before it lets MLflow speak.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from mlflow_integration.environment import Destination, strip_credentials
from mlflow_integration.probe_transport import (
    KEPT,
    ProbeError,
    Proxy,
    absolute,
    check_proxy_status,
    credentials,
    find_proxy,
    open_tunnel,
    retry_after,
    tls_context,
    tls_error,
)
from mlflow_integration.sqlite_files import database_trouble

DEADLINE_SECONDS = 2.0
_MAX_BODY = 262_144
_SERVER_ERROR = 500
_BUSY = frozenset({429, 503})


@dataclass(frozen=True)
class Hop:
    """One step on the way: its name, whether it went well, its time and what was seen."""

    name: str
    ok: bool
    milliseconds: float
    detail: str = ""


@dataclass(frozen=True)
class Probe:
    """What the probe found.

    Attributes:
        code: None when all hops went well; otherwise `unreachable`, `timeout`, `tls`, `proxy`,
            `unauthorized`, `forbidden`, `server_error`, `configuration` or `database`.
        reason: One clause without a full stop.
        experiment: The experiment's full name at the back end.
        experiment_id: Its id, or None when it does not exist yet.
        retry_after_seconds: For how long the back end asks to be left alone.
    """

    hops: tuple[Hop, ...]
    code: str | None = None
    reason: str | None = None
    remedy: str | None = None
    experiment: str | None = None
    experiment_id: str | None = None
    retry_after_seconds: float | None = None


@dataclass
class _Walk:
    destination: Destination
    environ: Mapping[str, str]
    deadline: float
    hops: list[Hop] = field(default_factory=list)
    proxy: Proxy | None = None
    experiment: str | None = None
    experiment_id: str | None = None
    retry_after_seconds: float | None = None

    def remaining(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def hop(self, name: str, action: Callable[[], Any], detail: str = "") -> Any:
        began = time.monotonic()
        try:
            result = action()
        except BaseException as error:
            took = (time.monotonic() - began) * 1000
            self.hops.append(Hop(name, ok=False, milliseconds=took, detail=str(error)))
            raise
        took = (time.monotonic() - began) * 1000
        shown = detail or (result if isinstance(result, str) else "")
        self.hops.append(Hop(name, ok=True, milliseconds=took, detail=shown))
        return result


def probe(
    destination: Destination,
    environ: Mapping[str, str] | None = None,
    *,
    seconds: float = DEADLINE_SECONDS,
) -> Probe:
    """Probe a destination; returns within `seconds`, whatever the other side does."""
    walk = _Walk(
        destination,
        os.environ if environ is None else environ,
        time.monotonic() + seconds,
    )
    found: list[Probe] = []
    thread = threading.Thread(
        target=lambda: found.append(_walk(walk)), name="tracing-probe", daemon=True
    )
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    # The walk is stuck where no timeout reaches, in a name look-up for instance.
    return _failed(walk, _timeout_error(walk, seconds))


def _walk(walk: _Walk) -> Probe:
    began = time.monotonic()
    try:
        if walk.destination.kind == "database":
            _walk_database(walk)
        else:
            _walk_http(walk)
    except ProbeError as error:
        return _failed(walk, error)
    except TimeoutError:
        return _failed(walk, _timeout_error(walk, time.monotonic() - began))
    except ssl.SSLError as error:
        return _failed(walk, tls_error(walk.destination, _address(walk), error))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _failed(walk, _connection_error(walk, error))
    return Probe(tuple(walk.hops), experiment=walk.experiment, experiment_id=walk.experiment_id)


def _failed(walk: _Walk, error: ProbeError) -> Probe:
    return Probe(
        tuple(walk.hops),
        code=error.code,
        reason=error.reason,
        remedy=error.remedy,
        experiment=walk.experiment,
        retry_after_seconds=walk.retry_after_seconds,
    )


def _address(walk: _Walk) -> str:
    return walk.destination.host or walk.destination.uri


def _timeout_error(walk: _Walk, seconds: float) -> ProbeError:
    return ProbeError(
        "timeout",
        f"{_address(walk)} did not answer within {seconds:.1f} s",
        "Traces are kept on disk; check the network and the server's load.",
    )


def _connection_error(walk: _Walk, error: Exception) -> ProbeError:
    if isinstance(error, socket.gaierror):
        what = "its name is not known"
    else:
        what = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
    through = f" through the proxy {walk.proxy.address}" if walk.proxy else ""
    return ProbeError(
        "unreachable",
        f"{_address(walk)} cannot be reached{through} ({what})",
        "Traces are kept on disk; check the address, the network and that the server runs.",
    )


def _walk_database(walk: _Walk) -> None:
    path = walk.destination.database_file
    if path is None:
        parts = urlsplit(walk.destination.uri)
        if parts.hostname:
            walk.hop(
                "tcp", lambda: _connect(walk, parts.hostname or "", parts.port or 5432).close()
            )
        walk.experiment = walk.destination.experiment
        return

    def check() -> None:
        if path.exists():
            trouble = database_trouble(path)
            if trouble is not None:
                raise ProbeError("database", *trouble)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ProbeError(
                "database",
                f"{path} cannot be written",
                "Traces are kept on disk; make the file and its folder writable.",
            )

    try:
        walk.hop("database", check)
    except OSError as error:
        raise ProbeError(
            "database",
            f"{path} cannot be used ({(error.strerror or str(error)).lower()})",
            "Choose another file in MLFLOW_TRACKING_URI.",
        ) from error
    walk.experiment = walk.destination.experiment


def _walk_http(walk: _Walk) -> None:
    destination = walk.destination
    base = destination.uri
    if destination.kind == "databricks":
        if not destination.host:
            raise ProbeError(
                "configuration",
                "DATABRICKS_HOST is not set",
                "Set DATABRICKS_HOST and DATABRICKS_TOKEN in .env, or name a profile.",
            )
        base = destination.host if "://" in destination.host else f"https://{destination.host}"
    parts = urlsplit(base)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    walk.proxy = proxy = find_proxy(base)
    if proxy is not None:
        walk.hop("proxy", lambda: proxy.address)
    target = (proxy.host, proxy.port) if proxy else (host, port)
    walk.hop("dns", lambda: _resolve(walk, *target))
    raw = walk.hop("tcp", lambda: _connect(walk, *target))
    connection = http.client.HTTPConnection(host, port, timeout=walk.remaining())
    connection.sock = raw
    try:
        raw.settimeout(walk.remaining())
        if secure:
            if proxy is not None:
                walk.hop("tunnel", lambda: open_tunnel(raw, proxy, host, port))
            context = tls_context(destination, walk.environ)
            connection.sock = walk.hop(
                "tls", lambda: context.wrap_socket(raw, server_hostname=host)
            )
        # The way is open from here on: what follows is the back end's own answer.
        plain_proxy = None if secure else proxy
        _check_experiment(walk, Client(walk, connection, parts, plain_proxy))
    finally:
        connection.close()


def _resolve(walk: _Walk, host: str, port: int) -> str:
    walk.remaining()
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def _connect(walk: _Walk, host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=walk.remaining())


@dataclass
class Client:
    """One HTTP conversation with the back end, under the walk's deadline."""

    walk: _Walk
    connection: http.client.HTTPConnection
    parts: SplitResult
    proxy: Proxy | None = None
    answered: bool = False

    def get(self, path: str) -> tuple[int, dict[str, Any] | None, str]:
        """Return the status, the JSON object (None when it is none) and where it points to."""
        sock = self.connection.sock
        if sock is not None:
            sock.settimeout(self.walk.remaining())
        headers = {
            "Host": self.parts.netloc.rpartition("@")[2],
            "Accept": "application/json",
            **credentials(self.walk.destination, self.walk.environ),
        }
        target = self.parts.path.rstrip("/") + path
        if self.proxy is not None:
            headers |= self.proxy.headers
            target = absolute(self.parts, target)
        answer = self._exchange(target, headers)
        body = answer.read(_MAX_BODY)
        if answer.status in _BUSY:
            self.walk.retry_after_seconds = retry_after(answer.getheader("Retry-After"))
        if self.proxy is not None:
            check_proxy_status(self.proxy, str(answer.status))
        try:
            data = json.loads(body)
        except ValueError:
            data = None
        place = answer.getheader("Location") or ""
        return answer.status, data if isinstance(data, dict) else None, place

    def _exchange(self, target: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        first, self.answered = not self.answered, True
        try:
            self.connection.request("GET", target, headers=headers)
            return self.connection.getresponse()
        except http.client.RemoteDisconnected:
            raise
        except (ConnectionResetError, BrokenPipeError) as error:
            if not (first and isinstance(self.connection.sock, ssl.SSLSocket)):
                raise
            # TLS 1.3 is agreed on, for us, before the server has seen that our certificate is missing.
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, error.strerror or str(error)) from error


def _check_experiment(walk: _Walk, client: Client) -> None:
    name = walk.destination.experiment
    hop = "authentication"
    if walk.destination.kind == "databricks":
        _, me = walk.hop(hop, lambda: _ask(client, _ME))
        if not name.startswith("/"):
            if not me.get("userName"):
                raise _foreign(walk, "no MLflow or Databricks answered")
            name = f"/Users/{me['userName']}/{name}"
        hop = "experiment"
    path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(name, safe='')}"
    status, data = walk.hop(hop, lambda: _ask(client, path))
    walk.experiment = name
    if status == http.HTTPStatus.OK:
        found = data.get("experiment")
        if not isinstance(found, dict) or not found.get("experiment_id"):
            raise _foreign(walk, f"HTTP {status} without an experiment")
        walk.experiment_id = found.get("experiment_id")
        if found.get("lifecycle_stage") == "deleted":
            raise ProbeError(
                "experiment",
                f"the experiment {name!r} is deleted",
                f"{KEPT}; restore it or choose another MLFLOW_EXPERIMENT_NAME.",
            )
        return
    if data.get("error_code") != "RESOURCE_DOES_NOT_EXIST":
        said = str(data.get("message") or data.get("error_code") or "")[:160]
        raise _foreign(walk, f"HTTP {status}{': ' if said else ''}{said}")


def _foreign(walk: _Walk, what: str) -> ProbeError:
    return ProbeError(
        "configuration",
        f"{_address(walk)} does not speak MLflow's protocol ({what})",
        f"{KEPT}; check MLFLOW_TRACKING_URI, DATABRICKS_HOST and what stands before the server.",
    )


_ME = "/api/2.0/preview/scim/v2/Me"
_TOKEN_WORDS = ("access token", "token has expired", "token expired", "invalid token")


def _ask(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    status, found, place = client.get(path)
    address = _address(client.walk)
    data = found or {}
    said = str(data.get("message") or data.get("error_code") or "").strip().rstrip(".")[:160]
    about_token = any(word in said.lower() for word in _TOKEN_WORDS)
    said = f": {said}" if said else ""
    if status == http.HTTPStatus.UNAUTHORIZED or (
        http.HTTPStatus.BAD_REQUEST <= status < _SERVER_ERROR and about_token
    ):
        expired = "expired" in said.lower()
        databricks = client.walk.destination.kind == "databricks"
        variable = "DATABRICKS_TOKEN" if databricks else "MLFLOW_TRACKING_TOKEN or _USERNAME"
        raise ProbeError(
            "unauthorized",
            f"{address} {'says that the token has expired' if expired else 'rejected the credentials'}"
            f" (HTTP {status}{said})",
            f"{KEPT}; put a valid {variable} into .env.",
        )
    if status == http.HTTPStatus.FORBIDDEN:
        raise ProbeError(
            "forbidden",
            f"{address} does not allow this (HTTP {status}{said})",
            f"{KEPT}; ask for write permission on the experiment.",
        )
    if http.HTTPStatus.MULTIPLE_CHOICES <= status < http.HTTPStatus.BAD_REQUEST:
        raise ProbeError(
            "configuration",
            f"{address} sends us on to {strip_credentials(place) or 'nowhere'} (HTTP {status})",
            f"{KEPT}; write the address there that answers itself: a log-in page takes no traces.",
        )
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        raise ProbeError(
            "server_error",
            f"{address} wants fewer requests (HTTP {status}{said})",
            f"{KEPT} and sent later.",
        )
    if status >= _SERVER_ERROR:
        raise ProbeError(
            "server_error",
            f"{address} is not well (HTTP {status}{said})",
            f"{KEPT} and sent when it recovers.",
        )
    if found is None:
        raise _foreign(client.walk, f"HTTP {status} with a page instead of JSON")
    return status, data
