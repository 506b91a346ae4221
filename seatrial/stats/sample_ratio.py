"""Did each variant get the share of units it should? If not, no verdict can be believed.

While one looks: a sequential Bayes factor, Dirichlet-multinomial against the configured weights, multiplied over
phases; under a correct split it exceeds 100 at any look ever with probability below 1 %. At a planned end, and for
files: chi-squared.

References:
    Lindon, Malek (2022), Anytime-valid inference for multinomial count data, NeurIPS.
    Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments, KDD.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec
from scipy.special import chdtrc, gammaln

from seatrial.spec.errors import BadInput

CONCENTRATION = 1000.0
"""Prior counts spread over the variants in proportion to their weights."""

ALARM = 100.0
"""Bayes factor above which verdicts are withheld."""

FIXED_ALPHA = 0.001
"""Level of the chi-squared test at a planned end."""


class PhaseShares(msgspec.Struct, frozen=True):
    """One phase: fresh units counted before any exclusion, and the weights they were drawn by (any positive scale)."""

    counts: Mapping[str, int]
    weights: Mapping[str, float]


class SampleRatio(msgspec.Struct, frozen=True, kw_only=True):
    """The check's result.

    Attributes:
        log_bayes_factor: ln of the evidence for "not the configured weights"; None when infinite (units in a variant
            of weight 0).
        failed: Whether verdicts must be withheld.
        counts: Units per variant over all phases.
        expected: What the weights lead one to expect.
        sentence: The result in words.
    """

    log_bayes_factor: float | None
    failed: bool
    counts: dict[str, int]
    expected: dict[str, float]
    sentence: str


def sample_ratio(phases: Sequence[PhaseShares]) -> SampleRatio:
    """The sequential check over all phases; may be asked at any time and any number of times."""
    evidence = sum(_log_bayes_factor(phase) for phase in phases)
    counts: dict[str, int] = {}
    expected: dict[str, float] = {}
    for phase in phases:
        total, scale = sum(phase.counts.values()), sum(phase.weights.values())
        for variant in sorted(phase.counts.keys() | phase.weights.keys()):
            counts[variant] = counts.get(variant, 0) + phase.counts.get(variant, 0)
            share = phase.weights.get(variant, 0.0) / scale
            expected[variant] = expected.get(variant, 0.0) + share * total
    failed = evidence > math.log(ALARM)
    return SampleRatio(
        log_bayes_factor=evidence if math.isfinite(evidence) else None,
        failed=failed,
        counts=counts,
        expected=expected,
        sentence=_sentence(failed, counts, expected),
    )


def chi_squared_sample_ratio(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    """The p-value of Pearson's test against the weights, for one look; below ``FIXED_ALPHA`` the split is broken."""
    variants = _variants(counts, weights)
    total, scale = sum(counts.values()), sum(weights.values())
    drawn = [v for v in variants if weights.get(v, 0.0) > 0]
    if any(counts.get(v, 0) for v in variants if v not in drawn):
        return 0.0
    if total == 0 or len(drawn) < 2:
        return 1.0
    statistic = sum((counts.get(v, 0) - total * weights[v] / scale) ** 2 / (total * weights[v] / scale) for v in drawn)
    return float(chdtrc(len(drawn) - 1, statistic))


def _log_bayes_factor(phase: PhaseShares) -> float:
    scale = sum(phase.weights.values())
    evidence, total = 0.0, 0
    for variant in _variants(phase.counts, phase.weights):
        n, share = phase.counts.get(variant, 0), phase.weights.get(variant, 0.0) / scale
        if share == 0:
            if n:
                return math.inf
            continue
        prior = CONCENTRATION * share
        evidence += float(gammaln(prior + n) - gammaln(prior)) - n * math.log(share)
        total += n
    return evidence + float(gammaln(CONCENTRATION) - gammaln(CONCENTRATION + total))


def _variants(counts: Mapping[str, int], weights: Mapping[str, float]) -> list[str]:
    if any(n < 0 for n in counts.values()) or any(w < 0 for w in weights.values()) or not sum(weights.values()) > 0:
        raise BadInput(f"counts {dict(counts)} and weights {dict(weights)} must be 0 or more, and one weight above 0")
    return sorted(counts.keys() | weights.keys())


def _sentence(failed: bool, counts: Mapping[str, int], expected: Mapping[str, float]) -> str:
    pairs = ", ".join(f"{v} {counts[v]} (expected {expected[v]:.0f})" for v in sorted(counts))
    if failed:
        return f"units do not arrive in the configured shares: {pairs}"
    return f"units arrive in the configured shares: {pairs}" if pairs else "no units yet"
