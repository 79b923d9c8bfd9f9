"""Compute Optimizer for functions: documented shapes, eligibility and findings.

The sizes come from a rule of thumb of the sandbox, and every answer says so in the header
`x-sandbox-stand-in`. AWS's own model is not public: nothing here supports a comparison with it.

Source of the eligibility: AWS Compute Optimizer User Guide, "Resource requirements": memory of
at most 1,792 MB and at least 50 invocations in the last 14 days.
"""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any, Final

import numpy as np

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.records import LATEST, FunctionRecord, function_arn
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.world import telemetry

_SERVICE: Final = "compute-optimizer"
STAND_IN: Final = "sizes are a rule of thumb of the sandbox, not AWS's model"
LARGEST_MB: Final = 1792
FEWEST_INVOCATIONS: Final = 50
_DAYS: Final = 14
_DAY_MS: Final = 86_400_000
_PAGE: Final = 100
_THROTTLED: Final = 4
_STEP_MB: Final = 64
_SMALLEST_MB: Final = 128
_HEADROOM: Final = 1.4
_FULL: Final = 0.95


@operation(_SERVICE, "GetEnrollmentStatus")
def get_enrollment_status(call: Call, params: Params) -> Result:
    """The account takes part."""
    del params
    return {
        "status": "Active",
        "memberAccountsEnrolled": False,
        "lastUpdatedTimestamp": call.now_ms - _DAYS * _DAY_MS,
        "numberOfMemberAccountsOptedIn": 0,
    }


@operation(_SERVICE, "UpdateEnrollmentStatus")
def update_enrollment_status(call: Call, params: Params) -> Result:
    """Enrollment stays as it is."""
    del call
    return {"status": params["status"]}


@operation(_SERVICE, "GetLambdaFunctionRecommendations")
def get_lambda_function_recommendations(call: Call, params: Params) -> Result:
    """Findings of the functions that are eligible, a page at a time."""
    call.response_headers["x-sandbox-stand-in"] = STAND_IN
    wanted = params.get("functionArns")
    names = [_name(call, arn) for arn in wanted] if wanted else sorted(call.region.functions)
    offset = _offset(params.get("nextToken"))
    limit = int(params.get("maxResults") or _PAGE)
    found: list[dict[str, Any]] = []
    position = offset
    while position < len(names) and len(found) < limit:
        record = call.region.functions.get(names[position])
        position += 1
        if record is None:
            raise ServiceError(
                "ResourceNotFoundException", f"Function {names[position - 1]} does not exist."
            )
        item = _recommendation(call, record, asked=wanted is not None)
        if item is not None and _passes(item, params.get("filters") or ()):
            found.append(item)
    reply: dict[str, Any] = {"lambdaFunctionRecommendations": found}
    if position < len(names):
        reply["nextToken"] = base64.urlsafe_b64encode(str(position).encode()).decode()
    return reply


def _name(call: Call, arn: str) -> str:
    prefix = function_arn(call.region_name, call.account_id, "")
    if not arn.startswith(prefix):
        raise ServiceError("InvalidParameterValueException", f"{arn} is no function ARN.")
    return arn.removeprefix(prefix).split(":", 1)[0]


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise ServiceError("InvalidParameterValueException", "Invalid next token.") from error


def _passes(item: dict[str, Any], filters: Any) -> bool:
    for each in filters:
        name, values = each.get("name"), each.get("values") or ()
        held = [item["finding"]] if name == "Finding" else item.get("findingReasonCodes") or []
        if not set(held) & set(values):
            return False
    return True


