"""What is believed of an arm's mean reward: a distribution that gives its own quantiles. One family a file."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Posterior(Protocol):
    """A continuous distribution on the line.

    Both functions take and give float64 arrays of one shape, and are each other's inverse.
    """

    def below(self, x: Floats) -> Floats:
        """P(mean ≤ x), 0 to 1, never decreasing."""
        ...

    def quantile(self, p: Floats) -> Floats:
        """The x with ``below(x) = p``, for p in (0, 1)."""
        ...
