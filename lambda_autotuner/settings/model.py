"""What can be set: every section, every key, its default and its limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

ENVIRONMENT_PREFIX = "LAMBDA_AUTOTUNER_"


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
    concurrency: int | None = Field(None, ge=1, le=64)
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
