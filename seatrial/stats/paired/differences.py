"""Paired differences: the same inputs answered by both, one difference each (for regression: of absolute errors).

At one look; there is no sequence for it, and the result says so.

References:
    Student (1908), The probable error of a mean, Biometrika 6(1).
"""

from scipy.special import stdtr, stdtrit

from seatrial.stats.interval import TestResult
from seatrial.stats.moments import Moments

METHOD = "paired t"


def paired_difference(differences: Moments, alpha: float = 0.05) -> TestResult:
    """The mean of (treatment - control) over distinct inputs or units, with Student's interval."""
    if differences.n < 2 or not differences.m2 > 0:
        return TestResult(
            method=METHOD,
            statistic=None,
            p_value=None,
            effect=differences.mean if differences.n else None,
            note=f"{differences.n} pairs without any spread: no interval.",
        )
    degrees, se = differences.n - 1, differences.standard_error
    t = differences.mean / se
    half = float(stdtrit(degrees, 1 - alpha / 2)) * se
    return TestResult(
        method=METHOD,
        statistic=t,
        p_value=2 * float(stdtr(degrees, -abs(t))),
        effect=differences.mean,
        lower=differences.mean - half,
        upper=differences.mean + half,
        degrees=float(degrees),
        note="Holds for one look (fixed), not for every look.",
    )
