"""Verdicts of metrics that rank or sort answers one by one: no sequence of them is known, so they hold for one look.

They never act in a release that may be looked at any time; in one of the method ``fixed`` an AUC may decide, once.
"""

import math

from seatrial.experiments.asks import Ask
from seatrial.experiments.counted import Counted
from seatrial.experiments.scores import calibration_of
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence
from seatrial.stats.interval import Interval
from seatrial.stats.minimum import MINIMUM_EVENTS, MINIMUM_UNITS
from seatrial.stats.primary import judge_primary, word_of
from seatrial.stats.statement import no_data, stated
from seatrial.stats.verdict import Verdict


def judge_once(ask: Ask, effect: Effect, counted: Counted) -> Verdict:
    """The verdict of an AUC, or of a calibration error, on what is counted now."""
    if counted.shape == "auc":
        if effect.n and (missing := _missing_of_area(effect)):
            return no_data(effect, ask.question, ask.part, "fixed", missing)
        return judge_primary(effect, ask.question, role=ask.part, method="fixed")
    return _calibration(ask, effect, counted)


def _missing_of_area(effect: Effect) -> str:
    """Why an area has no error, in words that end a sentence; "" where it has one, or its minimum says why not."""
    if effect.se > 0:
        return ""
    if effect.events is None or not effect.events.fewest > 0:
        return "labels of both kinds are missing in an arm"
    if effect.events.fewest < MINIMUM_EVENTS:
        return ""
    if math.isnan(effect.se_unpooled):
        return "between two changes of weights an arm has fewer than two labels of a kind"
    return "in both arms every pair of rows is ranked alike, so nothing can be said about the spread"


def _missing_of_calibration(effect: Effect) -> str:
    """Units or labels of a kind; "" when there are enough. An arm whose rare label never came has next to no noise: of
    100 units of 1 % beside 9 900, 36 % claims without a difference."""
    units = min(effect.n_treatment, effect.n_control)
    if units < MINIMUM_UNITS:
        return f"{units} of {MINIMUM_UNITS} matured units in the smaller arm"
    labels = 0.0 if effect.events is None else effect.events.fewest
    return f"{labels:.0f} of {MINIMUM_EVENTS} labels of each kind for each variant" if labels < MINIMUM_EVENTS else ""


def _calibration(ask: Ask, effect: Effect, counted: Counted) -> Verdict:
    """From each arm's own interval at half of alpha; phases have no common one, so there must be a single stratum."""
    question = ask.question
    strata = len(set(counted.strata[counted.here].tolist()))
    missing = _missing_of_calibration(effect)
    if missing or strata > 1:
        apart = "it cannot be combined over changes of weights; each variant's own stands beside"
        return no_data(effect, question, ask.part, "fixed", missing or apart)
    arms = (counted.here & counted.treatment, counted.here & ~counted.treatment)
    t, c = (calibration_of(counted, arm, question.alpha / 2) for arm in arms)
    assert t is not None
    assert c is not None
    interval = Interval(t[1].lower - c[1].upper, t[1].upper - c[1].lower)
    evidence = Evidence(
        method=f"{100 * (1 - question.alpha):.4g}% interval from each arm's own, for one look",
        absolute=interval,
        relative=None,
        beyond=lambda shift: _shifted(interval, shift.size * (c[0] if shift.scale == "relative" else 1.0)),
        p_value=lambda _shift, _side: math.nan,
    )
    found = Effect(
        n_treatment=effect.n_treatment,
        n_control=effect.n_control,
        treatment_mean=t[0],
        control_mean=c[0],
        treatment_variance=math.nan,
        control_variance=math.nan,
        treatment_variance_pooled=math.nan,
        control_variance_pooled=math.nan,
    )
    return stated(found, question, evidence, role=ask.part, word=word_of(evidence, question), p_value=math.nan)


def _shifted(interval: Interval, by: float) -> Interval:
    return Interval(interval.lower - by, interval.upper - by)
