"""A source narrowed to some units: their rows, the outcomes that may concern them, and nothing else.

An outcome may name no unit, only a request or a key; it then belongs to the unit of that, unless there are several. So
rows of other units that share a request or a key stay, and are dropped from the answer.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from seatrial.experiments.source import Source
from seatrial.experiments.units import DRAWN, SKEW, parameters
from seatrial.releases.run import ReleaseRun

MOST_SHARED = 10_000
"""Requests and keys with several units, above which no source is narrowed."""

IDENTITY = "hash(outcome, deployment, id)"
"""SQL of which outcome a revision is of."""

_OF = "outcome IN (SELECT unnest($names))"
_ANSWERS = "role IN ('answer', 'app')"


class Shared(NamedTuple):
    """What ties units together.

    Attributes:
        requests: That an outcome names, and that have rows of several units.
        keys: Likewise.
        moved: Outcomes whose revisions name different units, or requests, by identity.
        anonymous: Whether any outcome names no unit.
    """

    requests: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    moved: tuple[int, ...] = ()
    anonymous: bool = False


class Narrowed:
    """See the module.

    Args:
        source: What is narrowed.
        chosen: SQL over ``unit``.
        given: Its parameters.
        shared: Of the whole source.
        outcomes: Whether queries read any.
        then: SQL over ``"at"`` that is true of every row of theirs, so that other times need not be read.
    """

    def __init__(
        self,
        source: Source,
        chosen: str,
        given: Mapping[str, object],
        shared: Shared,
        *,
        outcomes: bool,
        then: str = "true",
    ) -> None:
        self._source = source
        self._given = dict(given)
        rows, happened = [f"{chosen} AND {then}"], [chosen, "unit IS NULL"]
        for column, values in (("request_id", shared.requests), ("key", shared.keys)):
            if values:
                rows.append(f'{_ANSWERS} AND "{column}" IN (SELECT unnest($shared_{column}))')
                self._given[f"shared_{column}"] = list(values)
        if shared.moved and outcomes:
            happened.append(f"{IDENTITY} IN (SELECT unnest($moved::UBIGINT[]))")
            self._given["moved"] = list(shared.moved)
        self._tables = f"rows AS (SELECT * FROM rows WHERE {' OR '.join(rows)})"
        if outcomes:
            self._tables += f", all_outcomes AS (SELECT * FROM all_outcomes WHERE {' OR '.join(happened)})"

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        """``query``, which begins with WITH, over what is left."""
        return self._source.sql(f"WITH {self._tables}, {query.strip()[5:]}", {**self._given, **parameters})


_UNITLESS = f"""unitless AS (
  SELECT DISTINCT request_id, "row" AS i, "key" AS k FROM all_outcomes WHERE {_OF} AND unit IS NULL
)"""

_SHARED_REQUESTS = f"""WITH {_UNITLESS}
SELECT DISTINCT o.request_id AS found FROM unitless o JOIN rows r ON r.request_id = o.request_id
  AND (o.i IS NULL OR o.i = r."row") AND (o.k IS NULL OR o.k = r."key")
WHERE {_ANSWERS} GROUP BY o.request_id, o.i, o.k HAVING min(r.unit) <> max(r.unit) LIMIT {MOST_SHARED + 1}"""

_SHARED_KEYS = f"""WITH {_UNITLESS}
SELECT o.k AS found FROM unitless o JOIN rows r ON r."key" = o.k
WHERE o.request_id IS NULL AND {_ANSWERS} GROUP BY o.k HAVING min(r.unit) <> max(r.unit) LIMIT {MOST_SHARED + 1}"""

_MOVED = f"""WITH revised AS MATERIALIZED (
  SELECT {IDENTITY} AS found FROM all_outcomes WHERE {_OF} GROUP BY found HAVING count(*) > 1
)
SELECT {IDENTITY} AS found FROM all_outcomes WHERE {_OF} AND {IDENTITY} IN (FROM revised) GROUP BY found
HAVING min(unit) <> max(unit) OR min(request_id) <> max(request_id) OR count(unit) BETWEEN 1 AND count(*) - 1
LIMIT {MOST_SHARED + 1}"""


def shared_ids(source: Source, outcomes: Sequence[str]) -> Shared | None:
    """What ties units together through the outcomes of these names; None: too much to narrow anything."""
    if not outcomes:
        return Shared()
    given = {"names": list(outcomes)}
    asked = f"SELECT count(*) AS n FROM all_outcomes WHERE {_OF} AND unit IS NULL"
    anonymous = source.sql(asked, given)["n"][0].as_py() > 0
    moved = _found(source, _MOVED, given)
    requests, keys = (_found(source, query, given) if anonymous else () for query in (_SHARED_REQUESTS, _SHARED_KEYS))
    if max(map(len, (moved, requests, keys))) > MOST_SHARED:
        return None
    return Shared(requests, keys, moved, anonymous)


def _found(source: Source, query: str, given: Mapping[str, object]) -> tuple:  # type: ignore[type-arg]
    return tuple(source.sql(query, given)["found"].to_pylist())


_STIRRED = f"""stirred AS (
  SELECT unit, request_id, "key" AS k FROM all_outcomes
  WHERE {_OF} AND {IDENTITY} IN (
    SELECT {IDENTITY} FROM all_outcomes WHERE {_OF} AND epoch_us(received_at) > $until - {{back}})
)"""
_BACK = f"CASE WHEN unit IS NULL THEN {SKEW} ELSE 0 END"
"""Whose an outcome without a unit is, a row may say that comes so much later (``outcome_tables.whose``)."""


def touched_units(source: Source, run: ReleaseRun, outcomes: Sequence[str], until: int, shared: Shared) -> list[str]:
    """Units with a row of evidence later than ``until``, or that an outcome may concern which came later: by its name,
    or by a request or key that it names. Other rows that came later change nobody (``outcome_tables.whose``)."""
    given: dict[str, object] = {**parameters(run, 2**62), "until": until}
    tables, parts = "", [f'SELECT unit FROM rows WHERE {DRAWN} AND epoch_us("at") > $until']
    if outcomes:
        tables = f"WITH {_STIRRED.format(back=_BACK if shared.anonymous else 0)}"
        given["names"] = list(outcomes)
        parts.append("SELECT unit FROM stirred")
    if shared.anonymous:
        for column, name in (("request_id", "request_id"), ("key", "k")):
            parts.append(f'SELECT unit FROM rows WHERE {_ANSWERS} AND "{column}" IN (SELECT {name} FROM stirred)')
    found = source.sql(
        f"{tables} SELECT DISTINCT unit FROM ({' UNION ALL '.join(parts)}) WHERE unit IS NOT NULL",
        given,
    )
    return list(found["unit"].to_pylist())
