"""The metrics of a deployment's file as measures: what each sums, averages or picks of a unit's outcomes."""

from collections.abc import Mapping

from seatrial.experiments.labels import finite_number
from seatrial.experiments.measure import FOREVER, Measure, micros
from seatrial.experiments.model_measures import model_measure
from seatrial.experiments.ranking_measures import ranking_measure
from seatrial.experiments.shapes import Shape
from seatrial.experiments.unfolding import around_sql, unfolds
from seatrial.experiments.units import SKEW
from seatrial.experiments.value_measure import value_measure
from seatrial.releases.run import ReleaseRun
from seatrial.spec.check_models import OF_SHOWN
from seatrial.spec.deployment import Deployment, MetricSpec
from seatrial.spec.errors import BadInput


def declared_measures(deployment: Deployment, run: ReleaseRun) -> tuple[Measure, ...]:
    """The measures of the file's metrics."""
    after = run.plan.after if run.plan.name == "fixed" else None
    began = run.phases[0].started_at if run.phases else run.started_at
    last = None if after is None else began + micros(after)
    return tuple(measure_of(name, deployment, run.caps, last) for name in deployment.metrics)


def measure_of(name: str, deployment: Deployment, caps: Mapping[str, float], last: int | None = None) -> Measure:
    """The measure of one of the file's metrics; ``caps`` holds for metrics that declare none.

    ``last``: when the last unit of a single planned look may be exposed, microseconds since 1970 UTC; what arrives
    after that has matured is in no number. None: there is no such plan.
    """
    spec = deployment.metrics[name]
    value = value_measure(spec, _ON_TIME, _BY_NOW, _TIMES)
    first = spec.outcome if value is None else value.outcomes[0]
    if (first is None and spec.kind not in OF_SHOWN) or spec.within is None:
        raise BadInput(f"metric {name!r} names no outcome or no window: add `outcome:` and `within:` to it.")
    outcome = None if first is None else deployment.outcomes.get(first)
    label = outcome is not None and outcome.label
    within, grace = micros(spec.within), 0 if spec.kind in OF_SHOWN else micros(spec.grace)
    given: dict[str, object] = {"within": within}
    given |= {} if first is None else {"matures": within + grace}
    given |= {} if value is not None or first is None else {"outcome": first}
    model, ranking = model_measure(spec), ranking_measure(spec)
    other = model or ranking or value
    given |= {"by": FOREVER if last is None else last + within + grace} if other is value else {}
    sql, shape, paths = _KINDS[spec.kind](spec, label) if other is None else (other.sql, other.shape, other.parameters)
    cap = spec.cap if spec.cap is not None else caps.get(name)
    return Measure(
        name,
        shape,
        within,
        grace,
        sql,
        given | paths,
        first,
        others=value.outcomes[1:] if value is not None else (),
        needs_label=label or model is not None,
        cap=cap if shape == "mean" and value is None and spec.range is None else None,
        range=spec.range,
        q=spec.quantile,
        covariates=spec.covariates,
        items=ranking is not None,
        number=() if model is None else model.number,
        ranks=spec.compare == "ranks",
        one_by_one=ranking is not None and ranking.one_by_one,
        catalogue=spec.catalogue,
        holes=outcome is not None and other is value and (value is not None or not label),
        unfolds=unfolds(spec, label=label),
    )


_INSIDE = f"a.t BETWEEN a.first_at - {SKEW} AND a.first_at + ${{p}}within"
_ARRIVED = "a.came <= a.first_at + ${p}matures AND a.until > a.first_at + ${p}matures"
_ON_TIME = f"{_INSIDE} AND {_ARRIVED}"
_BY_NOW = f"{_INSIDE} AND a.came <= ${{p}}by AND a.until > least(${{p}}by, $now)"
_TIMES = f"""count(*) FILTER ({_INSIDE} AND a.until > $now AND a.came > a.first_at + ${{p}}matures) AS late,
    count(*) FILTER (a.t < a.first_at - {SKEW} AND a.t >= $since * 1000000 - {SKEW} AND a.until > $now) AS early"""


def _totals(aggregate: str, second: str, label: bool, known: str, each: str = "", *, settles: bool = False) -> str:
    """A query for sums over a unit's outcomes; ``aggregate`` and ``second`` are expressions with a FILTER to follow.

    ``known`` says whether an outcome has its number. A label without one is none; any other is a hole: what its unit
    comes to is not known, unless a 1 ``settles`` it. ``each`` is what one outcome adds to a metric that unfolds; empty
    for one that does not.
    """
    on_time, by_now = (f"{when} AND {known}" if label else when for when in (_ON_TIME, _BY_NOW))

    def total(when: str) -> str:
        found = f"{aggregate} FILTER ({when})"
        if label:
            return found
        open_ = f" AND coalesce({found}, 0) <> 1" if settles else ""
        return f"CASE WHEN bool_or(NOT ({known})) FILTER ({when}){open_} THEN 'nan'::DOUBLE ELSE {found} END"

    labels = f"count(*) FILTER ({on_time})" if label else "0"
    wanted = "1" if label else "0"
    around = f", {around_sql(each, _ARRIVED, SKEW)}" if each and not label else ""
    return f"""SELECT a.u, {total(on_time)} AS x, {second} FILTER ({on_time}) AS y,
    {total(by_now)} AS x_all, {second} FILTER ({by_now}) AS y_all,
    {labels} AS labels, {wanted} AS wanted, {_TIMES}{around}
    FROM attached a WHERE a.outcome = ${{p}}outcome GROUP BY a.u"""


