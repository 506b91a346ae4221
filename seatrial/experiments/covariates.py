"""Covariates: a number that was known of a unit before its variant could touch it, read beside its metrics.

``context.<key>`` is that key's value in the unit's first exposing request. ``prediction`` is what the champion last
said of the unit *strictly before* that request, live or in shadow: its score of two classes, or its value. What the
challenger says is never asked, nor what the champion says later, for who asks again may depend on the variant.
A unit of which nothing is known keeps its place; its covariate is missing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.experiments.row_columns import number_column
from seatrial.experiments.units import DRAWN
from seatrial.releases.run import ReleaseRun

CONTEXT = "context."
PREDICTION = "prediction"

LOOK_BACK = 30 * 86_400_000_000
"""Microseconds before the release in which the champion's predictions are looked for."""

_NUMBERS = ("prediction.score", "prediction.value")

_BEFORE = """
foretold AS (
  SELECT u.u, arg_max({number}, r."at") AS z FROM units u JOIN rows r ON r.unit = u.unit
  WHERE r.variant = $champion AND r.version = $champion_version AND r.status = 'ok' AND r.unit_named
    AND r.role IN ('answer', 'app', 'shadow') AND r."at" >= to_timestamp($foretold) AND epoch_us(r."at") < u.first_at
  GROUP BY u.u
)"""

_EXPOSING = """
exposing AS (
  SELECT u.u, {firsts}
  FROM units u JOIN (SELECT * FROM rows WHERE {drawn}) r ON r.unit = u.unit AND epoch_us(r."at") = u.first_at
  GROUP BY u.u
)"""


class Reading(NamedTuple):
    """What a query needs to read covariates.

    Attributes:
        tables: Tables of it, after ``units``.
        joins: Joins that bring them beside ``units``.
        columns: SQL of each covariate's value, NULL where it is missing.
        parameters: Parameters of the tables.
    """

    tables: tuple[str, ...]
    joins: tuple[str, ...]
    columns: dict[str, str]
    parameters: dict[str, object]


def reading_of(wanted: Sequence[str], names: Sequence[str], run: ReleaseRun) -> Reading:
    """How the covariates ``wanted`` are read from rows whose columns are ``names``."""
    keys = [name for name in wanted if name.startswith(CONTEXT)]
    tables: list[str] = []
    joins: list[str] = []
    columns: dict[str, str] = {}
    given: dict[str, object] = {}
    if keys:
        firsts = ", ".join(
            f'first({number_column([key], names, "r.")} ORDER BY r.request_id, r."row") AS z{index}'
            for index, key in enumerate(keys)
        )
        tables.append(_EXPOSING.format(firsts=firsts, drawn=DRAWN))
        joins.append("LEFT JOIN exposing ON exposing.u = units.u")
        columns |= {key: f"exposing.z{index}" for index, key in enumerate(keys)}
    if PREDICTION in wanted:
        tables.append(_BEFORE.format(number=number_column(_NUMBERS, names, "r.")))
        joins.append("LEFT JOIN foretold ON foretold.u = units.u")
        columns[PREDICTION] = "foretold.z"
        given = {
            "champion": run.champion,
            "champion_version": run.champion_version,
            "foretold": (run.started_at - LOOK_BACK) / 1e6,
        }
    return Reading(tuple(tables), tuple(joins), columns, given)


def known_as(covariates: Sequence[str]) -> str:
    """Covariates in a sentence."""
    named = {PREDICTION: "the champion's earlier prediction"}
    return " and ".join(named.get(name, name.removeprefix(CONTEXT)) for name in covariates)
