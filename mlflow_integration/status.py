"""What initialisation found out, told truthfully: enabled means that a probe succeeded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RULE = "=" * 80
SWITCHED_OFF = "MLFLOW_ENABLE_TRACING=false"


@dataclass(frozen=True)
class TracingStatus:
    """The state of tracing.

    Attributes:
        enabled: The back end answered and accepted us; traces are delivered as they come.
        recording: Traces and runs are written to the spool; true also while the back end is
            away, false when tracing is switched off or the spool cannot be written.
        destination: The back end's address without credentials.
        experiment: The experiment's name, as the back end knows it when it was reached.
        reason: Why tracing is not enabled, one clause without a full stop; None when it is.
        remedy: What to do about it.
        code: A short name of the reason (`off`, `unreachable`, `timeout`, `unauthorized`,
            `forbidden`, `server_error`, `configuration`, `spool`, `database`), None when enabled.
        spool: The spool's folder.
        dotenv: The `.env` that was read, if any.
        notices: Settings of other tools that touch tracing.
        elapsed_seconds: Time that initialisation took beyond importing mlflow.
    """

    enabled: bool
    recording: bool
    destination: str
    experiment: str
    reason: str | None = None
    remedy: str | None = None
    code: str | None = None
    spool: Path | None = None
    dotenv: Path | None = None
    notices: tuple[str, ...] = field(default=())
    elapsed_seconds: float = 0.0

    def banner_lines(self) -> list[str]:
        """Return the start-up block, line by line; print it wherever people look."""
        lines = [_RULE, "Initializing MLflow Tracing...", _RULE]
        if self.enabled:
            lines.append("✅ MLflow tracing enabled")
        elif self.reason == SWITCHED_OFF:
            lines.append(f"⚠️ MLflow tracing not configured: {SWITCHED_OFF}")
        else:
            sentence = (self.reason or "unknown reason").rstrip(".")
            text = f"⚠️ MLflow tracing not configured: {sentence}. {self.remedy or ''}"
            lines.append(text.rstrip())
        lines.append(_RULE)
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for `--json`."""
        return {
            "enabled": self.enabled,
            "recording": self.recording,
            "destination": self.destination,
            "experiment": self.experiment,
            "code": self.code,
            "reason": self.reason,
            "remedy": self.remedy,
            "spool": str(self.spool) if self.spool else None,
            "dotenv": str(self.dotenv) if self.dotenv else None,
            "notices": list(self.notices),
        }