def span_measure(spec: MetricSpec, whole: Measure, begins: int, ends: int) -> Measure:
    """What happens in one span of the window of a measure that unfolds; by unit, as it stood when the unit matured.

    Args:
        spec: The metric.
        whole: Its measure.
        begins: Microseconds since the exposure; what comes just then is of the span before, if there is one.
        ends: Likewise, and within it.
    """
    each, aggregate = (_value_of(spec), "sum") if spec.kind == "mean" else (_happened(spec), "max")
    after = f"a.t >= a.first_at - {SKEW}" if begins == 0 else "a.t > a.first_at + ${p}begins"
    when = f"{after} AND a.t <= a.first_at + ${{p}}ends AND {_ARRIVED}"
    sql = f"""SELECT a.u, {aggregate}({each}) FILTER ({when}) AS x, 0 AS y, 0 AS x_all, 0 AS y_all,
    0 AS labels, 0 AS wanted, 0 AS late, 0 AS early
    FROM attached a WHERE a.outcome = ${{p}}outcome GROUP BY a.u"""
    asked = {"matures", "outcome", "value"} & whole.parameters.keys()
    given = {name: whole.parameters[name] for name in asked} | {"ends": ends} | ({"begins": begins} if begins else {})
    return Measure(f"{whole.name}/{begins}", whole.shape, whole.within, whole.grace, sql, given, whole.outcome)


def _value_of(spec: MetricSpec) -> str:
    return _field("value") if spec.value is not None else _VALUE


def _happened(spec: MetricSpec) -> str:
    value = _field("value") if spec.value is not None else HAPPENED_AT_ALL.format(value=_VALUE)
    return f"({value} <> 0)::INT"


def _field(parameter: str) -> str:
    return finite_number(f'json_extract_string(a."fields", ${{p}}{parameter})')


_VALUE = f"coalesce(a.value_number, {finite_number('a.value_text')}, CASE WHEN a.value_text IS NULL THEN 1 END)"
"""An outcome's own value; one without any simply happened: 1, whatever others carry. A metric whose outcomes must carry
a number names the field that holds it."""


HAPPENED_AT_ALL = "coalesce({value}, 1)"
"""For a proportion: a word (``gold``) that is no number happened too; 0 and false did not."""


def path(name: str) -> str:
    """The JSON path of an outcome's field."""
    return '$."' + name.replace('"', '\\"') + '"'


def _mean(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    value = _value_of(spec)
    paths: dict[str, object] = {"value": path(spec.value)} if spec.value is not None else {}
    total = f"{'avg' if label else 'sum'}({value})"
    return _totals(total, "count(*)", label, f"{value} IS NOT NULL", value), "mean", paths


def _proportion(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    value = _field("value") if spec.value is not None else HAPPENED_AT_ALL.format(value=_VALUE)
    paths: dict[str, object] = {"value": path(spec.value)} if spec.value is not None else {}
    happened = _happened(spec)
    known = f"{value} IS NOT NULL"
    return _totals(f"max({happened})", "count(*)", label, known, happened, settles=True), "proportion", paths


def _ratio(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    if spec.numerator is None or spec.denominator is None:
        raise BadInput("a ratio has a `numerator` and a `denominator`: name a field of the outcome for each.")
    paths: dict[str, object] = {"numerator": path(spec.numerator), "denominator": path(spec.denominator)}
    above, below = _field("numerator"), _field("denominator")
    known = f"({above} IS NOT NULL AND {below} IS NOT NULL)"
    return _totals(f"sum({above})", f"sum({below})", label, known), "ratio", paths


def _quantile(spec: MetricSpec, label: bool) -> tuple[str, Shape, dict[str, object]]:
    """Of the unit's first outcome in its window; of several at once the smallest, so that it is always the same."""
    value = _field("value") if spec.value is not None else _VALUE
    paths: dict[str, object] = {"value": path(spec.value)} if spec.value is not None else {}
    first = f"any_value({value} ORDER BY a.t, {value})"
    return _totals(first, "count(*)", label, f"{value} IS NOT NULL"), "quantile", paths


_KINDS = {"mean": _mean, "proportion": _proportion, "ratio": _ratio, "quantile": _quantile}
