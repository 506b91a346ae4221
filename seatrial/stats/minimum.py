"""The least evidence before a normal approximation may speak: at every look, and at one look at a planned end."""

import numpy as np
from numpy.typing import ArrayLike

from seatrial.stats.effect import Effect

MINIMUM_UNITS = 100
"""Matured units per arm; where units lie in clusters, clusters."""

MINIMUM_EVENTS = 10
"""Of each value of a two-valued metric, per arm; effective units below the line of a ratio (with fewer the delta
method's sequence made 16 % false claims in ten looks); for one look also units that carry a mean or ratio."""


def what_is_missing(effect: Effect, treatment: str = "challenger", control: str = "champion") -> str | None:
    """Why there is no verdict yet, in words that end a sentence; None when there is enough."""
    fewest = min(effect.n_treatment, effect.n_control)
    if fewest < MINIMUM_UNITS:
        arm = treatment if effect.n_treatment <= effect.n_control else control
        return f"{fewest} of {MINIMUM_UNITS} matured units of {arm}"
    if effect.clusters is not None and min(effect.clusters) < MINIMUM_UNITS:
        arm = treatment if effect.clusters[0] <= effect.clusters[1] else control
        return f"{min(effect.clusters)} of {MINIMUM_UNITS} clusters with matured units of {arm}"
    if effect.events is not None and effect.events.fewest < MINIMUM_EVENTS:
        return f"{effect.events.fewest:.0f} of {MINIMUM_EVENTS} events of each kind for each variant"
    if effect.denominators is not None and min(effect.denominators) < MINIMUM_EVENTS:
        arm = treatment if effect.denominators[0] <= effect.denominators[1] else control
        return f"{min(effect.denominators):.1f} of {MINIMUM_EVENTS} effective units below the line of {arm}"
    if not effect.se > 0:
        return "every unit had the same value, so nothing can be said about its spread"
    return None


def what_is_missing_once(effect: Effect, treatment: str = "challenger", control: str = "champion") -> str | None:
    """The same for one look, whose interval is as narrow as its error rate allows: units that carry the mean, too.

    In an arm of 100 units of which one in a hundred buys, a mean has next to no spread whenever nobody did.
    """
    missing = what_is_missing(effect, treatment, control)
    if missing is not None or effect.carriers is None or min(effect.carriers) >= MINIMUM_EVENTS:
        return missing
    arm = treatment if effect.carriers[0] <= effect.carriers[1] else control
    return f"{min(effect.carriers):.1f} of {MINIMUM_EVENTS} effective events of {arm} for one look"


def is_few(effect: Effect, *arms: ArrayLike) -> bool:
    """Whether a mean is told by permutation at one look; ``arms`` are the values [n] of each."""
    if what_is_missing_once(effect) is None:
        return False
    return what_is_missing(effect) is not None or not is_spread(*arms)


def is_spread(*arms: ArrayLike) -> bool:
    """Whether enough of each arm's units carry its spread: n over the kurtosis, for zeros and ones about the events.

    A mean near 0 may have no carriers because values of both signs cancel: a hundred units about 0 are no rare event.

    Args:
        arms: Values [n] of each.
    """

    def carriers(values: ArrayLike) -> float:
        x = np.asarray(values, dtype=np.float64).ravel()
        squares = (x - x.mean()) ** 2
        fourth = float(squares @ squares)
        return float(squares.sum()) ** 2 / fourth if fourth > 0 else 0.0

    return min(carriers(arm) for arm in arms) >= MINIMUM_EVENTS
