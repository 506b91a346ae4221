"""Checks of trust for files: whether what was counted can be believed at all, before any effect is looked at."""

import math
from collections.abc import Mapping, Sequence

from seatrial.analysis.crowd import Crowd
from seatrial.analysis.metrics import Metric
from seatrial.analysis.phases import Shares
from seatrial.analysis.reduce import Counts, Phased
from seatrial.analysis.verdicts import Check, How
from seatrial.spec.units import show_count, show_moment
from seatrial.stats.chi_squared import chi_squared_within
from seatrial.stats.effect import Effect
from seatrial.stats.gaps import lagging, silences
from seatrial.stats.holm import holm
from seatrial.stats.novelty import Novelty
from seatrial.stats.sample_ratio import FIXED_ALPHA, PhaseShares, chi_squared_sample_ratio, sample_ratio
from seatrial.stats.welch import welch_of

ALPHA = FIXED_ALPHA
"""Level of every check, after Holm where it looks at several metrics."""


def check_sample_ratio(
    units: Mapping[str, Mapping[str, int]], shares: Shares, method: How, *, stated: bool, phase: str = ""
) -> Check:
    """Whether the variants have the units that their shares lead one to expect.

    Args:
        units: By phase and variant, before any exclusion.
        shares: What each was to get in it.
        method: Chi-squared at 0.001 for one look, else the sequential Bayes factor.
        stated: Whether the shares were stated, or taken to be equal.
        phase: What the phases are called, if there are any.
    """
    if method == "fixed":
        value = min(holm([chi_squared_sample_ratio(units[name], shares[name]) for name in units]))
        failed = value < ALPHA
    else:
        found = sample_ratio([PhaseShares(units[name], shares[name]) for name in units])
        value = 0.0 if found.log_bayes_factor is None else math.exp(-min(max(found.log_bayes_factor, 0.0), 700.0))
        failed = found.failed
    pairs = "; ".join(
        (f"in {phase} {name} " if phase else "")
        + ", ".join(
            f"{v} {show_count(counts.get(v, 0))} (expected {show_count(round(sum(counts.values()) * share))})"
            for v, share in shares[name].items()
        )
        for name, counts in units.items()
    )
    sentence = f"The variants have the units that were expected: {pairs}."
    if failed:
        each = " in each phase" if phase else ""
        mend = "" if stated else f", or state the shares that they were drawn in{each} (--shares)"
        sentence = (
            f"The variants do not have the units that were expected: {pairs}; find out what is lost or counted "
            f"twice{mend}."
        )
    return Check(name="sample-ratio", ok=not failed, withholds=True, value=value, sentence=sentence)


def check_both_arms(crowd: Crowd) -> Check:
    """Whether a unit, or a cluster, met two variants."""
    if crowd.both == 0:
        sentence = f"No {crowd.what} met two variants."
    else:
        who = f"{show_count(crowd.both)} {crowd.what}s met" if crowd.both > 1 else f"1 {crowd.what} met"
        sentence = f"{who} two variants (for example {crowd.one!r}): ids are shared, or the assignment changed midway."
    return Check(name="both-arms", ok=crowd.both == 0, withholds=True, value=float(crowd.both), sentence=sentence)


def check_coverage(metrics: Sequence[Metric], phased: Phased, variants: Sequence[str]) -> Check:
    """Whether the variants lack equally many values; chi-squared at 0.001 within phases, Holm over the metrics."""
    tables = {
        metric.name: [
            {v: (one[v].moments.n, one[v].missing) for v in variants if v in one}
            for one in (metrics[metric.name] for metrics in phased.values())
        ]
        for metric in metrics
    }
    lacking = {
        name: phases for name, phases in tables.items() if any(gone for one in phases for _, gone in one.values())
    }
    found = [chi_squared_within([list(one.values()) for one in phases]) for phases in lacking.values()]
    values = holm([1.0 if p is None else p for p in found])
    unequal = [name for name, p in zip(lacking, values, strict=True) if p < ALPHA]
    if unequal:
        said = "; ".join(f"{name} {_shares_missing(lacking[name], variants)}" for name in unequal)
        sentence = f"The variants lack unequal shares of their values: {said}; find out why before you compare them."
    elif lacking:
        sentence = f"Values are missing equally in all variants: {', '.join(lacking)}."
    else:
        sentence = "No values are missing."
    return Check(
        name="label-coverage", ok=not unequal, withholds=True, value=min(values, default=None), sentence=sentence
    )


def _shares_missing(phases: Sequence[Mapping[str, tuple[int, int]]], variants: Sequence[str]) -> str:
    sums = {v: [sum(one[v][i] for one in phases if v in one) for i in (0, 1)] for v in variants}
    return ", ".join(f"{gone / (n + gone):.1%} of {variant}" for variant, (n, gone) in sums.items() if n + gone)


