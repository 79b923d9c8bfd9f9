"""Binomial numbers from given uniform ones: how many of a row's invocations something befalls."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MANY: Final = 50.0
_HALF: Final = 0.5


def binomial(of: Integers, chance: Floats, draw: Floats) -> Integers:
    """One number per row, larger where `draw` is smaller.

    By inversion of the distribution function, and by the normal law where more than 50 are
    expected both to be hit and to be missed. One invocation is hit when its draw is below its chance.

    Args:
        of: how many invocations there are, shape (n,).
        chance: chance of each, from 0 to 1, shape (n,).
        draw: numbers in (0, 1), shape (n,).
    """
    result = np.zeros(len(of), dtype=np.int64)
    # At least one of n is hit with a chance of at most n times the chance of each: most rows end here.
    hit = np.flatnonzero(draw < of * chance)
    of, chance, draw = of[hit], chance[hit], draw[hit]
    often = chance > _HALF
    rare = np.where(often, 1.0 - chance, chance)
    missed = _rare(of, rare, np.where(often, draw, 1.0 - draw))
    result[hit] = np.where(often, of - missed, missed)
    return result


def _rare(of: Integers, chance: Floats, quantile: Floats) -> Integers:
    """The quantile of the binomial law for chances of at most a half."""
    expected = of * chance
    many = expected > _MANY
    result = np.zeros(len(of), dtype=np.int64)
    if many.any():
        spread = np.sqrt(expected[many] * (1.0 - chance[many]))
        near = np.rint(expected[many] + spread * ndtri(quantile[many])).astype(np.int64)
        result[many] = np.clip(near, 0, of[many])
    term = np.exp(of * np.log1p(-chance))
    rows = np.flatnonzero(~many & (quantile > term))
    term, total, limit = term[rows], term[rows], of[rows]
    odds, wanted = (chance / (1.0 - chance))[rows], quantile[rows]
    step = 0
    while len(rows):
        term = term * odds * (limit - step) / (step + 1)
        total = total + term
        step += 1
        result[rows] = step
        open_ = (wanted > total) & (step < limit)
        rows, term, total = rows[open_], term[open_], total[open_]
        limit, odds, wanted = limit[open_], odds[open_], wanted[open_]
    return result
