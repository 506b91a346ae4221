"""How many units a file of units has, and that each stands in it once."""

import numpy as np

from seatrial.analysis.files import Files
from seatrial.analysis.refusing import refuse_doubled, refuse_nameless
from seatrial.ledger.sql import quoted

_ROOM = 16
"""Whole numbers are ticked off on a list when it needs at most so many places a unit; others are grouped."""


def count_units(files: Files) -> dict[str, int]:
    """Rows by variant, each of which is a unit.

    Raises:
        BadInput: A row without a unit or a variant; a unit that stands twice.
    """
    unit, variant = quoted(files.columns.unit), files.text("exposures", files.columns.variant)
    whole = files.whole("exposures", files.columns.unit)
    ends = f"min({unit})::BIGINT AS low, max({unit})::BIGINT AS high" if whole else "NULL AS low, NULL AS high"
    rows = files.query(
        f"SELECT {variant} AS v, count(*) AS n, count({unit}) AS u, {ends} FROM exposures GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    if any(row["v"] is None or row["u"] < row["n"] for row in rows):
        refuse_nameless(files)
    n = sum(row["n"] for row in rows)
    if whole and rows:
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        if high - low < _ROOM * n:
            if _differ(files, low, high) < n:
                refuse_doubled(files)
            return {row["v"]: row["n"] for row in rows}
    (found,) = files.query(f"SELECT count(DISTINCT {unit}) AS units FROM exposures").to_pylist()
    if found["units"] < n:
        refuse_doubled(files)
    return {row["v"]: row["n"] for row in rows}


def _differ(files: Files, low: int, high: int) -> int:
    """How many different units between two ends there are."""
    seen = np.zeros(high - low + 1, dtype=np.bool_)
    for batch in files.batches(f"SELECT {quoted(files.columns.unit)}::BIGINT - {low} AS place FROM exposures"):
        seen[batch.column(0).to_numpy()] = True
    return int(np.count_nonzero(seen))
