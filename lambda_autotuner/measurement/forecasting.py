"""What a measurement will probably cost: the search itself, played against what is believed.

Telemetry at one memory size leaves open how the duration changes with memory. So durations at all
sizes are drawn from that belief, the very search that would measure is let loose on each draw,
and what it would have paid is added up: dear sizes that it visits, a cold start with its INIT at
each new size, repetitions where it hesitates. What stays unknown (how our event compares with
production's, how long INIT takes where none was seen) is drawn too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lambda_autotuner.measurement.beginning import Beginning
from lambda_autotuner.measurement.options import Forecast
from lambda_autotuner.tuning.cold import ColdStarts, usual_init
from lambda_autotuner.tuning.decision import draws
from lambda_autotuner.tuning.evidence import Configuration, Outcome, Sample
from lambda_autotuner.tuning.model import Model
from lambda_autotuner.tuning.search import Probe, Search
from lambda_autotuner.tuning.space import Space
from lambda_autotuner.tuning.units import Floats
from lambda_autotuner.tuning.verdict import candidates_of

_PLAYED = 16
# Of runs that were played, so many in every direction are left outside of the interval.
_LOW, _HIGH = 0.05, 0.95
# The belief about other sizes is widened as intervals that people are told are.
_LEAST_NOISE, _MOST_NOISE = 0.01, 0.3
# At most so much of the scatter is taken for differences between events, which ours has not.
_BETWEEN_EVENTS = 0.5
_INIT_SPREAD = 0.3
_FIRST_SLOWER = 0.3
_SMALLEST_MS = 0.01


def forecast(beginning: Beginning, *, played: int = _PLAYED) -> Forecast | None:
    """Play the search against what telemetry lets us believe.

    Args:
        beginning: what the measurement would start from.
        played: how many runs to play; draws come in pairs, so an odd number becomes the next one.

    Returns:
        None where no duration was ever recorded, so that there is no scale.
    """
    background = beginning.background
    model = Model(background.evidence, background.workload, beginning.rates)
    if model.warm is None:
        return None
    played += played % 2
    space, _ = beginning.space()
    account = _Imagined.of(beginning, model, space, played)
    runs = [_play(beginning, space, account, run) for run in range(played)]
    usd = np.asarray([search.spent_usd for search in runs])
    counts = [search.spent_invocations for search in runs]
    low, high = np.quantile(usd, [_LOW, _HIGH])
    return Forecast(
        # The mean, because a search ends either soon or with its budget: between the two is nobody.
        usd=float(usd.mean()),
        low_usd=float(low),
        high_usd=min(float(high), beginning.choices.max_cost_usd),
        invocations=round(float(np.mean(counts))),
        most_invocations=max(counts),
    )


@dataclass
class _Imagined:
    """An account that answers invocations from beliefs; one per draw."""

    configurations: tuple[Configuration, ...]
    log_ms: Floats
    log_init_ms: Floats
    extra_ms: Floats
    noise: Floats
    timeout_ms: float
    used_mb: int | None

    @classmethod
    def of(cls, beginning: Beginning, model: Model, space: Space, count: int) -> _Imagined:
        background = beginning.background
        configurations = candidates_of(model, space, background.current)
        belief = model.belief(configurations)
        rng = np.random.default_rng(beginning.options.seed)
        # Antithetic pairs come in two halves; taking both keeps the mean where it is believed.
        log_ms = belief.mean + model.priors.interval_stretch * (draws(belief, count) - belief.mean)
        total = model.warm.noise_level if model.warm is not None else _MOST_NOISE
        # Our event is one of those that production's scatter is made of; it repeats more alike.
        share = (
            _BETWEEN_EVENTS * rng.random(count) if not beginning.mix.recorded else np.zeros(count)
        )
        offset = np.sqrt(share) * total * rng.standard_normal(count) - share * total**2 / 2
        init, extra = _starts(model, configurations, np.exp(log_ms), rng)
        return cls(
            configurations,
            log_ms + offset[:, None],
            init,
            extra,
            np.clip(total * np.sqrt(1 - share), _LEAST_NOISE, _MOST_NOISE),
            float(background.configuration.timeout_seconds) * 1_000.0,
            max((s.max_memory_used_mb or 0 for s in background.evidence), default=0) or None,
        )

    def invoke(
        self, run: int, where: Configuration, rng: np.random.Generator, *, cold: bool
    ) -> Sample:
        """One invocation in one draw."""
        index = self._index(where)
        duration_ms = math.exp(self.log_ms[run, index] + self.noise[run] * rng.standard_normal())
        init_ms = None
        if cold:
            duration_ms += self.extra_ms[run, index]
            init_ms = math.exp(self.log_init_ms[run, index])
        late = duration_ms >= self.timeout_ms
        return Sample(
            where.memory_mb,
            where.architecture,
            min(duration_ms, self.timeout_ms),
            outcome=Outcome.TIMEOUT if late else Outcome.OK,
            init_ms=init_ms,
            max_memory_used_mb=None if late else self.used_mb,
        )

    def _index(self, where: Configuration) -> int:
        """The candidate nearest to a configuration (a search over many sizes looks at thinned ones)."""
        return min(
            range(len(self.configurations)),
            key=lambda i: (
                self.configurations[i].architecture != where.architecture,
                abs(math.log(self.configurations[i].memory_mb / where.memory_mb)),
            ),
        )


def _starts(
    model: Model,
    configurations: tuple[Configuration, ...],
    warm_ms: Floats,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Drawn log INIT in ms, and ms that a first invocation takes longer, each of shape (count, M).

    As they were seen; otherwise INIT is what is typical of the runtime, and first ones take a little longer.
    """
    bell = rng.standard_normal((len(warm_ms), 1))
    if not any(summary.cold_ms for summary in model.evidence.summaries()):
        typical, spread = usual_init(model.workload.runtime)
        init = np.full(warm_ms.shape, math.log(typical)) + spread * bell
        return np.asarray(init), np.asarray(_FIRST_SLOWER * rng.random(warm_ms.shape) * warm_ms)
    seen = ColdStarts(model.evidence, model.durations)
    init = np.log(seen.init_ms(configurations)[0]) + _INIT_SPREAD * bell
    mean, variance = seen.extra_ms(configurations)
    # A log-normal of this mean and variance, as it is an amount of work and skewed.
    width = np.log1p(variance / np.maximum(mean, _SMALLEST_MS) ** 2)
    work = np.sqrt(width) * rng.standard_normal(bell.shape) - width / 2
    return np.asarray(init), np.asarray(mean * np.exp(work))


def _play(beginning: Beginning, space: Space, account: _Imagined, run: int) -> Search:
    search = beginning.search(space, seed=run)
    rng = np.random.default_rng((beginning.options.seed, run))
    started: set[Configuration] = set()
    while isinstance(probe := (None if started else beginning.anchor()) or search.ask(), Probe):
        where = Configuration(probe.memory_mb, probe.architecture)
        count = beginning.affordable(search, where, probe.invocations)
        if count == 0:
            break
        # As many environments start cold as invocations are under way at once.
        cold = 0 if where in started else min(count, beginning.options.concurrency)
        started.add(where)
        search.tell(account.invoke(run, where, rng, cold=i < cold) for i in range(count))
    return search
