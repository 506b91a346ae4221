"""A metric of value by unit: outcomes times numbers, less what its requests cost; ``y`` is the cost alone."""

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
    terms = terms_of(spec.of)
    outcomes = tuple(dict.fromkeys(term.outcome for term in terms))
    given: dict[str, object] = {f"o{k}": name for k, name in enumerate(outcomes)}
    given |= {f"f{k}": _path(term.field) for k, term in enumerate(terms) if term.field is not None}
    given |= {f"v{k}": name for k, name in enumerate(spec.cost)}
    sql = f"""
    SELECT u, sum(x) AS x, sum(y) AS y, sum(x_all) AS x_all, sum(y_all) AS y_all, 0 AS labels, 0 AS wanted,
           sum(late) AS late, sum(early) AS early
    FROM (
      SELECT a.u, sum(a.v) FILTER ({on_time}) AS x, 0 AS y, sum(a.v) FILTER ({by_now}) AS x_all, 0 AS y_all, {times}
      FROM (
        SELECT *, {_worth(terms, outcomes)} AS v FROM attached
        WHERE outcome IN ({", ".join(f"${{p}}o{k}" for k in range(len(outcomes)))})
      ) a GROUP BY a.u
      UNION ALL
      SELECT u, -sum(c) AS x, sum(c) AS y, -sum(c) AS x_all, sum(c) AS y_all, 0 AS late, 0 AS early
      FROM (SELECT u, {_cost(spec)} AS c FROM placed WHERE t <= first_at + ${{p}}within) GROUP BY u)
    GROUP BY u"""
    return ValueMeasure("mean", sql, given, outcomes)


def _worth(terms: tuple[Term, ...], outcomes: tuple[str, ...]) -> str:
    """SQL of what an outcome adds."""

    def of(outcome: str) -> str:
        parts = [
            f"{term.factor!r} * coalesce({_number(k, term)}, 0)"
            for k, term in enumerate(terms)
            if term.outcome == outcome
        ]
        return " + ".join(parts)

    return f"CASE outcome {' '.join(f'WHEN ${{p}}o{k} THEN {of(name)}' for k, name in enumerate(outcomes))} END"


def _number(k: int, term: Term) -> str:
    """SQL of a field, or of an outcome's own value, 1 where it simply happened."""
    if term.field is not None:
        return finite_number(f'json_extract_string("fields", ${{p}}f{k})')
    return f"coalesce(value_number, {finite_number('value_text')}, CASE WHEN value_text IS NULL THEN 1 END)"


def _cost(spec: MetricSpec) -> str:
    whens = " ".join(f"WHEN ${{p}}v{k} THEN {cost!r}" for k, cost in enumerate(spec.cost.values()))
    return f"CASE variant {whens} ELSE 0 END" if whens else "0"


def _path(field: str) -> str:
    return '$."' + field.replace('"', '\\"') + '"'
