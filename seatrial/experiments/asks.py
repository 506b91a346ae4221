"""What a release asks of each metric, fixed before the first look: its part, its line, its budget of error."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from seatrial.experiments import ranking_measures
from seatrial.experiments.answer_measures import error_measures, latency_measure
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.measure import Measure
from seatrial.experiments.model_measures import KINDS, numbers_of
from seatrial.experiments.rollback import alpha_of_rollback
from seatrial.experiments.row_columns import has_column
from seatrial.experiments.sentences import names
from seatrial.experiments.thresholds import NEEDED, QUANTILES
from seatrial.releases.plan import Plan
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment, MetricSpec, ReleaseSpec, TestStage
from seatrial.spec.deployment import Margin as SpecMargin
from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.verdict import Question, Role, Want

ERRORS = ("errors", "error_rate")


CAP_NEEDS = 1000
"""Matured units that a cap of the data takes (``experiments.caps``)."""

ANY_TIME = Plan()


@dataclass(frozen=True)
class Ask:
    """One metric as the release asks for it.

    Attributes:
        part: Its part in the release.
        kind: As declared; ``errors`` or ``latency`` for the metrics that are always there.
        question: Fixed before the first look.
        cap: The outlier cap, or the champion's frozen latency threshold in microseconds.
        tolerated: For a latency guardrail, the challenger's threshold: the champion's and the margin.
        impossible: Why it cannot be measured yet, in words; empty when it can.
        plan: When it may be judged.
        began: When the first phase did, microseconds since 1970 UTC.
        ends: When the test or the release has run `at_most`, likewise: its last look; None: it waits.
    """

    part: Role
    kind: str
    question: Question
    cap: float | None = None
    tolerated: float | None = None
    impossible: str = ""
    plan: Plan = ANY_TIME
    began: int = 0
    ends: int | None = None


def asks_of(
    deployment: Deployment,
    release: ReleaseSpec,
    run: ReleaseRun,
    thresholds: dict[str, float],
    *,
    answers: bool,
    columns: Sequence[str] | None = None,
) -> dict[str, Ask]:
    """Every metric: the primary first, then the guardrails in the file's order, then the others.

    Args:
        deployment: Declares metrics.
        release: Names the primary and the guardrails.
        run: For alpha and the planned units.
        thresholds: Frozen latency thresholds, microseconds.
        answers: Whether rows carry the answered label.
        columns: Columns of rows, which say whether scores and values are logged; None: they are.

    Raises:
        BadInput: The primary or a guardrail is not a metric.
    """
    known = (*deployment.metrics, *ERRORS, *QUANTILES)
    asked = (release.primary.metric, *release.guardrails)
    for name in asked:
        if name not in known:
            raise BadInput(f"metric {name!r} is not among {', '.join(known)}: declare it or name one of these.")
    ordered = dict.fromkeys((*asked, *known))
    logged = _Logged(answers, columns)
    began = run.phases[0].started_at if run.phases else run.started_at
    ends = ends_of(release, run)
    return {
        name: replace(_ask(name, deployment, release, run, thresholds, logged), plan=run.plan, began=began, ends=ends)
        for name in ordered
    }


def ends_of(release: ReleaseSpec, run: ReleaseRun) -> int | None:
    """When the test under way, or the whole release, has run `at_most`; microseconds since 1970 UTC."""
    stage = release.stages[run.stage_index] if run.stage_index < len(release.stages) else None
    found = [run.started_at + round(release.at_most * 1e6)] if release.at_most is not None else []
    if isinstance(stage, TestStage) and stage.at_most is not None:
        found.append(run.stage_started_at + round(stage.at_most * 1e6))
    return min(found, default=None)


class _Logged(NamedTuple):
    """What of answers rows carry."""

    labels: bool
    columns: Sequence[str] | None

    def lacks(self, spec: MetricSpec) -> str:
        """What a metric of answers or lists would need and no row has, in words; "" when nothing."""
        if spec.kind in (*ranking_measures.KINDS, ranking_measures.COVERAGE):
            known = self.columns is None or ranking_measures.ITEMS in self.columns
            return "" if known else "no list has been logged"
        numbers = numbers_of(spec)
        if not numbers:
            return "no answer has been logged" if spec.kind in KINDS and not self.labels else ""
        if self.columns is None or any(has_column(name, self.columns) for name in numbers):
            return ""
        of = "value" if numbers == ("prediction.value",) else f"score of the label {spec.positive!r}"
        return f"no {of} has been logged"


def measures_of(deployment: Deployment, run: ReleaseRun, asks: dict[str, Ask]) -> tuple[Measure, ...]:
    """The measures of every metric that can be measured."""
    found = list(declared_measures(deployment, run)) + list(error_measures(deployment))
    for name in QUANTILES:
        ask = asks[name]
        if ask.cap is not None:
            found.append(latency_measure(name, deployment, run, ask.cap, ask.tolerated or ask.cap))
    return tuple(measure for measure in found if not asks[measure.name].impossible)


def _ask(
    name: str,
    deployment: Deployment,
    release: ReleaseSpec,
    run: ReleaseRun,
    thresholds: dict[str, float],
    logged: _Logged,
) -> Ask:
    part = _part(name, release)
    declared = deployment.metrics.get(name)
    margin = _margin(name, release)
    if declared is not None:
        impossible = logged.lacks(declared)
        if declared.cap_at is not None and name not in run.caps:
            impossible = impossible or f"it waits for {CAP_NEEDS} matured units to fix its cap"
        cap = declared.cap if declared.cap is not None else run.caps.get(name)
        return Ask(
            part, declared.kind, _question(name, declared.want, part, margin, deployment, run), cap, None, impossible
        )
    if name in ERRORS:
        return Ask(part, "errors", _question(name, "lower", part, margin, deployment, run))
    base = thresholds.get(name)
    tolerated = None if base is None or part != "guardrail" or margin is None else _tolerated(base, margin)
    impossible = (
        "" if base is not None else f"it waits for {NEEDED[name]} requests of the champion to fix its threshold"
    )
    # The margin of latency is in time and stands in the threshold; what is left to ask is which arm is slow more often.
    line = ZERO if part == "guardrail" else None
    return Ask(part, "latency", _question(name, "lower", part, line, deployment, run), base, tolerated, impossible)


def _part(name: str, release: ReleaseSpec) -> Role:
    if name == release.primary.metric:
        return "primary"
    return "guardrail" if name in release.guardrails else "secondary"


def _margin(name: str, release: ReleaseSpec) -> Margin | None:
    if name == release.primary.metric:
        return _read(release.primary.minimum_effect)
    return _read(release.guardrails[name]) if name in release.guardrails else None


def _read(margin: SpecMargin) -> Margin:
    if margin.relative is not None:
        return Margin("relative", margin.relative)
    return Margin("absolute", margin.absolute or 0.0)


def _tolerated(base: float, margin: Margin) -> float:
    """The threshold in microseconds that a margin allows; an absolute one is in seconds."""
    return base * (1 + margin.size) if margin.scale == "relative" else base + margin.size * 1e6


def _question(
    name: str, want: Want, part: Role, margin: Margin | None, deployment: Deployment, run: ReleaseRun
) -> Question:
    challenger, champion = names(run)
    acts = part != "secondary"
    return Question(
        metric=name,
        want=want,
        margin=margin,
        alpha=run.alpha,
        alpha_worse=alpha_of_rollback(deployment) if acts else None,
        plan_units=run.plan_units,
        treatment=challenger,
        control=champion,
    )
