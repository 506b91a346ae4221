"""Ids of outcomes that units of both arms share: whose such an outcome is, is not known.

An id belongs to one outcome of one unit. A second post under it is a correction, which takes the outcome from the first
unit and gives it to the second; between the arms that is an effect that nobody had.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.experiments.narrowed import IDENTITY
from seatrial.experiments.row_columns import column_names
from seatrial.experiments.source import Source
from seatrial.experiments.units import evidence, parameters
from seatrial.releases.run import ReleaseRun

_KNOWN = "outcome IN (SELECT unnest($outcomes)) AND epoch_us(received_at) <= $now"

_SHARED = """
named AS MATERIALIZED (
  SELECT row_number() OVER () AS n, outcome, deployment, id, unit, request_id, "row" AS i, "key" AS k FROM all_outcomes
  WHERE {which}
),
theirs AS (
  SELECT n, unit FROM named WHERE unit IS NOT NULL
  UNION ALL
  SELECT m.n, any_value(r.unit) AS unit FROM named m JOIN rows r ON r.request_id = m.request_id
    AND (m.i IS NULL OR m.i = r."row") AND (m.k IS NULL OR m.k = r."key")
  WHERE m.unit IS NULL AND r.role IN ('answer', 'app') GROUP BY m.n HAVING count(DISTINCT r.unit) = 1
)
SELECT count(*) AS n, min(id) AS one FROM (
  SELECT id FROM named JOIN theirs USING (n) JOIN units u ON u.unit = theirs.unit
  WHERE u.variant IN ($champion, $challenger)
  GROUP BY outcome, deployment, id HAVING min(u.variant) <> max(u.variant))"""


class SharedIds(NamedTuple):
    """How many there are, and one of them."""

    n: int = 0
    one: str = ""


def ids_of_both_arms(
    source: Source, run: ReleaseRun, outcomes: Sequence[str], moved: Sequence[int] | None, now: int
) -> SharedIds:
    """Ids under which both arms' units have had an outcome, corrections and withdrawals included.

    Args:
        source: Where rows and outcomes are read.
        run: Says who the units are.
        outcomes: Names of those that are measured.
        moved: Identities of outcomes whose revisions name different units (``narrowed.Shared``); None: not known.
        now: Microseconds since 1970 UTC; nothing that arrived later is seen.
    """
    if moved is not None and not moved:
        return SharedIds()
    which, given = _KNOWN, parameters(run, now) | {"outcomes": list(outcomes)}
    if moved is not None:
        which, given = f"{_KNOWN} AND {IDENTITY} IN (SELECT unnest($moved::UBIGINT[]))", given | {"moved": list(moved)}
    query = f"WITH {evidence(column_names(source))}, {_SHARED.format(which=which)}"
    arms: dict[str, object] = {"champion": run.champion, "challenger": run.challenger}
    (row,) = source.sql(query, given | arms).to_pylist()
    return SharedIds(int(row["n"]), row["one"] or "")
