"""The least evidence before the asymptotic sequence may speak."""

from seatrial.stats.effect import Effect

MINIMUM_UNITS = 100
"""Matured units per arm; where units lie in clusters, clusters."""

MINIMUM_EVENTS = 10
"""Of each value of a two-valued metric, per arm."""


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
    if not effect.se > 0:
        return "every unit had the same value, so nothing can be said about its spread"
    return None
