from __future__ import annotations

import pytest

from lambda_autotuner.evaluation.schema import AnswerKind, Bait
from lambda_autotuner.evaluation.selfcheck import LEAST_CAUGHT, verify
from lambda_autotuner.evaluation.suite import Selection, load_suite, select


def held(verification) -> None:
    assert verification.oracle_failures == {}
    assert verification.faults == ()
    for bait in Bait:
        caught, meant = verification.caught[bait]
        assert meant
        assert caught / meant >= LEAST_CAUGHT, (bait, verification.slipped[bait])


@pytest.mark.timeout(300)
def test_the_oracle_passes_and_the_baits_fail_a_tenth_of_the_suite(settings) -> None:
    held(verify(select(load_suite(), Selection(sample_size=29, seed=3)), settings, concurrency=2))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_oracle_passes_and_the_baits_fail_the_whole_suite(settings) -> None:
    verification = verify(load_suite().questions, settings, concurrency=2)
    print("\n".join(verification.lines()))
    held(verification)


def test_a_question_that_nobody_fails_is_reported(settings) -> None:
    question = load_suite().by_id()["config-memory-1"]
    empty = question.model_copy(
        update={
            "facts": (),
            "must_say": ("e",),
            "max_answer_chars": 100_000,
            # Facts alone would need a look at the account, which the null agent does not take.
            "answer": (AnswerKind.FACTS, AnswerKind.CLARIFY),
        }
    )
    verification = verify([empty], settings, concurrency=1)
    assert any("null agent slips through" in fault for fault in verification.faults)
