"""One metric's numbers by unit, reduced: arms compared within strata of constant chance, then combined.

What is left out is counted by reason, so that a reader can add up: every unit that was exposed is either counted or
in one of these numbers.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from seatrial.experiments.adjustment import adjusted
from seatrial.experiments.counted import Counted, Mask, Values, by_phase, refusal
from seatrial.experiments.judgement import Adjustment
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.standing import standing
from seatrial.experiments.unfolding import Unfolding, unfolding
from seatrial.experiments.units import STRATUM, Units
from seatrial.releases.run import Phase, ReleaseRun
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.effect import Effect
from seatrial.stats.phases import Phases, combine_phases


class Rest(NamedTuple):
    """What a trigger left out, and how much that is.

    Attributes:
        share: What the triggered are of all that the metric divides by: of the units, or of a ratio's lower side.
        of: Units that would have been counted without it.
        control_mean: Of the champion over all of them.
        untriggered: The effect on those that were left out, not adjusted.
        rate: The share of units that were triggered, challenger against champion.
    """

    share: float
    of: int
    control_mean: float
    untriggered: Effect
    rate: Effect


@dataclass(frozen=True)
class Sample:
    """What is known of one metric.

    Attributes:
        two_valued: Whether a unit either has the event or not.
        phases: The effect within each stratum and combined, from what had arrived when each unit matured.
        arrived: The same units with everything that has arrived since, for fixed analyses only; not adjusted, for the
            classical tests stand beside as everybody knows them.
        uncapped: The combined effect without the outlier cap, where there is one.
        by_phase: The effect of each phase, by its number.
        counts: Units with and without the event by stratum, for exact sequences; empty where there are no events.
        coverage: Labels there are of labels wanted, as a ratio by unit, or units whose outcomes have their numbers;
            None where neither is needed.
        waiting: Units whose window or grace is still open.
        censored: Units whose variant changed while their window was open.
        missing: Matured units without a label, or with an outcome without its number.
        late: Outcomes that arrived after their unit matured.
        early: Outcomes stamped before their unit's exposure.
        adjustment: What the effect is adjusted for; None where nothing.
        at: The moment, microseconds since 1970 UTC.
        counted: The units behind ``phases``, for whoever asks of a part of them; None where only totals are known.
        with_late: The same units with everything that has arrived since; None likewise.
        rest: What a trigger left out; None where all units count.
        unfolding: How the effect came about in the window, and what was before; None where that cannot be told.
    """

    two_valued: bool
    phases: Phases
    arrived: Effect
    uncapped: Effect | None
    by_phase: dict[int, Effect]
    counts: tuple[PhaseCounts, ...]
    coverage: Effect | None
    waiting: int
    censored: int
    missing: int
    late: int
    early: int
    adjustment: Adjustment | None = None
    at: int = 0
    counted: Counted | None = None
    with_late: Counted | None = None
    unfolding: Unfolding | None = None
    rest: Rest | None = None

    @property
    def effect(self) -> Effect:
        """All strata combined."""
        return self.phases.effect

    def without_units(self) -> "Sample":
        """The totals alone."""
        return replace(self, counted=None, with_late=None)


def take_sample(
    units: Units, column: Column, measure: Measure, run: ReleaseRun, now: int, only: Mask | None = None
) -> Sample:
    """Reduces one measure.

    Args:
        units: In order of exposure.
        column: The measure's numbers, in the same order.
        measure: Its window, shape and cap.
        run: Says which variants are compared and which phases there are.
        now: Microseconds since 1970 UTC.
        only: Units [n] that count; the others stay beside as ``rest``. None: all do.
    """
    eligible, censored, waiting, matured = standing(units, measure.within, measure.matures, run, now)
    here = matured & measure.told(column) if measure.needs_label or measure.holes else matured
    whole = Counted(
        shape=measure.shape,
        x=measure.limited(column.x),
        y=column.y,
        treatment=units.of(run.challenger),
        strata=units.strata(run, measure.within),
        here=here,
        first_at=units.first_at,
        z=column.z,
        answers=column.answers,
        q=measure.q or 0.5,
        cluster=units.cluster,
    )
    shown = eligible if only is None else eligible & only
    capped = whole if only is None else whole.where(only)
    found = adjusted(capped, measure.covariates, run)
    counted = found.counted
    arrived = matured & (column.y_all > 0) if by_label(measure) else here
    nothing_late = column.x_all is column.x and column.y_all is column.y and arrived is here and counted.z is None
    had = arrived if only is None else arrived & only
    late = replace(capped, x=measure.limited(column.x_all), y=column.y_all, here=had, z=counted.z)
    with_late = counted if nothing_late else late
    clustered = units.cluster is not None
    phases = counted.combined() if clustered else combine_phases(list(found.by_stratum.values()))
    return Sample(
        two_valued=measure.shape == "proportion",
        phases=phases,
        arrived=phases.effect if nothing_late else with_late.without_covariate().combined().effect,
        uncapped=None if measure.cap is None and measure.range is None else _uncapped(counted, column.x),
        by_phase=by_phase(found.by_stratum),
        counts=_counts(counted, column.labels > 0 if measure.by_first else counted.x > 0, run)
        if measure.shape in ("proportion", "share") and units.cluster is None
        else (),
        coverage=_coverage(whole, column, measure, matured) if measure.needs_label or measure.holes else None,
        waiting=int((waiting & shown).sum()),
        censored=int((censored & shown).sum()),
        missing=int((matured & ~here & shown).sum()),
        late=int(column.late[matured & shown].sum()),
        early=int(column.early[shown].sum()),
        adjustment=found.adjustment,
        at=now,
        counted=counted,
        with_late=with_late,
        rest=None if only is None else _rest(whole.without_covariate(), only),
        unfolding=None if column.around is None else unfolding(capped, column.around.capped(measure.cap)),
    )


def by_label(measure: Measure) -> bool:
    """Whether a unit without a label is missing, also with everything that has arrived since."""
    return measure.needs_label and measure.shape in ("mean", "proportion", "share", "quantile")


def _rest(whole: Counted, only: Mask) -> Rest:
    by_unit = whole.shape in ("mean", "proportion", "quantile")
    below = np.ones(len(only)) if by_unit else whole.y
    total = float(below[whole.here].sum())
    return Rest(
        share=float(below[whole.here & only].sum()) / total if total else 0.0,
        of=whole.n,
        control_mean=whole.combined().effect.control_mean,
        untriggered=whole.where(~only).combined().effect,
        rate=replace(whole, shape="proportion", x=only.astype(np.float64)).combined().effect,
    )


def _uncapped(counted: Counted, x: Values) -> Effect:
    whole = replace(counted, x=x)
    return (whole.without_covariate() if refusal(whole) else whole).combined().effect


def _coverage(capped: Counted, column: Column, measure: Measure, matured: Mask) -> Effect:
    if not measure.needs_label:
        known = measure.told(column).astype(np.float64)
        return replace(capped, shape="mean", x=known, here=matured, z=None).combined().effect
    wanted = np.maximum(column.wanted, 1.0)  # a unit without any outcome wants one label
    labels = np.minimum(column.labels, wanted)
    return replace(capped, shape="share", x=labels, y=wanted, here=matured, z=None).combined().effect


def _counts(counted: Counted, event: Mask, run: ReleaseRun) -> tuple[PhaseCounts, ...]:
    treatment = counted.treatment
    parts = (treatment & event, treatment, ~treatment & event, ~treatment)
    found = []
    for stratum, here in counted.parts().items():
        weight = weight_left(run, *divmod(stratum, STRATUM))
        if weight is not None:
            sizes = [int(np.count_nonzero(here & part)) for part in parts]
            found.append(PhaseCounts(sizes[0], sizes[1], sizes[2], sizes[3], weight))
    return tuple(found)


def weight_left(run: ReleaseRun, number: int, crossed: int) -> float | None:
    """The challenger's share of the units of both arms in a stratum, by the weights alone.

    Of units whose window saw ``crossed`` later phases, those remain that are the challenger's under all their weights,
    and those that are the champion's under all. With two arms a unit's arm is a threshold of one number, so these are
    the smallest and the rest above the largest share. With more arms it has no closed form: None.
    """
    phases = [phase for phase in run.phases if phase.number >= number][: crossed + 1]
    shares = [_share(phase, run) for phase in phases]
    if crossed and any(len([arm for arm in phase.arms if arm.weight > 0]) > 2 for phase in phases):
        return None
    low, high = min(shares), 1 - max(shares)
    return low / (low + high) if low > 0 and high > 0 else None


def _share(phase: Phase, run: ReleaseRun) -> float:
    weights = {arm.variant: arm.weight for arm in phase.arms}
    challenger, champion = weights.get(run.challenger, 0.0), weights.get(run.champion, 0.0)
    return challenger / (challenger + champion) if challenger + champion > 0 else 0.0
