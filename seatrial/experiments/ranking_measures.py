"""Metrics of ranked lists: whether the items that a unit took afterwards stood where it could see them.

An answer of ``task: ranking`` is a list of items, the first place first. An outcome that names an ``item`` makes it
relevant to one list: with ``credit: request`` the list of the request that the outcome names, with ``credit: item`` the
unit's last list up to the outcome that showed the item, and the first after it only where there is none: clocks differ,
by up to five minutes. Items count once a list, and all alike. No outcome is no hit,
as with a click; what nobody answered showed nothing and stays in its arm.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.experiments.shapes import Shape
from seatrial.experiments.units import SKEW
from seatrial.spec.deployment import MetricSpec

ITEMS = "prediction.json"
"""The column of a row that holds its list."""


class RankingMeasure(NamedTuple):
    """One kind of metric of lists: see ``measures.Measure``."""

    shape: Shape
    sql: str
    parameters: dict[str, object]
    one_by_one: bool = False


class _Kind(NamedTuple):
    """What a list adds above and below the line, as SQL over its ``items`` and the relevant ones, ``FOUND``."""

    shape: Shape
    x: str
    y: str = "1"


_PLACES = """list_filter(list_transform(FOUND, lambda each: list_position(items, each)),
    lambda place: place BETWEEN 1 AND ${p}k)"""
_HITS = f"coalesce(len({_PLACES}), 0)"
_RELEVANT = "coalesce(len(FOUND), 0)"
_ANY = f"({_RELEVANT} > 0)::INT"
_DISCOUNTED = "coalesce(list_sum(list_transform({places}, lambda place: 1 / log2(place + 1))), 0)"
_GAIN = _DISCOUNTED.replace("{places}", _PLACES)
_BEST = _DISCOUNTED.replace("{places}", f"generate_series(1, least({_RELEVANT}, ${{p}}k))")

KINDS: dict[str, _Kind] = {
    "hit_rate": _Kind("share", f"({_HITS} > 0)::INT"),
    "precision_at": _Kind("ratio", f"{_HITS} / ${{p}}k::DOUBLE"),
    "recall_at": _Kind("ratio", f"CASE WHEN {_RELEVANT} > 0 THEN {_HITS} / {_RELEVANT}::DOUBLE ELSE 0 END", _ANY),
    "ndcg": _Kind("ratio", f"CASE WHEN {_RELEVANT} > 0 THEN {_GAIN} / {_BEST} ELSE 0 END", _ANY),
    "mrr": _Kind("ratio", f"coalesce(1.0 / list_min({_PLACES}), 0)"),
    "click_through": _Kind("share", _HITS, "CASE WHEN items IS NOT NULL THEN least(len(items), ${p}k) END"),
}

COVERAGE = "coverage"

_IMPRESSIONS = """, flatten(list(list_transform(generate_series(1, least(len(items), ${p}k)),
      lambda place: {'x': coalesce(list_contains(found, items[place]), false)::DOUBLE, 'y': place::DOUBLE}))
      FILTER (items IS NOT NULL)) AS answers"""
"""Of a unit, every place that it was shown something at, and whether that was taken."""

_SHOWN = """
    SELECT u, count(*) AS x, 1 AS y, count(*) AS x_all, 1 AS y_all, 0 AS labels, 0 AS wanted, 0 AS late, 0 AS early,
           list({'x': 1.0::DOUBLE, 'y': item::DOUBLE}) AS answers
    FROM (
      SELECT DISTINCT u, hash(item) >> 11 AS item
      FROM (SELECT u, unnest({p}items[1:${p}k]) AS item FROM placed WHERE t <= first_at + ${p}within)
      WHERE item IS NOT NULL)
    GROUP BY u"""
"""Of a unit, the items that it was shown, each as 53 bits of its hash: one number for everybody at every reading, which
a double holds whole. Of a million items two have the same with a chance of 1 in 18 000."""

_BY_REQUEST = f"""
      SELECT p.r, h.item, h.came, h.until, p.first_at FROM happened h JOIN placed p
        ON h.request_id = p.request_id AND (h.i IS NULL OR h.i = p.i) AND (h.k IS NULL OR h.k = p.k)
      WHERE h.outcome = ${{p}}outcome AND h.item IS NOT NULL AND (h.unit IS NULL OR h.unit = p.unit)
        AND h.t BETWEEN p.t - {SKEW} AND p.first_at + ${{p}}within"""


def credited_list(shown: str, outcome: str) -> str:
    """SQL of the row ``r`` of the list that an outcome is credited to, over all that showed its item.

    Args:
        shown, outcome: Aliases; a list has ``r, t, request_id, i``, an outcome ``t``.
    """
    order = f"({shown}.t, {shown}.request_id, {shown}.i)"
    last = f"arg_max({shown}.r, {order}) FILTER ({shown}.t <= {outcome}.t)"
    return f"coalesce({last}, arg_min({shown}.r, {order}))"


_BY_ITEM = f"""
      SELECT {credited_list("p", "h")} AS r, any_value(h.item) AS item, any_value(h.came) AS came,
             any_value(h.until) AS until, any_value(p.first_at) AS first_at
      FROM attached h JOIN placed p ON p.u = h.u
      WHERE h.outcome = ${{p}}outcome AND list_contains(p.${{p}}items, h.item) AND h.t >= p.t - {SKEW}
        AND h.t <= p.first_at + ${{p}}within AND p.t <= p.first_at + ${{p}}within
      GROUP BY h.h"""


def ranking_measure(spec: MetricSpec) -> RankingMeasure | None:
    """The measure of a metric of lists; None for another."""
    if spec.kind == COVERAGE:
        return RankingMeasure("coverage", _SHOWN, {"k": spec.k})
    kind = KINDS.get(spec.kind)
    if kind is None:
        return None

    def of(text: str, found: str) -> str:
        return text.replace("FOUND", found)

    one_by_one = spec.kind == "click_through"
    impressions = _IMPRESSIONS if one_by_one else ""
    credited = (_BY_REQUEST if spec.credit == "request" else _BY_ITEM).replace("${p}items", "{p}items")
    sql = f"""
    SELECT u, sum({of(kind.x, "found")}) AS x, sum({of(kind.y, "found")}) AS y,
           sum({of(kind.x, "found_all")}) AS x_all, sum({of(kind.y, "found_all")}) AS y_all, 0 AS labels, 0 AS wanted,
           sum((coalesce(len(found_all), 0) > coalesce(len(found), 0))::INT) AS late, 0 AS early{impressions}
    FROM (
      SELECT p.u, p.r, any_value(p.{{p}}items) AS items, list(DISTINCT n.item) FILTER (n.timely) AS found,
             list(DISTINCT n.item) FILTER (n.until > $now) AS found_all
      FROM placed p LEFT JOIN (
        SELECT *, first_at + ${{p}}matures BETWEEN came AND until - 1 AS timely FROM ({credited})
      ) n ON n.r = p.r
      WHERE p.t <= p.first_at + ${{p}}within GROUP BY p.u, p.r)
    GROUP BY u"""
    return RankingMeasure(kind.shape, sql, {"k": spec.k}, one_by_one)


def items_column(names: Sequence[str]) -> str:
    """SQL of a row's items, the first place first; NULL where it has no list."""
    if ITEMS not in names:
        return "NULL::VARCHAR[]"
    return f"""CASE WHEN json_valid("{ITEMS}") THEN json_extract_string("{ITEMS}", '$[*].item') END"""
