"""Checks of trust: whether what was counted can be believed at all. A failed one withholds every verdict, or warns."""

import math
from collections.abc import Mapping

import msgspec

from seatrial.experiments.balance import differs
from seatrial.experiments.covariates import known_as
from seatrial.experiments.judgement import Check
from seatrial.experiments.outcome_ids import SharedIds
from seatrial.experiments.sample import Sample
from seatrial.experiments.sentences import plural
from seatrial.experiments.units import RowCounts
from seatrial.releases.run import ReleaseRun
from seatrial.spec.units import show_count
from seatrial.stats.bernoulli import share_sequence
from seatrial.stats.effect import Effect
from seatrial.stats.holm import holm
from seatrial.stats.phases import HETEROGENEITY_ALPHA
from seatrial.stats.sample_ratio import PhaseShares, sample_ratio

COVERAGE_ALPHA = 0.001
"""Over all looks and all metrics with labels."""

DROPPED_SHARE = 0.001
"""Rows that the ledger had to drop, of all rows, above which verdicts are withheld."""

DROPPED_ALPHA = 0.001
"""Over all looks: the level at which the arms lost rows unequally."""


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were served and never written.

    Attributes:
        dropped: Of the whole deployment.
        by_variant: Of them, those whose variant is known (a crash tells none).
    """

    dropped: int = 0
    by_variant: dict[str, int] = {}

    def since(self, before: "Losses") -> "Losses":
        """What was lost after ``before``."""
        return Losses(
            dropped=max(0, self.dropped - before.dropped),
            by_variant={arm: max(0, n - before.by_variant.get(arm, 0)) for arm, n in self.by_variant.items()},
        )


def check_sample_ratio(fresh: Mapping[int, Mapping[str, int]], run: ReleaseRun) -> Check:
    """Whether each phase's fresh units arrive in its weights; sequential, so it may be asked at every look."""
    shares = [
        PhaseShares(fresh.get(phase.number, {}), {arm.variant: arm.weight for arm in phase.arms})
        for phase in run.phases
    ]
    result = sample_ratio(shares)
    return Check(
        name="sample-ratio",
        ok=not result.failed,
        withholds=True,
        value=result.log_bayes_factor,
        sentence=_sentence(result.sentence),
    )


def check_dropped(losses: Losses, rows: RowCounts, run: ReleaseRun) -> Check:
    """Whether rows were lost: too many of all, or more in one arm than in the other.

    Args:
        losses: Rows that were served and never written.
        rows: Rows that were written.
        run: Names the two arms.
    """
    served = losses.dropped + rows.total
    share = losses.dropped / served if served else 0.0
    unequal = _lost_unequally(losses, rows, run)
    what = f"{losses.dropped} of {served} rows were dropped"
    return Check(
        name="dropped-rows",
        ok=share <= DROPPED_SHARE and not unequal,
        withholds=True,
        value=share,
        sentence=f"{what}, more in one arm than in the other." if unequal else f"{what} ({share:.2%}).",
    )


def _lost_unequally(losses: Losses, rows: RowCounts, run: ReleaseRun) -> bool:
    """Whether the lost rows fall on the arms otherwise than the written ones; may be asked at every look."""
    lost = [losses.by_variant.get(arm, 0) for arm in (run.champion, run.challenger)]
    written = [rows.by_variant.get(arm, 0) for arm in (run.champion, run.challenger)]
    if not sum(lost) or not sum(written):
        return False
    expected = (written[0] + lost[0]) / (sum(written) + sum(lost))
    return not share_sequence(lost[0], sum(lost), DROPPED_ALPHA).contains(expected)


def check_both_arms(units: int) -> Check:
    """Whether a unit met two variants within one phase, where its variant is a pure function of its name."""
    return Check(
        name="both-arms",
        ok=units == 0,
        withholds=True,
        value=float(units),
        sentence="No unit met two variants within one phase."
        if units == 0
        else f"{units} units met two variants within one phase: their ids are shared, or not assigned here.",
    )


