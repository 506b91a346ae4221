"""A metric of value by unit: outcomes times numbers, less what its requests cost; ``y`` is the cost alone."""

from collections.abc import Callable
from typing import NamedTuple

from seatrial.experiments.labels import finite_number
from seatrial.experiments.shapes import Shape
from seatrial.spec.deployment import MetricSpec
from seatrial.spec.value_terms import Term, terms_of


class ValueMeasure(NamedTuple):
    """See ``measures.Measure``."""

    shape: Shape
    sql: str
    parameters: dict[str, object]
    outcomes: tuple[str, ...]


def value_measure(spec: MetricSpec, on_time: str, by_now: str, times: str) -> ValueMeasure | None:
    """The measure of a metric of value; None for another.

    Args:
        spec: Its declaration.
        on_time: SQL of whether an outcome ``a`` had come in time.
        by_now: SQL of whether it is in the window.
        times: SQL of the columns ``late`` and ``early``.
    """
    if spec.kind != "value" or spec.of is None:
        return None
    worth = worth_of(spec, "${p}")
    given: dict[str, object] = {**worth.outcomes, **worth.fields}
    given |= {f"v{k}": name for k, name in enumerate(spec.cost)}
    sql = f"""
    SELECT u, sum(x) AS x, sum(y) AS y, sum(x_all) AS x_all, sum(y_all) AS y_all, 0 AS labels, 0 AS wanted,
           sum(late) AS late, sum(early) AS early
    FROM (
      SELECT a.u, {_total(on_time)} AS x, 0 AS y, {_total(by_now)} AS x_all, 0 AS y_all, {times}
      FROM (
        SELECT *, {worth.sql} AS v, {worth.unknown} AS unknown FROM attached
        WHERE outcome IN ({", ".join(f"${{p}}{name}" for name in worth.outcomes)})
      ) a GROUP BY a.u
      UNION ALL
      SELECT u, -sum(c) AS x, sum(c) AS y, -sum(c) AS x_all, sum(c) AS y_all, 0 AS late, 0 AS early
      FROM (SELECT u, {_cost(spec)} AS c FROM placed WHERE t <= first_at + ${{p}}within) GROUP BY u)
    GROUP BY u"""
    return ValueMeasure("mean", sql, given, tuple(worth.outcomes.values()))


def _total(when: str) -> str:
    """An outcome without one of its numbers makes the sum unknown."""
    return f"CASE WHEN bool_or(a.unknown) FILTER ({when}) THEN 'nan'::DOUBLE ELSE sum(a.v) FILTER ({when}) END"


class Worth(NamedTuple):
    """What an outcome adds, as SQL over its columns, and the parameters that it is asked with.

    Attributes:
        outcomes: The names that count, by parameter.
        fields: Paths of their fields, by parameter.
        unknown: SQL of whether it lacks one of the numbers that it adds.
    """

    sql: str
    outcomes: dict[str, str]
    fields: dict[str, str]
    unknown: str


def worth_of(spec: MetricSpec, mark: str = "$") -> Worth:
    """Of a metric of value; ``mark`` stands before the name of a parameter."""
    terms = terms_of(spec.of or "")
    names = dict.fromkeys(term.outcome for term in terms)

    def of(outcome: str) -> str:
        parts = [
            f"{term.factor!r} * coalesce({_number(k, term, mark)}, 0)"
            for k, term in enumerate(terms)
            if term.outcome == outcome
        ]
        return " + ".join(parts)

    def unknown(outcome: str) -> str:
        return " OR ".join(f"{_number(k, t, mark)} IS NULL" for k, t in enumerate(terms) if t.outcome == outcome)

    def by_name(each: Callable[[str], str]) -> str:
        return f"CASE outcome {' '.join(f'WHEN {mark}o{k} THEN {each(name)}' for k, name in enumerate(names))} END"

    return Worth(
        by_name(of),
        {f"o{k}": name for k, name in enumerate(names)},
        {f"f{k}": _path(term.field) for k, term in enumerate(terms) if term.field is not None},
        by_name(unknown),
    )


def _number(k: int, term: Term, mark: str) -> str:
    """SQL of a field, or of an outcome's own value, 1 where it simply happened."""
    if term.field is not None:
        return finite_number(f'json_extract_string("fields", {mark}f{k})')
    return f"coalesce(value_number, {finite_number('value_text')}, CASE WHEN value_text IS NULL THEN 1 END)"


def _cost(spec: MetricSpec) -> str:
    whens = " ".join(f"WHEN ${{p}}v{k} THEN {cost!r}" for k, cost in enumerate(spec.cost.values()))
    return f"CASE variant {whens} ELSE 0 END" if whens else "0"


def _path(field: str) -> str:
    return '$."' + field.replace('"', '\\"') + '"'
