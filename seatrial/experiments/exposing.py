"""What a context key was in the request that first exposed each unit: no variant can have moved it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.row_columns import column_names
from seatrial.experiments.source import Source
from seatrial.experiments.units import DRAWN, Units, evidence, parameters
from seatrial.releases.run import ReleaseRun

_VALUES = """
exposing AS (
  SELECT u.u, first({value} ORDER BY r.request_id, r."row") AS value
  FROM units u JOIN (SELECT * FROM rows WHERE {drawn}) r ON r.unit = u.unit AND epoch_us(r."at") = u.first_at
  GROUP BY u.u
)
SELECT exposing.value FROM units LEFT JOIN exposing ON exposing.u = units.u ORDER BY units.u"""


def exposing_values(source: Source, run: ReleaseRun, now: int, key: str, columns: Sequence[str]) -> list[str | None]:
    """As text, of each unit in order of exposure; None where it is missing.

    Args:
        source: Where rows are read.
        run: Whose units.
        now: Microseconds since 1970 UTC; nothing later is seen.
        key: ``context.<key>``.
        columns: Those of ``rows``.
    """
    kept = [each for each in columns if each == key or each.startswith(f"{key}#")]
    value = ", ".join(f'CAST(r."{each}" AS VARCHAR)' for each in kept)
    query = _VALUES.format(value=f"coalesce({value}, NULL)" if kept else "NULL::VARCHAR", drawn=DRAWN)
    found: list[str | None] = source.sql(f"WITH {evidence(columns)}, {query}", parameters(run, now))[
        "value"
    ].to_pylist()
    return found


def in_clusters(units: Units, source: Source, run: ReleaseRun, now: int, key: str | None) -> Units:
    """The same units with the clusters that they lie in; ``key`` is ``context.<key>``, or None: in none."""
    if key is None:
        return units
    return replace(units, cluster=clusters_of(exposing_values(source, run, now, key, column_names(source))))


def clusters_of(values: Sequence[str | None]) -> NDArray[np.int64]:
    """A number from 0 for each cluster [n]; a unit without one is a cluster by itself."""
    numbers: dict[str | int, int] = {}
    return np.array(
        [numbers.setdefault(i if value is None else value, len(numbers)) for i, value in enumerate(values)],
        dtype=np.int64,
    )
