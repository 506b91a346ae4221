"""A metric's numbers as sums that merge: what a judgement needs of units, without the units.

Sums of two sets of units merge exactly (Chan), so that units of whom nothing has changed are reduced once. Not every
number is a function of sums: quantiles, ranks and answers one by one want sorted values, betting wants units in their
order, an adjusted effect the leverage of each unit, and errors by cluster the clusters. Those metrics are not summed
(``is_summed``), and read a column a unit.

References:
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.counted import Mask, Values
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.sample import by_label
from seatrial.experiments.shapes import BY_ROW
from seatrial.experiments.standing import Standing, standing
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from seatrial.stats.moments import Moments, PairMoments

Arms = tuple[PairMoments, PairMoments]
"""The challenger's units and the champion's."""

Strata = dict[int, Arms]
"""Both arms by stratum (``Units.strata``)."""

_BY_UNIT = ("mean", "proportion")


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of some units for one metric.

    Attributes:
        on_time: Numerator and denominator as they stood at maturity; of a mean the value alone, as numerator.
        by_now: With all that has arrived since; None: nothing has, for any of them.
        uncapped: As ``on_time`` without the cap; None: there is none.
        events: Units with the event by stratum, of the challenger and the champion; empty where there are no events.
        coverage: Of matured units labels there are and labels wanted, or where outcomes may lack their number the share
            whose number is known, as numerator; empty where neither can be missing.
        around: Totals in the first third of the window, and in the rest of it; empty where that cannot be told.
        before: Totals of as long before the exposure, as numerator; likewise.
        happened: Whether any unit has something before its exposure.
        waiting, censored, missing, late, early: As of a ``Sample``.
    """

    on_time: Strata
    by_now: Strata | None = None
    uncapped: Strata | None = None
    events: dict[int, tuple[int, int]] = {}
    coverage: Strata = {}
    around: Strata = {}
    before: Strata = {}
    happened: bool = False
    waiting: int = 0
    censored: int = 0
    missing: int = 0
    late: int = 0
    early: int = 0


def is_summed(measure: Measure) -> bool:
    """Whether a metric can be told from sums; its units must lie in no clusters, and no trigger choose among them."""
    sorted_or_ordered = measure.shape in BY_ROW or measure.shape == "quantile" or measure.range is not None
    return not (sorted_or_ordered or measure.ranks or measure.listed or measure.covariates)


class Sides(NamedTuple):
    """Positions of a stratum's counted units, of the challenger and of the champion."""

    treatment: NDArray[np.int64]
    control: NDArray[np.int64]


class _Parted(NamedTuple):
    standing: Standing
    strata: NDArray[np.int64]
    matured: Mapping[int, Sides]


class Summing:
    """Reduces the metrics of some units; what several metrics with one window share is worked out once.

    Args:
        units: In any order.
        run: The release.
        now: Microseconds since 1970 UTC.
    """

    def __init__(self, units: Units, run: ReleaseRun, now: int) -> None:
        self._units = units
        self._run = run
        self._now = now
        self._parted: dict[tuple[int, int], _Parted] = {}

    def of(self, measure: Measure, column: Column) -> Sums:
        """The sums of a metric, whose numbers are in the order of the units."""
        parted = self._of_window(measure.within, measure.matures)
        eligible, censored, waiting, matured = parted.standing
        here, sides = matured, parted.matured
        if measure.needs_label or (measure.holes and not _zero(column.x)):
            here = matured & measure.told(column)
            sides = self._sides(here, parted.strata)
        had = sides
        if by_label(measure):
            had = self._sides(matured & (column.y_all > 0), parted.strata)
        nothing_late = column.x_all is column.x and column.y_all is column.y and had is sides
        by_unit = measure.shape in _BY_UNIT
        x = measure.limited(column.x)
        return Sums(
            on_time=_reduced(sides, x, None if by_unit else column.y),
            by_now=None if nothing_late
            else _reduced(had, measure.limited(column.x_all), None if by_unit else column.y_all),
            uncapped=None if measure.cap is None else _reduced(sides, column.x, None if by_unit else column.y),
            events=_events(sides, column.labels if measure.by_first else x)
            if measure.shape in ("proportion", "share")
            else {},
            coverage=_coverage(parted.matured, measure, column),
            **_around(sides, column, measure.cap),
            waiting=int(np.count_nonzero(waiting)),
            censored=int(np.count_nonzero(censored)),
            missing=0 if here is matured else int(np.count_nonzero(matured & ~here)),
            late=_total(column.late, matured),
            early=_total(column.early, eligible),
        )  # fmt: skip

    def _of_window(self, within: int, matures: int) -> _Parted:
        if (within, matures) not in self._parted:
            found = standing(self._units, within, matures, self._run, self._now)
            strata = self._units.strata(self._run, within)
            self._parted[within, matures] = _Parted(found, strata, self._sides(found.matured, strata))
        return self._parted[within, matures]

    def _sides(self, here: Mask, strata: NDArray[np.int64]) -> dict[int, Sides]:
        treatment = self._units.of(self._run.challenger)
        found = {}
        for stratum in np.flatnonzero(np.bincount(strata[here])).tolist():
            mine = here & (strata == stratum)
            found[stratum] = Sides(np.flatnonzero(mine & treatment), np.flatnonzero(mine & ~treatment))
        return found


