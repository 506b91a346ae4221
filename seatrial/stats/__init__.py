"""Experiment statistics, pure: aggregates of two arms in, verdicts that hold at every look out. One method a file.

    Moments, PairMoments -> Effect (per phase) -> combine_phases -> judge_primary / judge_guardrail -> recommend

Only numpy and ``scipy.special`` are loaded, so that servers and the command line start quickly.
"""

from seatrial.stats.bayes import Bayesian, BetaPrior, compare_normal, compare_shares
from seatrial.stats.bernoulli import difference_sequence, share_sequence
from seatrial.stats.chi_squared import chi_squared
from seatrial.stats.compare import (
    Comparison,
    compare_means,
    compare_proportions,
    compare_quantiles,
    compare_ratios,
)
from seatrial.stats.conditional import PhaseCounts, conditional_p, ratio_sequence
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect, Events
from seatrial.stats.guardrail import judge_guardrail, rollback_alpha
from seatrial.stats.holm import holm
from seatrial.stats.interval import Interval, TestResult
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.phases import Phases, combine_phases
from seatrial.stats.primary import judge_primary
from seatrial.stats.proportion import newcombe, two_proportion_z, wilson
from seatrial.stats.quantile import quantile, quantile_interval
from seatrial.stats.ratio import linearise
from seatrial.stats.recommendation import Recommendation, recommend
from seatrial.stats.sample_ratio import PhaseShares, SampleRatio, chi_squared_sample_ratio, sample_ratio
from seatrial.stats.sequence import always_valid_p, confidence_sequence
from seatrial.stats.verdict import Question, Verdict, withheld
from seatrial.stats.welch import welch

__all__ = [
    "Bayesian",
    "BetaPrior",
    "Comparison",
    "Effect",
    "Events",
    "Interval",
    "Margin",
    "Moments",
    "PairMoments",
    "PhaseCounts",
    "PhaseShares",
    "Phases",
    "Question",
    "Recommendation",
    "SampleRatio",
    "TestResult",
    "Verdict",
    "always_valid_p",
    "chi_squared",
    "chi_squared_sample_ratio",
    "combine_phases",
    "compare_means",
    "compare_normal",
    "compare_proportions",
    "compare_quantiles",
    "compare_ratios",
    "compare_shares",
    "conditional_p",
    "confidence_sequence",
    "difference_sequence",
    "holm",
    "judge_guardrail",
    "judge_primary",
    "linearise",
    "newcombe",
    "quantile",
    "quantile_interval",
    "ratio_sequence",
    "recommend",
    "rollback_alpha",
    "sample_ratio",
    "share_sequence",
    "two_proportion_z",
    "welch",
    "wilson",
    "withheld",
]
