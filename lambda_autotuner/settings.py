"""Every value that a person can set, resolved once into one frozen object.

Precedence: explicit argument > environment > `.env` > `config.yaml` > default. Each key has one
dotted name (`agent.deadline_seconds`), which is its place in `config.yaml`, and one environment
name (`LAMBDA_AUTOTUNER_AGENT_DEADLINE_SECONDS`). An unknown key is an error, because a setting
that is silently ignored is a guardrail that is silently off.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lambda_autotuner.errors import SettingsError

ENVIRONMENT_PREFIX = "LAMBDA_AUTOTUNER_"
CONFIG_VARIABLE = "LAMBDA_AUTOTUNER_CONFIG"
CONFIG_NAME = "config.yaml"
DOTENV_NAME = ".env"
_NOT_SETTINGS = {CONFIG_VARIABLE}


def _split_list(value: object) -> object:
    """Lists come from the environment as JSON or separated by commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "{")):
        return json.loads(text)
    return [part.strip() for part in text.split(",") if part.strip()]


Names = Annotated[tuple[str, ...], BeforeValidator(_split_list)]
Objects = Annotated[tuple[dict[str, Any], ...], BeforeValidator(_split_list)]


class Section(BaseModel):
    """A frozen group of settings that refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SandboxSettings(Section):
    """The embedded account."""

    functions: int | None = Field(None, ge=1, le=100_000)
    seed: int = Field(7, ge=0)
    curves: Path | None = None
    idle_minutes: float = Field(30, gt=0)


class TuningSettings(Section):
    """The engine: what to look for, and what a measurement may cost."""

    objective: str = "cost"
    max_invocations: int = Field(25, ge=1, le=10_000)
    max_cost_usd: float = Field(1.0, gt=0)
    max_seconds: float = Field(900, gt=0)
    tolerance_pct: float = Field(1.0, gt=0, le=50)
    confidence: float = Field(0.9, gt=0.5, lt=1)
    min_memory_mb: int = Field(128, ge=128, le=10_240)
    max_memory_mb: int = Field(3_008, ge=128, le=10_240)
    memory_step_mb: int = Field(64, ge=1, le=10_240)
    horizon_days: float = Field(30, gt=0)
    savings_plan_discount_pct: float = Field(0, ge=0, le=17)
    request_fee: bool = True
    window_days: float = Field(14, gt=0, le=455)


class GuardrailSettings(Section):
    """Limits that no approval can lift; a change outside them is refused."""

    min_memory_mb: int = Field(128, ge=128, le=10_240)
    max_memory_mb: int = Field(10_240, ge=128, le=10_240)
    max_step_factor: float = Field(16, ge=1)
    protected_names: Names = ()
    protected_tags: Names = ("autotuner:protected",)
    change_windows: Names = ()
    max_changes_per_hour: int = Field(20, ge=0)
    iac_tags: Names = ("aws:cloudformation:stack-name", "terraform", "serverless")
    allow_iac_managed: bool = False


class ApprovalSettings(Section):
    """How a plan becomes an agreed plan."""

    policy_enabled: bool = False
    rules: Objects = ()
    expiry_minutes: float = Field(60, gt=0)


class RolloutSettings(Section):
    """How a change meets traffic."""

    canary_steps: Annotated[tuple[float, ...], BeforeValidator(_split_list)] = (0.05, 0.25, 0.5)
    step_minutes: float = Field(30, gt=0)
    baseline_hours: float = Field(24, gt=0)
    minimum_invocations: int = Field(500, ge=1)
    p95_bound_pct: float = Field(20, gt=0)
    error_bound_points: float = Field(1, gt=0)
    cost_bound_pct: float = Field(20, gt=0)
    false_alarm_rate: float = Field(0.05, gt=0, lt=0.5)
    detection_minutes: float = Field(120, gt=0)
    settle_timeout_seconds: float = Field(120, gt=0)


class AgentSettings(Section):
    """What one question may cost, whatever the model does."""

    max_model_calls: int = Field(12, ge=1)
    max_tool_calls: int = Field(24, ge=1)
    deadline_seconds: float = Field(60, gt=0)
    max_cost_usd: float = Field(0.50, gt=0)
    tool_output_chars: int = Field(8_000, ge=500)
    pool_size: int = Field(64, ge=1, le=512)
    advanced_after_turns: int = Field(6, ge=1)


class EvaluationSettings(Section):
    """The suite of synthetic questions."""

    debug_logging: bool = False
    sample_size: int | None = Field(None, ge=1)
    questions_path: Path | None = None
    results_dir: Path = Path("evaluation_results")
    concurrency: int = Field(4, ge=1, le=64)
    seed: int = Field(7, ge=0)
    slow_question_seconds: float = Field(2.0, gt=0)
    minimum_success_rate: float = Field(0.85, ge=0, le=1)


class RetentionSettings(Section):
    """How long what is kept on disk stays there."""

    sessions_days: float = Field(30, gt=0)
    spool_days: float = Field(14, gt=0)
    spool_mb: float = Field(512, gt=0)


class Settings(Section):
    """All settings; `sources` tells where each value came from."""

    account: Literal["sandbox", "aws"] = "sandbox"
    profile: str | None = None
    region: str | None = None
    role_arn: str | None = None
    endpoint_url: str | None = None
    writes_allowed: bool = False
    state_dir: Path = Path(".lambda-autotuner")
    journal_url: str | None = None
    sessions_url: str | None = None
    model: str = "offline"
    advanced_model: str | None = None
    fallback_model: str | None = None
    model_base_url: str | None = None
    temperature: float = Field(0.0, ge=0, le=2)
    search_provider: str | None = None
    sandbox: SandboxSettings = SandboxSettings()
    tuning: TuningSettings = TuningSettings()
    guardrails: GuardrailSettings = GuardrailSettings()
    approval: ApprovalSettings = ApprovalSettings()
    rollout: RolloutSettings = RolloutSettings()
    agent: AgentSettings = AgentSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    retention: RetentionSettings = RetentionSettings()
    sources: Mapping[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    @property
    def journal_database_url(self) -> str:
        """SQLAlchemy URL of the journal; a file in the state directory unless set."""
        return self.journal_url or f"sqlite:///{self.state_dir / 'journal.db'}"

    @property
    def sessions_database_url(self) -> str:
        """SQLAlchemy URL of the conversations; a file in the state directory unless set."""
        return self.sessions_url or f"sqlite:///{self.state_dir / 'sessions.db'}"


@dataclass(frozen=True, slots=True)
class Key:
    """One setting: its dotted name, its variable and whether it holds a list."""

    name: str
    variable: str
    annotation: Any


def keys(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[Key]:
    """Every settable key in the order of `config.yaml`."""
    for name, field in model.model_fields.items():
        if name == "sources":
            continue
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, Section):
            yield from keys(annotation, f"{prefix}{name}.")
        else:
            dotted = f"{prefix}{name}"
            variable = ENVIRONMENT_PREFIX + dotted.replace(".", "_").upper()
            yield Key(dotted, variable, annotation)


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file.

    Raises:
        SettingsError: the file cannot be read, or a line is not `NAME=value`.
    """
    from dotenv.main import DotEnv
    from dotenv.parser import parse_stream

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    from io import StringIO

    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(
                f"{path} line {binding.original.line}: not a NAME=value line.",
                remedy="Quote values that hold spaces or quotes, and start comments with #.",
            )
    values = DotEnv(None, stream=StringIO(text), interpolate=True).dict()
    return {name: value for name, value in values.items() if value is not None}


