"""Verdicts at every look that need no normal approximation: bounded means by betting, quantiles by order statistics.

Both read the counted units one by one, in order of exposure. A unit's chance is that of its stratum, known before it
came: the weights of its phase, and of the phases that its window saw.
"""

import numpy as np

from seatrial.experiments.asks import Ask
from seatrial.experiments.counted import Counted, Values
from seatrial.experiments.measure import Measure
from seatrial.experiments.sample import Sample, weight_left
from seatrial.experiments.units import STRATUM
from seatrial.releases.run import ReleaseRun
from seatrial.stats.bounded import Bounded, bounded_evidence
from seatrial.stats.by_evidence import judge_by
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.quantile_difference import quantile_evidence
from seatrial.stats.statement import no_data
from seatrial.stats.verdict import Verdict


def judge_exactly(ask: Ask, sample: Sample, measure: Measure, run: ReleaseRun) -> Verdict | None:
    """The verdict of a quantile, or of a mean with a declared range; None for another metric."""
    if sample.counted is None:
        return None
    if measure.shape == "quantile":
        return _quantile(ask, sample, sample.counted)
    return None if measure.range is None else _bounded(ask, sample, sample.counted, measure.range, run)


def _bounded(ask: Ask, sample: Sample, counted: Counted, bounds: tuple[float, float], run: ReleaseRun) -> Verdict:
    chance = chances(counted, run)
    here = counted.here & np.isfinite(chance)
    units = Bounded.of(counted.x[here], counted.treatment[here], chance[here], *bounds)
    if not (units.treated.any() and not units.treated.all()):
        return no_data(sample.effect, ask.question, ask.part, "always-valid", "one arm has no matured units")
    return judge_by(sample.effect, ask.question, ask.part, lambda levels: bounded_evidence(units, levels))


def _quantile(ask: Ask, sample: Sample, counted: Counted) -> Verdict:
    phases = counted.arms()
    fewest = min(sample.effect.n_treatment, sample.effect.n_control)
    if fewest < MINIMUM_UNITS:
        reason = f"{fewest} of {MINIMUM_UNITS} matured units in the smaller arm"
        return no_data(sample.effect, ask.question, ask.part, "always-valid", reason)
    return judge_by(sample.effect, ask.question, ask.part, lambda levels: quantile_evidence(phases, counted.q, levels))


def chances(counted: Counted, run: ReleaseRun) -> Values:
    """The chance [n] with which each counted unit was drawn to be the challenger's, of these two arms; NaN: unknown."""
    found = np.full(len(counted.here), np.nan)
    for stratum, here in counted.parts().items():
        weight = weight_left(run, *divmod(stratum, STRATUM))
        if weight is not None:
            found[here] = weight
    return found
