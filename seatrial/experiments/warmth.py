"""Which units are warm: so many outcomes of a kind have come of them, ever, as far as the ledger remembers."""

from collections.abc import Iterator

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
  SELECT coalesce(o.unit, a.unit, q.unit) AS unit, epoch_us(o.received_at) AS came
  FROM outcomes o LEFT JOIN asked a ON o.unit IS NULL AND o.request_id = a.request_id
    LEFT JOIN keyed q ON o.unit IS NULL AND o.request_id IS NULL AND o."key" = q.k
  WHERE o.outcome = $outcome
)
SELECT unit FROM came WHERE unit IS NOT NULL GROUP BY unit HAVING count(*) >= $least AND max(came) >= $since"""
_AT_ONCE = 65_536


def warm_units(source: Source, outcome: str, least: int, since: int = 0) -> Iterator[str]:
    """Units of which at least so many outcomes have come, in any order; one that was sent twice or corrected is one,
    one that was withdrawn is none. They count by unit, by a request of a named unit, or by a key of only one unit.

    Args:
        since: Only units of which an outcome has come since (microseconds since 1970 UTC); the others were warm before.
    """
    for chunk in source.sql(_WARM, {"outcome": outcome, "least": least, "since": since}).column("unit").chunks:
        for start in range(0, len(chunk), _AT_ONCE):  # millions of units as one list of Python's strings are memory
            yield from chunk.slice(start, _AT_ONCE).to_pylist()
