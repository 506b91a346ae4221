"""Which units are warm: so many outcomes of a kind have come of them, ever, as far as the ledger remembers."""

from seatrial.experiments.source import Source

_WARM = """WITH asked AS (
  SELECT request_id, any_value(unit) AS unit FROM rows WHERE role IN ('answer', 'app') AND unit_named
  GROUP BY request_id HAVING count(DISTINCT unit) = 1
),
keyed AS (
  SELECT "key" AS k, any_value(unit) AS unit FROM rows
  WHERE role IN ('answer', 'app') AND unit_named AND "key" IS NOT NULL
  GROUP BY "key" HAVING count(DISTINCT unit) = 1
),
came AS (
  SELECT coalesce(o.unit, a.unit, q.unit) AS unit
  FROM outcomes o LEFT JOIN asked a ON o.unit IS NULL AND o.request_id = a.request_id
    LEFT JOIN keyed q ON o.unit IS NULL AND o.request_id IS NULL AND o."key" = q.k
  WHERE o.outcome = $outcome
)
SELECT unit FROM came WHERE unit IS NOT NULL GROUP BY unit HAVING count(*) >= $least ORDER BY unit"""


def warm_units(source: Source, outcome: str, least: int) -> list[str]:
    """Units of which at least so many outcomes have come; one that was sent twice or corrected is one, one that was
    withdrawn is none. They count by unit, by a request of a named unit, or by a key that only one unit has."""
    return [row["unit"] for row in source.sql(_WARM, {"outcome": outcome, "least": least}).to_pylist()]
