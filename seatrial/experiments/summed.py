"""From sums to what is known of a metric: as ``take_sample``, without the units."""

from seatrial.experiments.counted import by_phase, rooted
from seatrial.experiments.measure import Measure
from seatrial.experiments.sample import Sample, weight_left
from seatrial.experiments.shapes import Shape
from seatrial.experiments.sums import Arms, Strata, Sums
from seatrial.experiments.unfolding import Unfolding
from seatrial.experiments.units import STRATUM
from seatrial.releases.run import ReleaseRun
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.effect import Effect
from seatrial.stats.novelty import change_of
from seatrial.stats.phases import combine_phases


def sample_of(sums: Sums, measure: Measure, run: ReleaseRun, now: int) -> Sample:
    """A metric that is summed (``sums.is_summed``).

    Args:
        sums: Of all units of the release.
        measure: Whose.
        run: Says which phases there are.
        now: The moment they are of, microseconds since 1970 UTC.
    """
    shape = measure.shape
    by_stratum = _effects(sums.on_time, shape)
    phases = combine_phases(list(by_stratum.values()))
    return Sample(
        two_valued=shape == "proportion",
        phases=phases,
        arrived=phases.effect if sums.by_now is None else _combined(sums.by_now, shape),
        uncapped=None if sums.uncapped is None else _combined(sums.uncapped, shape),
        by_phase=by_phase(by_stratum),
        counts=_counts(sums, run),
        coverage=_coverage(sums.coverage, measure),
        waiting=sums.waiting,
        censored=sums.censored,
        missing=sums.missing,
        late=sums.late,
        early=sums.early,
        at=now,
        unfolding=_unfolding(sums) if measure.unfolds else None,
    )


def effect_of_arms(arms: Arms, shape: Shape) -> Effect:
    """The effect within one stratum."""
    t, c = arms
    if shape in ("mean", "proportion"):
        return Effect.of_means(t.x, c.x, two_valued=shape == "proportion")
    found = Effect.of_ratios(t, c, two_valued=shape == "share")
    return rooted(found) if shape == "root" else found


def _coverage(strata: Strata, measure: Measure) -> Effect | None:
    if measure.needs_label:
        return _combined(strata, "share")
    return _combined(strata, "mean") if measure.holes else None


def _effects(strata: Strata, shape: Shape) -> dict[int, Effect]:
    return {stratum: effect_of_arms(arms, shape) for stratum, arms in sorted(strata.items())}


def _combined(strata: Strata, shape: Shape) -> Effect:
    return combine_phases(list(_effects(strata, shape).values())).effect


def _counts(sums: Sums, run: ReleaseRun) -> tuple[PhaseCounts, ...]:
    found = []
    for stratum, (t, c) in sorted(sums.events.items()):
        weight = weight_left(run, *divmod(stratum, STRATUM))
        if weight is not None:
            arms = sums.on_time[stratum]
            found.append(PhaseCounts(t, arms[0].n, c, arms[1].n, weight))
    return tuple(found)


def _unfolding(sums: Sums) -> Unfolding:
    """As ``unfolding.unfolding``: the mean of units' courses is the log of the ratio of their totals."""
    before = _combined(sums.before, "mean") if sums.happened else None
    changes = {stratum: change_of(*arms) for stratum, arms in sorted(sums.around.items())}
    told = {stratum: effect for stratum, effect in changes.items() if effect is not None}
    if not told:
        return Unfolding(before=before)
    arms = [sums.around[stratum] for stratum in told]
    early = combine_phases([Effect.of_means(t.x, c.x) for t, c in arms]).effect
    late = combine_phases([Effect.of_means(t.y, c.y) for t, c in arms]).effect
    return Unfolding(combine_phases(list(told.values())).effect, early.relative, late.relative, before)
