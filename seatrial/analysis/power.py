"""How many units a question needs before it is asked, by flags or by what files of the past hold; and the inverse."""

import math
from collections.abc import Container
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from seatrial.analysis.looks import Looks
from seatrial.analysis.planned_kinds import in_looks, plan_of, smallest, smallest_in_looks, units_by_ranks
from seatrial.analysis.power_past import DAY, Goal, Past, Values
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count
from seatrial.stats.contrast import Margin
from seatrial.stats.evidence import Method
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.power import Design


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What one question needs.

    Attributes:
        metric: Of which.
        goal: To be shown better by the effect, or not worse by it as a margin.
        effect: In the metric's unit.
        relative: Of the control's mean; None when that is 0.
        fixed: Units of all arms, looking once at the end; None where no number is enough.
        always_valid: Looking at any time; None also by ranks, which hold for one look.
        group_sequential: At planned looks, to their end; None where none were asked for, by ranks, or of a margin,
            which is watched at any time.
        fixed_days, always_valid_days, group_sequential_days: Until so many with a value have come and matured; None
            where the traffic is unknown.
        what: ``unit``, or ``cluster`` where those are what is counted.
        moved: By ranks, whether the effect multiplies every value (``scaled``) or is added to it; else "".
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
    moved: Literal["", "scaled", "added"] = ""

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


def need(
    past: Past,
    effect: Margin,
    design: Design,
    goal: Goal = "better",
    looks: Looks | None = None,
    values: Values | None = None,
) -> Need:
    """Units and days for an effect of this size; or, as a margin, to show that it is kept with no true difference.

    Args:
        past: What is known of the metric.
        effect: The effect, or the margin.
        design: Of the question.
        goal: Which of the two.
        looks: Planned ones on the way; of a quantile and of a margin there are none.
        values: Past values by unit, of a quantile.
    """
    size = effect.size * abs(past.mean) if effect.scale == "relative" else effect.size
    design = design._replace(correlation=past.correlation if design.correlation == 0 else design.correlation)
    always: int | None = None
    if past.ranks:
        fixed = units_by_ranks(past, effect, design, goal, values)
    else:
        fixed, always = plan_of(past, effect, design, goal, values)
        if past.cluster:
            least = _least_clusters(design)
            fixed, always = max(fixed, least), max(always, least)
    planned = looks is not None and has_looks(past, goal)
    whole = in_looks(past, effect, design, looks.checked().inflation(design)) if looks is not None and planned else None
    return Need(
        metric=past.metric,
        goal=goal,
        effect=size,
        relative=size / abs(past.mean) if past.mean else None,
        fixed=fixed,
        always_valid=always,
        fixed_days=_days(fixed, past),
        always_valid_days=None if always is None else _days(always, past),
        group_sequential=whole,
        group_sequential_days=None if whole is None else _days(whole, past),
        what="cluster" if past.cluster else "unit",
        moved=_moved(past, "scaled" if effect.scale == "relative" and goal == "better" else "added"),
    )


def has_looks(past: Past, goal: Goal) -> bool:
    """Whether it can be judged at planned looks: no margin, quantile or ranks."""
    return goal == "better" and past.kind != "quantile" and not past.ranks


def _moved(past: Past, how: Literal["scaled", "added"]) -> Literal["", "scaled", "added"]:
    return how if past.ranks else ""


def _least_clusters(design: Design) -> int:
    """Of all arms, so that the smallest has the hundred below which nothing is said by cluster."""
    smallest = min(design.share, 1 - design.share * design.treatments)
    return math.ceil(MINIMUM_UNITS / smallest)


def _days(units: int, past: Past) -> float | None:
    return None if past.units_a_day is None else units / (past.units_a_day * past.counted) + past.within / DAY


def visible(past: Past, units: float, design: Design, goal: Goal = "better", values: Values | None = None) -> Need:
    """The smallest effect that so many units of all arms, those with a value, show at one look; or margin they hold.

    Raises:
        BadInput: They show none.
    """
    if past.cluster and units < _least_clusters(design):
        raise BadInput(
            f"{units:g} clusters show nothing on {past.metric!r}: {MINIMUM_UNITS} of each variant are the least, here "
            f"{_least_clusters(design)}; give more"
        )
    found = _visible(past, units, design, goal, "fixed", values)
    if found is None:
        what = "effect" if goal == "better" else "margin"
        raise BadInput(f"{units:g} units show no {what} on {past.metric!r} at all; give more")
    return found


def visible_always(
    past: Past, units: float, design: Design, goal: Goal = "better", values: Values | None = None
) -> Need | None:
    """The same when one looks at any time; None where they show none, as below the minimum of units, or by ranks."""
    if past.ranks:
        return None
    return _visible(past, units, design, goal, "always-valid", values)


def _visible(
    past: Past,
    units: float,
    design: Design,
    goal: Goal,
    method: Method,
    values: Values | None,
    times: float = 1.0,
) -> Need | None:
    design = design._replace(correlation=past.correlation if design.correlation == 0 else design.correlation)
    if method == "group-sequential":
        size = smallest_in_looks(past, units, design, times)
    else:
        size = smallest(past, units, design, goal, method, values)
    whole = math.ceil(units)
    if not math.isfinite(size):
        return None
    days = _days(whole, past)
    return Need(
        metric=past.metric,
        goal=goal,
        effect=size,
        relative=size / abs(past.mean) if past.mean else None,
        fixed=whole if method == "fixed" else None,
        always_valid=whole if method == "always-valid" else None,
        fixed_days=days if method == "fixed" else None,
        always_valid_days=days if method == "always-valid" else None,
        group_sequential=whole if method == "group-sequential" else None,
        group_sequential_days=days if method == "group-sequential" else None,
        what="cluster" if past.cluster else "unit",
        moved=_moved(past, "added"),
    )


def visible_in_looks(past: Past, units: float, design: Design, looks: Looks) -> Need | None:
    """The smallest effect that a plan of so many units with looks on the way shows; None where it shows none."""
    return _visible(past, units, design, "better", "group-sequential", None, looks.checked().inflation(design))


def slow(past: Past, goal: Goal) -> bool:
    """Whether a need takes seconds to find, for the rule of rare events is tried and no formula asked."""
    return past.share and goal == "non-inferior"


def curve(
    past: Past,
    around: Margin,
    design: Design,
    goal: Goal,
    looks: Looks | None = None,
    values: Values | None = None,
) -> tuple[Need, ...]:
    """Needs for effects from a third of one to three times it; few of them where each takes seconds to find."""
    found = []
    for factor in np.geomspace(1 / 3, 3, 5 if slow(past, goal) else 25):
        try:
            found.append(need(past, Margin(around.scale, around.size * float(factor)), design, goal, looks, values))
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
    percent = 100 * (one.relative or 0.0)
    relative = "" if one.relative is None else f" ({percent:.3g}%)" if percent < 1000 else f" ({percent:.0f}%)"
    parts = [f"{show_count(units)} {one.what}s{_in_days(days)} {how}" for how, units, days in one.ways]
    what = "to show it is not worse by" if one.goal == "non-inferior" else "to see an effect of"
    moved = {"": "", "scaled": ", as a factor on every value,", "added": ", added to every value,"}[one.moved]
    if one.goal == "non-inferior":
        moved = ""
    return f"{one.metric}: {what} {one.effect:.4g}{relative}{moved} takes {', '.join(parts)}."


def _in_days(days: float | None) -> str:
    if days is None:
        return ""
    return f" ({days:.3g} days)" if days >= 1 else f" ({24 * days:.2g} hours)"