def merged(parts: Sequence[Sums]) -> Sums:
    """All units together; at least one part.

    The parts' order changes nothing but rounding.
    """
    some_late = any(part.by_now is not None for part in parts)
    return Sums(
        on_time=_merged(part.on_time for part in parts),
        by_now=_merged(part.on_time if part.by_now is None else part.by_now for part in parts) if some_late else None,
        uncapped=None if parts[0].uncapped is None else _merged(part.uncapped or {} for part in parts),
        events=_added(part.events for part in parts),
        coverage=_merged(part.coverage for part in parts),
        around=_merged(part.around for part in parts),
        before=_merged(part.before for part in parts),
        happened=any(part.happened for part in parts),
        waiting=sum(part.waiting for part in parts),
        censored=sum(part.censored for part in parts),
        missing=sum(part.missing for part in parts),
        late=sum(part.late for part in parts),
        early=sum(part.early for part in parts),
    )


def _merged(parts: Iterable[Strata]) -> Strata:
    found: dict[int, list[Arms]] = {}
    for part in parts:
        for stratum, arms in part.items():
            found.setdefault(stratum, []).append(arms)
    return {
        stratum: (PairMoments.merged(arm[0] for arm in arms), PairMoments.merged(arm[1] for arm in arms))
        for stratum, arms in sorted(found.items())
    }


def _added(parts: Iterable[Mapping[int, tuple[int, int]]]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for part in parts:
        for stratum, (t, c) in part.items():
            before = found.get(stratum, (0, 0))
            found[stratum] = (before[0] + t, before[1] + c)
    return found


def _reduced(sides: Mapping[int, Sides], x: Values, y: Values | None) -> Strata:
    """Of a mean or proportion ``y`` is None: the value alone."""
    return {stratum: (_pairs(x, y, side.treatment), _pairs(x, y, side.control)) for stratum, side in sides.items()}


def _pairs(x: Values, y: Values | None, at: NDArray[np.int64]) -> PairMoments:
    if y is not None:
        return PairMoments.from_values(x[at], y[at])
    found = Moments.from_counts(0, len(at)) if _zero(x) else Moments.from_values(x[at])
    return PairMoments(found.n, found.mean, 0.0, found.m2, 0.0, 0.0)


def _zero(values: Values) -> bool:
    """Whether all are 0, where that is known without looking: a value that stands for every unit."""
    return values.strides == (0,) and bool(len(values)) and values[0] == 0


def _events(sides: Mapping[int, Sides], x: Values) -> dict[int, tuple[int, int]]:
    return {
        stratum: (int(np.count_nonzero(x[side.treatment] > 0)), int(np.count_nonzero(x[side.control] > 0)))
        for stratum, side in sides.items()
    }


def _coverage(matured: Mapping[int, Sides], measure: Measure, column: Column) -> Strata:
    if not measure.needs_label:
        return _reduced(matured, measure.told(column).astype(np.float64), None) if measure.holes else {}
    wanted = np.maximum(column.wanted, 1.0)  # a unit without any outcome wants one label
    return _reduced(matured, np.minimum(column.labels, wanted), wanted)


def _around(sides: Mapping[int, Sides], column: Column, cap: float | None) -> dict[str, Any]:
    if column.around is None:
        return {}
    happened = not _zero(column.around.before) and any(
        bool(np.any(column.around.before[at] != 0)) for side in sides.values() for at in side
    )
    around = column.around.capped(cap)
    return {
        "around": _reduced(sides, around.opening, around.rest),
        "before": _reduced(sides, around.before, None),
        "happened": happened,
    }


def _total(values: Values, here: Mask) -> int:
    return 0 if _zero(values) else int(values[here].sum())
