"""What each statistic is when nothing drifted: not 0, but a distribution that the rows and cells fix.

With n rows in the window, m in the reference and B cells of enough rows each, Σ (q − p)² / p is about
(1/n + 1/m)·χ²(B − 1). The others are functions of it to the second order:

    PSI                             that sum itself
    Jensen–Shannon divergence       1 / (8 ln 2) of it, in bits; the distance is its root
    Hellinger, squared              1/8 of it
    Cramér's V, squared             1 / (n + m) of χ²(B − 1)
    total variation                 no function of it: half a sum of folded normals, below
    Kolmogorov–Smirnov              √(nm / (n + m)) times the gap is Kolmogorov's (see ``drift.ks``)
    Wasserstein                     √(1/n + 1/m) times ∫|Brownian bridge at F|; its mean is below
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, chdtri

from seatrial.drift.cells import paired, shares
from seatrial.spec.errors import BadInput


class ScaledChi(NamedTuple):
    """``scale`` times a chi-squared variable of ``degrees``, or the root of that.

    Attributes:
        scale: What one degree of freedom contributes.
        degrees: Cells less one.
        root: Whether the statistic is the square root.
    """

    scale: float
    degrees: int
    root: bool = False

    @property
    def mean(self) -> float:
        """Of the statistic."""
        if not self.root:
            return self.scale * self.degrees
        half = self.degrees / 2
        return math.sqrt(2 * self.scale) * math.exp(math.lgamma(half + 0.5) - math.lgamma(half))

    def p_value(self, statistic: float) -> float:
        """Chance of at least this much under no drift."""
        size = statistic**2 if self.root else statistic
        return float(chdtrc(self.degrees, max(0.0, size) / self.scale))

    def quantile(self, share: float) -> float:
        """What the statistic stays below in this share of windows under no drift."""
        size = self.scale * float(chdtri(self.degrees, 1 - share))
        return size**0.5 if self.root else size


def null_psi(n: int, m: int, cells: int) -> ScaledChi:
    """Of ``drift.psi``.

    References:
        B. Yurdakul, Statistical Properties of Population Stability Index, Western Michigan University, 2018.
    """
    return ScaledChi(_chance(n, m), _degrees(cells))


def null_jensen_shannon(n: int, m: int, cells: int) -> ScaledChi:
    """Of ``drift.jensen_shannon``, the distance; the divergence is its square."""
    return ScaledChi(_chance(n, m) / (8 * math.log(2)), _degrees(cells), root=True)


def null_hellinger(n: int, m: int, cells: int) -> ScaledChi:
    """Of ``drift.hellinger``."""
    return ScaledChi(_chance(n, m) / 8, _degrees(cells), root=True)


def null_cramers_v(n: int, m: int, cells: int) -> ScaledChi:
    """Of ``drift.cramers_v``."""
    _chance(n, m)
    return ScaledChi(1 / (n + m), _degrees(cells), root=True)


def null_total_variation(n: int, m: int, reference: ArrayLike) -> float:
    """Mean of ``drift.total_variation`` under no drift: ½ Σ √(2/π · p(1 − p)(1/n + 1/m)).

    Args:
        n: Rows of the window.
        m: Rows of the reference.
        reference: Its counts, shape [cells]; only their shares matter.
    """
    p = shares(paired(reference, reference)[0])
    return float(np.sqrt(2 / np.pi * p * (1 - p) * _chance(n, m)).sum() / 2)


def null_wasserstein(n: int, m: int, reference: ArrayLike) -> float:
    """Mean of ``drift.wasserstein`` under no drift: √(2/π · (1/n + 1/m)) ∫ √(F(1 − F)), in the unit of the values.

    Args:
        n: Rows of the window.
        m: Rows of the reference that it is compared with.
        reference: Values whose distribution function stands for F; shape [any].

    References:
        E. del Barrio, E. Giné and C. Matrán, Central Limit Theorems for the Wasserstein Distance, Ann. Probab. 27,
        1999.
    """
    values = np.sort(np.asarray(reference, dtype=np.float64))
    if values.size < 2:
        raise BadInput(f"{values.size} values have no distribution; give at least two")
    below = np.arange(1, values.size) / values.size
    area = float((np.sqrt(below * (1 - below)) * np.diff(values)).sum())
    return math.sqrt(2 / math.pi * _chance(n, m)) * area


def _chance(n: int, m: int) -> float:
    if n < 1 or m < 1:
        raise BadInput(f"{min(n, m)} rows have no distribution; wait until both sides have some")
    return 1 / n + 1 / m


def _degrees(cells: int) -> int:
    if cells < 2:
        raise BadInput(f"{cells} cell cannot drift; give at least two")
    return cells - 1
