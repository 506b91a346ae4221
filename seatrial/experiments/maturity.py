"""When the outcomes of a unit are in: the share that arrived by each delay after the unit's first row.

An outcome that is corrected came when it first did, and one that was withdrawn not at all.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.source import Source
from seatrial.ledger.joins import pairs
from seatrial.ledger.reviewed import WEIGHED_ALIKE
from seatrial.stats.arrival import Arrived, arrival_curve

DAYS = (1 / 24, 0.25, 1.0, 2.0, 3.0, 7.0, 14.0, 21.0, 28.0, 60.0, 90.0)
"""Delays that the curve is told at, in days."""
_DAY = 86_400_000_000
Floats = NDArray[np.float64]
_SHARES = (0.5, 0.9, 0.99)

_QUERY = f"""WITH firsts AS (
  SELECT unit, min("at") AS "at" FROM rows
  WHERE unit_named AND role IN ('answer', 'app') AND "at" >= make_timestamptz($since) AND "at" <= make_timestamptz($now)
  GROUP BY unit
), asked AS (
  SELECT *, row_number() OVER (PARTITION BY outcome, deployment, id ORDER BY received_at DESC) = 1 AS stands
  FROM all_outcomes
  WHERE outcome = $outcome AND {WEIGHED_ALIKE} AND received_at <= make_timestamptz($now)
), happened AS (
  SELECT * FROM asked WHERE NOT withdrawn AND "at" >= make_timestamptz($since)
), joined AS ({pairs("rows", "happened")}),
theirs AS (
  SELECT r.unit, min(epoch_us(j.received_at)) AS came
  FROM joined j JOIN rows r ON r.row_id = j.row_id
  WHERE r.unit_named GROUP BY r.unit, j.outcome, j.deployment, j.id HAVING bool_or(j.stands)
), came AS (
  SELECT unit, min(came) AS came FROM theirs GROUP BY unit
)
SELECT epoch_us(f."at") AS t, c.came AS came FROM firsts f LEFT JOIN came c ON c.unit = f.unit"""


class Maturity(NamedTuple):
    """When outcomes are in.

    Attributes:
        outcome: Which.
        units: With a first row in the time looked at.
        came: Of how many one is in.
        curve: By delay, in days.
        in_by: Days by which 50, 90 and 99 % of those are in that come within the longest delay known; None where that
            is not known yet.
    """

    outcome: str
    units: int
    came: int
    curve: tuple[Arrived, ...]
    in_by: tuple[float | None, ...]


def maturity(source: Source, outcome: str, since: int, now: int, days: Sequence[float] = DAYS) -> Maturity:
    """Of the units whose first row came since then.

    Args:
        source: The ledger, or files.
        outcome: Which; a label or another.
        since, now: Microseconds since 1970 UTC.
        days: Delays to tell.
    """
    found = source.sql(_QUERY, {"outcome": outcome, "since": since, "now": now})
    first = found["t"].to_numpy().astype(np.float64)
    came = found["came"].to_numpy(zero_copy_only=False).astype(np.float64)
    delays, ages = np.maximum(came - first, 0) / _DAY, (now - first) / _DAY
    curve = arrival_curve(delays, ages, days) if first.size else ()
    known = tuple(one for one in curve if not math.isnan(one.share))
    return Maturity(outcome, first.size, int(np.isfinite(came).sum()), known, _in_by(delays, ages, known))


def _in_by(delays: Floats, ages: Floats, known: Sequence[Arrived]) -> tuple[float | None, ...]:
    """Days by which shares of what comes at all, as far as is known, are in."""
    if not known or not known[-1].share > 0:
        return (None,) * len(_SHARES)
    steps = np.unique(delays[delays <= known[-1].delay])
    shares = np.array([one.share for one in arrival_curve(delays, ages, steps)])
    places = np.searchsorted(shares, np.array(_SHARES) * known[-1].share - 1e-12)
    return tuple(float(steps[place]) if place < steps.size else None for place in places.tolist())
