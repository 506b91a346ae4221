"""Two arms on one metric, in one call: the verdict, and the classical and Bayesian results beside it."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.spec.errors import BadInput
from seatrial.stats.at_once import judge_at_once
from seatrial.stats.bayes import Bayesian, compare_normal, compare_shares
from seatrial.stats.bounded import Bounded, bounded_evidence
from seatrial.stats.by_evidence import judge_by
from seatrial.stats.conditional import PhaseCounts
from seatrial.stats.contrast import Margin
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Method
from seatrial.stats.exact_proportion import shares_tests
from seatrial.stats.interval import TestResult
from seatrial.stats.minimum import MINIMUM_UNITS
from seatrial.stats.moments import Moments, PairMoments, as_moments
from seatrial.stats.primary import judge_primary
from seatrial.stats.quantile_difference import Arms, quantile_effect, quantile_evidence
from seatrial.stats.statement import no_data
from seatrial.stats.uncertain_ratio import Ratios, fieller_test, is_uncertain
from seatrial.stats.verdict import Question, Verdict, Want
from seatrial.stats.welch import welch_of


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What ``compare_*`` give back.

    Attributes:
        verdict: The answer.
        tests: Fixed-horizon results, shown beside it.
        bayesian: The posterior comparison; None where there is no spread yet, or for quantiles.
    """

    verdict: Verdict
    tests: tuple[TestResult, ...] = ()
    bayesian: Bayesian | None = None


def compare_means(
    treatment: Moments | Sequence[float] | NDArray[np.float64],
    control: Moments | Sequence[float] | NDArray[np.float64],
    *,
    metric: str = "mean",
    want: Want = "higher",
    minimum_effect: Margin | None = None,
    alpha: float = 0.05,
    plan_units: float = 5000,
    method: Method = "always-valid",
) -> Comparison:
    """Means of one value a unit.

    Args:
        treatment: The challenger's moments, or its values [n].
        control: The champion's.
        metric: A name for the sentence.
        want: Whether higher or lower is better.
        minimum_effect: The smallest difference cared about; enables ``equivalent``.
        alpha: Chance of ever claiming a difference that is not there.
        plan_units: Units of both arms at which the interval is narrowest.
        method: ``always-valid``, or ``fixed`` for one look at a planned end.

    Example:
        >>> compare_means([1.0] * 80 + [3.0] * 80, [0.0] * 80 + [2.0] * 80).verdict.word
        'better'
    """
    effect = Effect.of_means(as_moments(treatment), as_moments(control))
    question = _question(metric, want, minimum_effect, alpha, plan_units)
    return Comparison(
        verdict=judge_primary(effect, question, method=method),
        tests=(welch_of(effect, alpha),),
        bayesian=_normal(effect, alpha),
    )


def compare_proportions(
    treatment_successes: int,
    treatment_units: int,
    control_successes: int,
    control_units: int,
    *,
    metric: str = "proportion",
    want: Want = "higher",
    minimum_effect: Margin | None = None,
    alpha: float = 0.05,
    plan_units: float = 5000,
    method: Method = "always-valid",
    weight: float | None = None,
) -> Comparison:
    """Shares of units. ``weight`` is the treatment's configured share of the units of these two arms: with it the
    exact sequence speaks where there are too few units or events for the asymptotic one.
    """
    effect = Effect.of_means(
        Moments.from_counts(treatment_successes, treatment_units),
        Moments.from_counts(control_successes, control_units),
        two_valued=True,
    )
    counts = (treatment_successes, treatment_units, control_successes, control_units)
    exact = () if weight is None else (PhaseCounts(*counts, weight),)
    question = _question(metric, want, minimum_effect, alpha, plan_units)
    both = treatment_units > 0 and control_units > 0
    return Comparison(
        verdict=judge_primary(effect, question, counts=exact, method=method),
        tests=shares_tests(*counts, alpha),
        bayesian=compare_shares(*counts, alpha=alpha) if both else None,
    )


