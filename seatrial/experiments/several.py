"""Several challengers at once: a split between the champion and others is judged as one family, and nothing acts on it.

Every challenger is compared with the champion as in a release of one phase, since the entry's arms last changed. The
primaries are one family of as many questions as there are challengers; the metrics that do not decide are another, over
all of them. A word that does not stand in its family is taken back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from seatrial.experiments import sentences
from seatrial.experiments.arrivals import arrivals
from seatrial.experiments.checks import Losses
from seatrial.experiments.family import is_member
from seatrial.experiments.judge import NO_LOSSES, judge
from seatrial.experiments.judgement import Judgement, MetricJudgement
from seatrial.experiments.segments import MetricSegments, segment
from seatrial.experiments.shelf import Shelves
from seatrial.experiments.source import Source
from seatrial.ledger.sql import literal
from seatrial.releases.plan import plan_of
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.reports.experiment_charts import Arrival
from seatrial.routing.snapshot import Arm
from seatrial.spec.deployment import Deployment, ExperimentSpec, Method, ReleaseSpec, TestStage
from seatrial.stats.all_variants import AllVariants, all_variants
from seatrial.stats.families import FamilyName, Member, as_family

RELEASE = "experiment"
"""What rows of the entry are read as a release of."""


@dataclass(frozen=True)
class Contest:
    """A split as gateways have served it since its arms last changed.

    Attributes:
        entry: Its name.
        arms: Every variant and its weight.
        salt: Of the draw.
        revision: The first with these arms, weights and versions.
        versions: ``name:version`` by variant.
    """

    entry: str
    arms: tuple[Arm, ...]
    salt: str
    revision: int
    versions: Mapping[str, str]


class Several(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of several challengers at one moment.

    Attributes:
        deployment: Which.
        entry: The routing entry whose split is judged.
        champion: The variant that the others are compared with.
        at: Microseconds since 1970 UTC.
        alpha: Of the family.
        family: ``holm`` or ``e-bh``.
        judgements: One a challenger, in the order of the split; words and recommendations as one of all.
        sentence: All of them.
        all_variants: Of each share of units, one test over all variants where there are three or more: shown beside.
    """

    deployment: str
    entry: str
    champion: str
    at: int
    alpha: float
    family: FamilyName
    judgements: tuple[Judgement, ...]
    sentence: str
    all_variants: tuple[AllVariants, ...] = ()


class ChallengerSegments(msgspec.Struct, frozen=True, kw_only=True):
    """One challenger's effects by segment.

    Attributes:
        challenger: Its name.
        segments: Of each metric, by each key that was asked for.
    """

    challenger: str
    segments: tuple[MetricSegments, ...]


class _OfEntry:
    """A source in which an entry's rows since a revision look as if one release of one phase had drawn them."""

    def __init__(self, view: Source, contest: Contest) -> None:
        self._view = view
        self._contest = contest

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        """``query`` over those rows."""
        rows = f"""rows AS (SELECT * REPLACE ('{RELEASE}' AS release, 1 AS phase) FROM rows
          WHERE entry = {literal(self._contest.entry)} AND revision >= {self._contest.revision} AND release = '')"""
        body = query.strip()
        asked = f"WITH {rows}, {body[5:]}" if body.startswith("WITH ") else f"WITH {rows} {body}"
        return self._view.sql(asked, parameters)


def judge_several(
    deployment: Deployment,
    contest: Contest,
    view: Source,
    now: int,
    *,
    losses: Losses = NO_LOSSES,
    shelves: Shelves | None = None,
) -> Several:
    """What is known of every challenger of an experiment.

    Args:
        deployment: The file, with an ``experiment``.
        contest: Its split as it was served.
        view: Where rows and outcomes are read.
        now: Microseconds since 1970 UTC; nothing later is seen.
        losses: Rows that were served and never written.
        shelves: Where what was read is kept; None: nowhere.
    """
    experiment = deployment.experiment
    assert experiment is not None
    source = _OfEntry(view, contest)
    began = _began(source, now)
    challengers = _challengers(deployment, contest)
    method = experiment.method

    def one(challenger: str, level: float) -> Judgement:
        # The level of the family is the primaries' alone: each guardrail keeps alpha, the others have their own family.
        run = _run(deployment, contest, challenger, began, method)
        spec = _as_release(deployment, experiment, challenger)
        return judge(spec, run, source, now, losses=losses, shelves=shelves, primary_alpha=level)

    first = {name: one(name, method.alpha / len(challengers)) for name in challengers}
    members = as_family({name: _p_value(found) for name, found in first.items()}, method.alpha, experiment.family)
    found = {
        name: _placed(one(name, member.level), member, _run(deployment, contest, name, began, method))
        for name, member in members.items()
    }
    judgements = _others_as_family(list(found.values()), method.alpha, experiment.family)
    told = [f"{one.challenger}: {sentences.told(one)}" for one in judgements]
    return Several(
        deployment=deployment.deployment,
        entry=contest.entry,
        champion=deployment.default,
        at=now,
        alpha=method.alpha,
        family=experiment.family,
        judgements=tuple(judgements),
        sentence=" ".join(told),
        all_variants=_over_all(judgements),
    )


def _over_all(judgements: Sequence[Judgement]) -> tuple[AllVariants, ...]:
    """Of every share that all challengers have: the champion's units once, and each challenger's."""
    found = []
    for metric in judgements[0].metrics if judgements else ():
        counts: dict[str, tuple[int, int]] = {}
        same = [(one, m.counts.events) for one in judgements for m in one.metrics if m.name == metric.name]
        for one, events in same:
            if events is not None:
                counts |= {one.champion: events[0], one.challenger: events[1]}
        whole = len(counts) == len(judgements) + 1 == len(same) + 1
        tested = all_variants(metric.name, [counts]) if whole else None
        found += [] if tested is None else [tested]
    return tuple(found)


