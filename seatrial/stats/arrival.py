"""How long outcomes take to arrive: the share that is in by each time, where the youngest cannot be known yet.

Units that have waited for a day say nothing of the second day. The product-limit estimate uses each for as long as it
has been waited for: with d(t) arrivals at a delay t among the n(t) units that had waited at least so long without one,

    share in by t = 1 - product over delays s <= t of (1 - d(s) / n(s))

and its variance is (1 - share)² · sum of d / (n (n - d)) over the same delays.

References:
    Kaplan, Meier (1958), Nonparametric estimation from incomplete observations, JASA 53, equations 2a and 4b.
    Kalbfleisch, Prentice (1980), The statistical analysis of failure time data, section 1.3: the interval on the scale
    ln(-ln(1 - share)), which stays within 0 and 1.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import check_alpha


class Arrived(NamedTuple):
    """What is in by one delay.

    Attributes:
        delay: As it was asked.
        share: Of all units, 0 to 1; NaN where no unit has been waited for so long.
        lower, upper: Its interval.
        waited: Units that were waited for so long, or whose outcome came before.
    """

    delay: float
    share: float
    lower: float
    upper: float
    waited: int


def arrival_curve(delays: ArrayLike, ages: ArrayLike, at: ArrayLike, alpha: float = 0.05) -> tuple[Arrived, ...]:
    """The share of units whose outcome is in by each of some delays.

    Args:
        delays: From exposure to the outcome's arrival, shape [n], at least 0; NaN: it is not in.
        ages: From exposure to now, shape [n], at least 0; arrivals later than that are not in.
        at: The delays asked about, in the same unit.
        alpha: Each interval covers 1 - alpha.

    Raises:
        BadInput: Shapes that differ, or an age or delay that is negative or infinite.
    """
    check_alpha(alpha)
    came, age, asked = (np.asarray(values, dtype=np.float64) for values in (delays, ages, at))
    if came.shape != age.shape or came.ndim != 1:
        raise BadInput(f"{came.shape} delays and {age.shape} ages; give one of each for every unit")
    for name, values in (("an age", age), ("a delay", came[~np.isnan(came)])):
        bad = values[~(np.isfinite(values) & (values >= 0))]
        if bad.size:
            raise BadInput(f"{name} of {bad[0]:g} is no time that passed; it is at least 0 and finite")
    there = came <= age
    steps, waiting, arrivals = _steps(np.where(there, came, age), there)
    left = np.cumprod(1 - arrivals / waiting).astype(np.float64)
    with np.errstate(divide="ignore"):
        spread = np.cumsum(arrivals / (waiting * (waiting - arrivals)))
    oldest = float(age.max()) if age.size else -math.inf
    known = np.count_nonzero((age[:, None] >= asked) | (there[:, None] & (came[:, None] <= asked)), axis=0)
    return tuple(
        _arrived(float(delay), oldest, steps, left, spread, alpha, int(count))
        for delay, count in zip(asked, known, strict=True)
    )


def _steps(
    until: NDArray[np.float64], there: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Delays at which something arrived, how many were waiting just before, how many arrived; each of them [s]."""
    steps, arrivals = np.unique(until[there], return_counts=True)
    waiting = until.size - np.searchsorted(np.sort(until), steps, side="left")
    return steps, waiting.astype(np.float64), arrivals.astype(np.float64)


def _arrived(
    delay: float,
    oldest: float,
    steps: NDArray[np.float64],
    left: NDArray[np.float64],
    spread: NDArray[np.float64],
    alpha: float,
    waited: int,
) -> Arrived:
    if delay > oldest:
        return Arrived(delay, math.nan, math.nan, math.nan, waited)
    place = int(np.searchsorted(steps, delay, side="right")) - 1
    if place < 0:
        return Arrived(delay, 0.0, 0.0, 0.0, waited)
    rest, variance = float(left[place]), float(spread[place])
    if rest <= 0:
        return Arrived(delay, 1.0, 1.0, 1.0, waited)
    half = -float(ndtri(alpha / 2)) * math.sqrt(variance) / abs(math.log(rest))
    low, high = rest ** math.exp(half), rest ** math.exp(-half)
    return Arrived(delay, 1 - rest, 1 - high, 1 - low, waited)