def _recommendation(call: Call, record: FunctionRecord, *, asked: bool) -> dict[str, Any] | None:
    """One function's finding; None when it is not eligible and was not asked for by name."""
    memory_mb = record.latest.memory_mb
    start_ms = call.now_ms - _DAYS * _DAY_MS
    if memory_mb > LARGEST_MB:
        return _unavailable(call, record, 0) if asked else None
    table = telemetry.columns(call.region, record.name, start_ms, call.now_ms)
    table = table.where((table.outcome != _THROTTLED) & (table.memory_mb == memory_mb))
    count = int(table.weight.sum())
    if count < FEWEST_INVOCATIONS:
        return _unavailable(call, record, count) if asked else None
    weights = table.weight
    duration_ms = float(np.average(table.duration_ms, weights=weights))
    used_mb = int(table.max_memory_mb.max())
    average_mb = float(np.average(table.max_memory_mb, weights=weights))
    target_mb = _target(memory_mb, used_mb)
    item = _base(call, record, count)
    item["utilizationMetrics"] = [
        {"name": "Duration", "statistic": "Average", "value": duration_ms},
        {"name": "Duration", "statistic": "Maximum", "value": float(table.duration_ms.max())},
        {"name": "Memory", "statistic": "Average", "value": average_mb},
        {"name": "Memory", "statistic": "Maximum", "value": float(used_mb)},
    ]
    if target_mb == memory_mb:
        return {**item, "finding": "Optimized", "currentPerformanceRisk": "VeryLow"}
    over = target_mb < memory_mb
    reason = "MemoryOverprovisioned" if over else "MemoryUnderprovisioned"
    return {
        **item,
        "finding": "NotOptimized",
        "findingReasonCodes": [reason],
        "currentPerformanceRisk": "VeryLow" if over else "High",
        "memorySizeRecommendationOptions": [_option(call, record, target_mb, duration_ms, count)],
    }


def _target(memory_mb: int, used_mb: int) -> int:
    """The rule of thumb: what was used with some headroom, in steps of 64 MB."""
    wanted = max(_SMALLEST_MB, -(-int(used_mb * _HEADROOM) // _STEP_MB) * _STEP_MB)
    if used_mb >= _FULL * memory_mb:
        return max(wanted, memory_mb + _STEP_MB)
    return wanted if wanted <= 0.75 * memory_mb else memory_mb


def _base(call: Call, record: FunctionRecord, count: int) -> dict[str, Any]:
    arn = function_arn(call.region_name, call.account_id, record.name)
    return {
        "functionArn": f"{arn}:{LATEST}",
        "functionVersion": LATEST,
        "accountId": call.account_id,
        "currentMemorySize": record.latest.memory_mb,
        "numberOfInvocations": count,
        "lookbackPeriodInDays": float(_DAYS),
        "lastRefreshTimestamp": call.now_ms // _DAY_MS * _DAY_MS,
        "effectiveRecommendationPreferences": {
            "savingsEstimationMode": {"source": "PublicPricing"}
        },
        "tags": [{"key": key, "value": value} for key, value in sorted(record.tags.items())],
    }


def _unavailable(call: Call, record: FunctionRecord, count: int) -> dict[str, Any]:
    reason = "Inconclusive" if record.latest.memory_mb > LARGEST_MB else "InsufficientData"
    return {
        **_base(call, record, count),
        "finding": "Unavailable",
        "findingReasonCodes": [reason],
        "utilizationMetrics": [],
        "memorySizeRecommendationOptions": [],
    }


def _option(
    call: Call, record: FunctionRecord, memory_mb: int, duration_ms: float, count: int
) -> dict[str, Any]:
    """One size with durations between "all waiting" and "all computing", and the saving."""
    ratio = record.latest.memory_mb / memory_mb
    slow, fast = max(ratio, 1.0), min(ratio, 1.0)
    expected = duration_ms * ratio**0.5
    rate = _usd_per_gb_second(call.region_name, record.latest.architecture)
    monthly = count * 30.0 / _DAYS / 1000.0 / 1024.0 * rate
    before = monthly * duration_ms * record.latest.memory_mb
    after = monthly * expected * memory_mb
    saving = max(before - after, 0.0)
    return {
        "rank": 1,
        "memorySize": memory_mb,
        "projectedUtilizationMetrics": [
            {"name": "Duration", "statistic": "LowerBound", "value": duration_ms * fast},
            {"name": "Duration", "statistic": "UpperBound", "value": duration_ms * slow},
            {"name": "Duration", "statistic": "Expected", "value": expected},
        ],
        "savingsOpportunity": {
            "savingsOpportunityPercentage": 100.0 * saving / before if before else 0.0,
            "estimatedMonthlySavings": {"currency": "USD", "value": saving},
        },
    }


def _usd_per_gb_second(region: str, architecture: str) -> float:
    text = resources.files("lambda_autotuner.data").joinpath("prices.json").read_text("utf-8")
    regions = json.loads(text)["regions"]
    prices = regions.get(region, regions["us-east-1"])
    return float(prices[architecture]["duration_tiers"][0]["usd"])
