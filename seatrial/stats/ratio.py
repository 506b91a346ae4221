"""A ratio of two totals, by the delta method at the unit: each unit's influence on the ratio is one value.

References:
    Deng, Knoblich, Lu (2018), Applying the delta method in metric analytics, KDD.
"""

from seatrial.stats.moments import Moments, PairMoments


def linearise(pair: PairMoments) -> Moments:
    """The ratio mean_x / mean_y as if it were a mean of (x - R·y) / mean_y + R over units.

    The result's ``standard_error`` is the ratio's, with any correlation inside a unit accounted for. With nothing
    below the line (mean_y = 0) there is no ratio: the result has no units.
    """
    if pair.n == 0 or pair.mean_y == 0:
        return Moments(0, 0.0, 0.0)
    ratio = pair.mean_x / pair.mean_y
    return Moments(pair.n, ratio, pair.combination(1.0, -ratio).m2 / pair.mean_y**2)
