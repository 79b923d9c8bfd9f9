"""Asks a back end whether it would take our traces: hop by hop, each under a deadline.

It speaks HTTP itself and never through MLflow or the Databricks SDK, because both retry for
minutes and cannot be stopped; the delivery worker uses it too, before it lets MLflow speak.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from mlflow_integration.environment import Destination, databricks_profile
from mlflow_integration.sqlite_files import database_trouble

DEADLINE_SECONDS = 2.0
_MAX_BODY = 262_144
_SERVER_ERROR = 500


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
        code: None when all hops went well; otherwise `unreachable`, `timeout`, `tls`,
            `unauthorized`, `forbidden`, `server_error`, `configuration` or `database`.
        reason: One clause without a full stop.
        experiment: The experiment's full name at the back end.
        experiment_id: Its id, or None when it does not exist yet.
    """

    hops: tuple[Hop, ...]
    code: str | None = None
    reason: str | None = None
    remedy: str | None = None
    experiment: str | None = None
    experiment_id: str | None = None


class ProbeError(Exception):
    """A hop failed; carries the code, the reason and the remedy."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy


@dataclass
class _Walk:
    destination: Destination
    environ: Mapping[str, str]
    deadline: float
    hops: list[Hop] = field(default_factory=list)
    experiment: str | None = None
    experiment_id: str | None = None

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
        return _failed(walk, _tls_error(walk, error))
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
    )


def _address(walk: _Walk) -> str:
    return walk.destination.host or walk.destination.uri


def _timeout_error(walk: _Walk, seconds: float) -> ProbeError:
    return ProbeError(
        "timeout",
        f"{_address(walk)} did not answer within {seconds:.1f} s",
        "Traces are kept on disk; check the network and the server's load.",
    )


def _tls_error(walk: _Walk, error: ssl.SSLError) -> ProbeError:
    return ProbeError(
        "tls",
        f"the certificate of {_address(walk)} was not accepted ({error.reason or error})",
        "Traces are kept on disk; set MLFLOW_TRACKING_SERVER_CERT_PATH to your CA's file.",
    )


def _connection_error(walk: _Walk, error: Exception) -> ProbeError:
    if isinstance(error, socket.gaierror):
        what = "its name is not known"
    else:
        what = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
    return ProbeError(
        "unreachable",
        f"{_address(walk)} cannot be reached ({what})",
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
    proxy = _proxy(parts.scheme, host)
    target = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
    walk.hop("dns", lambda: _resolve(walk, *target))
    raw = walk.hop("tcp", lambda: _connect(walk, *target))
    connection = _http(walk, raw, (host, port), secure=secure, tunnel=proxy is not None)
    try:
        client = Client(walk, connection, parts.path.rstrip("/"), f"{host}:{port}")
        _check_experiment(walk, client)
    finally:
        connection.close()


def _proxy(scheme: str, host: str) -> Any:
    address = urllib.request.getproxies().get(scheme)
    if not address or urllib.request.proxy_bypass(host):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")


def _resolve(walk: _Walk, host: str, port: int) -> str:
    walk.remaining()
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


def _connect(walk: _Walk, host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=walk.remaining())


def _http(
    walk: _Walk, raw: socket.socket, target: tuple[str, int], *, secure: bool, tunnel: bool
) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(*target, timeout=walk.remaining())
    raw.settimeout(walk.remaining())
    if tunnel and secure:
        raw.sendall(f"CONNECT {target[0]}:{target[1]} HTTP/1.1\r\n\r\n".encode())
        answer = raw.recv(4096)
        if b" 200" not in answer.split(b"\r\n", 1)[0]:
            raise ProbeError("unreachable", "the proxy refused the connection", "Check the proxy.")
    if secure:
        context = _tls_context(walk.environ)
        raw = walk.hop("tls", lambda: context.wrap_socket(raw, server_hostname=target[0]))
    connection.sock = raw
    return connection


def _tls_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    bundle = environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or environ.get("REQUESTS_CA_BUNDLE")
    context = ssl.create_default_context(cafile=bundle or None)
    if environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    if certificate:
        context.load_cert_chain(certificate)
    return context


@dataclass
class Client:
    """One HTTP conversation with the back end, under the walk's deadline."""

    walk: _Walk
    connection: http.client.HTTPConnection
    prefix: str
    host: str

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON body, `{}` when it is none."""
        sock = self.connection.sock
        if sock is not None:
            sock.settimeout(self.walk.remaining())
        headers = {
            "Host": self.host,
            "Accept": "application/json",
            **credentials(self.walk.destination, self.walk.environ),
        }
        self.connection.request("GET", self.prefix + path, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read(_MAX_BODY)
        try:
            data = json.loads(body)
        except ValueError:
            data = {}
        return answer.status, data if isinstance(data, dict) else {}


def credentials(destination: Destination, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that prove who we are, read fresh from the environment.

    Raises:
        ProbeError: A Databricks destination without any credentials.
    """
    if destination.kind == "databricks":
        return _databricks_credentials(destination, environ)
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    user = environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        pair = f"{user}:{environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _databricks_credentials(destination: Destination, environ: Mapping[str, str]) -> dict[str, str]:
    token = environ.get("DATABRICKS_TOKEN") if destination.profile is None else None
    token = token or databricks_profile(environ, destination.profile).get("token")
    if token:
        return {"Authorization": f"Bearer {token.strip()}"}
    try:
        from databricks.sdk.core import Config

        return dict(Config(host=destination.host, profile=destination.profile).authenticate())
    except Exception as error:
        raise ProbeError(
            "configuration",
            "DATABRICKS_TOKEN is not set",
            "Create a personal access token and set DATABRICKS_TOKEN in .env.",
        ) from error


