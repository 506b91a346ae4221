"""Does a metric's machinery keep its word? One population split in two again and again, with no difference between.

Of N splits at most alpha may claim a difference, and p-values must be uniform. Splits by independent salts are
independent given the population, so both are plain binomial and Kolmogorov-Smirnov questions.

References:
    Kohavi, Tang, Xu (2020), Trustworthy Online Controlled Experiments, chapter 19: the A/A test.
    Kolmogorov (1933), Sulla determinazione empirica di una legge di distribuzione.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.special import bdtrc, kolmogorov

from seatrial.spec.errors import BadInput

ALPHA = 0.001
"""Level at which a metric is called untrustworthy, shared by its two tests and by all metrics."""


class SameArms(msgspec.Struct, frozen=True, kw_only=True):
    """One metric, split against itself.

    Attributes:
        metric: Its name.
        splits: How many splits had a verdict.
        claims: Of these, how many claimed a difference.
        alpha: Up to which share of claims is promised.
        p_claims: Chance of so many claims or more if the promise is kept.
        p_uniform: Kolmogorov's p-value of "p-values are uniform" (of quantiles: not smaller than that); those of a few
            heavy units or rare events are not.
        trustworthy: Whether the metric keeps its word.
        sentence: All of it in one sentence.
    """

    metric: str
    splits: int
    claims: int
    alpha: float
    p_claims: float
    p_uniform: float
    trustworthy: bool
    sentence: str


def same_arms(
    metric: str,
    claims: Sequence[bool],
    p_values: Sequence[float],
    alpha: float,
    metrics: int = 1,
    *,
    careful: bool = False,
) -> SameArms:
    """Judges a metric by what its splits said.

    Args:
        metric: Its name.
        claims: Whether each split's verdict claimed a difference.
        p_values: Each split's p-value for one look.
        alpha: The promised share of claims.
        metrics: How many are asked about; they share ``ALPHA``.
        careful: P-values may be larger than uniform ones, as an outer interval's of tied values are; only smaller ones
            tell against the metric.

    Raises:
        BadInput: No split had a verdict.
    """
    if not claims or len(claims) != len(p_values):
        raise BadInput(f"{metric} had a verdict in none of its splits; it needs more units")
    n, made = len(claims), sum(claims)
    ordered, steps = np.sort(np.asarray(p_values, dtype=np.float64)), np.arange(1, n + 1) / n
    small, large = float((steps - ordered).max()), float((ordered - (steps - 1 / n)).max())
    apart = max(small, 0.0 if careful else large)
    p_claims = float(bdtrc(made - 1, n, alpha)) if made else 1.0
    p_uniform = float(kolmogorov(np.sqrt(n) * apart))
    bar = ALPHA / (2 * metrics)
    why = "that is more than it may" if p_claims < bar else "its p-values are not uniform" if p_uniform < bar else ""
    return SameArms(
        metric=metric,
        splits=n,
        claims=made,
        alpha=alpha,
        p_claims=p_claims,
        p_uniform=p_uniform,
        trustworthy=not why,
        sentence=_sentence(metric, made, n, alpha, why),
    )


def _sentence(metric: str, claims: int, splits: int, alpha: float, why: str) -> str:
    said = f"{metric}: {claims} of {splits} splits of the same units ({claims / splits:.1%}) claimed a difference"
    if not why:
        return f"{said}; {100 * alpha:.3g}% of them may{', and more by chance' if claims > alpha * splits else ''}."
    return f"{said}, and {why}: a few heavy units (cap them), too few events, or shared ids; do not trust its verdicts."
