"""Resolving every setting once: argument, environment, `.env`, `config.yaml`, default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lambda_autotuner.errors import SettingsError
from lambda_autotuner.settings.files import (
    DOTENV_NAME,
    config_values,
    environment_values,
    find_config,
    override_values,
    read_dotenv,
)
from lambda_autotuner.settings.model import Settings, keys


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
        layers.append((str(config), config_values(config, known)))
    if dotenv.is_file():
        layers.append((str(dotenv), environment_values(read_dotenv(dotenv), known, str(dotenv))))
    layers.append(("environment", environment_values(environ, known, "the environment")))
    layers.append(("argument", override_values(overrides or {}, known)))
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
