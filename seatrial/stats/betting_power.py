"""How many units a mean within a declared range needs, looking at any time: the asymptotic growth of the bets on it.

The judge's stakes depend on little but the number of units and the spread of what is bet on, so that the logarithm of
the wealth is about normal: its mean and its variance are sums over units of the stakes' first and second order,

    gain · λ - (variance + gain²) · λ² / 2    and    variance · λ²,

with λ bounded as the judge's is, and early spreads as it takes them. That the wealth passes what a claim needs at so
many units is then a normal chance. Nothing is simulated.

References:
    Waudby-Smith, Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B 86(1), appendix E.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from seatrial.spec.errors import BadInput
from seatrial.stats.betting import TRUNCATION
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.power import DEFAULT, MOST_UNITS, Design

Floats = NDArray[np.float64]

_ONE_BY_ONE = 2**12
"""Units whose bets are summed one by one; those after them in groups a hundredth of their number large."""


class BoundedClaim(NamedTuple):
    """What is to be shown of a mean within a range.

    Attributes:
        mean: The control's.
        sd: Of a unit's value, in both arms.
        low, high: The range.
        effect: Treatment minus control.
        line: The side of it on which the effect is to be shown to lie.
    """

    mean: float
    sd: float
    low: float
    high: float
    effect: float
    line: Margin = ZERO

    @property
    def factor(self) -> float:
        """Of the contrast treatment - factor · control."""
        if self.line.scale == "absolute":
            return 1.0
        return 1 + self.line.size if self.mean >= 0 else 1 - self.line.size

    @property
    def shift(self) -> float:
        """What the contrast is compared with."""
        return self.line.size if self.line.scale == "absolute" else 0.0

    @property
    def gain(self) -> float:
        """How far the contrast lies above that."""
        return self.mean + self.effect - self.factor * self.mean - self.shift


def units_of_bounded(claim: BoundedClaim, design: Design = DEFAULT) -> int:
    """The least units of all arms from which on bets show a claim with the design's power, to a hundredth.

    Raises:
        BadInput: The effect lies on the line, there is no spread or range, or no number of units is enough.
    """
    design = design.checked()
    ends = _groups(MOST_UNITS * design.compared)
    short = np.flatnonzero(_powers(claim, ends, design) < design.power)
    if short.size and short[-1] == ends.size - 1:
        raise BadInput(f"betting on this takes more than {MOST_UNITS:g} units; ask for a larger effect or margin")
    return math.ceil(float(ends[short[-1] + 1 if short.size else 0]) / design.compared)


def power_of_bounded(claim: BoundedClaim, units: float, design: Design = DEFAULT) -> float:
    """The chance that bets on so many units of all arms show a claim, 0 to 1."""
    return float(_powers(claim, _groups(max(1.0, units * design.compared)), design)[-1])


def _groups(most: float) -> Floats:
    """The last unit of each group, up to ``most`` of them."""
    ones = np.arange(1, min(_ONE_BY_ONE, math.floor(most)) + 1, dtype=np.float64)
    if most <= _ONE_BY_ONE:
        return ones
    more = np.geomspace(_ONE_BY_ONE, most, 1 + max(1, math.ceil(math.log(most / _ONE_BY_ONE) / 0.01)))[1:]
    return np.concatenate([ones, more])


def _powers(claim: BoundedClaim, ends: Floats, design: Design) -> Floats:
    """After each group of units of the two arms."""
    if not (claim.sd > 0 and claim.low < claim.high):
        raise BadInput(
            f"a standard deviation of {claim.sd:g} in {claim.low:g} to {claim.high:g} says nothing to bet on"
        )
    if claim.gain == 0:
        raise BadInput("the effect lies on the line itself, which no number of units shows; say which effect matters")
    if claim.line.scale == "relative" and claim.low < 0 < claim.high:
        raise BadInput(
            f"in a range of {claim.low:g} to {claim.high:g} no relative margin is shown; give an absolute one"
        )
    p = design.share / design.compared
    spread = 1 / p + claim.factor**2 / (1 - p)
    level = math.log(design.sides / design.each)
    many = np.diff(ends, prepend=0.0)
    order = ends - (many - 1) / 2
    squares = claim.sd**2 + _misses(claim, p, order)
    seen = ((claim.high - claim.low) / 2) ** 2 + np.cumsum(many * squares) - (many + 1) / 2 * squares
    variance = seen / order * spread
    precision = np.cumsum(many / variance) - (many - 1) / 2 / variance
    stakes = np.sqrt(2 * level / (precision * np.log(order + 1))) / variance
    stakes = np.minimum(stakes, TRUNCATION / max(_reach(claim, p), 1e-300))
    gain = abs(claim.gain)
    noise = np.cumsum(many * stakes**2 * squares) * spread
    growth = gain * np.cumsum(many * stakes) - (noise + gain**2 * np.cumsum(many * stakes**2)) / 2
    found: Floats = ndtr((growth - level) / np.sqrt(noise))
    return found


def _misses(claim: BoundedClaim, p: float, order: Floats) -> Floats:
    """What is expected of each unit misses the mean by, squared: it begins at the middle of the range."""
    own, theirs = p * (order - 1), (1 - p) * (order - 1)
    bias = ((claim.low + claim.high) / 2 - claim.mean) * ((1 - p) / (1 + own) + p / (1 + theirs))
    chance = claim.sd**2 * ((1 - p) ** 2 * own / (1 + own) ** 2 + p**2 * theirs / (1 + theirs) ** 2)
    found: Floats = bias**2 + chance
    return found


def _reach(claim: BoundedClaim, p: float) -> float:
    """How far below the line one unit's number can lie (above it, where a claim below it is bet on)."""
    sign = 1 if claim.gain > 0 else -1
    ends = [claim.low - claim.mean, claim.high - claim.mean]
    rest = (1 - claim.factor) * claim.mean
    numbers = [end / p + rest for end in ends] + [-claim.factor * end / (1 - p) + rest for end in ends]
    return sign * claim.shift - min(sign * number for number in numbers)
