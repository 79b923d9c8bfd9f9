"""Look-up in a small reference of our own; each passage names its source. Nothing leaves."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import Field

from lambda_autotuner.agent.catalogue import Arguments, Tool
from lambda_autotuner.agent.reading.language import lexicon, normalise, stem, words
from lambda_autotuner.agent.tools.context import ToolContext
from lambda_autotuner.agent.turn import ToolResult

_BEST = 2
_TITLE_WEIGHT = 3
_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "is",
        "are",
        "was",
        "be",
        "do",
        "does",
        "did",
        "how",
        "what",
        "why",
        "when",
        "where",
        "which",
        "who",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "and",
        "or",
        "it",
        "its",
        "my",
        "our",
        "this",
        "that",
        "i",
        "you",
        "we",
        "can",
        "should",
        "with",
        "from",
        "by",
        "as",
        "if",
        "not",
    ]
)


class Topic(Arguments):
    """What to look up."""

    topic: str = Field(min_length=1, max_length=300, description="Words of the question.")
    limit: int = Field(_BEST, ge=1, le=5)


@lru_cache(maxsize=1)
def passages() -> tuple[dict[str, Any], ...]:
    """The reference: title, keywords, text and source of each passage."""
    import yaml

    text = (resources.files("lambda_autotuner") / "data" / "guidance" / "reference.yaml").read_text(
        encoding="utf-8"
    )
    return tuple(yaml.safe_load(text)["passages"])


def _terms(text: str) -> set[str]:
    plain = normalise(text)
    found = {stem(word) for word in words(plain) if word not in _STOP}
    return found | {
        f"concept:{concept}"
        for concept in lexicon().concepts(plain)
        if concept not in {"guidance", "fleet", "list"}
    }


@lru_cache(maxsize=1)
def _indexed() -> tuple[tuple[dict[str, Any], set[str], set[str]], ...]:
    def title(passage: dict[str, Any]) -> str:
        return " ".join([passage["title"], *(str(word) for word in passage.get("keywords", ()))])

    return tuple(
        (passage, _terms(title(passage)), _terms(passage["text"])) for passage in passages()
    )


def run_look_up_guidance(context: ToolContext, arguments: Topic) -> ToolResult:
    """The passages that share most with the question."""
    wanted = _terms(arguments.topic)
    scored = []
    for passage, title, body in _indexed():
        score = _TITLE_WEIGHT * len(wanted & title) + len(wanted & body)
        scored.append((score, passage))
    scored.sort(key=lambda item: -item[0])
    best = [passage for score, passage in scored[: arguments.limit] if score >= _TITLE_WEIGHT]
    if best:
        top = scored[0][0]
        best = [p for s, p in scored[: arguments.limit] if s >= _TITLE_WEIGHT and s >= top * 0.7]
    provider = context.workspace.settings.search_provider
    data: dict[str, Any] = {
        "passages": [
            {"title": p["title"], "text": " ".join(p["text"].split()), "source": p["source"]}
            for p in best
        ]
    }
    if provider:
        from lambda_autotuner.agent.tools.web import search_web

        data["web"] = search_web(provider, arguments.topic)
    return ToolResult(data, source="reference" + (f" and {provider}" if provider else ""))


TOOLS = (
    Tool("look_up_guidance", "Guidance on AWS Lambda sizing, billing and limits from a small reference with sources.", Topic, run_look_up_guidance, reach="public", function_argument=None),
)  # fmt: skip
