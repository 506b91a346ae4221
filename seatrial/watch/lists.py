"""Metrics of ranked lists in one window, by unit: what an experiment calls NDCG, of the lists that were answered in it.

An outcome that names an item makes it relevant to one list: the list of its request, or (``credit: item``) the unit's
last list up to it that showed the item, whether that list lies in the window or after it. No outcome is no hit.
"""

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.ranking_measures import KINDS, credited_list, items_column
from seatrial.experiments.source import Source
from seatrial.spec.check_models import OF_LISTS
from seatrial.spec.deployment import MetricSpec
from seatrial.watch import reading
from seatrial.watch.clock import maturity
from seatrial.watch.labels import SKEW, Matured
from seatrial.watch.reading import Span

LISTS = frozenset(OF_LISTS)
"""Kinds that are measured here."""

_QUERY = f"""
WITH shown AS MATERIALIZED (
  SELECT row_number() OVER () AS r, unit, request_id, "row" AS i, "key" AS k, epoch_us("at") AS t, {{items}} AS items,
         "at" < make_timestamptz($end) AS mine
  FROM rows
  WHERE "at" >= make_timestamptz($start) AND "at" < make_timestamptz($end + $within) AND {reading.ANSWERED_ROWS}
),
happened AS MATERIALIZED (
  SELECT row_number() OVER () AS h, unit, request_id, "row" AS i, "key" AS k, item, epoch_us("at") AS t
  FROM outcomes
  WHERE outcome = $outcome AND item IS NOT NULL AND epoch_us("at") >= $start - $skew
    AND epoch_us("at") < $end + $within AND epoch_us(received_at) < $end + $matures
),
credited AS ({{credited}})
SELECT unit, sum({{x}})::DOUBLE AS x, sum({{y}})::DOUBLE AS y, count(*) AS lists
FROM (
  SELECT s.unit, s.r, any_value(s.items) AS items, list(DISTINCT c.item) FILTER (c.item IS NOT NULL) AS found
  FROM shown s LEFT JOIN credited c ON c.r = s.r WHERE s.mine GROUP BY s.unit, s.r)
GROUP BY unit ORDER BY unit"""

_CREDITED = {
    "request": """
  SELECT s.r, o.item FROM shown s JOIN happened o ON o.request_id = s.request_id AND (o.i IS NULL OR o.i = s.i)
    AND (o.k IS NULL OR o.k = s.k) AND (o.unit IS NULL OR o.unit = s.unit)
  WHERE s.mine AND o.t BETWEEN s.t - $skew AND s.t + $within""",
    "item": f"""
  SELECT {credited_list("s", "o")} AS r, any_value(o.item) AS item FROM shown s JOIN happened o ON o.unit = s.unit
  WHERE list_contains(s.items, o.item) AND o.t BETWEEN s.t - $skew AND s.t + $within GROUP BY o.h""",
}
"""Which list an item counts for."""


def read_lists(source: Source, span: Span, metric: MetricSpec) -> Matured:
    """Read one window of one variant: what lists add above and below the line, by unit.

    Args:
        source: Rows and outcomes.
        span: Which window; the variant is the one that answered.
        metric: Of a kind in ``LISTS``.
    """
    kind = KINDS[metric.kind]
    query = _QUERY.format(
        items=items_column(sorted(reading.column_names(source))),
        credited=_CREDITED[metric.credit],
        x=_asked(kind.x),
        y=_asked(kind.y),
    )
    given = {
        **span.asked,
        "outcome": metric.outcome,
        "skew": SKEW,
        "within": round((metric.within or 0.0) * 1e6),
        "matures": maturity(metric),
        **({"k": metric.k} if "$k" in query else {}),
    }
    table = source.sql(query, given)
    units = np.array(table["unit"].to_pylist(), dtype=object).astype(str)
    return Matured(_floats(table["x"]), _floats(table["y"]), int(sum(table["lists"].to_pylist())), units)


def _asked(sql: str) -> str:
    return sql.replace("FOUND", "found").replace("${p}", "$")


def _floats(column: object) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)  # type: ignore[attr-defined]
    return values
