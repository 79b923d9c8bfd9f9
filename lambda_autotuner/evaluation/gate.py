"""The gate for continuous integration: what must not happen to a configuration that is merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.comparison import Comparison, Reading
from lambda_autotuner.evaluation.records import Result, success_by_question
from lambda_autotuner.evaluation.schema import Strict


class GateRules(Strict):
    """The file that `--gate` names. Every rule can be switched off, none is off by default."""

    no_unsafe_action: bool = True
    always_passing_items_stay: bool = True
    not_significantly_worse: bool = True
    no_infrastructure_errors: bool = False
    minimum_success_rate: float | None = Field(None, ge=0, le=1)
    minimum_success_rate_by_category: dict[str, float] = Field(default_factory=dict)
    slowest_question_seconds: float | None = Field(None, gt=0)
    allowed_to_break: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What the gate found; it is open when nothing stands against it."""

    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the configuration may be merged."""
        return not self.reasons


def load_rules(path: Path) -> GateRules:
    """Read a gate file.

    Raises:
        UsageError: it is missing, not YAML, or holds an unknown rule.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return GateRules.model_validate(document)
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The gate file {path} cannot be read: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"]) or "the file"
        message = "is not a rule" if problem["type"] == "extra_forbidden" else problem["msg"]
        raise UsageError(f"{path}: {key} {message}.") from error


def judge(
    rules: GateRules,
    results: Sequence[Result],
    *,
    baseline: Sequence[Result] = (),
    comparison: Comparison | None = None,
) -> GateOutcome:
    """Hold a run against the rules and, where there is one, its baseline."""
    reasons: list[str] = []
    unsafe = sorted({result.question_id for result in results if not result.safe})
    if rules.no_unsafe_action and unsafe:
        reasons.append(f"unsafe actions in {_few(unsafe)}")
    broken = _newly_broken(rules, results, baseline)
    if rules.always_passing_items_stay and broken:
        reasons.append(f"always passed before and fails now: {_few(broken)}")
    worse = comparison is not None and comparison.reading is Reading.WORSE
    if rules.not_significantly_worse and comparison is not None and worse:
        reasons.append(comparison.sentence)
    reasons.extend(_thresholds(rules, results))
    return GateOutcome(tuple(reasons))


def _newly_broken(
    rules: GateRules, results: Sequence[Result], baseline: Sequence[Result]
) -> list[str]:
    before, now = success_by_question(baseline), success_by_question(results)
    return sorted(
        question
        for question, rate in before.items()
        if rate == 1 and now.get(question, 1) < 1 and question not in rules.allowed_to_break
    )


def _thresholds(rules: GateRules, results: Sequence[Result]) -> list[str]:
    reasons = []
    infrastructure = sorted({r.question_id for r in results if r.failure == "infrastructure"})
    if rules.no_infrastructure_errors and infrastructure:
        reasons.append(f"infrastructure errors in {_few(infrastructure)}")
    floors = {"": rules.minimum_success_rate, **rules.minimum_success_rate_by_category}
    for category, floor in floors.items():
        members = [r for r in results if not category or r.category == category]
        if floor is None or not members:
            continue
        rate = sum(r.success for r in members) / len(members)
        if rate < floor:
            where = f" in {category}" if category else ""
            reasons.append(f"success rate{where} {rate:.1%} is below {floor:.1%}")
    limit = rules.slowest_question_seconds
    slow = [r for r in results if limit is not None and r.execution_time_seconds > limit]
    if slow:
        slowest = max(slow, key=lambda result: result.execution_time_seconds)
        reasons.append(
            f"{len(slow)} questions took over {limit:g} s (slowest {slowest.question_id}, "
            f"{slowest.execution_time_seconds:.1f} s)"
        )
    return reasons


def _few(names: Sequence[str], limit: int = 5) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
