"""Has an arm's mean reward changed, and since when: the generalised likelihood ratio of rewards between 0 and 1.

Rewards are looked at in order, whenever a twentieth more of them has come, with all places at which they could be cut
in two. An alarm forgets what every arm gave before the change: when the best arm has fallen, the others' old rewards
say little about who is best now. The result is a function of the rewards alone, so a restart comes to the same.

References:
    Besson, Kaufmann, Maillard, Seznec (2022), Efficient change-point detection for tackling piecewise-stationary
    bandits. JMLR 23, equation 4 and section 7 (the threshold used there in practice).
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from seatrial.bandits.posterior import Floats

_LEAST = 30
_GROWTH = 1.05


def last_change(arms: NDArray[np.int64], rewards: Floats, alpha: float = 0.01) -> int:
    """From which reward on nothing has changed since.

    Args:
        arms: Which arm each reward is of, shape [n], from 0.
        rewards: Between 0 and 1, in order, shape [n].
        alpha: About the chance, an arm, that anything is forgotten where nothing ever changes.

    Returns:
        Index of the first reward that still counts; 0 where no change was found.
    """
    start, at = 0, _LEAST
    while at <= rewards.size:
        cut = _first_cut(arms[start:at], rewards[start:at], alpha)
        if cut is not None:
            start += cut
            at = max(at + 1, start + _LEAST)
        else:
            at = start + max(at - start + 1, math.ceil((at - start) * _GROWTH))
    if rewards.size - start >= _LEAST:
        cut = _first_cut(arms[start:], rewards[start:], alpha)
        start += cut or 0
    return start


def _first_cut(arms: NDArray[np.int64], rewards: Floats, alpha: float) -> int | None:
    """Where the most striking change lies, counted in rewards of all arms; None: no arm has changed."""
    best: tuple[float, int] | None = None
    for arm in np.unique(arms).tolist():
        where = np.flatnonzero(arms == arm)
        if where.size < _LEAST:
            continue
        ratio, cut = _strongest(rewards[where])
        over = ratio - math.log(where.size**1.5 / alpha)
        if over > 0 and (best is None or over > best[0]):
            best = (over, int(where[cut]))
    return None if best is None else best[1]


def _strongest(rewards: Floats) -> tuple[float, int]:
    """The highest likelihood ratio of two means against one, and how many rewards come before its cut."""
    n = rewards.size
    before = np.arange(1, n)
    sums = np.cumsum(rewards)
    total = float(sums[-1])
    first, second = sums[:-1] / before, (total - sums[:-1]) / (n - before)
    mean = total / n
    ratio = before * _divergence(first, mean) + (n - before) * _divergence(second, mean)
    cut = int(np.argmax(ratio))
    return float(ratio[cut]), cut + 1


def _divergence(p: Floats, q: float) -> Floats:
    """Of Bernoulli(p) from Bernoulli(q)."""
    if q <= 0 or q >= 1:
        return np.zeros_like(p)
    inside: Floats = np.clip(p, 0.0, 1.0)
    return np.asarray(xlogy(inside, inside / q) + xlogy(1 - inside, (1 - inside) / (1 - q)), dtype=np.float64)
