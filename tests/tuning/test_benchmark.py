"""The benchmark itself: what it reads, what it writes, and that its figures mean something."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.curves import load_curves
from benchmarks.engine import run_engine
from benchmarks.peers import exhaustive, gaussian_process, parrotfish, power_tuning, random_search
from benchmarks.sampler import Sampler, pick_cheapest, pick_fastest
from benchmarks.synthetic import make_curve
from lambda_autotuner.errors import UsageError
from lambda_autotuner.tuning.priors import default_priors, read_priors

METHODS = {
    "engine",
    "power_tuning_n10",
    "power_tuning_n50",
    "power_tuning_every_size_n10",
    "parrotfish_paper",
    "gp_bo_5",
    "gp_bo_6",
    "exhaustive_n10",
    "random",
}
FIGURES = {
    "mean_regret_pct",
    "p90_regret_pct",
    "worst_curve_regret_pct",
    "within_5pct",
    "invocations",
    "exploration",
    "interval90_coverage_pct",
    "fastest5_latency_ratio",
    "fastest5_violations_pct",
    "cpu_ms_per_decision",
    "curves",
}
HEADER = "curve_set,curve,architecture,memory_mb,duration_ms\n"


def _write(path, rows):
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def test_the_command_writes_every_figure_of_every_method(tmp_path, repository):
    rng = np.random.default_rng(0)
    rows = [
        f"made,c{k},arm64,{size},{(200 + 9e4 / size * k) * rng.lognormal(0, 0.03):.2f}"
        for k in (1, 3)
        for size in (128, 200, 512, 1_024)
        for _ in range(5)
    ]
    rows += [f"made,zero,arm64,{size},0" for size in (128, 256)] + ["made,alone,x86_64,10240,7.5"]
    out = tmp_path / "out.json"
    curves = _write(tmp_path / "curves.csv", rows)
    command = [
        sys.executable,
        "-m",
        "benchmarks.tuning",
        "--curves",
        str(curves),
        "--json",
        str(out),
    ]
    options = ["--budget", "6", "--replications", "2", "--seed", "1"]
    done = subprocess.run(
        [*command, *options],
        cwd=repository,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    methods = json.loads(out.read_text())["methods"]
    assert set(methods) >= METHODS
    for figures in methods.values():
        assert set(figures) >= FIGURES
    assert methods["engine"]["invocations"] <= 6
    assert methods["engine_in_sample"]["invocations"] <= 6
    assert methods["exhaustive_n10"]["invocations"] == (40 + 40 + 20 + 10) / 4
    assert len(methods["engine"]["curves"]) == 4
    assert "engine_in_sample" in done.stdout


def test_reading_is_the_same_compressed_or_not(tmp_path):
    row = "made,c,x86_64,128,3.5"
    plain = _write(tmp_path / "a.csv", [row])
    with gzip.open(tmp_path / "b.csv.gz", "wt") as handle:
        handle.write(HEADER + row + "\n")
    first, second = load_curves(plain)[0], load_curves(tmp_path / "b.csv.gz")[0]
    assert first.sizes_mb == second.sizes_mb == (128,)
    assert first.durations_ms[0].tolist() == [3.5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "missing"),
        ("a,b\n1,2\n", "missing"),
        (HEADER, "no curve"),
        (HEADER + "s,c,x86_64,128,nan\n", "line 2"),
        (HEADER + "s,c,x86_64,128,-4\n", "line 2"),
        (HEADER + "s,c,x86_64,64,4\n", "line 2"),
        (HEADER + "s,c,sparc,128,4\n", "line 2"),
        (HEADER + "s,c,x86_64,128,fast\n", "line 2"),
        (HEADER + "s,c,x86_64\n", "line 2"),
        (HEADER + ",c,x86_64,128,4\n", "line 2"),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        load_curves(path)


def test_a_truncated_or_absent_file_is_a_clear_error(tmp_path):
    path = tmp_path / "bad.csv.gz"
    path.write_bytes(gzip.compress((HEADER + "s,c,x86_64,128,4\n" * 500).encode())[:40])
    with pytest.raises(UsageError, match="cannot be read"):
        load_curves(path)
    with pytest.raises(UsageError, match="cannot be read"):
        load_curves(tmp_path / "absent.csv")


def test_leaving_a_family_out_changes_the_priors():
    families = set(read_priors()["families"])
    assert {"slapp", "mb"} <= families
    for family in families:
        assert family not in default_priors(without=(family,)).families
        assert default_priors(without=(family,)).noise_weights != default_priors().noise_weights
    everything = default_priors()
    assert sum(n.weight for n in everything.residual_nodes) == pytest.approx(1)
    assert sum(everything.noise_weights) == pytest.approx(1)


@pytest.mark.parametrize(
    "estimate",
    [
        lambda s: power_tuning.estimate(s, 10),
        lambda s: power_tuning.estimate(s, 10, every_size=True),
        parrotfish.estimate,
        lambda s: gaussian_process.estimate(s, 5),
        lambda s: exhaustive.estimate(s, 10),
        lambda s: random_search.estimate(s, 25),
    ],
)
def test_every_peer_finds_an_obvious_optimum(estimate):
    """Waiting alone: the smallest size is several times cheaper than any other."""
    curve = make_curve(6, 1)
    assert "waiting" in curve.name
    sampler = Sampler(curve, np.random.default_rng(0))
    costs = estimate(sampler)
    assert pick_cheapest(costs) <= curve.sizes_mb[len(curve.sizes_mb) // 3]
    assert costs[pick_fastest(costs)] <= 1.05 * min(costs.values())
    assert sampler.invocations > 0
    assert sampler.money > 0


def _figures(curves, budget, replications, seed):
    regrets, covered, spent = [], [], []
    for index, curve in enumerate(curves):
        cost = curve.true_cost()
        for replication in range(replications):
            sampler = Sampler(curve, np.random.default_rng([seed, index, replication]))
            run = run_engine(sampler, budget, default_priors(without=(curve.family,)))
            truth = float(cost[curve.sizes_mb.index(run.pick_mb)])
            regrets.append((index, truth / cost.min() - 1))
            covered.append(run.interval.low <= truth <= run.interval.high)
            spent.append(sampler.invocations)
            assert sampler.invocations <= budget
    by_curve = [[r for i, r in regrets if i == index] for index in range(len(curves))]
    mean = float(np.mean([np.mean(rs) for rs in by_curve]))
    worst = max(float(np.mean(rs)) for rs in by_curve)
    within = float(np.mean([r <= 0.05 for _, r in regrets]))
    return mean, worst, within, float(np.mean(covered))


def test_made_up_functions_of_other_laws_are_tuned_well():
    """A seeded tenth of the soak test, with bounds that a broken engine misses."""
    curves = [make_curve(index, 77) for index in range(16)]
    mean, _, within, covered = _figures(curves, 25, 1, 5)
    assert mean <= 0.03
    assert within >= 0.8
    assert covered >= 0.7


@pytest.mark.shared
def test_measured_functions_are_tuned_well(curves_file):
    mean, worst, within, _ = _figures(load_curves(curves_file), 25, 2, 3)
    assert mean <= 0.005
    assert worst <= 0.03
    assert within >= 0.95


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_made_up_functions_in_full():
    curves = [make_curve(index, 101) for index in range(160)]
    mean, _, within, covered = _figures(curves, 25, 4, 5)
    assert mean <= 0.0125
    assert within >= 0.93
    assert 0.85 <= covered <= 0.95


@pytest.mark.soak
@pytest.mark.shared
@pytest.mark.timeout(7_200)
def test_measured_functions_in_full(curves_file):
    curves = load_curves(curves_file)
    mean, worst, within, covered = _figures(curves, 25, 200, 7)
    assert mean <= 0.0022
    assert worst <= 0.012
    assert within >= 0.995
    assert 0.85 <= covered <= 0.95
    mean, worst, _, _ = _figures(curves, 12, 200, 7)
    assert mean <= 0.0035
    assert worst <= 0.016
