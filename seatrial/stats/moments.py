"""Count, mean and sum of squared deviations: all that most comparisons need of an arm, merged exactly.

Sums of squares are never carried: at a mean of 1e8 and a variance of 1 they lose every digit.

References:
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput


class Moments(msgspec.Struct, frozen=True):
    """One value a unit, reduced.

    Attributes:
        n: Units, 0 or more.
        mean: Their mean (0 when there are none).
        m2: Sum of squared deviations from the mean.
    """

    n: int
    mean: float
    m2: float

    @classmethod
    def from_values(cls, values: ArrayLike) -> Self:
        """Reduces finite values [n]; two passes, so that a large mean costs no digits."""
        array = _finite(values)
        if not array.size:
            return cls(0, 0.0, 0.0)
        mean = float(array.mean())
        deviation = array - mean
        return cls(int(array.size), mean, max(float(deviation @ deviation - deviation.sum() ** 2 / array.size), 0.0))

    @classmethod
    def from_counts(cls, successes: int, n: int) -> Self:
        """The moments of ``n`` zeros and ones of which ``successes`` are ones."""
        if not 0 <= successes <= n:
            raise BadInput(f"{successes} successes in {n} units cannot be; give 0 <= successes <= n")
        return cls(n, successes / n, successes * (n - successes) / n) if n else cls(0, 0.0, 0.0)

    @classmethod
    def from_variance(cls, n: int, mean: float | None, variance: float | None) -> Self:
        """From a database's count, average and sample variance (None where there were too few rows)."""
        return cls(n, mean or 0.0, (variance or 0.0) * max(n - 1, 0))

    @classmethod
    def merged(cls, parts: "Iterable[Moments]") -> "Moments":
        """All parts as one."""
        whole: Moments = cls(0, 0.0, 0.0)
        for part in parts:
            whole = whole.merge(part)
        return whole

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of units together."""
        n = self.n + other.n
        if n == 0:
            return self
        delta = other.mean - self.mean
        mean = (self.n * self.mean + other.n * other.mean) / n
        return Moments(n, mean, self.m2 + other.m2 + delta * delta * (self.n / n) * other.n)

    @property
    def variance(self) -> float:
        """Sample variance (n - 1 below); NaN with fewer than two units."""
        return self.m2 / (self.n - 1) if self.n > 1 else math.nan

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN with fewer than two units."""
        return math.sqrt(self.variance / self.n) if self.n > 1 else math.nan

    @property
    def total(self) -> float:
        """Sum of the values."""
        return self.n * self.mean

    @property
    def effective_events(self) -> float:
        """(Sum x)^2 / sum x^2: for zeros and ones the number of ones; for counts, of units that carry them."""
        squares = self.m2 + self.n * self.mean * self.mean
        return self.total**2 / squares if squares > 0 else 0.0


class PairMoments(msgspec.Struct, frozen=True):
    """Two values a unit, reduced: numerator and denominator of a ratio, or value and covariate.

    Attributes:
        n: Units.
        mean_x: Mean of the numerator, or of the value.
        mean_y: Mean of the denominator, or of the covariate.
        m2_x: Sum of squared deviations of x.
        m2_y: Sum of squared deviations of y.
        c_xy: Sum of products of deviations.
    """

    n: int
    mean_x: float
    mean_y: float
    m2_x: float
    m2_y: float
    c_xy: float

    @classmethod
    def from_values(cls, x: ArrayLike, y: ArrayLike) -> Self:
        """Reduces finite pairs, x [n] and y [n]."""
        xs, ys = _finite(x), _finite(y)
        if xs.size != ys.size:
            raise BadInput(f"{xs.size} values of x and {ys.size} of y are not pairs; give as many of each")
        if not xs.size:
            return cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        a, b = Moments.from_values(xs), Moments.from_values(ys)
        dx, dy = xs - a.mean, ys - b.mean
        return cls(a.n, a.mean, b.mean, a.m2, b.m2, float(dx @ dy - dx.sum() * dy.sum() / a.n))

    @classmethod
    def from_variances(
        cls,
        n: int,
        mean_x: float | None,
        mean_y: float | None,
        variance_x: float | None,
        variance_y: float | None,
        covariance: float | None,
    ) -> Self:
        """From a database's count, averages, sample variances and sample covariance (None where too few rows)."""
        k = max(n - 1, 0)
        return cls(
            n,
            mean_x or 0.0,
            mean_y or 0.0,
            (variance_x or 0.0) * k,
            (variance_y or 0.0) * k,
            (covariance or 0.0) * k,
        )

    @classmethod
    def merged(cls, parts: "Iterable[PairMoments]") -> "PairMoments":
        """All parts as one."""
        whole: PairMoments = cls(0, 0.0, 0.0, 0.0, 0.0, 0.0)
        for part in parts:
            whole = whole.merge(part)
        return whole

    def merge(self, other: "PairMoments") -> "PairMoments":
        """The moments of both sets of units together."""
        n = self.n + other.n
        if n == 0:
            return self
        x, y = self.x.merge(other.x), self.y.merge(other.y)
        product = (other.mean_x - self.mean_x) * (other.mean_y - self.mean_y)
        return PairMoments(n, x.mean, y.mean, x.m2, y.m2, self.c_xy + other.c_xy + product * (self.n / n) * other.n)

    @property
    def x(self) -> Moments:
        """The numerator, or value, alone."""
        return Moments(self.n, self.mean_x, self.m2_x)

    @property
    def y(self) -> Moments:
        """The denominator, or covariate, alone."""
        return Moments(self.n, self.mean_y, self.m2_y)

    def combination(self, a: float, b: float) -> Moments:
        """The moments of a·x + b·y."""
        m2 = a * a * self.m2_x + 2 * a * b * self.c_xy + b * b * self.m2_y
        return Moments(self.n, a * self.mean_x + b * self.mean_y, max(m2, 0.0))


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array: NDArray[np.float64] = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        where = int(np.flatnonzero(~np.isfinite(array))[0])
        raise BadInput(f"value {array[where]} at position {where} is not a finite number; leave missing units out")
    return array


def as_moments(values: "Moments | Sequence[float] | NDArray[np.float64]") -> Moments:
    """Moments as they are, raw values reduced."""
    return values if isinstance(values, Moments) else Moments.from_values(values)
