"""Where traces go, read from the environment and from `.env`; no network, no MLflow.

`Destination` is what the spool remembers of a back end: an address without credentials and
the name of the experiment. Credentials stay in the environment and are read when delivering.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mlflow_integration.errors import ConfigurationError

DEFAULT_EXPERIMENT = "lambda-autotuner-agent"
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_FILES = ("sqlite:", "file:")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_MAX_EXPERIMENT_NAME = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Destination:
    """One back end and one experiment in it; holds no credentials.

    Attributes:
        uri: Tracking URI without user name, password or token.
        experiment: The experiment's name as configured (a Databricks name may be relative).
        host: The Databricks workspace, when `uri` is a Databricks one and it is configured.
        otlp: Base address of a collector that also receives the spans, if any.
        artifacts: Folder for artifacts when the back end is a local database file.
    """

    uri: str
    experiment: str
    host: str | None = None
    otlp: str | None = None
    artifacts: str | None = None

    @property
    def key(self) -> str:
        """A short name of the destination for file names and records."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def kind(self) -> str:
        """`databricks`, `server`, `database` or `other`."""
        if self.uri == "databricks" or self.uri.startswith("databricks:"):
            return "databricks"
        scheme = urlsplit(self.uri).scheme
        if scheme in {"http", "https"}:
            return "server"
        return "database" if scheme.split("+")[0] in _DATABASES else "other"

    @property
    def profile(self) -> str | None:
        """The profile named by `databricks://profile`, or None."""
        if self.kind != "databricks" or "://" not in self.uri:
            return None
        return self.uri.split("://", 1)[1].split(":")[0] or None

    @property
    def database_file(self) -> Path | None:
        """The file of an SQLite database, or None."""
        if not self.uri.startswith("sqlite:///"):
            return None
        name = self.uri.removeprefix("sqlite:///").split("?")[0]
        return Path(name) if name and name != ":memory:" else None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Destination:
        """Rebuild from `to_dict`; unknown fields are ignored."""
        known = {name: data.get(name) for name in cls.__dataclass_fields__}
        return cls(**known)  # type: ignore[arg-type]


def parse_switch(text: str | None, *, default: bool, name: str) -> bool:
    """Read an on/off variable.

    Raises:
        ConfigurationError: The text is neither true nor false.
    """
    if text is None or not text.strip():
        return default
    word = text.strip().strip("'\"").lower()
    if word in TRUE_WORDS:
        return True
    if word in _FALSE:
        return False
    raise ConfigurationError(
        f"{name}={text!r} is neither true nor false.", remedy=f"Set {name}=true or {name}=false."
    )


def find_dotenv(start: Path | None = None) -> Path | None:
    """Return the nearest `.env` from `start` (by default the working folder) upwards."""
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents):
        path = candidate / ".env"
        if path.is_file():
            return path
        if (candidate / ".git").exists():
            return None
    return None


def load_dotenv(path: Path | None, environ: MutableMapping[str, str]) -> list[str]:
    """Add what `.env` says to `environ` without replacing anything; return the names added."""
    if path is None:
        return []
    from dotenv import dotenv_values

    added = []
    for name, value in dotenv_values(path, interpolate=False).items():
        if value is not None and name not in environ:
            environ[name] = value
            added.append(name)
    return added


def wants_tracing(environ: Mapping[str, str]) -> bool:
    """Say whether the environment or the nearest `.env` asks for tracing by name."""
    seen: dict[str, str] = dict(environ)
    load_dotenv(find_dotenv(), seen)
    switch = seen.get("MLFLOW_ENABLE_TRACING", "").strip().strip("'\"").lower()
    return switch in TRUE_WORDS or bool(seen.get("MLFLOW_TRACKING_URI"))


def state_dir(given: Path | str | None, environ: Mapping[str, str]) -> Path:
    """Return the folder for the local database and the spool."""
    chosen = given or environ.get("LAMBDA_AUTOTUNER_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().resolve()
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "config.yaml").is_file():
            return folder / ".lambda-autotuner"
        if (folder / ".git").exists():
            break
    from platformdirs import user_state_path

    return user_state_path("lambda-autotuner")


def strip_credentials(uri: str) -> str:
    """Return `uri` without user name and password, so that it may be stored and shown."""
    if "://" not in uri or "@" not in uri:
        return uri
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]))


def adopt_credentials(uri: str, environ: MutableMapping[str, str]) -> None:
    """Move `user:password@` of an address to MLflow's own variables; addresses get stored."""
    if "://" not in uri or "@" not in uri:
        return
    try:
        parts = urlsplit(uri)
    except ValueError:
        return
    if parts.scheme in {"http", "https"} and parts.username:
        environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
        environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")


