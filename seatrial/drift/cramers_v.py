"""Cramér's V: how strongly "reference or window" and the cell hang together, from 0 to 1."""

from numpy.typing import ArrayLike

from seatrial.drift.cells import paired
from seatrial.drift.chi_squared import chi_squared


def cramers_v(reference: ArrayLike, window: ArrayLike) -> float:
    """√(χ² / N) of two sets of counts, shape [cells]: 0 (same shares) to 1 (no cell in common).

    Under no drift N·V² is about χ²(B − 1), so that V shrinks as rows come in, where a drift keeps it up.

    References:
        H. Cramér, Mathematical Methods of Statistics, 1946, section 21.9 (two rows: the smaller side less one is 1).
    """
    a, b = paired(reference, window)
    return float(min(1.0, (chi_squared(a, b).statistic / (a.sum() + b.sum())) ** 0.5))


def cramers_v_unbiased(reference: ArrayLike, window: ArrayLike) -> float:
    """The same less what chance gives: about 0 under no drift, whatever the rows and cells.

    References:
        W. Bergsma, A Bias-Correction for Cramér's V and Tschuprow's T, J. Korean Stat. Soc. 42(3), 2013.
    """
    a, b = paired(reference, window)
    found, rows = chi_squared(a, b), float(a.sum() + b.sum())
    if rows < 2:
        return 0.0
    excess = max(0.0, found.statistic / rows - found.degrees / (rows - 1))
    cells = found.degrees + 1 - found.degrees**2 / (rows - 1)
    smaller = min(cells, 2 - 1 / (rows - 1)) - 1
    return float(min(1.0, (excess / smaller) ** 0.5)) if smaller > 0 else 0.0