def export_dotenv(path: Path | None) -> None:
    """Put a `.env` file's variables into this process for the libraries that read them there."""
    if path is None or not path.is_file():
        return
    for name, value in read_dotenv(path).items():
        if value and not name.startswith(ENVIRONMENT_PREFIX):
            os.environ.setdefault(name, value)


def find_config(cwd: Path, environ: Mapping[str, str], explicit: Path | None) -> Path | None:
    """The `config.yaml` in use: the one that is named, else the one in the working folder.

    Raises:
        SettingsError: a file that was named does not exist.
    """
    named = explicit or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        named = named if named.is_absolute() else cwd / named
        if not named.is_file():
            raise SettingsError(
                f"The configuration file {named} does not exist.",
                remedy=f"Name one that does with --config or {CONFIG_VARIABLE}.",
            )
        return named
    found = cwd / CONFIG_NAME
    return found if found.is_file() else None


def load_settings(
    overrides: Mapping[str, object] | None = None,
    *,
    config_path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """Resolve every setting once.

    Args:
        overrides: explicit values by dotted name; None means "not given".
        config_path: a configuration file instead of `config.yaml` in the working folder.
        environ: the environment (default: this process's).
        cwd: the folder in which `config.yaml` and `.env` are looked for.

    Raises:
        SettingsError: an unknown key, a value out of range, or a file that cannot be read.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    config = find_config(cwd, environ, config_path)
    home = config.parent if config is not None else cwd
    dotenv = home / DOTENV_NAME
    known = {key.name: key for key in keys()}
    values: dict[str, object] = {}
    sources = dict.fromkeys(known, "default")
    layers: list[tuple[str, dict[str, object]]] = []
    if config is not None:
        layers.append((str(config), _config_values(config, known)))
    if dotenv.is_file():
        layers.append((str(dotenv), _environment_values(read_dotenv(dotenv), known, str(dotenv))))
    layers.append(("environment", _environment_values(environ, known, "the environment")))
    layers.append(("argument", _override_values(overrides or {}, known)))
    for source, layer in layers:
        for name, value in layer.items():
            values[name] = value
            sources[name] = source
    if "state_dir" not in values:
        values["state_dir"] = _default_state_dir(config)
    _anchor_paths(values, sources, cwd=cwd, home=home)
    return _build(values, sources)


def _default_state_dir(config: Path | None) -> Path:
    if config is not None:
        return config.parent / ".lambda-autotuner"
    from platformdirs import user_state_path

    return user_state_path("lambda-autotuner")


def _anchor_paths(
    values: dict[str, object], sources: Mapping[str, str], *, cwd: Path, home: Path
) -> None:
    """A relative path in a file is relative to that file; elsewhere, to the working folder."""
    for name in ("state_dir", "sandbox.curves", "evaluation.questions_path"):
        value = values.get(name)
        if value is None or not isinstance(value, (str, Path)) or not str(value):
            continue
        path = Path(value).expanduser()
        base = home if sources[name] not in {"environment", "argument"} else cwd
        values[name] = path if path.is_absolute() else base / path


def _config_values(path: Path, known: Mapping[str, Key]) -> dict[str, object]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise SettingsError(f"{path}{where}: {problem}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(
            f"{path}: expected `key: value` lines, found {type(document).__name__}."
        )
    return dict(_flatten(document, known, str(path)))


def _flatten(
    document: Mapping[Any, Any], known: Mapping[str, Key], where: str, prefix: str = ""
) -> Iterator[tuple[str, object]]:
    sections = {name.rsplit(".", 1)[0] for name in known if "." in name}
    for raw, value in document.items():
        name = f"{prefix}{raw}"
        if name in sections:
            if value is None:
                continue
            if not isinstance(value, dict):
                raise SettingsError(f"{where}: {name} must hold `key: value` lines, not {value!r}.")
            yield from _flatten(value, known, where, f"{name}.")
        elif name in known:
            if value is not None:
                yield name, value
        else:
            raise unknown_key(name, [*known, *sections], where)


def _environment_values(
    environ: Mapping[str, str], known: Mapping[str, Key], where: str
) -> dict[str, object]:
    by_variable = {key.variable: name for name, key in known.items()}
    found: dict[str, object] = {}
    for variable, value in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _NOT_SETTINGS:
            continue
        if variable not in by_variable:
            raise unknown_key(variable, list(by_variable), where)
        if value != "":
            found[by_variable[variable]] = value
    return found


def _override_values(
    overrides: Mapping[str, object], known: Mapping[str, Key]
) -> dict[str, object]:
    for name in overrides:
        if name not in known:
            raise unknown_key(name, list(known), "the arguments")
    return {name: value for name, value in overrides.items() if value is not None}


def unknown_key(name: str, candidates: list[str], where: str) -> SettingsError:
    """The error for a key that does not exist, with the nearest that does."""
    nearest = difflib.get_close_matches(name, candidates, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]}?" if nearest else "`config show` lists every setting."
    return SettingsError(f"Unknown setting {name!r} in {where}.", remedy=hint)


def _build(values: Mapping[str, object], sources: Mapping[str, str]) -> Settings:
    tree: dict[str, Any] = {"sources": sources}
    for name, value in values.items():
        *path, leaf = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = value
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"] if isinstance(part, str))
        source = sources.get(name, "the settings")
        raise SettingsError(
            f"{name} = {first['input']!r} (from {source}) is not usable: {first['msg']}."
        ) from error
    if settings.tuning.min_memory_mb > settings.tuning.max_memory_mb:
        raise SettingsError(
            f"tuning.min_memory_mb {settings.tuning.min_memory_mb} is above "
            f"tuning.max_memory_mb {settings.tuning.max_memory_mb}."
        )
    return settings


def describe(settings: Settings) -> list[tuple[str, object, str]]:
    """Every key with its value and the source of that value, for `config show`."""
    rows: list[tuple[str, object, str]] = []
    for key in keys():
        value: Any = settings
        for part in key.name.split("."):
            value = getattr(value, part)
        rows.append((key.name, value, settings.sources.get(key.name, "argument")))
    return rows


def is_list(annotation: Any) -> bool:
    """Whether a key takes several values."""
    return get_origin(annotation) is tuple or any(is_list(part) for part in get_args(annotation))