def check_uri(uri: str) -> None:
    """Refuse a tracking URI that no back end can have.

    Raises:
        ConfigurationError: Unknown scheme, or no usable host.
    """
    name = "MLFLOW_TRACKING_URI"
    # A folder may well have a blank in its name; a host may not.
    if _CONTROL.search(uri) or (" " in uri.strip() and not uri.startswith(_FILES)):
        raise ConfigurationError(
            f"{name} contains spaces or control characters.", remedy="Write it on one line."
        )
    if uri == "databricks" or uri.startswith("databricks://"):
        return
    if uri.startswith(("databricks-uc", "uc:")):
        raise ConfigurationError(
            f"{name}={uri!r} is a place for models in Unity Catalog; runs and traces do not go there.",
            remedy="Set MLFLOW_TRACKING_URI=databricks, and MLFLOW_REGISTRY_URI for models.",
        )
    try:
        parts = urlsplit(uri)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError(
            f"{name}={strip_credentials(uri)!r} is not an address: {error}.",
            remedy="Write it as https://host:port.",
        ) from error
    scheme = parts.scheme.split("+")[0]
    if scheme in {"http", "https"}:
        if not host or not re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", host):
            raise ConfigurationError(
                f"{name}={strip_credentials(uri)!r} has no usable host.",
                remedy="Write it as https://host:port.",
            )
        return
    if scheme in _DATABASES:
        return
    raise ConfigurationError(
        f"{name}={strip_credentials(uri)!r} has the unknown scheme {parts.scheme!r}.",
        remedy="Use databricks, http(s)://host:port, or sqlite:///path/to/file.db.",
    )


def check_experiment(name: str) -> str:
    """Return the usable form of an experiment name.

    Raises:
        ConfigurationError: Empty, too long, or with control characters.
    """
    text = name.strip()
    if not text or len(text) > _MAX_EXPERIMENT_NAME or _CONTROL.search(text):
        raise ConfigurationError(
            f"MLFLOW_EXPERIMENT_NAME must have 1 to {_MAX_EXPERIMENT_NAME} printable "
            f"characters; it has {len(text)}.",
            remedy=f"Use a plain name such as {DEFAULT_EXPERIMENT}.",
        )
    return text


def databricks_host(environ: Mapping[str, str], profile: str | None) -> str | None:
    """Return the workspace address from the environment or the configuration file."""
    host = environ.get("DATABRICKS_HOST", "").strip() if profile is None else ""
    host = host or databricks_profile(environ, profile).get("host", "").strip()
    if not host:
        return None
    # Copied from a browser it has a path and a query; written by hand it may lack the scheme.
    parts = urlsplit(host if "://" in host else f"https://{host}")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


def databricks_profile(environ: Mapping[str, str], profile: str | None) -> dict[str, str]:
    """Return one section of the Databricks configuration file, empty when there is none."""
    import configparser

    name = profile or environ.get("DATABRICKS_CONFIG_PROFILE") or "DEFAULT"
    path = Path(environ.get("DATABRICKS_CONFIG_FILE") or "~/.databrickscfg").expanduser()
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path)
    except (OSError, configparser.Error):
        return {}
    if name == "DEFAULT":
        return dict(parser.defaults())
    return dict(parser[name]) if parser.has_section(name) else {}


def read_destination(
    environ: Mapping[str, str],
    folder: Path,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
) -> Destination:
    """Return the configured destination.

    Raises:
        ConfigurationError: The address or the experiment's name cannot be used.
    """
    raw = (tracking_uri or environ.get("MLFLOW_TRACKING_URI") or "").strip()
    name = check_experiment(
        experiment or environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    )
    otlp = _otlp_target(environ)
    if not raw:
        raw = f"sqlite:///{folder / 'mlflow.db'}"
    check_uri(raw)
    found = Destination(uri=strip_credentials(raw), experiment=name, otlp=otlp)
    if found.kind == "databricks":
        host = databricks_host(environ, found.profile)
        return Destination(uri=found.uri, experiment=name, host=host, otlp=otlp)
    if found.database_file is not None:
        path = found.database_file.absolute()
        return Destination(
            uri=f"sqlite:///{path}",
            experiment=name,
            otlp=otlp,
            artifacts=str(path.parent / "mlartifacts"),
        )
    return found


def _otlp_target(environ: Mapping[str, str]) -> str | None:
    """A collector is served only when dual export is asked for by name."""
    remembered = environ.get("MLFLOW_INTEGRATION_OTLP_ENDPOINT")
    if remembered:
        return remembered
    wanted = environ.get("MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT", "")
    if wanted.strip().lower() not in TRUE_WORDS:
        return None
    traces = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if traces:
        return strip_credentials(traces)
    base = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return strip_credentials(base.rstrip("/") + "/v1/traces") if base else None


def foreign_notices(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Name the settings of other tools that touch tracing, so that they are no surprise."""
    notices = [
        f"{name} is on: LangChain also sends prompts and answers to LangSmith, unmasked."
        for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2")
        if environ.get(name, "").strip().lower() in TRUE_WORDS
    ]
    endpoints = [
        name
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        if environ.get(name)
    ]
    if endpoints and _otlp_target(environ) is None:
        notices.append(
            f"{' and '.join(endpoints)} is set for another tool; MLflow keeps all traces. "
            "MLFLOW_TRACE_ENABLE_OTLP_DUAL_EXPORT=true sends them there as well."
        )
    if environ.get("MLFLOW_TRACING_DESTINATION"):
        notices.append(
            "MLFLOW_TRACING_DESTINATION is not followed: traces go to MLFLOW_EXPERIMENT_NAME."
        )
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() in TRUE_WORDS:
        notices.append("OTEL_SDK_DISABLED is on: OpenTelemetry drops every span, ours included.")
    return tuple(notices)


def use_dotenv(environ: MutableMapping[str, str] | None = None) -> tuple[Path | None, list[str]]:
    """Load the nearest `.env` into the environment; return its path and the names added."""
    path = find_dotenv()
    return path, load_dotenv(path, os.environ if environ is None else environ)
