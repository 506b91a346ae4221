"""PCA reconstruction error: how badly rows are drawn by the few directions in which the reference varies most.

Columns that keep their own distributions and lose their relation (height and weight, say) move it; no single column's
statistic does.
"""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift.moments import Moments
from seatrial.drift.spread import Moved, mean_shift
from seatrial.spec.errors import BadInput

Floats = NDArray[np.float64]
EXPLAINED = 0.9


class Reconstruction(msgspec.Struct, frozen=True, kw_only=True):
    """The directions, and the errors of reference rows that they were not learnt on.

    Attributes:
        means, sds: Of the columns; shape [columns].
        directions: Orthonormal, the widest first; shape [directions, columns].
        errors: Moments of the error of the reference's other half. A window's are merged as moments are.

    References:
        K. Pearson, On Lines and Planes of Closest Fit, 1901; as a monitor J. Jackson and G. Mudholkar, Control
        Procedures for Residuals Associated with Principal Component Analysis, Technometrics 21(3), 1979.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    errors: Moments

    @classmethod
    def fit(
        cls,
        reference: ArrayLike,
        *,
        explained: float = EXPLAINED,
        seed: int = 0,
        most: int | None = None,
        digits: int | None = None,
    ) -> "Reconstruction":
        """Learn from half of the reference, and measure on the other.

        Args:
            reference: Shape [m, columns], at least 20 rows; NaN is missing, and counted as the column's mean.
            explained: Share of the variance that the directions hold together; one is always left out.
            seed: Of the halves.
            most: So many directions at most; None: as many as are needed.
            digits: Decimals that are kept; None: all. What is measured is measured with what is kept.
        """
        table = _table(reference)
        if len(table) < 20 or table.shape[1] < 2:
            raise BadInput(
                f"a reference of {len(table)} rows and {table.shape[1]} columns has no directions; "
                "give at least 20 rows and 2 columns"
            )
        order = np.random.default_rng(seed).permutation(len(table))
        learn, measure = table[order[: len(table) // 2]], table[order[len(table) // 2 :]]
        means = np.array(
            [column[~np.isnan(column)].mean() if not np.isnan(column).all() else 0.0 for column in learn.T]
        )
        away = np.nan_to_num(learn - means, nan=0.0)
        sds = away.std(axis=0)
        sds[sds == 0] = 1.0
        _, lengths, directions = np.linalg.svd(away / sds, full_matrices=False)
        shares = np.cumsum(lengths**2) / max(float((lengths**2).sum()), 1e-300)
        kept = min(int(np.searchsorted(shares, explained)) + 1, table.shape[1] - 1, most or table.shape[1])

        def short(values: Floats) -> Floats:
            return values if digits is None else _rounded(values, digits)

        made = cls(
            means=tuple(short(means).tolist()),
            sds=tuple(short(sds).tolist()),
            directions=tuple(map(tuple, short(directions[:kept]).tolist())),
            errors=Moments(),
        )
        return msgspec.structs.replace(made, errors=Moments.from_values(made.of(measure)))

    def of(self, rows: ArrayLike) -> Floats:
        """The error of each row: Euclidean, in standard deviations of the columns; shape [n]."""
        standard = self._standard(rows)
        directions = np.asarray(self.directions)
        left = standard - (standard @ directions.T) @ directions
        errors: Floats = np.sqrt((left**2).sum(axis=1))
        return errors

    def along(self, rows: ArrayLike) -> Floats:
        """Where each row lies along the widest direction; shape [n]."""
        places: Floats = self._standard(rows) @ np.asarray(self.directions[0])
        return places

    def _standard(self, rows: ArrayLike) -> Floats:
        table = _table(rows)
        if table.shape[1] != len(self.means):
            raise BadInput(f"rows have {table.shape[1]} columns, and the directions {len(self.means)}")
        standard: Floats = np.nan_to_num((table - np.asarray(self.means)) / np.asarray(self.sds), nan=0.0)
        return standard

    def shift(self, window: Moments, level: float = 0.99) -> Moved | None:
        """How far a window's mean error moved, in standard deviations of the reference's; see ``drift.spread``."""
        return mean_shift(self.errors, window, level)


def _rounded(values: Floats, digits: int) -> Floats:
    """To so many significant digits of each value: a small scale is not rounded away."""
    size = 10.0 ** (digits - 1 - np.floor(np.log10(np.maximum(np.abs(values), 1e-300))))
    rounded: Floats = np.round(values * size) / size
    return rounded


def _table(rows: ArrayLike) -> Floats:
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2:
        raise BadInput(f"rows are a table of two axes, not {table.ndim}")
    return table
