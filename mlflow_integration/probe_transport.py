"""How a back end is reached: through a proxy or not, with TLS or not, and as whom.

The choices are those of the `requests` library, with which MLflow and the Databricks SDK will go
the same way later: the same proxies, the same exceptions from them, the same authorities.
"""

from __future__ import annotations

import base64
import configparser
import http.client
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from mlflow_integration.environment import TRUE_WORDS, Destination, databricks_profile

KEPT = "Traces are kept on disk"
_MAX_HEAD = 65_536
_PROXY_PORT = 80


class ProbeError(Exception):
    """A hop failed; carries the code, the reason and the remedy."""

    def __init__(self, code: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True)
class Proxy:
    """A proxy on the way: its address without credentials, and the header with them."""

    host: str
    port: int
    headers: Mapping[str, str]

    @property
    def address(self) -> str:
        """The address as it may be shown."""
        return f"http://{self.host}:{self.port}"


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy that HTTP(S)_PROXY, ALL_PROXY and NO_PROXY name for an address.

    Raises:
        ProbeError: It is of a kind that cannot be used.
    """
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from requests.utils import get_environ_proxies, select_proxy

    found = select_proxy(url, get_environ_proxies(url))
    if not found:
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    if parts.scheme != "http" or not parts.hostname:
        raise ProbeError(
            "configuration",
            f"the proxy {parts.scheme}://{parts.hostname} is of a kind that is not supported",
            "Use an http:// proxy in HTTPS_PROXY, or name this host in NO_PROXY.",
        )
    headers = {}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(parts.hostname, parts.port or _PROXY_PORT, headers)


def open_tunnel(raw: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Ask the proxy for a connection to the back end.

    Raises:
        ProbeError: The proxy refuses.
    """
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD:
        chunk = raw.recv(4096)
        if not chunk:
            break
        head += chunk
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
    status = words[1] if len(words) > 1 else "no answer"
    if status != "200":
        check_proxy_status(proxy, status)
        raise ProbeError(
            "unreachable",
            f"the proxy {proxy.address} refused the connection to {host}:{port} ({status})",
            f"{KEPT}; ask for this host to be allowed, or name it in NO_PROXY.",
        )


def check_proxy_status(proxy: Proxy, status: str) -> None:
    """Name a proxy that wants to know who we are.

    Raises:
        ProbeError: The status is 407.
    """
    if status == str(int(http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED)):
        raise ProbeError(
            "proxy",
            f"the proxy {proxy.address} wants a user and a password (HTTP 407)",
            f"{KEPT}; write them into HTTPS_PROXY and HTTP_PROXY as http://user:password@host:port.",
        )