def compare_ratios(
    treatment: PairMoments,
    control: PairMoments,
    *,
    metric: str = "ratio",
    want: Want = "higher",
    minimum_effect: Margin | None = None,
    alpha: float = 0.05,
    plan_units: float = 5000,
    method: Method = "always-valid",
    two_valued: bool = False,
) -> Comparison:
    """Ratios of totals by unit (delta method): x the numerator, y the denominator.

    ``two_valued`` when x counts some of y's items, as right answers among answers: then both kinds must have been
    seen ten times in each arm.
    """
    effect = Effect.of_ratios(treatment, control, two_valued=two_valued)
    question = _question(metric, want, minimum_effect, alpha, plan_units)
    ratios, known = (Ratios(treatment, control),), min(effect.n_treatment, effect.n_control) > 1
    tests = (welch_of(effect, alpha),) if known else ()
    if known and effect.se > 0 and is_uncertain(ratios):
        tests = (*tests, fieller_test(ratios, degrees_of(effect), alpha))
    return Comparison(
        verdict=judge_at_once(effect, question, "primary", ratios=ratios)
        if method == "fixed"
        else judge_primary(effect, question, method=method),
        tests=tests,
        bayesian=_normal(effect, alpha),
    )


def compare_quantiles(
    treatment: ArrayLike,
    control: ArrayLike,
    q: float,
    *,
    metric: str = "quantile",
    want: Want = "lower",
    minimum_effect: Margin | None = None,
    alpha: float = 0.05,
    method: Method = "always-valid",
) -> Comparison:
    """Quantiles of one observation a unit, treatment [n], control [m]; each arm's interval at alpha / 2."""
    if method not in ("always-valid", "fixed"):
        raise BadInput(f"quantiles have no {method} interval; use always-valid, or fixed at a planned end")
    arms = Arms.of(treatment, control)
    effect = quantile_effect(arms, q)
    question = _question(metric, want, minimum_effect, alpha, 1)
    if arms.fewest < MINIMUM_UNITS:
        reason = f"{arms.fewest} of {MINIMUM_UNITS} units in the smaller arm"
        return Comparison(verdict=no_data(effect, question, "primary", method, reason))
    return Comparison(
        verdict=judge_by(effect, question, "primary", lambda levels: quantile_evidence([arms], q, levels, method))
    )


def compare_bounded(
    values: ArrayLike,
    treated: ArrayLike,
    chance: ArrayLike,
    low: float,
    high: float,
    *,
    metric: str = "mean",
    want: Want = "higher",
    minimum_effect: Margin | None = None,
    alpha: float = 0.05,
) -> Comparison:
    """Means of a metric that cannot leave ``low`` to ``high``, by betting: exact, valid at every look.

    Args:
        values: One a unit [n], both arms, in order of exposure.
        treated: Whether the unit is the treatment's [n].
        chance: The chance with which it was drawn to be: a number or [n].
        low: The smallest value there can be.
        high: The largest.
        metric: A name for the sentence.
        want: Whether higher or lower is better.
        minimum_effect: The smallest difference cared about; enables ``equivalent``.
        alpha: Chance of ever claiming a difference that is not there.
    """
    units = Bounded.of(values, treated, chance, low, high)
    x, t = units.values, units.treated
    effect = Effect.of_means(Moments.from_values(x[t]), Moments.from_values(x[~t]))
    question = _question(metric, want, minimum_effect, alpha, 1)
    if not (t.any() and (~t).any()):
        return Comparison(verdict=no_data(effect, question, "primary", "always-valid", "one arm has no units"))
    return Comparison(verdict=judge_by(effect, question, "primary", lambda levels: bounded_evidence(units, levels)))


def _question(metric: str, want: Want, margin: Margin | None, alpha: float, plan_units: float) -> Question:
    margin = None if margin is None else margin.checked()
    return Question(
        metric=metric,
        want=want,
        margin=margin,
        alpha=alpha,
        plan_units=plan_units,
        treatment="treatment",
        control="control",
    )


def _normal(effect: Effect, alpha: float) -> Bayesian | None:
    return compare_normal(effect, alpha=alpha) if effect.se_unpooled > 0 else None
