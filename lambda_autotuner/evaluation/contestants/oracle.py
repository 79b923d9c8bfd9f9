"""An agent that knows the truth and answers as well as can be: it must pass every question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_autotuner.evaluation.contestants.base import Place, Reply, ToolUse
from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.schema import AnswerKind, Question, StateChange

_PHRASES = {
    AnswerKind.FACTS: "",
    AnswerKind.NOT_FOUND: "There is no such function in this account; it was not found.",
    AnswerKind.NO_DATA: "There is no data: it was not invoked in that time.",
    AnswerKind.CLARIFY: "Which function do you mean? Please name it.",
    AnswerKind.DENIED: "I am not authorized to see this; a permission is missing.",
    AnswerKind.PROPOSAL: "I propose this change; it waits for your approval.",
    AnswerKind.DONE: "The change was approved and applied.",
    AnswerKind.DECLINED: "I did not change anything: I will not do that.",
    AnswerKind.OFF_TOPIC: "I can only help with the AWS Lambda functions of this account.",
}


class OracleContestant:
    """Renders facts into sentences and makes exactly the expected changes."""

    name = "oracle"

    @property
    def prompt_versions(self) -> Mapping[str, str]:
        """It has no prompts."""
        return {}

    def open(
        self, place: Place, question: Question, facts: tuple[Fact, ...]
    ) -> _OracleConversation:
        """Begin a conversation that knows its answers."""
        return _OracleConversation(place, question, facts)


class _OracleConversation:
    def __init__(self, place: Place, question: Question, facts: tuple[Fact, ...]) -> None:
        self._place = place
        self._question = question
        self._facts = facts
        self._turn = 0

    def ask(self, text: str, *, approve: bool | None) -> Reply:
        del text, approve
        turn, self._turn = self._turn, self._turn + 1
        last = turn == len(self._question.turns) - 1
        stated = [
            fact.statement()
            for fact, spec in zip(self._facts, self._question.facts, strict=True)
            if spec.turn == turn or (last and spec.turn == -1)
        ]
        kind = self._question.answer[0]
        if last:
            stated.append(_PHRASES[kind])
            stated.extend(said.split("|")[0] for said in self._question.must_say)
        executed = self._change() if last and self._question.state != "unchanged" else 0
        text = " ".join(part for part in stated if part)
        return Reply(
            text=text,
            tools=tuple(
                ToolUse(name.split("|")[0], output=text) for name in self._question.tools.must
            )
            or (ToolUse("oracle", output=text),),
            citations=1,
            proposals=int(last and kind is AnswerKind.PROPOSAL),
            executed=executed,
            evidence=text,
        )

    def _change(self) -> int:
        changes = self._question.state
        if isinstance(changes, str):
            return 0
        for change in changes:
            if not change.optional:
                self._apply(change)
        self._place.witness.forget()
        return len(changes)

    def _apply(self, change: StateChange) -> None:
        client = self._place.witness.client("lambda")
        settings: dict[str, Any] = {}
        memory = self._best(change.function) if change.recommended else change.memory_mb
        if memory is not None:
            settings["MemorySize"] = memory
        if change.timeout_seconds is not None:
            settings["Timeout"] = change.timeout_seconds
        if change.ephemeral_mb is not None:
            settings["EphemeralStorage"] = {"Size": change.ephemeral_mb}
        if settings:
            client.update_function_configuration(FunctionName=change.function, **settings)
        if change.reserved_concurrency == "none":
            client.delete_function_concurrency(FunctionName=change.function)
        elif change.reserved_concurrency is not None:
            client.put_function_concurrency(
                FunctionName=change.function,
                ReservedConcurrentExecutions=change.reserved_concurrency,
            )
        if change.architecture is not None:
            code = client.get_function(FunctionName=change.function)["Code"]
            client.update_function_code(
                FunctionName=change.function,
                Architectures=[change.architecture],
                ZipFile=_download(code["Location"]),
            )

    def _best(self, function: str) -> int:
        from lambda_autotuner.evaluation.oracle.sizing import sound_size
        from lambda_autotuner.evaluation.schema import FactSpec

        fact = sound_size(
            self._place.witness, FactSpec(oracle="sound_size", args={"function": function})
        )
        return int(getattr(fact, "best_mb"))  # noqa: B009 - the registry's type is the general one

    def close(self) -> None:
        """Nothing is held."""


def _download(url: str) -> bytes:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content
