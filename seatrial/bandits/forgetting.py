"""Forgetting by half-life: a reward weighs half as much when so many newer ones (of any arm) have matured.

Time is counted in rewards, not hours, so that a quiet night does not erase what a busy day taught.
"""

import numpy as np

from seatrial.bandits.posterior import Floats
from seatrial.spec.errors import BadInput


def recency(count: int, half_life: float) -> Floats:
    """Weights of ``count`` rewards in order, the newest 1, shape [count].

    Args:
        count: At least 0.
        half_life: In rewards, above 0.

    Raises:
        BadInput: The half-life is not above 0.

    References:
        Garivier, Moulines (2011), On upper-confidence bound policies for switching bandit problems. ALT (discounting).
    """
    if not half_life > 0:
        raise BadInput(f"a half-life of {half_life:g} rewards is not above 0")
    weights: Floats = np.exp2(-np.arange(count - 1, -1, -1, dtype=np.float64) / half_life)
    return weights
