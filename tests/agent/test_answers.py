"""Answers of the offline planner against the embedded account: facts, citations, gaps, approvals."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from lambda_autotuner.agent import Proposal, build_agent
from lambda_autotuner.agent.planner.chat_model import OfflinePlanner
from lambda_autotuner.agent.tools import catalogue
from lambda_autotuner.aws.functions import get_function
from lambda_autotuner.errors import RefusedError, UsageError
from lambda_autotuner.settings import AgentSettings

QUESTIONS = (
    "How much memory does otp-sender have?",
    "List my functions",
    "p95 of geo-lookup in the last 3 days",
    "What does geo-lookup cost a month?",
    "compare otp-sender and geo-lookup",
    "Which functions have errors?",
    "Which account is this?",
    "how is lambda billed?",
    "is otp-sender the right size?",
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_number_is_traced_and_cited(offline, question):
    answer = offline.ask(question)
    assert answer.unverified == ()
    assert "[1]" in answer.text
    assert "Sources: [1]" in answer.text
    assert "offline planner, no language model" in answer.text
    assert answer.usage.cost_usd == 0


def test_the_facts_are_the_accounts(offline, shared_workspace):
    truth = get_function(shared_workspace.account, "otp-sender")
    answer = offline.ask("What are the memory size and the timeout of otp-sender?")
    assert f"{truth.memory_mb} MB" in answer.text
    assert f"{truth.timeout_seconds} s" in answer.text


@pytest.mark.parametrize(
    ("question", "low", "high"),
    [
        ("which one is cheaper a month, {}?", "is the cheapest", "is the most expensive"),
        ("which has less memory, {}?", "has the smallest", "has the largest"),
        ("which has the shorter timeout: {}?", "has the shortest", "has the longest"),
        ("which is faster by p95 duration, {}?", "is the fastest", "is the slowest"),
    ],
)
def test_a_comparison_names_the_end_that_was_asked_for(offline, question, low, high):
    pair = "report-generator-leaky or geo-lookup"
    text = offline.ask(question.format(pair)).text
    assert f"geo-lookup {low}" in text
    assert high not in text
    other = offline.ask(f"compare {pair} by monthly cost, memory, timeout and p95 duration").text
    assert f"report-generator-leaky {high}" in other


def test_what_a_count_is_for_is_no_question_about_changes(offline):
    assert "48" in offline.ask("For the audit I need the count of functions.").text
    assert "journal" in offline.ask("show me the audit trail").text


def test_an_unknown_function_is_said_at_once_with_the_nearest_names(offline):
    answer = offline.ask("What is the memory of otp-sendre-x9?")
    assert "otp-sender" in answer.text
    assert "functions searched" in answer.text
    assert answer.tool_calls == ()


def test_a_near_name_is_read_and_the_reading_is_stated(offline):
    answer = offline.ask("memory of otp-sendr")
    assert 'I read "otp-sendr" as otp-sender.' in answer.text


@pytest.mark.parametrize(
    "question",
    [
        "",
        "   ",
        "\x00\x01" * 90,
        "Schreib mir ein Gedicht",
        "x" * 100_000,
        "apply it to all functions",
    ],
)
def test_bad_input_gets_a_sensible_answer_and_nothing_is_done(offline, question):
    answer = offline.ask(question)
    assert len(answer.text) > 40
    assert answer.proposals == ()


def test_values_of_environment_variables_never_come_out(offline):
    answer = offline.ask("What is the value of STRIPE_API_KEY in checkout-api?")
    assert "never read out" in answer.text
    assert "STRIPE_API_KEY" in answer.text
    assert "sk_" not in json.dumps(answer.to_dict())


def test_a_change_waits_for_a_decision_and_is_carried_out_once(workspace):
    with build_agent("offline", workspace=workspace) as agent:
        asked = agent.ask("Set the memory of otp-sender to 256 MB")
        (proposal,) = asked.proposals
        assert proposal.changes == {"memory_mb": 256}
        assert proposal.status == "pending"
        assert "Nothing has been changed" in asked.text
        assert get_function(workspace.account, "otp-sender").memory_mb == 128
        decision = agent.decide(proposal.id, approved=True)
        assert decision.executed
        assert get_function(workspace.account, "otp-sender").memory_mb == 256
        with pytest.raises(RefusedError, match="decided already"):
            agent.decide(proposal.id, approved=True)
        with pytest.raises(UsageError):
            agent.decide("q-nothing", approved=True)


def test_approval_is_asked_once_with_the_true_difference(workspace):
    seen: list[Proposal] = []

    def approve(proposal: Proposal) -> bool:
        seen.append(proposal)
        return True

    with build_agent("offline", workspace=workspace) as agent:
        answer = agent.ask("Set the memory of otp-sender to 256 MB", approve=approve)
    assert [(d.name, d.before, d.after) for p in seen for d in p.differences] == [
        ("memory_mb", 128, 256)
    ]
    assert answer.proposals[0].status == "executed"
    assert answer.decisions[0].executed


def test_a_rejected_proposal_changes_nothing(workspace):
    with build_agent("offline", workspace=workspace) as agent:
        answer = agent.ask("Set the memory of otp-sender to 256 MB", approve=lambda _: False)
        assert agent.pending() == ()
    assert answer.proposals[0].status == "rejected"
    assert get_function(workspace.account, "otp-sender").memory_mb == 128


def test_two_decisions_at_once_carry_it_out_once(workspace):
    with build_agent("offline", workspace=workspace) as agent:
        (proposal,) = agent.ask("Set the memory of otp-sender to 256 MB").proposals
        outcomes: list[bool] = []

        def decide() -> None:
            try:
                outcomes.append(agent.decide(proposal.id, approved=True).executed)
            except RefusedError:
                outcomes.append(False)

        threads = [threading.Thread(target=decide) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(outcomes) == [False] * 5 + [True]
    assert workspace.account.calls["lambda:UpdateFunctionConfiguration"] == 1


def test_an_infrastructure_managed_function_is_refused_with_the_file_to_edit(workspace):
    with build_agent("offline", workspace=workspace) as agent:
        answer = agent.ask("Set the memory of checkout-api to 512 MB")
    assert answer.proposals == ()
    assert "infrastructure as code" in answer.text


def test_a_conversation_and_its_pending_proposal_survive_a_restart(workspace):
    with build_agent("offline", workspace=workspace) as agent:
        agent.ask("How much memory does otp-sender have?", session_id="ops")
        agent.ask("set it to 256 MB", session_id="ops")
    with build_agent("offline", workspace=workspace) as agent:
        assert agent.ask("and its timeout?", session_id="ops").text.startswith(
            "otp-sender: the timeout is"
        )
        (proposal,) = agent.pending("ops")
        assert proposal.changes == {"memory_mb": 256}
        answer = agent.ask("yes, go ahead", session_id="ops", approve=lambda _: True)
    assert answer.decisions
    assert get_function(workspace.account, "otp-sender").memory_mb == 256


def test_ask_works_inside_a_running_loop_and_twice_at_once(offline):
    async def inside() -> tuple[str, str]:
        here = offline.ask("Which account is this?").text
        both = await asyncio.gather(
            offline.aask("Which account is this?"), offline.aask("List my functions")
        )
        return here, both[0].text

    first, second = asyncio.run(inside())
    assert first == second


def test_missing_permissions_are_named_with_the_action(workspace, monkeypatch):
    from lambda_autotuner.agent import survey

    monkeypatch.setattr(
        survey, "_missing_permissions", lambda _: frozenset({"cloudwatch:GetMetricData"})
    )
    with build_agent("offline", workspace=workspace) as agent:
        answer = agent.ask("p95 of otp-sender")
    assert "cloudwatch:GetMetricData" in answer.text
    assert [call.error for call in answer.tool_calls] == ["forbidden"]


def test_names_of_earlier_versions_are_tools_still():
    for old, new in catalogue().aliases.items():
        tool, _ = catalogue().resolve(old, {})
        assert tool.name == new
    tool, arguments = catalogue().resolve(
        "fetch_lambda_metrics", {"function_name": "a", "hours": 3}
    )
    assert tool.parse(arguments).model_dump(exclude_unset=True) == {
        "function": "a",
        "window_hours": 3.0,
    }
    assert {"list_log_groups", "analyze_log_group"} <= set(catalogue().names)


def test_forty_tools_run_side_by_side(shared_workspace):
    # Each waits for all the others, so one after the other they would never end.
    together = threading.Barrier(40)
    with build_agent("offline", workspace=shared_workspace) as agent:

        async def all_of_them() -> None:
            await asyncio.gather(
                *(agent._runtime.blocking(lambda: together.wait(timeout=120)) for _ in range(40))
            )

        agent._runtime.run(all_of_them())
    assert not together.broken


def test_a_tool_that_hangs_leaves_time_for_an_answer_before_the_deadline(
    shared_workspace, monkeypatch
):
    from dataclasses import replace

    never = threading.Event()
    tools = catalogue()._tools
    hanging = replace(tools["get_cost"], run=lambda *_: never.wait(20))
    monkeypatch.setitem(tools, "get_cost", hanging)
    limits = AgentSettings(deadline_seconds=5)
    settings = shared_workspace.settings.model_copy(update={"agent": limits})
    with build_agent("offline", settings, workspace=shared_workspace) as agent:
        answer = agent.ask("cost and memory of otp-sender")
        never.set()
    assert answer.usage.duration_seconds < limits.deadline_seconds
    assert "128 MB" in answer.text
    assert ("get_cost", "timed_out") in [(call.name, call.error) for call in answer.tool_calls]


def test_a_defect_in_a_tool_costs_one_fact_not_the_answer(shared_workspace, monkeypatch):
    from dataclasses import replace

    def broken(*_):
        raise ZeroDivisionError

    tools = catalogue()._tools
    monkeypatch.setitem(tools, "get_cost", replace(tools["get_cost"], run=broken))
    with build_agent("offline", workspace=shared_workspace) as agent:
        answer = agent.ask("cost and memory of otp-sender")
    assert "128 MB" in answer.text
    assert ("get_cost", "internal") in [(call.name, call.error) for call in answer.tool_calls]


def test_the_planner_alone_says_what_it_is():
    assert OfflinePlanner()._llm_type == "offline-planner"


def test_a_closed_agent_says_so(shared_workspace):
    agent = build_agent("offline", workspace=shared_workspace)
    agent.ask("hello")
    agent.close()
    agent.close()
    with pytest.raises(RuntimeError, match="closed"):
        agent.ask("hello")
