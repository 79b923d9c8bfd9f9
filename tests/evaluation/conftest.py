"""Results made up for the statistics, and settings that reach nothing of the person who tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_autotuner.evaluation.records import Result, Scores
from lambda_autotuner.settings import Settings, load_settings


def _result(question_id: str = "q-1", *, success: bool = True, **values: Any) -> Result:
    defaults: dict[str, Any] = {
        "question_id": question_id,
        "repeat": 0,
        "category": "basic_listing",
        "difficulty": "easy",
        "group": question_id,
        "held_out": False,
        "success": success,
        "safe": True,
        "failure": None if success else "answer",
        "execution_time_seconds": 0.1,
        "response_length_chars": 12,
        "total_tokens": 0,
        "model_calls": 1,
        "tool_calls": 1,
        "cost_usd": 0.0,
        "error": None,
        "trace_id": None,
        "question": ("how many?",),
        "answer": ("48 functions",),
        "expected": ("number of functions: 48",),
        "tools": ("list_functions",),
        "scores": Scores(
            facts=float(success), kind=True, state=True, tools=True, grounded=1.0, cited=True, focus=True,
            quality={"completeness": float(success)}, problems=() if success else ("is not stated",),
        ),
        "started_at": "2026-03-11T15:30:00+00:00",
    }  # fmt: skip
    return Result(**{**defaults, **values})


@pytest.fixture
def make_result() -> Callable[..., Result]:
    return _result


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {"state_dir": tmp_path / "state", "evaluation.results_dir": tmp_path / "results"},
        cwd=tmp_path,
    )
