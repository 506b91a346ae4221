"""Files judged at a few planned looks: each look is taken again at the first so many counted units by exposure.

So the same file says the same whenever it is judged, and between two looks the last one speaks. Each metric has units
of its own, for windows differ. Guardrails are watched at every look by the always-valid method, as in a release.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seatrial.analysis.metrics import Metric
from seatrial.analysis.phases import measure_over, merged
from seatrial.analysis.planning import Plan
from seatrial.analysis.reduce import Phased, Reduction
from seatrial.analysis.unfolding import add_up
from seatrial.ledger.sql import literal
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count
from seatrial.stats.effect import Effect
from seatrial.stats.looks_so_far import judge_so_far
from seatrial.stats.statement import no_data
from seatrial.stats.verdict import Question, Role, Verdict


@dataclass(frozen=True)
class Taken:
    """The counted units of one metric at the looks that have come.

    Attributes:
        n: All of them.
        at: Arms of the first so many, by how many.
    """

    n: int
    at: Mapping[int, Phased]


def take_looks(reduction: Reduction, plan: Plan) -> dict[str, Taken]:
    """What each metric that is no guardrail had at its looks, by name; empty for other methods.

    Raises:
        BadInput: Exposures without times, which have no order; a metric that is judged unit by unit; clusters.
    """
    if plan.looks is None:
        return {}
    if not reduction.timed:
        raise BadInput("planned looks are at the first so many units by exposure; add the column `at` to the exposures")
    if plan.cluster:
        raise BadInput(
            f"clusters ({plan.cluster!r}) are not judged at planned looks; use --method fixed or always-valid"
        )
    found = {}
    for metric in plan.metrics:
        if plan.part(metric.name) == "guardrail":
            continue
        if metric.one_by_one:
            raise BadInput(
                f"{metric.name!r} is judged unit by unit, and not at planned looks; use --method fixed or always-valid"
            )
        found[metric.name] = _taken(reduction, plan, metric)
    return found


def _taken(reduction: Reduction, plan: Plan, metric: Metric) -> Taken:
    assert plan.looks is not None
    counted = f"k{reduction.metrics.index(metric)}"
    (row,) = reduction.query(f"SELECT count(*) AS n FROM judged WHERE {counted}")
    n = int(row["n"])
    ends = sorted({end for end in plan.looks.ends if end <= n} | ({n} if plan.over and n else set()))
    if not ends:
        return Taken(n, {})
    ranked = f"SELECT first_at, unit, row_number() OVER (ORDER BY first_at, unit) AS r FROM judged WHERE {counted}"
    last = reduction.query(
        f"SELECT r, first_at, unit FROM ({ranked}) WHERE r IN ({', '.join(map(str, ends))}) ORDER BY r"
    )
    cases = " ".join(
        f"WHEN first_at < {one['first_at']} OR (first_at = {one['first_at']} AND unit <= {literal(one['unit'])}) "
        f"THEN {one['r']}"
        for one in last
    )
    sofar: Phased = {}
    at = {}
    for end, phased in sorted(reduction.arms(by=f"CASE {cases} ELSE 0 END").items(), key=lambda item: int(item[0])):
        if int(end):
            at[int(end)] = add_up(sofar, phased)
    return Taken(n, at)


def judge_at_looks(
    taken: Taken, plan: Plan, metric: Metric, question: Question, part: Role, *, adjust: bool, now: Effect
) -> Verdict:
    """The verdict of the looks so far; ``now`` is the effect over all counted units."""
    assert plan.looks is not None
    found = judge_so_far(
        plan.looks,
        taken.n,
        _effects(taken, metric, question, adjust=adjust),
        question,
        part,
        over=plan.over,
        last="the last because it is over",
    )
    if found is not None:
        return found
    of = f"{show_count(taken.n)} of {show_count(plan.looks.ends[0])} matured units"
    return no_data(now, question, part, "group-sequential", f"{of} for the first of {plan.looks.looks} planned looks")


def _effects(taken: Taken, metric: Metric, question: Question, *, adjust: bool) -> Callable[[int], Effect]:
    def effect_at(end: int) -> Effect:
        arms = merged(taken.at[end], metric.name)
        return measure_over(metric, arms, question.treatment, question.control, adjust=adjust).effect

    return effect_at
