from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.evaluation.statistics import (
    holm,
    mcnemar_exact,
    paired_bootstrap,
    paired_difference,
    pass_at_k,
    pass_hat_k,
    percentile,
    sign_flip_test,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(22, 30, 0.556, 0.858), (30, 30, 0.886, 1.0), (120, 120, 0.969, 1.0), (0, 10, 0.0, 0.278)],
)
def test_wilson_gives_the_published_figures(successes, total, low, high) -> None:
    interval = wilson(successes, total)
    assert interval is not None
    assert interval.low == pytest.approx(low, abs=5e-4)
    assert interval.high == pytest.approx(high, abs=5e-4)


def test_wilson_of_nothing_is_unknown_and_of_nonsense_refused() -> None:
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="successes"):
        wilson(4, 3)


@given(total=st.integers(1, 300), data=st.data())
@settings(max_examples=50)
def test_wilson_holds_its_estimate(total, data) -> None:
    successes = data.draw(st.integers(0, total))
    interval = wilson(successes, total)
    assert interval is not None
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


@given(tries=st.integers(1, 12), data=st.data())
@settings(max_examples=50)
def test_pass_at_k_and_pass_hat_k_count_subsets(tries, data) -> None:
    successes = data.draw(st.integers(0, tries))
    k = data.draw(st.integers(1, tries))
    outcomes = [True] * successes + [False] * (tries - successes)
    subsets = list(itertools.combinations(outcomes, k))
    assert pass_at_k(successes, tries, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
    assert pass_hat_k(successes, tries, k) == pytest.approx(sum(map(all, subsets)) / len(subsets))
    assert pass_at_k(successes, tries, tries + 1) is None


def test_mcnemar_is_the_binomial_tail() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(0, 6) == pytest.approx(2 * 0.5**6)
    assert mcnemar_exact(5, 1) == mcnemar_exact(1, 5) == pytest.approx(2 * 7 / 64)


def test_sign_flips_are_enumerated_exactly() -> None:
    rng = np.random.default_rng(1)
    assert sign_flip_test(np.array([0.0, 0.0]), rng) == 1.0
    # 6 groups broken, none fixed: 2 of 64 assignments are as extreme.
    assert sign_flip_test(np.array([-1.0] * 6), rng) == pytest.approx(2 / 64)
    assert sign_flip_test(np.array([-1.0] * 5 + [1.0]), rng) == pytest.approx(14 / 64)


def test_any_number_of_groups_is_counted_exactly() -> None:
    rng = np.random.default_rng(3)
    sums = np.array([-1.0] * 23 + [1.0] * 11)
    assert sign_flip_test(sums, rng) == pytest.approx(mcnemar_exact(11, 23), rel=1e-9)
    # Unequal groups, against the enumeration of all 2^9 assignments.
    sums = np.array([3.0, -2, -4, 1, 1, -5, 2, -2, -3])
    signs = np.array(
        [[1 if number >> place & 1 else -1 for place in range(9)] for number in range(512)]
    )
    wanted = np.mean(np.abs(signs @ np.abs(sums)) >= abs(sums.sum()))
    assert sign_flip_test(sums, rng) == pytest.approx(wanted)
    # Thirds, of three repeats: the same test in another unit.
    assert sign_flip_test(sums / 3, rng) == pytest.approx(wanted)


def test_drawn_sign_flips_agree_with_the_exact_test() -> None:
    whole = np.array([-1.0] * 13 + [1.0] * 7)
    odd = whole + np.linspace(0, 1e-3, 20) * np.pi  # no common unit: assignments are drawn
    drawn = sign_flip_test(odd, np.random.default_rng(3))
    assert drawn == pytest.approx(sign_flip_test(whole, np.random.default_rng(3)), abs=0.02)
    assert drawn != sign_flip_test(odd, np.random.default_rng(4))


def test_paraphrases_count_as_one_group() -> None:
    rng = np.random.default_rng(0)
    alone = sign_flip_test(np.array([-1.0] * 8), rng)
    grouped = sign_flip_test(np.array([-4.0] * 2), rng)
    assert alone < 0.05 < grouped


def test_the_interval_is_wider_when_groups_move_together() -> None:
    differences = {f"q{n}": -1.0 if n < 20 else 0.0 for n in range(100)}
    alone = paired_difference(differences, {q: q for q in differences})
    together = paired_difference(differences, {q: int(q[1:]) // 4 for q in differences})
    assert alone.estimate == together.estimate == pytest.approx(-0.2)
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_an_interval_of_equal_runs_is_not_empty_and_shrinks_with_questions() -> None:
    few = paired_difference(dict.fromkeys(range(5), 0.0), {n: n for n in range(5)})
    many = paired_difference(dict.fromkeys(range(200), 0.0), {n: n for n in range(200)})
    assert few.high > 0.2
    assert 0 < many.high < 0.02


def test_the_interval_covers_the_true_difference() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(200):
        values = rng.choice([-1.0, 0.0, 1.0], size=120, p=[0.15, 0.8, 0.05])
        interval = paired_difference(dict(enumerate(values)), {n: n for n in range(120)})
        covered += interval.low <= -0.1 <= interval.high
    assert covered >= 182


def test_holm_is_monotone_and_at_most_one() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )
    assert holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=6))
@settings(max_examples=50)
def test_holm_never_lowers_a_p_value(values) -> None:
    adjusted = holm(values)
    assert list(adjusted) == list(values)
    assert all(values[name] <= adjusted[name] <= 1 for name in values)


def test_the_bootstrap_finds_a_shift_and_no_ghost() -> None:
    rng = np.random.default_rng(5)
    before = list(rng.lognormal(0, 0.3, 150))
    slower = [value * 1.2 for value in before]
    groups = list(range(150))
    interval, p_value = paired_bootstrap(before, slower, groups, rng)
    assert interval.low > 0
    assert p_value < 0.01
    interval, p_value = paired_bootstrap(before, before, groups, rng)
    assert (interval.estimate, p_value) == (0.0, 1.0)
    noisy = [value + noise for value, noise in zip(before, rng.normal(0, 0.2, 150), strict=True)]
    assert paired_bootstrap(before, noisy, groups, rng)[1] > 0.05
    with pytest.raises(ValueError, match="paired"):
        paired_bootstrap([1.0], [], [0], rng)


def test_percentile_of_nothing_is_unknown() -> None:
    assert percentile([], 50) is None
    assert percentile([1.0, 3.0], 50) == 2.0
    assert math.isclose(percentile([1.0, 2.0, 3.0, 4.0], 95) or 0, 3.85)
