"""The theory: what to measure next, when to stop, and what to recommend."""

from lambda_autotuner.tuning.decision import Policy
from lambda_autotuner.tuning.evidence import Configuration, Evidence, Outcome, Sample, SizeSummary
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.objective import (
    CostUnderSlo,
    FastestWithin,
    LowestCost,
    Objective,
    Weighted,
    parse_objective,
)
from lambda_autotuner.tuning.passive import recommend_passive
from lambda_autotuner.tuning.pricing import PriceBook, Rates, invocation_cost_usd
from lambda_autotuner.tuning.recommendation import (
    Advice,
    Change,
    Constraint,
    CurvePoint,
    Infeasible,
    Interval,
    Keep,
    Measurement,
    NeedMoreData,
    Outlook,
    Recommendation,
    Settled,
    Topic,
)
from lambda_autotuner.tuning.search import Budget, Probe, Search, Stop
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import ARCHITECTURES, Architecture
from lambda_autotuner.tuning.workload import Workload

__all__ = [
    "ARCHITECTURES",
    "Advice",
    "Architecture",
    "Budget",
    "Change",
    "Configuration",
    "Constraint",
    "CostUnderSlo",
    "CurvePoint",
    "Evidence",
    "FastestWithin",
    "Infeasible",
    "Interval",
    "Keep",
    "LowestCost",
    "Measurement",
    "Model",
    "NeedMoreData",
    "Objective",
    "Outcome",
    "Outlook",
    "Policy",
    "PriceBook",
    "Probe",
    "Rates",
    "Recommendation",
    "Sample",
    "Search",
    "Settled",
    "SizeSummary",
    "Space",
    "Stop",
    "Topic",
    "Weighted",
    "Workload",
    "invocation_cost_usd",
    "parse_objective",
    "recommend_passive",
]