def segment_several(
    deployment: Deployment, contest: Contest, view: Source, now: int, keys: Sequence[str]
) -> tuple[ChallengerSegments, ...]:
    """Every challenger's effects in each segment of each of the context ``keys``, in the order of the split.

    Raises:
        BadInput: The file declares no such key, or it has too many values.
    """
    experiment = deployment.experiment
    assert experiment is not None
    source = _OfEntry(view, contest)
    began = _began(source, now)

    def of(challenger: str) -> tuple[MetricSegments, ...]:
        run = _run(deployment, contest, challenger, began, experiment.method)
        spec = _as_release(deployment, experiment, challenger)
        return tuple(one for by in keys for one in segment(spec, run, source, now, by))

    return tuple(ChallengerSegments(challenger=name, segments=of(name)) for name in _challengers(deployment, contest))


def arrivals_of(deployment: Deployment, contest: Contest, view: Source, now: int) -> tuple[Arrival, ...]:
    """Fresh units of every variant of the split, as they came."""
    source = _OfEntry(view, contest)
    return arrivals(source, _run(deployment, contest, "", _began(source, now), Method()), now)


def _challengers(deployment: Deployment, contest: Contest) -> list[str]:
    return [arm.variant for arm in contest.arms if arm.variant != deployment.default and arm.weight > 0]


def _began(source: Source, now: int) -> int:
    query = """SELECT min(epoch_us("at")) AS began FROM rows WHERE epoch_us("at") <= $now"""
    found = source.sql(query, {"now": now})["began"][0].as_py()
    return now if found is None else int(found)


def _as_release(deployment: Deployment, experiment: ExperimentSpec, challenger: str) -> Deployment:
    release = ReleaseSpec(
        of=challenger,
        into=experiment.entry,
        stages=(TestStage(),),
        primary=experiment.primary,
        method=experiment.method,
        guardrails=experiment.guardrails,
    )
    return deployment.model_copy(update={"release": release})


def _run(deployment: Deployment, contest: Contest, challenger: str, began: int, method: Method) -> ReleaseRun:
    return ReleaseRun(
        id=RELEASE,
        deployment=deployment.deployment,
        entry=contest.entry,
        champion=deployment.default,
        challenger=challenger,
        champion_version=contest.versions.get(deployment.default, ""),
        challenger_version=contest.versions.get(challenger, ""),
        salt=contest.salt,
        stage="test",
        stage_started_at=began,
        phases=(Phase(number=1, arms=contest.arms, started_at=began, revision=contest.revision),),
        alpha=method.alpha,
        plan_units=method.plan_units,
        plan=plan_of(method),
        started_at=began,
    )


def _p_value(judgement: Judgement) -> float:
    primary = judgement.primary
    known = primary is not None and primary.verdict.word != "no-data" and primary.verdict.p_value is not None
    return primary.verdict.p_value or 0.0 if known and primary is not None else 1.0


def _placed(judgement: Judgement, member: Member, run: ReleaseRun) -> Judgement:
    """With its primary's word as one of the family; a recommendation that rested on it waits."""
    primary = judgement.primary
    if primary is None:
        return judgement
    demoted = _demoted(primary, member, run, judgement.unit)
    metrics = tuple(demoted if metric is primary else metric for metric in judgement.metrics)
    judgement = msgspec.structs.replace(judgement, metrics=metrics)
    if demoted.verdict.word == primary.verdict.word or judgement.recommendation not in ("ship", "stop"):
        return judgement
    if judgement.recommendation == "stop" and judgement.because != (primary.name,):  # a guardrail says so too
        return msgspec.structs.replace(judgement, because=tuple(n for n in judgement.because if n != primary.name))
    sentence = f"Wait: {sentences.reading(demoted, run, judgement.unit)}, as one of several questions."
    return msgspec.structs.replace(judgement, recommendation="wait", because=(primary.name,), sentence=sentence)


def _others_as_family(judgements: Sequence[Judgement], alpha: float, how: FamilyName) -> list[Judgement]:
    """The metrics that do not decide, as one family over all challengers."""
    p_values = {
        f"{judgement.challenger}\0{metric.name}": metric.verdict.p_value
        for judgement in judgements
        for metric in judgement.metrics
        if is_member(metric)
    }
    members = as_family(p_values, alpha, how)

    def placed(judgement: Judgement, metric: MetricJudgement) -> MetricJudgement:
        member = members.get(f"{judgement.challenger}\0{metric.name}")
        if member is None or metric.verdict.p_value is None:
            return metric
        return _demoted(metric, member, None, judgement.unit)

    return [
        msgspec.structs.replace(judgement, metrics=tuple(placed(judgement, metric) for metric in judgement.metrics))
        for judgement in judgements
    ]


def _demoted(metric: MetricJudgement, member: Member, run: ReleaseRun | None, unit: str) -> MetricJudgement:
    verdict = metric.verdict
    if verdict.word not in ("better", "worse") or member.kept:
        return msgspec.structs.replace(metric, adjusted_p=member.p_value)
    verdict = msgspec.structs.replace(verdict, word="inconclusive", smaller_than_cared=False)
    metric = msgspec.structs.replace(metric, verdict=verdict, adjusted_p=member.p_value)
    sentence = f"{metric.name}: not decided yet, as one of several questions."
    if run is not None:
        sentence = f"{metric.name}: {sentences.reading(metric, run, unit)}, as one of several questions."
    return msgspec.structs.replace(metric, sentence=sentence)
