"""The chances of a test statistic that is looked at a few times: crossing here first, there first, or not yet.

The score Z·sqrt(t) at shares t of the information has independent normal increments, so its density among paths that
have not crossed yet is carried from look to look by integration: Gauss-Legendre on panels two increments wide, twelve
nodes each, exact to about 1e-12.

References:
    Armitage, McPherson, Rowe (1969), Repeated significance tests on accumulating data, JRSS A 132(2).
    Jennison, Turnbull (2000), Group sequential methods with applications to clinical trials, chapter 19.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_FAR = 9.0
"""Standard errors beyond which there is no path (1e-19)."""

CLOSEST = 1e-4
"""Two looks must lie at least this share of the information apart."""


class Bounds(NamedTuple):
    """The Z at one look below and above which one stops; infinite where one does not."""

    lower: float
    upper: float


class Crossing(NamedTuple):
    """Chances of crossing first at each look, shape [looks] each."""

    lower: tuple[float, ...]
    upper: tuple[float, ...]


class Walk:
    """Paths that have not crossed yet, up to the last look that was passed.

    Args:
        drift: Expected Z when all the information is there.
        finest: The smallest distance between two looks; panels are sized by it.
    """

    def __init__(self, drift: float, finest: float) -> None:
        self._drift = drift
        self._panel = 2 * math.sqrt(finest)
        self._share = 0.0
        self._at: Floats = np.zeros(1)
        self._mass: Floats = np.ones(1)

    def above(self, share: float, z: float) -> float:
        """The chance of being here without having crossed, and above ``z`` at the look at ``share``."""
        return float(self._mass @ ndtr(-self._standard(share, z)))

    def below(self, share: float, z: float) -> float:
        """The same below ``z``."""
        return float(self._mass @ ndtr(self._standard(share, z)))

    def go_on(self, share: float, bounds: Bounds) -> None:
        """Passes the look at ``share``: only paths between the bounds are left."""
        root, middle = math.sqrt(share), self._drift * share
        low = max(bounds.lower * root, middle - _FAR * root)
        high = min(bounds.upper * root, middle + _FAR * root)
        step = share - self._share
        if not low < high:
            self._at, self._mass, self._share = np.zeros(1), np.zeros(1), share
            return
        edges = np.linspace(low, high, 1 + max(1, math.ceil((high - low) / self._panel)))
        half = np.diff(edges)[:, None] / 2
        at = (edges[:-1, None] + half + half * _NODES).ravel()
        weights = (half * _WEIGHTS).ravel()
        z = (at[:, None] - self._at - self._drift * step) / math.sqrt(step)
        density = np.exp(-0.5 * z * z) @ self._mass / math.sqrt(2 * math.pi * step)
        self._at, self._mass, self._share = at, weights * density, share

    def _standard(self, share: float, z: float) -> Floats:
        step = share - self._share
        standard: Floats = (z * math.sqrt(share) - self._at - self._drift * step) / math.sqrt(step)
        return standard


def check_shares(shares: Sequence[float]) -> float:
    """The smallest distance between looks; raises BadInput unless shares rise from above 0."""
    steps = np.diff([0.0, *shares])
    if not len(shares) or not np.isfinite(steps).all() or steps.min() < CLOSEST:
        raise BadInput(f"looks at the shares {list(shares)} of the information must rise by at least {CLOSEST:g} each")
    return float(steps.min())


def crossing(shares: Sequence[float], bounds: Sequence[Bounds], drift: float = 0.0) -> Crossing:
    """The chance of first crossing either bound at each look.

    Args:
        shares: Information at the looks as shares of the plan, rising, above 0.
        bounds: What stops at each.
        drift: Expected Z when all the information is there; 0 when there is no effect.
    """
    walk = Walk(drift, check_shares(shares))
    lower, upper = [], []
    for share, bound in zip(shares, bounds, strict=True):
        lower.append(walk.below(share, bound.lower) if bound.lower > -math.inf else 0.0)
        upper.append(walk.above(share, bound.upper) if bound.upper < math.inf else 0.0)
        walk.go_on(share, bound)
    return Crossing(tuple(lower), tuple(upper))
