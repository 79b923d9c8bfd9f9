"""Every value that a person can set, resolved once into one frozen object.

Precedence: explicit argument > environment > `.env` > `config.yaml` > default. Each key has one
dotted name (`agent.deadline_seconds`), which is its place in `config.yaml`, and one environment
name (`LAMBDA_AUTOTUNER_AGENT_DEADLINE_SECONDS`). An unknown key is an error, because a setting
that is silently ignored is a guardrail that is silently off.
"""

from lambda_autotuner.settings.files import (
    DOTENV_NAME,
    export_dotenv,
    find_config,
    read_dotenv,
    unknown_key,
)
from lambda_autotuner.settings.loading import describe, load_settings
from lambda_autotuner.settings.model import (
    AgentSettings,
    ApprovalSettings,
    EvaluationSettings,
    GuardrailSettings,
    RetentionSettings,
    RolloutSettings,
    SandboxSettings,
    Settings,
    TuningSettings,
    keys,
)

__all__ = [
    "DOTENV_NAME",
    "AgentSettings",
    "ApprovalSettings",
    "EvaluationSettings",
    "GuardrailSettings",
    "RetentionSettings",
    "RolloutSettings",
    "SandboxSettings",
    "Settings",
    "TuningSettings",
    "describe",
    "export_dotenv",
    "find_config",
    "keys",
    "load_settings",
    "read_dotenv",
    "unknown_key",
]
