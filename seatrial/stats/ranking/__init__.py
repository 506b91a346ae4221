"""How good ranked lists are, by request and by unit, and how alike two models' lists are.

A request's list is a row of gains in the order shown; each metric gives one number a request, which
``quality.by_unit`` reduces and ``quality.mean_score`` or ``Effect.of_ratios`` reads.
"""

from seatrial.stats.ranking.click_through import Position, click_through
from seatrial.stats.ranking.coverage import Coverage, catalogue_coverage, coverage_difference
from seatrial.stats.ranking.likeness import PERSISTENCE, overlap_at, rank_biased_overlap
from seatrial.stats.ranking.lists import hit_rate, mean_reciprocal_rank, ndcg_at, precision_at, recall_at

__all__ = [
    "PERSISTENCE",
    "Coverage",
    "Position",
    "catalogue_coverage",
    "click_through",
    "coverage_difference",
    "hit_rate",
    "mean_reciprocal_rank",
    "ndcg_at",
    "overlap_at",
    "precision_at",
    "rank_biased_overlap",
    "recall_at",
]