def check_covariates(found: Mapping[str, Sequence[Effect]]) -> tuple[Check, frozenset[str]]:
    """Whether covariates are balanced; those that are not are not adjusted for.

    Args:
        found: By covariate its effect in each treatment.

    Returns:
        The check, and the names that are out of balance.
    """
    names = [name for name, effects in found.items() for _ in effects]
    values = holm([_balance(effect) for effects in found.values() for effect in effects])
    odd = tuple(dict.fromkeys(name for name, p in zip(names, values, strict=True) if p < ALPHA))
    sentence = (
        f"{', '.join(odd)} differed between the variants before the exposure, or was not measured before it; it is not "
        "adjusted for."
        if odd
        else f"The variants were alike before the exposure in {', '.join(found)}."
    )
    check = Check(name="covariates", ok=not odd, withholds=False, value=min(values, default=None), sentence=sentence)
    return check, frozenset(odd)


def _balance(effect: Effect) -> float:
    """The p-value of two alike means; 0 where each arm has one value of its own, as when it is the variant itself."""
    p_value = welch_of(effect).p_value
    if p_value is not None:
        return p_value
    same = math.isclose(effect.treatment_mean, effect.control_mean, rel_tol=1e-9, abs_tol=1e-300)
    return 1.0 if same else 0.0


def check_phases(found: Mapping[str, Sequence[float]]) -> Check:
    """Whether phases tell the same story; ``found`` are p-values of Cochran's Q by metric, Holm over all of them."""
    names = [name for name, many in found.items() for _ in many]
    values = holm([p for many in found.values() for p in many])
    odd = list(dict.fromkeys(name for name, p in zip(names, values, strict=True) if p < ALPHA))
    sentence = (
        f"The effect on {', '.join(odd)} is not the same in all phases; find out why before you rely on their mean."
        if odd
        else "The phases do not contradict each other."
    )
    return Check(name="phases", ok=not odd, withholds=False, value=min(values, default=None), sentence=sentence)


def check_novelty(found: Mapping[str, Sequence[Novelty]]) -> Check:
    """Whether an effect wears off or grows within a unit's window; Holm over metrics and treatments."""
    flat = [(name, one) for name, many in found.items() for one in many]
    values = holm([one.p_value for _, one in flat])
    odd = [(name, one) for (name, one), p in zip(flat, values, strict=True) if p < ALPHA]
    if odd:
        said = "; ".join(
            f"{name} {one.early:+.1%} in the first third of the window, {one.late:+.1%} after it" for name, one in odd
        )
        sentence = f"The effect changes with the time since the exposure: {said}; where it settles is not shown yet."
    else:
        sentence = f"The effect does not change with the time since the exposure in {', '.join(found)}."
    return Check(name="novelty", ok=not odd, withholds=False, value=min(values, default=None), sentence=sentence)


def check_carry_over(found: Mapping[str, Sequence[Effect]]) -> Check:
    """Whether the variants differed before the exposure in what is measured after it; Holm over all of them."""
    flat = [(name, effect) for name, many in found.items() for effect in many]
    values = holm([_balance(effect) for _, effect in flat])
    odd = list(dict.fromkeys(name for (name, _), p in zip(flat, values, strict=True) if p < ALPHA))
    sentence = (
        f"The variants differed in {', '.join(odd)} before anybody was exposed: something earlier carries over, or the "
        "split is not random; draw units anew with another salt."
        if odd
        else f"The variants were alike in {', '.join(found)} before the exposure."
    )
    return Check(name="carry-over", ok=not odd, withholds=False, value=min(values, default=None), sentence=sentence)


def check_gaps(counts: Counts, shares: Shares) -> Check:
    """Whether exposures or outcomes fell silent in the midst of traffic, or one variant's exposures lagged."""
    said = [
        f"{what} from {_moment(counts, gap.first)} to {_moment(counts, gap.last + 1)}"
        for what, numbers in [("no exposures", counts.exposures), *((f"no {n}", c) for n, c in counts.outcomes.items())]
        for gap in silences(numbers)
    ]
    for phase, units in counts.units.items():
        names = [name for name in shares[phase] if name in units]
        lags = lagging(
            [units[name] for name in names], [shares[phase][name] for name in names], ALPHA / len(counts.units)
        )
        said += [f"too few units of {names[arm]} from {_moment(counts, at)}" for arm, at in lags[:_MOST_NAMED]]
    more = f", and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
    sentence = (
        f"The logs have gaps: {'; '.join(said[:_MOST_NAMED])}{more} (UTC); find out what was lost."
        if said
        else "The logs have no gaps."
    )
    return Check(name="logging-gaps", ok=not said, withholds=False, value=float(len(said)), sentence=sentence)


_MOST_NAMED = 3


def _moment(counts: Counts, interval: int) -> str:
    return show_moment(counts.first + interval * counts.step).removesuffix("Z")


def reasons(failed: Sequence[Check]) -> str:
    """Why no verdict is given, in words that end a sentence."""
    return " and ".join(_REASONS[check.name] for check in failed)


_REASONS = {
    "sample-ratio": "the variants do not have the units that were expected",
    "changing-shares": "the shares in which units arrive change over time",
    "both-arms": "units met two variants",
    "unexposed-outcomes": "the outcomes are of units that were never exposed",
    "early-outcomes": "the outcomes lie before the exposures",
    "repeated-outcomes": "outcomes stand twice",
    "label-coverage": "the variants lack unequal shares of their values",
}
