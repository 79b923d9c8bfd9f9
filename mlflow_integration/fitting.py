"""Makes what was recorded fit what back ends store: a name too long would cost the whole record.

Applied while delivering, to text that is masked already, so that no cut leaves half a secret.
Limits are those of MLflow's validation and of its tables (`mlflow/utils/validation.py`,
`mlflow/store/tracking/dbmodels/models.py`).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from mlflow_integration.records import storable, storable_text

V = TypeVar("V")
KEY_LENGTH = 250
RUN_TAG_LENGTH = 4900
PARAM_LENGTH = 500
TRACE_TAG_LENGTH = 4096
METADATA_LENGTH = 250
SPAN_NAME_LENGTH = 1000
SPAN_TYPE_LENGTH = 500
REQUEST_ID_LENGTH = 50
FILE_NAME_BYTES = 180
_SUFFIX_LENGTH = 5
_FOLDERS = 8
_REFUSED = re.compile(r"[^/\w.\- :]")
_CUT = "…"
_SPAN_TYPE = "mlflow.spanType"
_INTEGERS = 2**63
_LONG_NUMBER = re.compile(r"\d{19}")
_DEPTH = 100


def cut(text: Any, limit: int) -> str:
    """Return text of at most `limit` characters, marked where it was cut."""
    shown = storable_text(text if isinstance(text, str) else str(text))
    return shown if len(shown) <= limit else shown[: limit - 1] + _CUT


def entity_name(name: Any) -> str:
    """Return a name for a metric, a parameter or a tag as MLflow's validation takes it."""
    shown = _REFUSED.sub("_", str(name))[:KEY_LENGTH]
    if posixpath.normpath(shown) != shown or shown[:1] in {"/", "."} or not shown:
        # Slashes would make a path of it that MLflow refuses.
        shown = f"_{shown.replace('/', '_').lstrip('.')}"[:KEY_LENGTH]
    return shown


def named(values: Mapping[Any, V]) -> dict[str, V]:
    """Return a mapping with names that MLflow takes; what shares a name then gets a number."""
    fitted: dict[str, V] = {}
    for key, value in values.items():
        name, number = entity_name(key), 2
        while name in fitted:
            name, number = f"{entity_name(key)[: KEY_LENGTH - 8]}_{number}", number + 1
        fitted[name] = value
    return fitted


def trace_tags(tags: Mapping[Any, Any]) -> dict[str, str]:
    """Return the tags of a trace as back ends store them."""
    return {key: cut(value, TRACE_TAG_LENGTH) for key, value in named(tags).items()}


def trace_metadata(metadata: Mapping[Any, Any]) -> dict[str, str]:
    """Return a trace's metadata as back ends store them; MLflow's own JSON stays whole."""
    return {
        cut(key, KEY_LENGTH): str(value) if _is_json(value) else cut(value, METADATA_LENGTH)
        for key, value in metadata.items()
    }


def _is_json(value: Any) -> bool:
    text = str(value)
    return text.startswith("{") and text.endswith("}") and len(text) < TRACE_TAG_LENGTH


def span(data: dict[str, Any]) -> dict[str, Any]:
    """Return a span (`Span.to_dict`) whose name, type and values fit."""
    attributes = {key: _attribute(value) for key, value in (data.get("attributes") or {}).items()}
    kind = attributes.get(_SPAN_TYPE) or ""
    if len(kind) > SPAN_TYPE_LENGTH:
        attributes[_SPAN_TYPE] = json.dumps(cut(kind.strip('"'), SPAN_TYPE_LENGTH // 10))
    events = [
        {**event, "attributes": {k: _number(v) for k, v in (event.get("attributes") or {}).items()}}
        for event in data.get("events") or []
    ]
    name = cut(data.get("name") or "", SPAN_NAME_LENGTH)
    return {**data, "name": name, "attributes": attributes, "events": events}


def _attribute(value: Any) -> Any:
    """Look into an attribute, which is JSON text: a back end may take its value out."""
    if not isinstance(value, str):
        return _number(value)
    if _is_deep(value):
        # Plain JSON text would be taken apart by the server, which looks into strings as well.
        return json.dumps(f"nested deeper than {_DEPTH}: {value}")
    if "\\u0000" not in value and "\\ud" not in value and not _LONG_NUMBER.search(value):
        return value
    try:
        return json.dumps(_number(storable(json.loads(value))), ensure_ascii=False)
    except (ValueError, RecursionError):
        # No JSON, or a number of more digits than Python reads: the text itself is the value.
        return json.dumps(value)


def _is_deep(text: str) -> bool:
    """Say whether JSON nests deeper than a back end follows, which takes it apart by recursion.

    Whether Python itself gives up on such a text before that depends on its version.
    """
    if text.count("{") + text.count("[") <= _DEPTH:
        return False
    try:
        level = [json.loads(text)]
    except RecursionError:
        return True
    except ValueError:
        return False
    for _ in range(_DEPTH):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def _number(value: Any) -> Any:
    """OpenTelemetry's integers have 64 bits: longer ones become text."""
    if isinstance(value, int):
        return value if -_INTEGERS <= value < _INTEGERS else hex(value)
    if isinstance(value, dict):
        return {key: _number(item) for key, item in value.items()}
    return [_number(item) for item in value] if isinstance(value, list) else value


def artifact_path(path: str) -> str:
    """Return a path below the run's own folder, made of plain and short names."""
    names = [part for part in storable_text(path).split("/") if part not in {"", ".", ".."}]
    return "/".join(_file_name(name) for name in names[-_FOLDERS:]) or "unnamed"


def _file_name(name: str) -> str:
    """Return a file's name of at most 200 bytes; what kind it is stays to be seen."""
    plain = re.sub(r'[\x00-\x1f\x7f"<>|?*:\\#%]', "_", name)
    stem, dot, suffix = plain.rpartition(".")
    if not dot or len(suffix) > _SUFFIX_LENGTH:
        stem, dot, suffix = plain, "", ""
    return stem.encode()[:FILE_NAME_BYTES].decode("utf-8", "ignore") + dot + suffix
