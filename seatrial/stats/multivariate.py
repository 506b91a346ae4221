"""Several values a unit, reduced: a metric's value and its covariates, merged exactly.

The sums of products of deviations are carried, never sums of products: at means of 1e8 those lose every digit.

References:
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3).
    Schubert, Gertz (2018), Numerically stable parallel computation of (co-)variance, SSDBM.
"""

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.moments import Moments

Matrix = NDArray[np.float64]


class MultiMoments(msgspec.Struct, frozen=True):
    """k values a unit, reduced.

    Attributes:
        n: Units, 0 or more.
        means: Their means, k of them (zeros when there are no units).
        products: Sums of products of deviations, k rows of k, symmetric.
    """

    n: int
    means: tuple[float, ...]
    products: tuple[tuple[float, ...], ...]

    @classmethod
    def from_values(cls, values: ArrayLike) -> Self:
        """Reduces finite values [n, k], a row a unit.

        Raises:
            BadInput: Not a table, or a value that is not a finite number.
        """
        rows = np.asarray(values, dtype=np.float64)
        if rows.ndim != 2 or not rows.shape[1]:
            raise BadInput(f"a table of units by values has two dimensions, not the shape {rows.shape}")
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise BadInput(
                f"value {rows[row, column]} of unit {row}, column {column} is not a finite number; "
                "impute a missing covariate (stats.impute), leave out a unit whose metric is missing"
            )
        if not len(rows):
            return cls.nothing(rows.shape[1])
        means = rows.mean(axis=0)
        deviations = rows - means
        left = deviations.sum(axis=0)
        return cls._of(len(rows), means, deviations.T @ deviations - np.outer(left, left) / len(rows))

    @classmethod
    def from_covariances(cls, n: int, means: Sequence[float], covariances: ArrayLike) -> Self:
        """From a database's count, averages [k] and sample covariances [k, k] (n - 1 below)."""
        matrix = np.asarray(covariances, dtype=np.float64)
        if matrix.shape != (len(means), len(means)):
            raise BadInput(f"{len(means)} averages need covariances of as many rows and columns, not {matrix.shape}")
        return cls._of(n, np.asarray(means, dtype=np.float64), matrix * max(n - 1, 0))

    @classmethod
    def nothing(cls, k: int) -> Self:
        """No units of k values."""
        return cls._of(0, np.zeros(k), np.zeros((k, k)))

    @classmethod
    def merged(cls, parts: "Iterable[MultiMoments]") -> "MultiMoments":
        """All parts as one; at least one part is needed, which says how many values a unit has."""
        whole: MultiMoments | None = None
        for part in parts:
            whole = part if whole is None else whole.merge(part)
        if whole is None:
            raise BadInput("no parts to merge; give MultiMoments.nothing(k) for no units")
        return whole

    def merge(self, other: "MultiMoments") -> "MultiMoments":
        """The moments of both sets of units together."""
        if self.k != other.k:
            raise BadInput(f"units of {self.k} values and units of {other.k} values cannot be merged")
        n = self.n + other.n
        if n == 0:
            return self
        delta = other.mean - self.mean
        mean = (self.n * self.mean + other.n * other.mean) / n
        return self._of(n, mean, self.matrix + other.matrix + np.outer(delta, delta) * (self.n / n) * other.n)

    @property
    def k(self) -> int:
        """Values a unit."""
        return len(self.means)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The means as an array [k]."""
        return np.array(self.means)

    @property
    def matrix(self) -> Matrix:
        """The sums of products of deviations as an array [k, k]."""
        return np.array(self.products).reshape(self.k, self.k)

    def column(self, index: int) -> Moments:
        """One value alone."""
        return Moments(self.n, self.means[index], max(self.products[index][index], 0.0))

    def combination(self, weights: ArrayLike) -> Moments:
        """The moments of sum of weights[i] · value i."""
        w = np.asarray(weights, dtype=np.float64)
        return Moments(self.n, float(w @ self.mean), max(float(w @ self.matrix @ w), 0.0))

    def transformed(self, rows: ArrayLike, means: Sequence[float] | None = None) -> "MultiMoments":
        """The moments of rows [j, k] · values; ``means`` replaces the means, as a linearised ratio needs."""
        matrix = np.asarray(rows, dtype=np.float64)
        centre = matrix @ self.mean if means is None else np.asarray(means, dtype=np.float64)
        return self._of(self.n, centre, matrix @ self.matrix @ matrix.T)

    @classmethod
    def _of(cls, n: int, means: NDArray[np.float64], products: Matrix) -> Self:
        even = (products + products.T) / 2
        return cls(n, tuple(map(float, means)), tuple(tuple(map(float, row)) for row in even))
