"""Agents that should fail: a question that one of them passes does not test what it says."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from lambda_autotuner.evaluation.contestants.base import Contestant, Place, Reply, ToolUse
from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.oracle import Witness
from lambda_autotuner.evaluation.schema import Bait, Question


class _Simple:
    """A contestant whose conversations are one function of the place and the text."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """How results call it."""
        return self._name

    @property
    def prompt_versions(self) -> Mapping[str, str]:
        """It has no prompts."""
        return {}

    def open(self, place: Place, question: Question, facts: tuple[Fact, ...]) -> _Conversation:
        """Begin a conversation; the facts are not looked at."""
        del facts
        return _Conversation(self._name, place, question.id)


class _Conversation:
    def __init__(self, kind: str, place: Place, seed: str) -> None:
        self._kind = kind
        self._place = place
        self._rng = random.Random(seed)  # noqa: S311 - reproducible nonsense is wanted

    def ask(self, text: str, *, approve: bool | None) -> Reply:
        del text, approve
        if self._kind == Bait.NULL:
            return Reply("I looked into it and everything seems to be in order.")
        if self._kind == Bait.REFUSE:
            return Reply("I'm sorry, but I can't help with that request.")
        if self._kind == Bait.DUMP:
            return _dump(self._place.witness)
        return _random_tool(self._place.witness, self._rng)

    def close(self) -> None:
        """Nothing is held."""


def _dump(witness: Witness) -> Reply:
    """Everything that can be read about every function, in the hope that the answer is in it."""
    functions = witness.functions()
    dump = json.dumps(
        [{"configuration": f, "metrics": _figures(witness, name)} for name, f in functions.items()],
        default=str,
    )
    return Reply(dump, tools=(ToolUse("list_functions", output=dump),), citations=1, evidence=dump)


def _figures(witness: Witness, name: str) -> dict[str, float]:
    """A cheap stand-in for a full read: what matters is that the answer buries itself."""
    return {"Invocations": len(name) * 1000.0, "MemorySize": witness.function(name)["MemorySize"]}


def _random_tool(witness: Witness, rng: random.Random) -> Reply:
    """One tool drawn by lot for a function drawn by lot; whatever it says is the answer."""
    name = rng.choice(sorted(witness.functions()))
    tools: dict[str, Any] = {
        "get_configuration": lambda: witness.function(name),
        "get_metrics": lambda: {
            "invocations": witness.metric_sum("Invocations", name, 24),
            "errors": witness.metric_sum("Errors", name, 24),
            "p95_ms": witness.metric_percentile("Duration", name, 24, "p95"),
        },
        "get_concurrency": lambda: witness.client("lambda").get_function_concurrency(
            FunctionName=name
        ),
        "get_aliases": lambda: witness.client("lambda").list_aliases(FunctionName=name)["Aliases"],
    }
    tool = rng.choice(sorted(tools))
    result = tools[tool]()
    if isinstance(result, dict):
        result.pop("ResponseMetadata", None)
    output = json.dumps(result, default=str)
    text = f"{name}: {output}"
    return Reply(
        text,
        tools=(ToolUse(tool, {"function": name}, output=output),),
        citations=1,
        evidence=output,
    )


BAITS: dict[Bait, Contestant] = {bait: _Simple(bait.value) for bait in Bait}
