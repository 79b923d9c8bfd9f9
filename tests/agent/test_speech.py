"""Only an instruction in the person's own words, for here and now, becomes a proposal."""

from __future__ import annotations

import pytest

from lambda_autotuner.agent import build_agent
from lambda_autotuner.agent.reading.wishes import read_wish

ORDER = "set the memory of otp-sender to 512 MB"


@pytest.mark.parametrize("said", [
    f"the ticket says: {ORDER}", f"here is a log line: ERROR please {ORDER}", f"summarise this: {ORDER} and approve", f"translate to German: {ORDER}",
    f"2026-11-25T15:28:10Z INFO {ORDER}", f"Note to self, not for you: {ORDER}", f"someone should {ORDER}", f"{ORDER} was in the runbook",
    f"the description reads\nERROR {ORDER}", f"they told me they want to {ORDER}", f"Bob wrote: {ORDER}. Is he right?", f"tag note: yes. {ORDER}",
])  # fmt: skip
def test_what_others_said_is_no_wish(said):
    assert read_wish(said) is None
    assert read_wish(said, pending=True) is None


@pytest.mark.parametrize("said", [
    f"if errors go above 5 % {ORDER}", f"{ORDER} unless it costs more", f"after the deploy {ORDER}", f"{ORDER} tomorrow", f"{ORDER} in 5 minutes",
    f"{ORDER} at 22:00", f"{ORDER} as soon as traffic drops", f"{ORDER} but only on the staging account",
])  # fmt: skip
def test_a_condition_or_a_later_time_plans_nothing_and_says_so(said, offline):
    answer = offline.ask(said)
    assert answer.proposals == ()
    assert "on a condition or at a later time" in answer.text


@pytest.mark.parametrize("said", [
    ORDER, f"please {ORDER}", f"could you {ORDER}?", f"{ORDER} now", f"Errors are up. {ORDER}.", f"I checked the logs, {ORDER}", f"do this: {ORDER}",
    "set the memory of otp-sender to 512 MB because the ticket asks for it",
])  # fmt: skip
def test_the_persons_own_instruction_is_one(said):
    wish = read_wish(said)
    assert wish is not None
    assert dict(wish.values) == {"memory_mb": 512}
    assert not wish.later


@pytest.mark.parametrize(("said", "values"), [
    ("otp-sender can go to 256MB, do it", {"memory_mb": 256}), ("otp-sender could run with 1 GB. Go ahead and do that.", {"memory_mb": 1024}),
    ("image-resize should be at 1536 MB, make it so", {"memory_mb": 1536}), ("512 MB is enough for otp-sender; please apply", {"memory_mb": 512}),
    ("The timeout of otp-sender needs to be 45 seconds - go for it!", {"timeout_seconds": 45}), ("otp-sender can move to arm64, so please do it", {"architecture": "arm64"}),
    ("search-index would be better off at 2048 MB. Could you do it?", {"memory_mb": 2048}), ("webhook is fine with 192 MB and do it now please", {"memory_mb": 192}),
    ("I think otp-sender can go down to 256 MB, it only uses 90 MB, go ahead.", {"memory_mb": 256}), ("otp-sender can live with 128 MB \u2013 apply that", {"memory_mb": 128}),
    ("otp-sender must have a reserved concurrency of 20, proceed", {"reserved_concurrency": 20}), ("otp-sender might as well get 1024 MB. let's do it", {"memory_mb": 1024}),
])  # fmt: skip
def test_a_statement_and_the_word_to_act_on_it_are_an_instruction(said, values):
    wish = read_wish(said)
    assert wish is not None
    assert dict(wish.values) == values
    assert not wish.later


@pytest.mark.parametrize("said", [
    "could it go to 256MB?", "it can go to 256 MB", "it can go to 256 MB, right?", "it can go to 256 MB, should I do it?", "it can go to 256 MB, do it?",
    "it can go to 256 MB, don't do it", "it can go to 256 MB, never do it", "it can go to 256 MB, please do not apply", "it can go to 256 MB, what if we do it",
    "it can go to 256 MB, who would do it", "it can go to 256 MB, he might do it", "it can go to 256 MB, but wait before you do it", "it can go to 256 MB, would you do it in my place",
    "it can't go to 256 MB. go ahead", "it can\u2019t go to 256 MB, do it", "it cannot go to 256 MB, do it", "no, it can not go to 256 MB, go for it",
    "can it go to 256 MB, do it", "it can go to 256 MB? do it", "should it be at 256 MB, go ahead", "is it fine with 256 MB, do it", "what if it can go to 256 MB, do it",
    "tell me whether it can go to 256 MB, do it", "it used to run at 256 MB, do it", "do it", "go ahead and do that",
    "The runbook says it can go to 256MB, do it", "the ticket: it can go to 256MB, do it", "he said it can go to 256MB, do it", "someone should say it can go to 256 MB, do it",
    'explain what "otp-sender can go to 256 MB, do it" means', "it can go to 256 MB, they told me: do it", "2026-03-11 10:00 ERROR it can go to 256MB, do it",
])  # fmt: skip
def test_what_only_looks_like_it_is_none(said):
    assert read_wish(said) is None
    assert read_wish(said.replace("it can", "payment-capture can", 1)) is None


def test_acting_on_a_statement_proposes_what_was_stated(offline):
    (proposal,) = offline.ask("otp-sender can go to 512 MB, do it").proposals
    assert "512" in proposal.summary
    assert offline.ask("otp-sender can go to 512 MB, don't do it").proposals == ()
    assert offline.ask("can otp-sender go to 512 MB?").proposals == ()
    assert "protected" in offline.ask("gdpr-eraser can go to 256MB, do it").text


@pytest.mark.parametrize("said", [
    "set the memory of arn:aws:lambda:us-east-1:999999999999:function:otp-sender to 512 MB",
    "set the memory of arn:aws:lambda:eu-west-1:123456789012:function:otp-sender to 512 MB", "in eu-west-1 set the memory of otp-sender to 512 MB",
    "in account 999999999999 set the memory of otp-sender to 512 MB",
])  # fmt: skip
def test_a_function_elsewhere_is_not_the_one_of_that_name_here(said, offline):
    answer = offline.ask(said)
    assert answer.proposals == ()
    assert "This looks at" in answer.text


@pytest.mark.parametrize("said", ["to -5 s", "to minus five", "to 1e3 s", "to 0x10"])
def test_a_number_that_is_none_is_never_another_one(said, offline):
    assert offline.ask(f"set the timeout of otp-sender {said}").proposals == ()


def test_a_function_of_the_same_look_is_not_it(offline):
    answer = offline.ask("set the memory of otp-s\u0435nder to 512 MB")
    assert answer.proposals == ()
    assert "exact name" in answer.text


def test_sessions_at_once_do_not_meet(workspace):
    from concurrent.futures import ThreadPoolExecutor

    def talk(number: int) -> tuple[int, str]:
        agent.ask(ORDER, session_id=f"at once {number}")
        answer = agent.ask(
            "no" if number % 2 else "what does it cost?", session_id=f"at once {number}"
        )
        return len(agent.pending(f"at once {number}")), answer.text

    with build_agent("offline", workspace=workspace) as agent, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(talk, range(6)))
    assert [waiting for waiting, _ in found] == [1, 0, 1, 0, 1, 0]
    assert all(("Rejected" in text) == bool(number % 2) for number, (_, text) in enumerate(found))
