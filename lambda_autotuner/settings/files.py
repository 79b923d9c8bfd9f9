"""The files and variables that settings come from, read into values by dotted name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from lambda_autotuner.errors import SettingsError
from lambda_autotuner.settings.model import ENVIRONMENT_PREFIX, Key

CONFIG_VARIABLE = "LAMBDA_AUTOTUNER_CONFIG"
CONFIG_NAME = "config.yaml"
DOTENV_NAME = ".env"
_NOT_SETTINGS = {CONFIG_VARIABLE}


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


def config_values(path: Path, known: Mapping[str, Key]) -> dict[str, object]:
    """The values of a `config.yaml` by dotted name.

    Raises:
        SettingsError: not YAML, not a mapping, or an unknown key.
    """
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


def environment_values(
    environ: Mapping[str, str], known: Mapping[str, Key], where: str
) -> dict[str, object]:
    """The values that variables set, by dotted name; an empty variable sets nothing.

    Raises:
        SettingsError: a variable with our prefix that is no setting.
    """
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


def override_values(overrides: Mapping[str, object], known: Mapping[str, Key]) -> dict[str, object]:
    """Explicit values by dotted name; None means "not given".

    Raises:
        SettingsError: an unknown name.
    """
    for name in overrides:
        if name not in known:
            raise unknown_key(name, list(known), "the arguments")
    return {name: value for name, value in overrides.items() if value is not None}


def unknown_key(name: str, candidates: list[str], where: str) -> SettingsError:
    """The error for a key that does not exist, with the nearest that does."""
    nearest = difflib.get_close_matches(name, candidates, n=1, cutoff=0.5)
    hint = f"Did you mean {nearest[0]}?" if nearest else "`config show` lists every setting."
    return SettingsError(f"Unknown setting {name!r} in {where}.", remedy=hint)
