"""Pearson's chi-squared test of independence in a table of counts, r rows by c columns. One look.

References:
    Pearson (1900), On the criterion that a given system of deviations..., Philosophical Magazine 50.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from seatrial.spec.errors import BadInput
from seatrial.stats.interval import TestResult

SMALLEST_EXPECTED = 5.0
"""Expected counts below this make the approximation doubtful, which the note says."""


def chi_squared(table: ArrayLike) -> TestResult:
    """Independence of rows (variants) and columns (values) in counts [r, c]; empty rows and columns are dropped.

    Raises:
        BadInput: Not a table of counts of 0 or more.
    """
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2 or not np.isfinite(counts).all() or (counts < 0).any():
        raise BadInput(f"a table of counts has two dimensions and no negative cell, not {counts.tolist()}")
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:
        return TestResult(method="chi-squared", statistic=None, p_value=None, note="Nothing varies yet.")
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    doubtful = expected.min() < SMALLEST_EXPECTED
    return TestResult(
        method="chi-squared",
        statistic=statistic,
        p_value=float(chdtrc(degrees, statistic)),
        degrees=float(degrees),
        note="Holds for one look at a planned end"
        + (f", and doubtfully: a cell expects only {expected.min():.2g}." if doubtful else "."),
    )


def chi_squared_within(tables: Sequence[ArrayLike]) -> float | None:
    """The p-value of independence within every table at once; None where nothing varies in any.

    Statistics and degrees of freedom of independent tables add up, so that tables which differ from each other (phases
    of other weights) are not taken for dependence within them.
    """
    found = [chi_squared(table) for table in tables]
    known = [(one.statistic, one.degrees) for one in found if one.statistic is not None and one.degrees is not None]
    if not known:
        return None
    return float(chdtrc(sum(degrees for _, degrees in known), sum(statistic for statistic, _ in known)))
