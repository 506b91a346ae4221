"""What lists show: clicks by place, and how much of the catalogue. Of each variant by itself, for one look.

Coverage is a number of a whole variant: it is told for half as many units as the smaller arm has, for both alike, with
the jackknife by unit. Where weights changed, arms lived through different times; then no difference is told.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from seatrial.experiments.counted import Counted, Mask
from seatrial.experiments.judgement import MetricJudgement, Place, Score
from seatrial.experiments.sentences import count, counted, names, plural
from seatrial.releases.run import ReleaseRun
from seatrial.spec.errors import BadInput
from seatrial.stats.interval import TestResult
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.ranking import Coverage, catalogue_coverage, click_through, coverage_difference

APART = "weights changed, and coverage cannot be combined over that"


class Covered(NamedTuple):
    """Coverage of both variants.

    Attributes:
        champion, challenger: Of each; None while it is not known.
        difference: Challenger less champion; None likewise.
        reason: Why nothing is said, in words; "" where something is.
    """

    champion: Coverage | None = None
    challenger: Coverage | None = None
    difference: TestResult | None = None
    reason: str = ""


def places_of(counted_: Counted, run: ReleaseRun) -> tuple[Place, ...]:
    """Clicks at each place, the champion's places first."""
    arms = ((run.champion, ~counted_.treatment), (run.challenger, counted_.treatment))
    return tuple(place for name, arm in arms for place in _places(name, counted_, counted_.here & arm, run.alpha))


def _places(variant: str, counted_: Counted, units: Mask, alpha: float) -> list[Place]:
    assert counted_.answers is not None
    own = counted_.answers.of(units)
    return [
        Place(
            variant=variant,
            place=one.place,
            shown=one.shown,
            share=one.clicks.value,
            lower=None if one.clicks.interval is None else one.clicks.interval.lower,
            upper=None if one.clicks.interval is None else one.clicks.interval.upper,
        )
        for one in click_through(own.score.astype(np.int64), own.label, own.unit, alpha)
    ]


def coverage_of(counted_: Counted, catalogue: int, alpha: float) -> Covered:
    """Coverage of what is counted now."""
    sizes = [int((counted_.here & arm).sum()) for arm in (counted_.treatment, ~counted_.treatment)]
    if min(sizes) < MINIMUM_UNITS:
        return Covered(reason=f"{min(sizes)} of {MINIMUM_UNITS} matured units in the smaller arm")
    if len(counted_.parts()) > 1:
        return Covered(reason=APART)
    try:
        challenger, champion = (
            _covered(counted_, counted_.here & arm, catalogue, min(sizes) // 2, alpha)
            for arm in (counted_.treatment, ~counted_.treatment)
        )
    except BadInput as error:  # a catalogue that is said to be smaller than it is must not stop the loop
        return Covered(reason=str(error))
    difference = coverage_difference(challenger, champion, alpha)
    method = f"coverage of {champion.at} units, {difference.method} (fixed)"
    return Covered(champion, challenger, msgspec.structs.replace(difference, method=method))


def _covered(counted_: Counted, units: Mask, catalogue: int, at: int, alpha: float) -> Coverage:
    assert counted_.answers is not None
    own = counted_.answers.of(units)
    return catalogue_coverage(own.unit, own.score, int(units.sum()), catalogue, at=at, alpha=alpha)


def coverage_scores(found: Covered, run: ReleaseRun) -> tuple[Score, ...]:
    """Each variant's share of the catalogue, of the same number of units."""
    return tuple(
        Score(
            variant=name,
            units=one.units,
            value=one.share,
            lower=None if one.interval is None else one.interval.lower,
            upper=None if one.interval is None else one.interval.upper,
        )
        for name, one in ((run.champion, found.champion), (run.challenger, found.challenger))
        if one is not None
    )


def coverage_sentence(name: str, found: Covered, catalogue: int, run: ReleaseRun, unit: str) -> str:
    """All of it in one sentence."""
    if found.champion is None or found.challenger is None or found.difference is None:
        return f"{name}: nothing is said yet, {found.reason}."
    challenger, champion = names(run)
    ends = "is not known yet"
    if found.difference.lower is not None and found.difference.upper is not None:
        ends = f"{100 * found.difference.lower:+.2g} to {100 * found.difference.upper:+.2g} points"
    return (
        f"{name}: any {counted(found.champion.at, plural(unit))} of {challenger} are shown "
        f"{100 * found.challenger.share:.3g}% of the {count(catalogue)} items, and of {champion} "
        f"{100 * found.champion.share:.3g}% (difference {ends}, one look, jackknife by {unit}); shown to anybody: "
        f"{count(found.challenger.shown)} and {count(found.champion.shown)}. It is shown and never judged."
    )


PLACES = ("place", "champion", "challenger", "shown by the champion", "shown by the challenger")


def place_rows(metric: MetricJudgement, champion: str) -> tuple[tuple[str, ...], ...]:
    """Each place as ``PLACES`` names its columns, shares with their intervals for one look."""
    by_place: dict[int, dict[bool, Place]] = {}
    for one in metric.places:
        by_place.setdefault(one.place, {})[one.variant == champion] = one
    return tuple(
        (str(place), _share(of.get(True)), _share(of.get(False)), _shown(of.get(True)), _shown(of.get(False)))
        for place, of in sorted(by_place.items())
    )


def _share(one: Place | None) -> str:
    if one is None or one.share is None:
        return ""
    if one.lower is None or one.upper is None:
        return f"{one.share:.3%}"
    return f"{100 * one.share:.3g}% ({100 * one.lower:.3g} to {100 * one.upper:.3g}%)"


def _shown(one: Place | None) -> str:
    return "" if one is None else count(one.shown)
