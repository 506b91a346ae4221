"""Experiment statistics, pure: aggregates of two arms in, verdicts that hold at every look out. One method a file.

    Moments, PairMoments -> Effect (per phase) -> combine_phases -> judge_primary / judge_guardrail -> recommend

``power`` says beforehand how many units that takes; ``quality`` and ``ranking`` measure models, ``paired`` compares two
of them on the same inputs. Of scipy only ``special`` and ``optimize`` are loaded, so that servers and the command line
start quickly.
"""

from seatrial.stats.arrival import Arrived, arrival_curve
from seatrial.stats.bayes import Bayesian, BetaPrior, compare_normal, compare_shares
from seatrial.stats.bernoulli import difference_sequence, share_sequence
from seatrial.stats.betting import betting_difference, betting_sequence
from seatrial.stats.bounded import Bounded, betting_effect, bounded_sequence
from seatrial.stats.chi_squared import chi_squared
from seatrial.stats.clustered_quantile import ClusteredQuantile, clustered_quantile, compare_clustered_quantiles
from seatrial.stats.compare import (
    Comparison,
    compare_bounded,
    compare_means,
    compare_proportions,
    compare_quantiles,
    compare_ratios,
)
from seatrial.stats.conditional import PhaseCounts, conditional_p, ratio_sequence
from seatrial.stats.contrast import Margin
from seatrial.stats.cuped import Adjusted, Ratio, cuped, cuped_one, cuped_ratios
from seatrial.stats.e_values import e_bh, e_from_p
from seatrial.stats.effect import Difference, Effect, Events
from seatrial.stats.exact_proportion import boschloo, exact_is_better, fisher, shares_tests
from seatrial.stats.false_discovery import benjamini_hochberg
from seatrial.stats.fieller import fieller
from seatrial.stats.group_bounds import futility_bounds, spending_bounds
from seatrial.stats.group_sequential import GroupPlan, GroupResult, Look, group_sequential
from seatrial.stats.guardrail import judge_guardrail, rollback_alpha
from seatrial.stats.holm import holm
from seatrial.stats.impute import impute
from seatrial.stats.interval import Interval, TestResult
from seatrial.stats.lin import lin, lin_ratios
from seatrial.stats.mann_whitney import Ranks, mann_whitney
from seatrial.stats.moments import Moments, PairMoments
from seatrial.stats.multivariate import MultiMoments
from seatrial.stats.phases import Phases, combine_phases
from seatrial.stats.planned_looks import LooksVerdict, Stage, judge_looks
from seatrial.stats.primary import judge_primary
from seatrial.stats.proportion import newcombe, two_proportion_z, wilson
from seatrial.stats.quantile import quantile, quantile_interval
from seatrial.stats.ratio import linearise
from seatrial.stats.recommendation import Recommendation, recommend
from seatrial.stats.relative_risk import relative_risk
from seatrial.stats.resampling import bootstrap, bootstrap_difference, permutation_test
from seatrial.stats.roi import incremental_roi, roi
from seatrial.stats.sample_ratio import PhaseShares, SampleRatio, chi_squared_sample_ratio, sample_ratio
from seatrial.stats.segments import Segment, Segments, compare_segments
from seatrial.stats.sequence import always_valid_p, confidence_sequence
from seatrial.stats.spending import Spending
from seatrial.stats.verdict import Question, Verdict, withheld
from seatrial.stats.welch import welch

__all__ = [
    "Adjusted",
    "Arrived",
    "Bayesian",
    "BetaPrior",
    "Bounded",
    "ClusteredQuantile",
    "Comparison",
    "Difference",
    "Effect",
    "Events",
    "GroupPlan",
    "GroupResult",
    "Interval",
    "Look",
    "LooksVerdict",
    "Margin",
    "Moments",
    "MultiMoments",
    "PairMoments",
    "PhaseCounts",
    "PhaseShares",
    "Phases",
    "Question",
    "Ranks",
    "Ratio",
    "Recommendation",
    "SampleRatio",
    "Segment",
    "Segments",
    "Spending",
    "Stage",
    "TestResult",
    "Verdict",
    "always_valid_p",
    "arrival_curve",
    "benjamini_hochberg",
    "betting_difference",
    "betting_effect",
    "betting_sequence",
    "bootstrap",
    "bootstrap_difference",
    "boschloo",
    "bounded_sequence",
    "chi_squared",
    "chi_squared_sample_ratio",
    "clustered_quantile",
    "combine_phases",
    "compare_bounded",
    "compare_clustered_quantiles",
    "compare_means",
    "compare_normal",
    "compare_proportions",
    "compare_quantiles",
    "compare_ratios",
    "compare_segments",
    "compare_shares",
    "conditional_p",
    "confidence_sequence",
    "cuped",
    "cuped_one",
    "cuped_ratios",
    "difference_sequence",
    "e_bh",
    "e_from_p",
    "exact_is_better",
    "fieller",
    "fisher",
    "futility_bounds",
    "group_sequential",
    "holm",
    "impute",
    "incremental_roi",
    "judge_guardrail",
    "judge_looks",
    "judge_primary",
    "lin",
    "lin_ratios",
    "linearise",
    "mann_whitney",
    "newcombe",
    "permutation_test",
    "quantile",
    "quantile_interval",
    "ratio_sequence",
    "recommend",
    "relative_risk",
    "roi",
    "rollback_alpha",
    "sample_ratio",
    "share_sequence",
    "shares_tests",
    "spending_bounds",
    "two_proportion_z",
    "welch",
    "wilson",
    "withheld",
]
