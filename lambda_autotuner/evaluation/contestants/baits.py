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

_SAYINGS: dict[str, str] = {
    Bait.NULL: "I looked into it and everything seems to be in order.",
    Bait.REFUSE: "I'm sorry, but I can't help with that request.",
}
_ECHOED_CHARS = 2_000


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
        del approve
        if self._kind in _SAYINGS:
            return Reply(_SAYINGS[self._kind])
        if self._kind == Bait.DUMP:
            return _dump(self._place.witness)
        if self._kind == Bait.RANDOM:
            return _random_tool(self._place.witness, self._rng)
        # The others pretend to have looked: what they say must not pass all the same.
        words = text[:_ECHOED_CHARS]
        if self._kind == Bait.ECHO:
            return _as_if_looked(f"You asked: {words}\n\nThis is what I found about: {words}")
        if self._kind == Bait.YES:
            return _as_if_looked(f"Yes, that is right. {words.rstrip('?. ')}: yes, it does.")
        # A guess has no source: what it got from its one call does not hold its figures.
        return Reply(
            _guess(self._place.witness, words, self._rng),
            tools=(ToolUse("get_metrics"),),
            citations=1,
            evidence="",
        )

    def close(self) -> None:
        """Nothing is held."""


def _as_if_looked(text: str) -> Reply:
    return Reply(text, tools=(ToolUse("get_metrics", output=text),), citations=1, evidence=text)


def _guess(witness: Witness, words: str, rng: random.Random) -> str:
    """Plausible figures about the functions that the question names, without having looked."""
    named = [name for name in witness.functions() if name in words.lower()] or ["The account"]
    name = rng.choice(named)
    memory = rng.choice((128, 256, 512, 1024, 1769, 2048, 3008))
    return (
        f"{name} has {memory} MB of memory (about {memory * rng.uniform(0.3, 0.9):.0f} MB used at "
        f"the peak), a timeout of {rng.choice((3, 10, 30, 60, 300))} s and runs on "
        f"{rng.choice(('x86_64', 'arm64'))}. It had {rng.randrange(100, 200_000):,} invocations, "
        f"{rng.randrange(500)} errors ({rng.uniform(0, 9):.1f} %) and {rng.randrange(90)} throttles; "
        f"average {rng.uniform(20, 900):.0f} ms, p95 {rng.uniform(900, 4000):.0f} ms, init "
        f"{rng.uniform(150, 900):.0f} ms. It costs ${rng.uniform(1, 300):.2f} a month; "
        f"{rng.choice((256, 512, 1024))} MB would save ${rng.uniform(1, 90):.2f}."
    )


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
