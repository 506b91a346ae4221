"""P(arm is best) of normal posteriors, in some ten microseconds: what a contextual decision can afford.

The trapezoidal rule on the line converges exponentially for normal densities (its error is about exp(−2π²/h²) for a
step of h standard deviations), so that a few dozen places of the narrowest arm suffice. As in ``best`` the places are
the arms' own, and the sum is checked. Places where all arms hardly ever are, are left out.

References:
    Trefethen, Weideman (2014), The exponentially convergent trapezoidal rule. SIAM Review 56(3).
"""

import math
from operator import add, sub

import numpy as np
from scipy.special import erfc, ndtr, ndtri

from seatrial.bandits.best import MOST_ARMS, TOLERANCE, best, normalised
from seatrial.bandits.normal import Normal
from seatrial.bandits.posterior import Floats

_REACH, _MOST = 6.8, 2000
_STEPS = (0.4, 0.2)
"""Of the narrowest deviation; the finer one where the first does not sum to 1 (many arms as good as each other)."""
_ROOT = 1 / math.sqrt(2 * math.pi)
_TINY = 1e-12
_DEPTHS = [math.inf, *(-float(ndtri(_TINY ** (1 / count))) for count in range(1, MOST_ARMS + 1))]
"""By the number of arms, how many deviations under its mean each of them is at a place below which all of them are with
a chance of 1e-12: the best one is not there. Many arms as good as each other: half of the places are saved."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_MARKS = np.arange(-_REACH, _REACH + 0.5, 1.0)
_HALF_ROOT, _PI_ROOT = math.sqrt(0.5), 1 / math.sqrt(math.pi)
_GRID = np.stack([np.ones(_MOST + 4), np.arange(_MOST + 4, dtype=np.float64)])


def normal_best(means: Floats, sds: Floats) -> Floats:
    """The chance of each arm to be the best one.

    Args:
        means: Shape [K].
        sds: Above 0, shape [K].

    Returns:
        Chances, shape [K], that sum to 1.

    Raises:
        SeatrialError: They do not to within 1e-9: the quadrature failed.
    """
    return np.array(normal_shares(means.tolist(), sds.tolist()))


def normal_shares(centers: list[float], scales: list[float]) -> list[float]:
    """``normal_best``, of lists: of a few numbers they are quicker, and on the way to a decision every call counts."""
    reach = [_REACH * scale for scale in scales]
    high, low = list(map(add, centers, reach)), max(map(sub, centers, reach))
    if min(high) >= low:
        return _of_live(centers, scales, low, max(high))
    live = [arm for arm, end in enumerate(high) if end >= low]
    found = _of_live([centers[arm] for arm in live], [scales[arm] for arm in live], low, max(high))
    chances = [0.0] * len(centers)
    for arm, chance in zip(live, found, strict=True):
        chances[arm] = chance
    return chances


def _of_live(centers: list[float], scales: list[float], low: float, top: float) -> list[float]:
    """Of arms none of which is out of the question; the best one is between ``low`` and ``top``."""
    if len(centers) == 1:
        return [1.0]
    depth = _DEPTHS[min(len(centers), MOST_ARMS)]
    low = max(low, min(map(sub, centers, [depth * scale for scale in scales])))
    narrow = min(scales)
    for part in _STEPS:
        step = part * narrow
        if top - low > _MOST * step:
            break
        chances = _by_steps(centers, scales, low - step, step, int((top - low) / step) + 3)
        total = sum(chances)
        if abs(total - 1) < TOLERANCE:
            return [chance / total for chance in chances]
    return _by_panels(np.array(centers), np.array(scales), low, top).tolist()  # type: ignore[no-any-return]


def _by_steps(centers: list[float], scales: list[float], first: float, step: float, count: int) -> list[float]:
    """Of each arm Σ step · its density · the chance that all others are below, over ``count`` places from ``first`` on.

    In few calls, which cost more than what they compute: t = −depth / √2 of every arm at every place is one product,
    the density is exp(−t²) and the chance to be below is erfc(t) / 2.
    """
    narrowness = [_HALF_ROOT / scale for scale in scales]
    starts = [(center - first) * narrow for center, narrow in zip(centers, narrowness, strict=True)]
    strides = [-step * narrow for narrow in narrowness]
    depths = np.array((starts, strides)).T.dot(_GRID[:, :count])
    below = erfc(depths)  # above 1e-15 from the lowest place on, so that it may be divided by
    np.multiply(depths, depths, depths)
    np.negative(depths, depths)
    np.exp(depths, depths)
    np.divide(depths, below, depths)
    sums = depths.dot(np.multiply.reduce(below)).tolist()
    unit = _PI_ROOT * step * 2.0 ** (1 - len(scales))
    return [unit * found * narrow for found, narrow in zip(sums, narrowness, strict=True)]


def _densities(means: Floats, sds: Floats, places: Floats, weights: Floats) -> Floats:
    """For each arm Σ weight · √(2π) · its density · the chance that all others are below, shape [K]."""
    depths = (places - means[:, None]) / sds[:, None]
    below = ndtr(depths)  # above 1e-15 from the lowest place on, so that it may be divided by
    depths *= depths
    depths *= -0.5
    densities = np.exp(depths, depths)
    densities /= below
    together = np.multiply.reduce(below)
    together *= weights
    chances: Floats = densities.dot(together)
    chances /= sds
    return chances


def _by_panels(means: Floats, sds: Floats, low: float, top: float) -> Floats:
    """Where deviations differ so much that equal steps are too many: panels no wider than any arm's deviation."""
    edges = np.unique(np.clip(means[:, None] + sds[:, None] * _MARKS, low, top))
    halves = (edges[1:] - edges[:-1])[:, None] / 2
    places = (edges[:-1, None] + halves * (1 + _NODES)).ravel()
    chances = _densities(means, sds, places, (halves * _WEIGHTS).ravel()) * _ROOT
    if abs(math.fsum(chances.tolist()) - 1) < TOLERANCE:
        return normalised(chances)
    return best([Normal(mean, sd) for mean, sd in zip(means.tolist(), sds.tolist(), strict=True)])
