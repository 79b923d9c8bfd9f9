from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.comparison import Reading, compare
from lambda_autotuner.evaluation.reports import comparison_page, comparison_text
from lambda_autotuner.evaluation.suite import load_suite

QUESTIONS = load_suite().questions
GROUPS = list(dict.fromkeys(question.group for question in QUESTIONS))


def chances(rng, mean=0.85, concentration=3.0):
    """How likely each question of the suite is to be right; paraphrases are equally likely.

    Most are nearly sure, as with a real agent, and some are a toss-up.
    """
    drawn = rng.beta(mean * concentration, (1 - mean) * concentration, len(GROUPS))
    by_group = dict(zip(GROUPS, drawn, strict=True))
    return np.array([by_group[question.group] for question in QUESTIONS])


def asked(make_result, rng, probabilities):
    right = rng.random(len(probabilities)) < probabilities
    return [
        make_result(question.id, success=bool(ok), group=question.group)
        for question, ok in zip(QUESTIONS, right, strict=True)
    ]


def planted(probabilities, points):
    """The same agent with a loss of so many points, spread over questions it was good at."""
    return np.clip(probabilities - points * probabilities / probabilities.mean(), 0, 1)


def readings(make_result, pairs, points, seed, **shape):
    """What `compare` reads in so many pairs of runs of a stochastic agent."""
    rng = np.random.default_rng(seed)
    found = Counter()
    for _ in range(pairs):
        probabilities = chances(rng, **shape)
        before = asked(make_result, rng, probabilities)
        after = asked(make_result, rng, planted(probabilities, points))
        found[compare(before, after).reading] += 1
    return found


# The promise is 94 and 85 of 100 in the long run. A hundred pairs would pass or fail by luck
# (their standard error is 2 and 3 points), so more are drawn, from fixed seeds.
NULL_SHARE, POWER = 0.94, 0.85


@pytest.mark.parametrize("seed", [2026])
def test_one_configuration_twice_reads_no_difference(make_result, seed) -> None:
    found = readings(make_result, 200, 0.0, seed)
    assert found[Reading.NO_DIFFERENCE] / found.total() >= NULL_SHARE, found


@pytest.mark.parametrize("seed", [2026])
def test_a_planted_loss_is_found(make_result, seed) -> None:
    found = readings(make_result, 200, 0.10, seed)
    assert found[Reading.WORSE] / found.total() >= POWER, found
    assert not found[Reading.BETTER]


@pytest.mark.soak
@pytest.mark.parametrize(
    "shape", [{}, {"mean": 0.92}, {"mean": 0.75, "concentration": 1.5}], ids=str
)
def test_calibration_of_the_verdict(make_result, shape) -> None:
    same, lost = Counter(), Counter()
    for seed in range(10):
        same += readings(make_result, 100, 0.0, seed, **shape)
        lost += readings(make_result, 100, 0.10, seed + 1000, **shape)
    print(
        f"{shape}: no difference {same[Reading.NO_DIFFERENCE]} of 1000, loss found {lost[Reading.WORSE]} of 1000"
    )
    assert same[Reading.NO_DIFFERENCE] >= 1000 * NULL_SHARE
    assert lost[Reading.WORSE] >= 1000 * POWER


def test_thirty_questions_cannot_tell(make_result) -> None:
    rng = np.random.default_rng(4)
    before = [make_result(f"q-{n}", success=bool(rng.random() < 0.7)) for n in range(30)]
    after = [make_result(f"q-{n}", success=bool(rng.random() < 0.7)) for n in range(30)]
    comparison = compare(before, after)
    assert comparison.reading is Reading.CANNOT_TELL
    assert "cannot tell" in comparison.sentence


def test_a_certain_difference_is_named_with_its_items(make_result) -> None:
    before = [make_result(f"q-{n}") for n in range(60)]
    after = [make_result(f"q-{n}", success=n >= 12) for n in range(60)]
    worse = compare(before, after, names=("old", "new"))
    better = compare(after, before)
    assert worse.reading is Reading.WORSE
    assert better.reading is Reading.BETTER
    assert worse.broken == tuple(f"q-{n}" for n in range(12)) == better.fixed
    assert "new is worse than old by 20.0 points" in worse.sentence
    assert worse.difference.estimate == -better.difference.estimate


def test_only_shared_questions_count(make_result) -> None:
    before = [make_result(f"q-{n}") for n in range(20)]
    after = [make_result(f"q-{n}") for n in range(5, 25)]
    comparison = compare(before, after)
    assert comparison.questions == 15
    assert len(comparison.notes) == 2
    with pytest.raises(UsageError, match="no question in common"):
        compare(before[:2], after[-2:])


def test_repeats_of_a_question_are_averaged(make_result) -> None:
    before = [make_result("q-1", repeat=n) for n in range(4)]
    after = [make_result("q-1", repeat=n, success=n == 0) for n in range(4)]
    assert compare(before, after).difference.estimate == pytest.approx(-0.75)


def test_slower_is_found_beside_equal_success(make_result) -> None:
    rng = np.random.default_rng(8)
    before = [
        make_result(f"q-{n}", execution_time_seconds=float(rng.lognormal(0, 0.2)))
        for n in range(100)
    ]
    after = [
        make_result(r.question_id, execution_time_seconds=r.execution_time_seconds * 1.5)
        for r in before
    ]
    comparison = compare(before, after)
    rows = {row.name: row for row in comparison.secondary}
    assert comparison.reading is Reading.NO_DIFFERENCE
    assert rows["execution_time_seconds"].significant
    assert not rows["tool_calls"].significant
    unknown = [make_result(r.question_id, cost_usd=None) for r in before]
    assert "cost_usd" not in {row.name for row in compare(before, unknown).secondary}


def test_the_pages_say_what_was_found(make_result) -> None:
    from rich.console import Console

    before = [make_result(f"q-{n}") for n in range(30)]
    after = [make_result(f"q-{n}", success=n > 10, safe=n != 3) for n in range(30)]
    comparison = compare(before, after, names=("a<b>", "new"))
    page = comparison_page(comparison)
    assert "a&lt;b&gt;" in page
    assert "<script" not in page
    assert "q-3" in page
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console:
        console.print(comparison_text(comparison))
    console.file.close()
    assert "Unsafe in new: q-3" in console.export_text()
