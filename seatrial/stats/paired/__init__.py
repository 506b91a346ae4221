"""Two models answering the same inputs, as a shadow does: agreement, and whose answers are right."""

from seatrial.stats.paired.agreement import Agreement, agreement
from seatrial.stats.paired.bland_altman import Limits, bland_altman
from seatrial.stats.paired.differences import paired_difference
from seatrial.stats.paired.discordant import PairedAccuracy, discordant_p, discordant_share, judge_pairs
from seatrial.stats.paired.mcnemar import McNemar, mcnemar
from seatrial.stats.paired.resampled import most_different, paired_bootstrap

__all__ = [
    "Agreement",
    "Limits",
    "McNemar",
    "PairedAccuracy",
    "agreement",
    "bland_altman",
    "discordant_p",
    "discordant_share",
    "judge_pairs",
    "mcnemar",
    "most_different",
    "paired_bootstrap",
    "paired_difference",
]