def tls_context(destination: Destination, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return the TLS settings that MLflow will use for this destination.

    Raises:
        ProbeError: A file of certificates cannot be read, or two settings exclude each other.
    """
    databricks = destination.kind == "databricks"
    own = None if databricks else environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    insecure = _is_insecure(destination, environ)
    if own and insecure:
        raise ProbeError(
            "configuration",
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other",
            "Unset MLFLOW_TRACKING_INSECURE_TLS.",
        )
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    name = next((each for each in names if environ.get(each)), None)
    bundle = own or (environ[name] if name else _certifi())
    try:
        folder = bundle is not None and Path(bundle).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else bundle, capath=bundle if folder else None
        )
    except (OSError, ssl.SSLError) as error:
        setting = "MLFLOW_TRACKING_SERVER_CERT_PATH" if own else name
        raise ProbeError(
            "tls",
            f"{setting}={bundle} is no readable file of certificates",
            f"{KEPT}; point it to the PEM file of your certificate authority.",
        ) from error
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = None if databricks else environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH")
    if certificate:
        try:
            context.load_cert_chain(certificate)
        except (OSError, ssl.SSLError) as error:
            raise ProbeError(
                "tls",
                f"MLFLOW_TRACKING_CLIENT_CERT_PATH={certificate} is no certificate with its key",
                f"{KEPT}; point it to a PEM file that holds both.",
            ) from error
    return context


def _is_insecure(destination: Destination, environ: Mapping[str, str]) -> bool:
    if destination.kind == "databricks":
        text = databricks_profile(environ, destination.profile).get("insecure", "")
    else:
        text = environ.get("MLFLOW_TRACKING_INSECURE_TLS", "")
    return text.strip().lower() in TRUE_WORDS


def _certifi() -> str | None:
    try:
        import certifi
    except ImportError:
        return None
    return str(certifi.where())


def tls_error(destination: Destination, address: str, error: ssl.SSLError) -> ProbeError:
    """Say what is wrong with a TLS connection, and what helps."""
    setting = (
        "REQUESTS_CA_BUNDLE"
        if destination.kind == "databricks"
        else "MLFLOW_TRACKING_SERVER_CERT_PATH"
    )
    # Only errors of OpenSSL's own have a reason.
    reason = str(getattr(error, "reason", None) or "")
    said = str(getattr(error, "verify_message", "") or reason or error.strerror or error)
    text = f"{said} {reason}".lower().replace("_", " ")
    if "certificate required" in text or "handshake failure" in text:
        return ProbeError(
            "tls",
            f"{address} wants a certificate of ours ({said})",
            f"{KEPT}; set MLFLOW_TRACKING_CLIENT_CERT_PATH to a PEM file with certificate and key.",
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "eof" in text:
        # A server that misses our certificate may hang up before its alert arrives.
        return ProbeError(
            "tls",
            f"{address} hung up while TLS was agreed on ({said})",
            f"{KEPT}; if it wants a certificate of ours, set MLFLOW_TRACKING_CLIENT_CERT_PATH to a "
            "PEM file with certificate and key.",
        )
    if "wrong version number" in text or "record layer failure" in text:
        return ProbeError(
            "tls", f"{address} does not speak TLS ({said})", f"{KEPT}; write http:// there."
        )
    if "hostname mismatch" in text or "ip address mismatch" in text:
        remedy = "use the name that the certificate is for"
    elif "expired" in text or "not yet valid" in text:
        remedy = "the server's certificate must be renewed, or the clock here set"
    else:
        remedy = f"set {setting} to the PEM file of your certificate authority"
    return ProbeError(
        "tls", f"the certificate of {address} was not accepted ({said})", f"{KEPT}; {remedy}."
    )


def credentials(destination: Destination, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that prove who we are, read fresh from the environment.

    Raises:
        ProbeError: A Databricks destination without any credentials.
    """
    if destination.kind == "databricks":
        return _databricks_credentials(destination, environ)
    user, password = _user(environ)
    if user and password:
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    token = environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _user(environ: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return user and password as MLflow finds them: the environment, else its own file."""
    user = environ.get("MLFLOW_TRACKING_USERNAME")
    password = environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return user, password
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(Path("~/.mlflow/credentials").expanduser())
    except (OSError, RuntimeError, configparser.Error):
        return user, password
    kept: Mapping[str, str] = parser["mlflow"] if parser.has_section("mlflow") else {}
    return (
        user or kept.get("mlflow_tracking_username"),
        password or kept.get("mlflow_tracking_password"),
    )


def _databricks_credentials(destination: Destination, environ: Mapping[str, str]) -> dict[str, str]:
    token = environ.get("DATABRICKS_TOKEN") if destination.profile is None else None
    token = token or databricks_profile(environ, destination.profile).get("token")
    if token:
        return {"Authorization": f"Bearer {token.strip()}"}
    try:
        return _authenticate(destination)
    except Exception as error:
        if environ.get("DATABRICKS_CLIENT_ID") or environ.get("DATABRICKS_AUTH_TYPE"):
            said = " ".join(str(error).split())[:200]
            raise ProbeError(
                "unauthorized",
                f"{destination.host} gave no access to DATABRICKS_CLIENT_ID ({said})",
                f"{KEPT}; check DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET and that the "
                "service principal may use this workspace.",
            ) from error
        raise ProbeError(
            "configuration",
            "DATABRICKS_TOKEN is not set",
            "Create a personal access token and set DATABRICKS_TOKEN in .env.",
        ) from error


def _authenticate(destination: Destination) -> dict[str, Any]:
    """Let the SDK log in; it may wait for long, the probe's own deadline does not."""
    from databricks.sdk.core import Config

    if destination.profile:
        return dict(Config(profile=destination.profile).authenticate())
    return dict(Config(host=destination.host).authenticate())


def absolute(parts: SplitResult, path: str) -> str:
    """Return the address that a plain proxy wants in the request line."""
    return f"{parts.scheme}://{parts.netloc}{path}"


def retry_after(header: str | None) -> float | None:
    """Return what `Retry-After` says, in seconds or as a date; None when it says nothing."""
    text = (header or "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
