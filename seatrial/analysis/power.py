"""How many units a question needs before it is asked, by flags or by what files of the past hold; and the inverse."""

import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from seatrial.analysis.effects import plain_effect
from seatrial.analysis.files import Files
from seatrial.analysis.looks import Looks
from seatrial.analysis.metrics import Kind, Metric
from seatrial.analysis.reduce import Reduction
from seatrial.analysis.relation import Relation
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count
from seatrial.stats.contrast import Margin
from seatrial.stats.cuped import Ratio, coefficients, linearised
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.power import (
    Design,
    Detectable,
    Plan,
    detectable_means,
    detectable_proportions,
    plan_means,
    plan_non_inferiority,
    plan_proportions,
)
from seatrial.stats.share_power import Claim, plan_shares
from seatrial.stats.verdict import Want

DAY = 86_400.0
LEAST_UNITS = 100
"""Units of the past below which nothing is foretold."""

Goal = Literal["better", "non-inferior"]


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a metric before.

    Attributes:
        metric: Its name.
        kind: A ratio's spread is its delta-method spread by unit.
        mean: Mean, share or ratio of the control.
        sd: Standard deviation by unit; of a share that of zeros and ones.
        correlation: With its covariates (the root of R²), 0 without any.
        units: Of the past that say so; None: it was stated.
        units_a_day: Units that come a day; None: unknown.
        within: Window of the metric, seconds.
        counted: The share of units that have a value; the others come too, and say nothing.
        cluster: The column that was drawn whole: then units are its clusters throughout; "": units were drawn.
        want: Which way is good; None: it was not said, and a margin is then planned for the way that takes more.
    """

    metric: str
    kind: Kind
    mean: float
    sd: float
    correlation: float = 0.0
    units: int | None = None
    units_a_day: float | None = None
    within: float = 0.0
    counted: float = 1.0
    cluster: str = ""
    want: Want | None = None

    @property
    def share(self) -> bool:
        """Whether its spread follows from its mean: a share of units, not of units in clusters."""
        return self.kind == "proportion" and not self.cluster

    @property
    def saved(self) -> float:
        """The share of the variance that the covariates take off."""
        return self.correlation**2


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What one question needs.

    Attributes:
        metric: Of which.
        goal: To be shown better by the effect, or not worse by it as a margin.
        effect: In the metric's unit.
        relative: Of the control's mean; None when that is 0.
        fixed: Units of all arms, looking once at the end; None where no number is enough.
        always_valid: Looking at any time.
        group_sequential: At planned looks, to their end; None where none were asked for, or of a margin, which is
            watched at any time.
        fixed_days, always_valid_days, group_sequential_days: Until so many with a value have come and matured; None
            where the traffic is unknown.
        what: ``unit``, or ``cluster`` where those are what is counted.
    """

    metric: str
    goal: Goal
    effect: float
    relative: float | None
    fixed: int | None
    always_valid: int | None
    fixed_days: float | None = None
    always_valid_days: float | None = None
    group_sequential: int | None = None
    group_sequential_days: float | None = None
    what: str = "unit"

    @property
    def ways(self) -> tuple[tuple[str, int, float | None], ...]:
        """How one may look, the units that it takes and the days; only those that are known."""
        found = (
            ("at one planned look", self.fixed, self.fixed_days),
            ("at planned looks", self.group_sequential, self.group_sequential_days),
            ("looking at any time", self.always_valid, self.always_valid_days),
        )
        return tuple((how, units, days) for how, units, days in found if units is not None)


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of ``seatrial power``.

    Attributes:
        past: What it rests on, a metric each.
        design: In words.
        needs: What was asked for.
        curve: The same for a range of effects of the first metric, for a picture; of a margin on a share, whose needs
            take seconds each, only where a picture or a page is asked for.
    """

    past: tuple[Past, ...]
    design: str
    needs: tuple[Need, ...]
    curve: tuple[Need, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """One for each need."""
        return tuple(sentence(need) for need in self.needs)

    def to_html(self, title: str = "Power") -> str:
        """The page that ``--html`` writes."""
        from seatrial.analysis.power_page import power_page  # slow to import: the charts

        return power_page(self, title)

    def picture(self, file: Path) -> None:
        """Draws units against effect, as SVG or PNG by the file's ending.

        Raises:
            BadInput: There is no curve, the file is no such picture, or what draws it is not installed.
        """
        if not self.curve:
            raise BadInput("the inverse has no curve to draw; ask with an effect or a margin")
        from seatrial.analysis.power_page import units_by_effect  # slow to import: the charts
        from seatrial.reports.pictures import write_picture

        write_picture(units_by_effect(self.curve), file)

    def _repr_html_(self) -> str:
        from seatrial.analysis.power_page import notebook_html  # slow to import: the charts

        return notebook_html(self)

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        from seatrial.reports.notebook import bundle  # slow to import: the charts

        return bundle("\n".join(self.sentences), self._repr_html_(), include, exclude)


def stated(*, metric: str, baseline: float | None, mean: float | None, sd: float | None, correlation: float) -> Past:
    """The past as somebody states it: a share, or a mean with its standard deviation.

    Raises:
        BadInput: Neither, or both.
    """
    if baseline is not None and mean is None and sd is None:
        if not 0 < baseline < 1:
            raise BadInput(f"the baseline {baseline:.4%} is no share between 0% and 100%")
        spread = math.sqrt(baseline * (1 - baseline))
        return Past(metric=metric, kind="proportion", mean=baseline, sd=spread, correlation=correlation)
    if baseline is None and mean is not None and sd is not None:
        if not (sd > 0 and math.isfinite(sd) and math.isfinite(mean)):
            raise BadInput(f"the standard deviation {sd:g} must be above 0, and the mean {mean:g} a number")
        return Past(metric=metric, kind="mean", mean=mean, sd=sd, correlation=correlation)
    raise BadInput("say what there is now: --baseline 10% for a share, or --mean 20 --sd 35 for a value")


def past_of(files: Files, metrics: Sequence[Metric], control: str = "", cluster: str = "") -> tuple[Past, ...]:
    """Mean, spread, covariates' gain and traffic of metrics in files of the past.

    Args:
        files: Open; every variant in them counts as itself, unless ``control`` names the one that stands for the past.
        metrics: Which.
        control: The variant whose units are used.
        cluster: A column above the unit that will be drawn whole; everything is then by cluster. How many of them come
            a day is not known, for those that were there at the beginning come again.

    Raises:
        BadInput: Fewer than 100 units, or none that varies.
    """
    ranked = next((metric.name for metric in metrics if metric.kind == "quantile"), None)
    if ranked is not None:
        raise BadInput(f"how many units the quantile {ranked!r} needs is not foretold; plan with a mean of the same")
    reduction = Reduction(files, Relation(files, metrics, cluster=cluster))
    metrics = reduction.metrics
    units = reduction.crowd.units
    if not units:
        raise BadInput(f"{files.names['exposures']} has no rows; there is no past in it")
    if control and control not in units:
        raise BadInput(f"{control!r} is not among the variants {', '.join(units)}")
    chosen = control or max(units, key=lambda name: units[name])
    rate = None if cluster else _units_a_day(reduction)
    arms = reduction.arms()[""][""]
    found = []
    for metric in metrics:
        arm = arms[metric.name][chosen]
        known = arm.moments.n / max(arm.moments.n + arm.missing, 1)
        past = _past(metric, arm.moments, rate, "clusters" if cluster else "units")
        found.append(msgspec.structs.replace(past, counted=known, cluster=cluster))
    return tuple(found)


def _past(metric: Metric, arm: MultiMoments, rate: float | None, what: str) -> Past:
    if arm.n < LEAST_UNITS:
        raise BadInput(f"{arm.n} {what} of the past say too little about {metric.name!r}; give {LEAST_UNITS} at least")
    own = 2 if metric.divided else 1
    columns: list[Ratio | int] = [Ratio(0, 1) if metric.divided else 0, *range(own, arm.k)]
    line = linearised(arm, columns)
    value = line.column(0)
    if not value.m2 > 0:
        raise BadInput(
            f"every unit of the past has the same {metric.name}, so its spread is not known; give more of it"
        )
    left = 1.0
    if line.k > 1:
        left = line.combination(np.concatenate([[1.0], -coefficients([line])])).m2 / value.m2
    return Past(
        metric=metric.name,
        kind=metric.kind,
        mean=plain_effect(metric, arm, arm).control_mean,
        sd=math.sqrt(value.variance),
        correlation=math.sqrt(min(max(1 - left, 0.0), 1 - 1e-9)),
        units=arm.n,
        units_a_day=rate,
        within=metric.within or 0.0,
        want=metric.want,
    )


def _units_a_day(reduction: Reduction) -> float | None:
    """Units of all variants that came a day; None without times."""
    if not reduction.timed:
        return None
    (row,) = reduction.query("SELECT count(*) AS n, (max(first_at) - min(first_at)) / 1e6 AS seconds FROM judged")
    return float(row["n"]) / max(float(row["seconds"]), 3600.0) * DAY


def need(past: Past, effect: Margin, design: Design, goal: Goal = "better", looks: Looks | None = None) -> Need:
    """Units and days for an effect of this size; or, as a margin, to show that it is kept with no true difference."""
    size = effect.size * abs(past.mean) if effect.scale == "relative" else effect.size
    design = design._replace(correlation=past.correlation if design.correlation == 0 else design.correlation)
    plan = _plan(past, effect, design, goal)
    if past.cluster:
        least = _least_clusters(design)
        plan = plan._replace(fixed=max(plan.fixed, least), always_valid=max(plan.always_valid, least))
    planned = looks is not None and goal == "better"
    whole = math.ceil(plan.fixed * looks.checked().inflation(design)) if looks is not None and planned else None
    return Need(
        metric=past.metric,
        goal=goal,
        effect=size,
        relative=size / abs(past.mean) if past.mean else None,
        fixed=plan.fixed,
        always_valid=plan.always_valid,
        fixed_days=_days(plan.fixed, past),
        always_valid_days=_days(plan.always_valid, past),
        group_sequential=whole,
        group_sequential_days=None if whole is None else _days(whole, past),
        what="cluster" if past.cluster else "unit",
    )


def _least_clusters(design: Design) -> int:
    """Of all arms, so that the smallest has the hundred below which nothing is said by cluster."""
    smallest = min(design.share, 1 - design.share * design.treatments)
    return math.ceil(MINIMUM_UNITS / smallest)


def _plan(past: Past, effect: Margin, design: Design, goal: Goal) -> Plan:
    size = effect.size * abs(past.mean) if effect.scale == "relative" else effect.size
    if goal == "non-inferior":
        return _of_margin(past, effect, design) if past.share else plan_non_inferiority(size, past.sd, design)
    if not past.share:
        return plan_means(size, past.sd, design)
    if past.mean + size >= 1:  # a rise is not possible, a fall is
        return plan_proportions(past.mean, past.mean - size, design)
    return plan_proportions(past.mean, past.mean + size, design)


def _of_margin(past: Past, margin: Margin, design: Design) -> Plan:
    """By the rule that judges shares, for the minimum of events is soon what decides."""
    if not margin.size > 0:
        raise BadInput(f"margin {margin.size!r} must be above 0: it is how much worse is still accepted")
    ways: tuple[Want, ...] = ("lower", "higher") if past.want is None else (past.want,)
    alike = margin.scale == "absolute" and design.share == design.control  # the arms can be exchanged
    plans = [
        plan_shares(Claim.of_margin(past.mean, margin, want), design._replace(sides=1))
        for want in (ways[:1] if alike else ways)
    ]
    return Plan(max(plan.fixed for plan in plans), max(plan.always_valid for plan in plans))


def _days(units: int, past: Past) -> float | None:
    return None if past.units_a_day is None else units / (past.units_a_day * past.counted) + past.within / DAY


def visible(past: Past, units: float, design: Design) -> Need:
    """The smallest effect that so many units of all arms, those with a value, show.

    Raises:
        BadInput: They show none.
    """
    if past.cluster and units < _least_clusters(design):
        raise BadInput(
            f"{units:g} clusters show nothing on {past.metric!r}: {MINIMUM_UNITS} of each variant are the least, here "
            f"{_least_clusters(design)}; give more"
        )
    design = design._replace(correlation=past.correlation if design.correlation == 0 else design.correlation)
    size = _detectable(past, units, design).fixed
    if not math.isfinite(size):
        raise BadInput(f"{units:g} units show no effect on {past.metric!r} at all; give more")
    return Need(
        metric=past.metric,
        goal="better",
        effect=size,
        relative=size / abs(past.mean) if past.mean else None,
        fixed=math.ceil(units),
        always_valid=None,
        fixed_days=_days(math.ceil(units), past),
        what="cluster" if past.cluster else "unit",
    )


def _detectable(past: Past, units: float, design: Design) -> Detectable:
    return detectable_proportions(units, past.mean, design) if past.share else detectable_means(units, past.sd, design)


def visible_always(past: Past, units: float, design: Design) -> Need | None:
    """The same when one looks at any time; None below the minimum of units."""
    design = design._replace(correlation=past.correlation if design.correlation == 0 else design.correlation)
    size = _detectable(past, units, design).always_valid
    if not math.isfinite(size):
        return None
    return Need(
        metric=past.metric,
        goal="better",
        effect=size,
        relative=size / abs(past.mean) if past.mean else None,
        fixed=None,
        always_valid=math.ceil(units),
        always_valid_days=_days(math.ceil(units), past),
        what="cluster" if past.cluster else "unit",
    )


def visible_in_looks(past: Past, units: float, design: Design, looks: Looks) -> Need:
    """The smallest effect that a plan of so many units with looks on the way shows."""
    found = visible(past, units / looks.checked().inflation(design), design)
    whole = math.ceil(units)
    return msgspec.structs.replace(
        found, fixed=None, fixed_days=None, group_sequential=whole, group_sequential_days=_days(whole, past)
    )


def slow(past: Past, goal: Goal) -> bool:
    """Whether a need takes seconds to find, for the rule of rare events is tried and no formula asked."""
    return past.share and goal == "non-inferior"


def curve(past: Past, around: Margin, design: Design, goal: Goal, looks: Looks | None = None) -> tuple[Need, ...]:
    """Needs for effects from a third of one to three times it; few of them where each takes seconds to find."""
    found = []
    for factor in np.geomspace(1 / 3, 3, 5 if slow(past, goal) else 25):
        try:
            found.append(need(past, Margin(around.scale, around.size * float(factor)), design, goal, looks))
        except BadInput:  # an effect beyond what a share can be has no number
            continue
    return tuple(found)


def told(design: Design, guardrails: int = 0, whole: float | None = None) -> str:
    """The design in words.

    Args:
        design: Its power is that of one question.
        guardrails: How many margins must be kept beside it.
        whole: The power with which all of them hold together.
    """
    power = f"{design.power:.4g}"
    if guardrails and whole is not None:
        those = "the guardrail" if guardrails == 1 else f"all {guardrails} guardrails"
        power += f" for each question, so that the primary and {those} hold together with {whole:.4g}"
    arms = "one treatment" if design.treatments == 1 else f"{design.treatments} treatments"
    return f"{arms} with {design.share:.4g} of the units each, alpha {design.alpha:g}, power {power}"


def sentence(one: Need) -> str:
    """What it takes, as ``conversion: to see an effect of 0.002 (2%) takes 63 000 units at one planned look.``"""
    relative = "" if one.relative is None else f" ({100 * one.relative:.3g}%)"
    parts = [f"{show_count(units)} {one.what}s{_in_days(days)} {how}" for how, units, days in one.ways]
    what = "to show it is not worse by" if one.goal == "non-inferior" else "to see an effect of"
    return f"{one.metric}: {what} {one.effect:.4g}{relative} takes {', '.join(parts)}."


def _in_days(days: float | None) -> str:
    if days is None:
        return ""
    return f" ({days:.3g} days)" if days >= 1 else f" ({24 * days:.2g} hours)"