def check_crossers(people: int | None, units: int, unit: str) -> tuple[Check, ...]:
    """How many were met in both arms because they went by several names; shown, and nothing fails by it.

    Each is in the arm of its first exposure, as it was drawn, so arms stay alike; what the other arm did to it draws
    the effect towards 0; ``units``: all of them. None where nobody goes by several names.
    """
    if people is None:
        return ()
    share = people / max(units, 1)
    sentence = (
        f"{show_count(people)} of {show_count(units)} {plural(unit)} ({share:.2%}) were met in both arms "
        "under several names; each counts where it was met first."
        if people
        else f"No {unit} was met in both arms under several names."
    )
    return (Check(name="crossers", ok=True, withholds=False, value=float(people), sentence=sentence),)


def check_outcome_ids(shared: SharedIds) -> Check:
    """Whether each outcome is one unit's: an id that units of both arms have is nobody's."""
    who = "ids of outcomes are" if shared.n > 1 else "id of an outcome is"
    return Check(
        name="outcome-ids",
        ok=shared.n == 0,
        withholds=True,
        value=float(shared.n),
        sentence="No id of an outcome is shared by units of both variants."
        if shared.n == 0
        else f"{shared.n} {who} shared by units of both variants (for example {shared.one!r}): give every outcome an "
        "id of its own.",
    )


def check_coverage(coverage: Mapping[str, Effect], run: ReleaseRun) -> Check:
    """Whether both arms have equally many of the labels, and of the numbers of outcomes, that they want; sequential.

    Args:
        coverage: By metric, labels there are of labels wanted, as a ratio by unit, or units without a hole.
        run: For the planned number of units.
    """
    unequal = [
        name for name, effect in coverage.items() if differs(effect, COVERAGE_ALPHA / len(coverage), run.plan_units)
    ]
    if unequal:
        said = "; ".join(_coverage(name, coverage[name]) for name in unequal)
        sentence = f"The arms have unequal shares of their labels or numbers: {said}."
    elif coverage:
        said = "; ".join(_coverage(*item) for item in coverage.items())
        sentence = f"Labels and numbers are there equally in both arms: {said}."
    else:
        sentence = "No metric needs labels or numbers."
    gaps = [abs(effect.effect) for effect in coverage.values() if math.isfinite(effect.effect)]
    return Check(
        name="label-coverage", ok=not unequal, withholds=True, value=max(gaps, default=None), sentence=sentence
    )


def check_phases(samples: Mapping[str, Sample]) -> Check:
    """Whether the phases contradict each other: Cochran's Q by metric, Holm over metrics; a warning."""
    names = list(samples)
    adjusted = holm([samples[name].phases.p_value for name in names])
    odd = [name for name, p in zip(names, adjusted, strict=True) if p < HETEROGENEITY_ALPHA]
    return Check(
        name="phases",
        ok=not odd,
        withholds=False,
        value=min(adjusted, default=None),
        sentence=f"The phases disagree about {', '.join(odd)}: look at them one by one."
        if odd
        else "The phases do not contradict each other.",
    )


def check_covariates(samples: Mapping[str, Sample]) -> tuple[Check, ...]:
    """Whether each covariate is as it must be from before the exposure; a warning, for a refused one is not used.

    None where no metric has one.
    """
    found = {name: s.adjustment for name, s in samples.items() if s.adjustment is not None}
    if not found:
        return ()
    refused = [
        f"{name} is not adjusted for {known_as(a.covariates)}, because {a.refused}"
        for name, a in found.items()
        if a.refused
    ]
    return (
        Check(
            name="covariates",
            ok=not refused,
            withholds=False,
            value=float(len(refused)),
            sentence=f"{'; '.join(refused)}." if refused else "Covariates are alike in both arms.",
        ),
    )


def _coverage(name: str, effect: Effect) -> str:
    if not math.isfinite(effect.effect):
        return f"{name} none yet"
    return f"{name} {effect.treatment_mean:.1%} of the challenger's and {effect.control_mean:.1%} of the champion's"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