def _check_experiment(walk: _Walk, client: Client) -> None:
    name = walk.destination.experiment
    if walk.destination.kind == "databricks":
        status, data = walk.hop("authentication", lambda: _ask(client, _ME))
        if not name.startswith("/"):
            name = f"/Users/{data.get('userName') or 'unknown'}/{name}"
    path = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={quote(name, safe='')}"
    hop = "experiment" if walk.destination.kind == "databricks" else "authentication"
    status, data = walk.hop(hop, lambda: _ask(client, path))
    walk.experiment = name
    if status == http.HTTPStatus.OK:
        found = data.get("experiment") or {}
        walk.experiment_id = found.get("experiment_id")
        if found.get("lifecycle_stage") == "deleted":
            raise ProbeError(
                "experiment",
                f"the experiment {name!r} is deleted",
                "Traces are kept on disk; restore it or choose another MLFLOW_EXPERIMENT_NAME.",
            )
        return
    if data.get("error_code") != "RESOURCE_DOES_NOT_EXIST":
        raise ProbeError(
            "configuration",
            f"{_address(walk)} does not speak MLflow's protocol (HTTP {status})",
            "Check MLFLOW_TRACKING_URI.",
        )


_ME = "/api/2.0/preview/scim/v2/Me"


def _ask(client: Client, path: str) -> tuple[int, dict[str, Any]]:
    status, data = client.get(path)
    address = _address(client.walk)
    said = str(data.get("message") or data.get("error_code") or "").strip().rstrip(".")[:160]
    said = f": {said}" if said else ""
    databricks = client.walk.destination.kind == "databricks"
    if status == http.HTTPStatus.UNAUTHORIZED or (
        status == http.HTTPStatus.FORBIDDEN and "token" in said.lower()
    ):
        expired = "expired" in said.lower()
        variable = "DATABRICKS_TOKEN" if databricks else "MLFLOW_TRACKING_TOKEN or _USERNAME"
        raise ProbeError(
            "unauthorized",
            f"{address} {'says that the token has expired' if expired else 'rejected the credentials'}"
            f" (HTTP {status}{said})",
            f"Traces are kept on disk; put a valid {variable} into .env.",
        )
    if status == http.HTTPStatus.FORBIDDEN:
        raise ProbeError(
            "forbidden",
            f"{address} does not allow this (HTTP {status}{said})",
            "Traces are kept on disk; ask for write permission on the experiment.",
        )
    if status >= _SERVER_ERROR:
        raise ProbeError(
            "server_error",
            f"{address} is not well (HTTP {status}{said})",
            "Traces are kept on disk and sent when it recovers.",
        )
    return status, data
