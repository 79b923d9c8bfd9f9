"""An input file of AWS Lambda Power Tuning, as options of `tune`; what is typed wins over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lambda_autotuner.cli.door import Door

_LISTED = 60


def merge(door: Door, path: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    """Fill in the options that nobody typed from the file, and say what is done differently.

    Args:
        door: where notes are said.
        path: the input file.
        chosen: the options as they were typed.

    Raises:
        UsageError: the file cannot be read or is not such an input.
    """
    import click

    from lambda_autotuner.errors import UsageError
    from lambda_autotuner.measurement.payloads import parse_json
    from lambda_autotuner.tuning.power_tuning import read_input

    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    content = parse_json(text, str(path))
    found = read_input(content)
    mapped = _options(found)
    for note in found.notes:
        if not note.startswith("allowedExceptions"):
            door.say(f"Power tuning: {note}", style="dim")
    if found.only_cold_starts:
        door.say(
            "Power tuning: onlyColdStarts is not used: cold and warm are measured and told apart."
        )
    if found.apply:
        door.say("Power tuning: autoOptimize becomes a plan to agree to: lambda-autotuner plan.")
    context = click.get_current_context()
    typed = {
        name
        for name in chosen
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
    }
    events = {"payload", "payloads", "payload_s3", "events"}
    if typed & events:
        mapped = {name: value for name, value in mapped.items() if name not in events}
    result = {**chosen, **{name: value for name, value in mapped.items() if name not in typed}}
    result["dry_run"] = found.dry_run
    result["weighted"] = None if typed & events else _weighted(found)
    allowed = content.get("allowedExceptions")
    if isinstance(allowed, list) and "allowed_error" not in typed:
        result["allowed_error"] = tuple(str(name) for name in allowed)
    return result


def _options(found: Any) -> dict[str, Any]:
    sizes = found.space.sizes_mb
    mapped: dict[str, Any] = {
        "objective": str(found.objective),
        "min_memory": sizes[0],
        "max_memory": sizes[-1],
        # ALL is a range, which the guardrails may narrow; a list is taken as it stands.
        "sizes": ",".join(str(size) for size in sizes) if len(sizes) <= _LISTED else None,
        "max_invocations": found.most_invocations,
        "pause": found.pause_ms,
        "payload_s3": found.payload_s3,
        "before": found.pre_processor_arn,
        "after": found.post_processor_arn,
    }
    if found.parallel:
        # Power tuning would send all at once; ours stay few enough not to distort each other.
        mapped["concurrency"] = 5
    return {name: value for name, value in mapped.items() if value is not None}


def _weighted(found: Any) -> list[dict[str, Any]] | None:
    """The payloads in the form of a weighted list; None without any."""
    if not found.payloads:
        return None
    return [{"payload": item.payload, "weight": item.share} for item in found.payloads]
