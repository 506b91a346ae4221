"""Clicks by the place an item was shown at: each place's share with its interval, by unit.

What stands first is clicked more because it stands first; a difference at every place tells more than one overall.

References:
    Craswell, Zoeter, Taylor, Ramsey (2008), An experimental comparison of click position-bias models, WSDM.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seatrial.spec.errors import BadInput
from seatrial.stats.quality.scores import Rows, Score, by_unit, share_score


class Position(NamedTuple):
    """One place: from 1, how often something was shown there, and the share that was clicked."""

    place: int
    shown: int
    clicks: Score


def click_through(
    places: ArrayLike, clicked: ArrayLike, units: ArrayLike | None = None, alpha: float = 0.05
) -> tuple[Position, ...]:
    """From impressions: the place [n] (from 1), whether it was clicked [n], whose it was [n]; places in order."""
    place, click = np.asarray(places).ravel(), np.asarray(clicked, dtype=np.float64).ravel()
    owner = np.arange(place.size) if units is None else np.asarray(units).ravel()
    if not place.size == click.size == owner.size:
        raise BadInput(f"{place.size} places, {click.size} clicks and {owner.size} units are not one an impression")
    found = []
    for number in np.unique(place):
        here = place == number
        rows = Rows(click[here], np.ones(int(here.sum())))
        found.append(Position(int(number), int(here.sum()), share_score(by_unit(rows, owner[here]), alpha)))
    return tuple(found)
