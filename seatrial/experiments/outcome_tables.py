"""Outcomes as tables of SQL: which had happened by when, as revised and withdrawn, and to which unit they belong."""

from seatrial.experiments.measure import FOREVER
from seatrial.experiments.units import SKEW
from seatrial.ledger.reviewed import WEIGHED_ALIKE

_CONTENT = """withdrawn, value_kind, value_number, value_text, "fields", unit, request_id, "row", "key", item"""
_IDENTITY = "hash(outcome, deployment, id)"
_IN_ORDER = f"PARTITION BY outcome, deployment, id ORDER BY received_at, hash({_CONTENT})"


def happened(which: str, back: str = "0") -> str:
    """SQL of revisions of the outcomes named in ``$outcomes`` that had arrived at ``$now``, in force from ``came`` to
    ``until``; ``which``: a condition on an outcome; ``back``: SQL of seconds before ``$since`` that are read too."""
    return f"""
named AS (SELECT * FROM all_outcomes WHERE outcome IN (SELECT unnest($outcomes)) AND {which}),
revised AS MATERIALIZED (
  SELECT {_IDENTITY} AS identity FROM named GROUP BY identity HAVING count(*) > 1
),
revisions AS (
  SELECT * FROM (
    SELECT *, row({_CONTENT}, CASE WHEN "at" = received_at THEN NULL ELSE "at" END) AS content
    FROM named WHERE {_IDENTITY} IN (SELECT identity FROM revised))
  WINDOW v AS ({_IN_ORDER}) QUALIFY row_number() OVER v = 1 OR content IS DISTINCT FROM lag(content) OVER v
),
happened AS MATERIALIZED (
  SELECT row_number() OVER () AS h, outcome, unit, request_id, "row" AS i, "key" AS k, value_number, value_text,
         "fields", item, epoch_us("at") AS t, epoch_us(received_at) AS came, until
  FROM (SELECT *, {FOREVER} AS until FROM named WHERE {_IDENTITY} NOT IN (SELECT identity FROM revised)
        UNION ALL BY NAME
        SELECT * EXCLUDE (content), coalesce(epoch_us(lead(received_at) OVER ({_IN_ORDER})), {FOREVER}) AS until
        FROM revisions)
  WHERE NOT withdrawn AND "at" >= to_timestamp($since - {back} - {SKEW / 1e6}) AND epoch_us(received_at) <= $now
)"""


HAPPENED = happened(WEIGHED_ALIKE)
"""Outcomes that came by themselves.

What a unit's outcome was when the unit matured is not changed by what it is revised to afterwards.
"""

_WHOSE = f"""
  SELECT h, arg_min(unit, came) AS unit, min(came) AS came FROM (
    SELECT h.h, greatest(h.came, q.t) AS came, any_value(q.unit) AS unit, count(DISTINCT q.unit) AS n
    FROM happened h JOIN asked q ON {{on}} AND q.t <= h.came + {SKEW}
    WHERE h.unit IS NULL GROUP BY h.h, greatest(h.came, q.t))
  GROUP BY h HAVING arg_min(n, came) = 1"""
_BY_REQUEST = _WHOSE.format(
    on="h.request_id = q.request_id AND (h.i IS NULL OR h.i = q.i) AND (h.k IS NULL OR h.k = q.k)"
)
_BY_KEY = _WHOSE.format(on="h.request_id IS NULL AND h.k = q.k")


def whose(since: str) -> str:
    """SQL of ``whose`` (``h, unit, came``): the unit of each outcome in ``happened`` that names only a request or key.

    It is the one unit of the rows of that request or key which were there when the outcome came; of several it belongs
    to none. Rows that come later change nothing of it, whoever they are of: a unit that has matured keeps what it had.
    Only where no row was there yet, the first within the clocks' difference (``SKEW``) says whose it is, and then it
    counts as come with that row: late, where its unit had matured by then.

    Args:
        since: A condition on ``rows``, for those that are read at all.
    """
    return f"""
asked AS MATERIALIZED (
  SELECT request_id, "row" AS i, "key" AS k, unit, min(epoch_us("at")) AS t FROM rows
  WHERE role IN ('answer', 'app') AND {since} AND epoch_us("at") <= $now
    AND (request_id IN (SELECT request_id FROM happened WHERE unit IS NULL)
         OR "key" IN (SELECT k FROM happened WHERE unit IS NULL AND request_id IS NULL))
  GROUP BY ALL
),
whose AS ({_BY_REQUEST} UNION ALL {_BY_KEY})"""


ATTACHED = f"""{whose('"at" >= to_timestamp($since)')},
attached AS MATERIALIZED (
  SELECT h.*, u.u, u.first_at FROM happened h JOIN units u ON h.unit = u.unit
  UNION ALL
  SELECT h.* REPLACE (w.came AS came), u.u, u.first_at
  FROM whose w JOIN happened h USING (h) JOIN units u ON u.unit = w.unit
)"""
"""Outcomes by the unit they belong to: named, or the one of the request or key they name; several are left out."""
