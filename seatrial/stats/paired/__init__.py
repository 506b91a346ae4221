"""Two models answering the same inputs, as a shadow does: agreement, and whose answers are right."""

from seatrial.stats.paired.agreement import Agreement, agreement
from seatrial.stats.paired.differences import paired_difference
from seatrial.stats.paired.discordant import PairedAccuracy, discordant_p, discordant_share, judge_pairs
from seatrial.stats.paired.mcnemar import McNemar, mcnemar

__all__ = [
    "Agreement",
    "McNemar",
    "PairedAccuracy",
    "agreement",
    "discordant_p",
    "discordant_share",
    "judge_pairs",
    "mcnemar",
    "paired_difference",
]
