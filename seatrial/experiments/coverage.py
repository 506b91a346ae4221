"""How often each routing entry decided, and how the units fared that came to it.

Hits are rows, whatever the reason. The metric is of units that were named, each counted in every entry that took it,
from its first row there; what it did in the window after that row (clocks differ: or five minutes before) counts,
wherever it went next. Entries take different people: the difference between two says nothing of what either would earn
from the other's.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri

from seatrial.experiments.measure import Measure
from seatrial.experiments.outcome_tables import ATTACHED, HAPPENED
from seatrial.experiments.question import also_of
from seatrial.experiments.row_columns import answer_column, column_names
from seatrial.experiments.shapes import BY_ROW, Shape
from seatrial.experiments.source import Source
from seatrial.spec.errors import BadInput
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.ratio import linearise

NO_ENTRY = ""
"""What a row says that no entry decided."""

_ASKED = "reason = 'override'"
_HITS = f"""SELECT entry, count(*) AS hits, count(DISTINCT unit) FILTER (unit_named) AS units,
  min(epoch_us("at")) AS first, max(epoch_us("at")) AS last
FROM rows WHERE role IN ('answer', 'app') AND epoch_us("at") BETWEEN $from AND $now AND NOT ({_ASKED}) GROUP BY entry"""
_FORCED = f"""SELECT count(*) AS hits FROM rows
WHERE role IN ('answer', 'app') AND epoch_us("at") BETWEEN $from AND $now AND {_ASKED}"""
_TAKEN = f"""
evidence AS MATERIALIZED (
  SELECT row_number() OVER () AS r, unit, entry, variant, epoch_us("at") AS t, request_id, "row" AS i, "key" AS k,
         {{answer}} AS answer{{also}}
  FROM rows
  WHERE epoch_us("at") BETWEEN $from AND $now AND role IN ('answer', 'app') AND unit_named AND NOT ({_ASKED})
),
units AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY min(t), unit, entry) - 1 AS u, unit, entry, min(t) AS first_at
  FROM evidence GROUP BY unit, entry
),
placed AS MATERIALIZED (
  SELECT e.*, u.u, u.first_at FROM evidence e JOIN units u USING (unit, entry)
)"""
"""The tables that a measure reads, with a number for every unit in every entry."""


class Hits(NamedTuple):
    """What an entry took.

    Attributes:
        hits: Rows that it decided.
        units: Named units among them.
        first, last: Its first and its last row, microseconds since 1970 UTC.
    """

    hits: int
    units: int
    first: int
    last: int


class Fared(NamedTuple):
    """A metric over the matured units of an entry.

    Attributes:
        units: How many matured (for a label, and have one).
        value: Mean a unit, or ratio.
        lower, upper: Its normal interval, 95 %; None where there are too few units or no spread is known.
    """

    units: int
    value: float
    lower: float | None
    upper: float | None


def hits_of(source: Source, since: int, now: int) -> tuple[dict[str, Hits], int]:
    """Hits by entry, and the rows for which a caller asked for a variant himself.

    Args:
        since, now: Microseconds since 1970 UTC, both included.
    """
    given = {"from": since, "now": now}
    found = source.sql(_HITS, given).to_pylist()
    forced = int(source.sql(_FORCED, given)["hits"][0].as_py())
    return {row["entry"]: Hits(row["hits"], row["units"], row["first"], row["last"]) for row in found}, forced


def fared(source: Source, measure: Measure, since: int, now: int) -> dict[str, Fared]:
    """A metric by entry; without those of which no unit has matured.

    Raises:
        BadInput: Of the metric no total by unit is enough.
    """
    if measure.shape in BY_ROW or measure.shape == "quantile":
        raise BadInput(f"{measure.name!r} ranks its values and is not told by entry; name another metric.")
    given: dict[str, object] = {
        "from": since,
        "since": since / 1e6,
        "now": now,
        "outcomes": list(measure.outcomes),
    }
    also = also_of([measure], column_names(source)).replace("m0_", "m_")
    given |= {f"m_{name}": value for name, value in measure.parameters.items()}
    parts = (
        _TAKEN.format(answer=answer_column(source) or "NULL", also=also),
        HAPPENED,
        ATTACHED,
        f"m AS ({measure.sql.replace('{p}', 'm_')})",
    )
    table = source.sql(
        f"""WITH {", ".join(parts)} SELECT units.entry, coalesce(m.x, 0)::DOUBLE AS x, coalesce(m.y, 0)::DOUBLE AS y
        FROM units LEFT JOIN m ON m.u = units.u
        WHERE units.first_at + $matures <= $now AND (NOT $needs OR coalesce(m.labels, 0) > 0)
          AND NOT isnan(coalesce(m.x, 0)::DOUBLE) ORDER BY units.u""",
        given | {"matures": measure.matures, "needs": measure.needs_label},
    )
    return _by_entry(table, measure)


def _by_entry(table: pa.Table, measure: Measure) -> dict[str, Fared]:
    entries = np.asarray(table["entry"].to_pylist(), dtype=object)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    x = measure.limited(x)
    found: Mapping[str, Moments] = {
        str(entry): _moments(x[entries == entry], y[entries == entry], measure.shape) for entry in sorted(set(entries))
    }
    return {entry: _interval(moments) for entry, moments in found.items() if moments.n}


def _moments(x: NDArray[np.float64], y: NDArray[np.float64], shape: Shape) -> Moments:
    if shape in ("mean", "proportion"):
        return Moments.from_values(x)
    found = linearise(PairMoments.from_values(x, y))
    if shape != "root" or not found.mean > 0:
        return found
    return Moments(found.n, math.sqrt(found.mean), found.m2 / (4 * found.mean))


def _interval(moments: Moments) -> Fared:
    se = moments.standard_error
    if not (math.isfinite(se) and se > 0):
        return Fared(moments.n, moments.mean, None, None)
    width = -float(ndtri(0.025)) * se
    return Fared(moments.n, moments.mean, moments.mean - width, moments.mean + width)
