"""From a metric's two arms to its effect, adjusted for covariates where it has some, and the results beside it."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from seatrial.analysis.metrics import Metric
from seatrial.analysis.reduce import Arm, Arms
from seatrial.stats.bayes import Bayesian, compare_normal, compare_shares, region
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.contrast import Margin
from seatrial.stats.cuped import Ratio, coefficients, cuped, cuped_ratios
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.exact_proportion import shares_tests
from seatrial.stats.interval import TestResult
from seatrial.stats.minimum import what_is_missing_once
from seatrial.stats.moments import PairMoments
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.uncertain_ratio import Ratios, fieller_test, is_uncertain
from seatrial.stats.unconditional import Table
from seatrial.stats.welch import welch_of


class Measured(NamedTuple):
    """A metric's effect.

    Attributes:
        effect: What is judged.
        unadjusted: Without covariates.
        variance_ratio: Squared standard error of the first over the second's; None where nothing was adjusted.
    """

    effect: Effect
    unadjusted: Effect
    variance_ratio: float | None


def measure(metric: Metric, treatment: Arm | None, control: Arm | None, *, adjust: bool = True) -> Measured:
    """The effect of one metric; an arm that is not there has no units."""
    k = max(arm.moments.k for arm in (treatment, control) if arm is not None)
    t = MultiMoments.nothing(k) if treatment is None else treatment.moments
    c = MultiMoments.nothing(k) if control is None else control.moments
    plain = plain_effect(metric, t, c)
    own = 2 if metric.divided else 1
    few = min(t.n, c.n) < 2 or t.n + c.n < k + 2
    if not adjust or k == own or few or not plain.se > 0 or not coefficients([t, c])[own - 1 :].any():
        return Measured(plain, plain, None)
    if metric.divided:
        adjusted = cuped_ratios(t, c, Ratio(0, 1), list(range(2, k)))
    else:
        adjusted = cuped(t, c, two_valued=metric.kind == "proportion")
    return Measured(adjusted.effect, plain, adjusted.variance_ratio)


def plain_effect(metric: Metric, treatment: MultiMoments, control: MultiMoments) -> Effect:
    """The effect without covariates."""
    if metric.divided:
        return Effect.of_ratios(_pair(treatment), _pair(control), two_valued=metric.kind == "proportion")
    return Effect.of_means(treatment.column(0), control.column(0), two_valued=metric.kind == "proportion")


def ratios_of(metric: Metric, phases: Sequence[Arms], treatment: str, control: str) -> tuple[Ratios, ...]:
    """Both arms' totals above and below the line in each phase that has both; none of what is no ratio."""
    both = [(arms[treatment], arms[control]) for arms in phases if treatment in arms and control in arms]
    return tuple(Ratios(_pair(t.moments), _pair(c.moments)) for t, c in both) if metric.divided else ()


def counts_of(metric: Metric, arms: Arms, treatment: str, control: str, weight: float) -> tuple[PhaseCounts, ...]:
    """Units with and without the event, for the exact sequence; none where there are no events."""
    table = _table(metric, arms, treatment, control)
    return () if table is None else (PhaseCounts(*table, weight),)


def tests_of(measured: Measured, table: Table | None, ratios: Sequence[Ratios], alpha: float) -> tuple[TestResult, ...]:
    """Classical results of the same units, for one look; ``table`` is of a share of one phase."""
    found = [welch_of(measured.effect, alpha)]
    if is_uncertain(ratios) and measured.unadjusted.se > 0:
        found.append(fieller_test(ratios, degrees_of(measured.unadjusted), alpha))
    if measured.variance_ratio is not None:
        found.append(msgspec.structs.replace(welch_of(measured.unadjusted, alpha), method="Welch's t, unadjusted"))
    if table is not None:
        found += shares_tests(*table, alpha)
    return tuple(found)


def bayesian_of(
    metric: Metric, measured: Measured, table: Table | None, smallest: Margin | None = None, alpha: float = 0.05
) -> Bayesian | None:
    """A posterior comparison, of which more is better; ``smallest`` is the effect below which all is the same."""
    effect = measured.effect
    if min(effect.n_treatment, effect.n_control) < 2:
        return None
    if table is not None and measured.variance_ratio is None:
        found = compare_shares(*table, alpha=alpha, rope=region(smallest, effect.control_mean))
    elif effect.se_unpooled > 0:
        found = compare_normal(effect, alpha=alpha, rope=region(smallest, effect.control_mean))
    else:
        return None
    if metric.want == "higher":
        return found
    return msgspec.structs.replace(
        found, p_better=1 - found.p_better, loss_treatment=found.loss_control, loss_control=found.loss_treatment
    )


def table_of(metric: Metric, arms: Arms, treatment: str, control: str) -> Table | None:
    """Units with the event, and all, for exact methods; none where there are no events."""
    table = _table(metric, arms, treatment, control)
    return None if table is None else Table(*table)


def is_small(measured: Measured) -> bool:
    """Whether there is too little for a normal approximation, so that one look is judged exactly, and not adjusted."""
    return what_is_missing_once(measured.unadjusted) is not None


def _table(metric: Metric, arms: Arms, treatment: str, control: str) -> tuple[int, int, int, int] | None:
    t, c = arms.get(treatment), arms.get(control)
    if metric.kind != "proportion" or metric.divided or t is None or c is None:
        return None
    return round(t.moments.column(0).total), t.moments.n, round(c.moments.column(0).total), c.moments.n


def _pair(arm: MultiMoments) -> PairMoments:
    (xx, xy), (_, yy) = (row[:2] for row in arm.products[:2])
    return PairMoments(arm.n, arm.means[0], arm.means[1], xx, yy, xy)
