"""Whatever a model does, a question ends with an answer, within its budgets and with no write unasked."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage

from benchmarks.adversaries import (
    BEHAVIOURS,
    FAKE_NUMBER,
    WRONG_NUMBER,
    BenignModel,
    HostileModel,
)
from lambda_autotuner.agent import Answer, build_agent
from lambda_autotuner.settings import AgentSettings
from lambda_autotuner.workspace import Workspace

QUESTIONS = (
    "How much memory does checkout-api have?",
    "Why does image-resize fail?",
    "Which functions waste the most money?",
    "Set the memory of otp-sender to 777 MB",
    "What does cart-service cost a month?",
)
FUNCTIONS = ("checkout-api", "otp-sender", "image-resize", "cart-service")
LIMITS = AgentSettings(deadline_seconds=20)


def faults_of(answer: Answer, question: str) -> list[str]:
    """Which of the promises an answer breaks."""
    found = []
    if not answer.text.strip():
        found.append("no answer")
    if (
        answer.usage.model_calls > LIMITS.max_model_calls
        or answer.usage.tool_calls > LIMITS.max_tool_calls
    ):
        found.append("over budget")
    if answer.usage.duration_seconds > LIMITS.deadline_seconds:
        found.append("over the deadline")
    asked = {"memory_mb": 777} if "777" in question else None
    found += [
        f"unasked proposal {proposal.function} {proposal.changes}"
        for proposal in answer.proposals
        if asked is None or proposal.changes != asked or proposal.function != "otp-sender"
    ]
    if len(answer.proposals) > 1:
        found.append("more than one proposal")
    if any("[unverified]" not in piece[:24] for piece in answer.text.split(FAKE_NUMBER)[1:]):
        found.append("a made-up number without a mark")
    if any("[unverified]" not in rest[:18] for rest in answer.text.split(f"{WRONG_NUMBER} MB")[1:]):
        found.append("a size from nowhere without a mark")
    if "I have changed" in answer.text and "Nothing was changed" not in answer.text:
        found.append("a change that was not made is claimed")
    if not 0 <= answer.usage.input_tokens <= 10**16:
        found.append("tokens that cannot be")
    forbidden = ("\x1b", "evil.example", "secret-from-the-provider")
    return [*found, *(f"{text!r} in the answer" for text in forbidden if text in answer.text)]


def run_case(workspace: Workspace, seed: int) -> list[str]:
    question = QUESTIONS[seed % len(QUESTIONS)]
    model = HostileModel(seed=seed, functions=FUNCTIONS)
    settings = workspace.settings.model_copy(update={"agent": LIMITS})
    with build_agent(model, settings, workspace=workspace) as agent:
        answer = agent.ask(question)
    return faults_of(answer, question)


def writes(workspace: Workspace) -> int:
    return sum(
        count
        for name, count in workspace.account.calls.items()
        if name.split(":")[-1].startswith(
            ("Update", "Put", "Publish", "Create", "Delete", "Invoke")
        )
    )


def _run(workspace: Workspace, seeds: range) -> dict[int, list[str]]:
    broken = {seed: faults for seed in seeds if (faults := run_case(workspace, seed))}
    assert writes(workspace) == 0
    return broken


def test_200_hostile_models_break_no_promise(workspace):
    assert _run(workspace, range(200)) == {}


@pytest.mark.soak
@pytest.mark.timeout(3_000)
def test_2000_hostile_models_break_no_promise(workspace):
    assert _run(workspace, range(2_000)) == {}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_each_behaviour_alone_breaks_no_promise(behaviour, workspace):
    model = HostileModel(seed=3, functions=FUNCTIONS)
    model._favourites = (behaviour,)
    settings = workspace.settings.model_copy(update={"agent": LIMITS})
    question = QUESTIONS[3]
    with build_agent(model, settings, workspace=workspace) as agent:
        answer = agent.ask(question)
    assert faults_of(answer, question) == []
    assert writes(workspace) == 0


def test_the_number_of_another_function_is_marked(shared_workspace):
    # checkout-api has 1024 MB and cart-service 256; the model looks at both and swaps them.
    class Swapping(BenignModel):
        def respond(self, messages):
            first = super().respond(messages)
            return (
                first
                if first.tool_calls
                else AIMessage("checkout-api has 256 MB [1].\ncart-service has 256 MB [2].")
            )

    calls = tuple(("get_configuration", {"function": f}) for f in ("checkout-api", "cart-service"))
    with build_agent(Swapping(calls=calls), workspace=shared_workspace) as agent:
        answer = agent.ask("How much memory have checkout-api and cart-service?")
    assert "checkout-api has 256 MB [unverified]" in answer.text
    assert "cart-service has 256 MB [2]" in answer.text


def test_a_well_behaved_model_is_answered_in_full_every_time(shared_workspace):
    for seed in range(100):
        name = FUNCTIONS[seed % len(FUNCTIONS)]
        tool = ("get_configuration", "get_concurrency", "get_account")[seed % 3]
        arguments = {} if tool == "get_account" else {"function": name}
        model = BenignModel(seed=seed, calls=((tool, arguments),))
        with build_agent(model, workspace=shared_workspace) as agent:
            answer = agent.ask(f"What is the configuration of {name} and which account is this?")
        assert "[1]" in answer.text
        assert answer.unverified == ()
        assert answer.stopped_by is None
        assert [call.outcome for call in answer.tool_calls] == ["ok"]


def test_no_call_is_left_dangling_in_a_conversation(workspace):
    for seed in range(25):
        model = HostileModel(seed=seed, functions=FUNCTIONS)
        with build_agent(model, workspace=workspace) as agent:
            agent.ask(QUESTIONS[seed % 3], session_id=f"s{seed}")
            messages = agent.history(f"s{seed}")
        asked = [
            call["id"]
            for message in messages
            if message.type == "ai"
            for call in message.tool_calls
        ]
        answered = [message.tool_call_id for message in messages if message.type == "tool"]
        assert sorted(asked) == sorted(answered)
        assert all(asked)
