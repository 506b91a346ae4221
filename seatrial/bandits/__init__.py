"""Bandits: traffic that follows what is learned, and what other policies would have earned. Pure.

    Rewards ─► remembered ─► Tally an arm ─► weigh(policy) ─► the weights of the next epoch
    Logged + what another policy would have done ─► off_policy ─► its value, or why it cannot be said

Thompson, TopTwo, UCB, EpsilonGreedy    policies whose weights hold for everybody
SquareCB, LinearThompson                policies that choose by context, published as coefficients
best                                    P(arm is best), on which Thompson sampling rests
off_policy                              IPS, SNIPS, direct, doubly robust, switch; with intervals, or with refusals
adaptive_effect                         one arm less another, valid although results decided who got what
"""

from seatrial.bandits.adaptive import AdaptiveData, AdaptiveEffect, adaptive_effect
from seatrial.bandits.best import best
from seatrial.bandits.beta import Beta
from seatrial.bandits.change import last_change
from seatrial.bandits.epsilon_greedy import EpsilonGreedy
from seatrial.bandits.hurdle import Hurdle
from seatrial.bandits.learning import Options, Rewards, remembered, weigh
from seatrial.bandits.linear_thompson import LinearBelief, LinearThompson
from seatrial.bandits.logged import Logged, fixed
from seatrial.bandits.normal import Normal
from seatrial.bandits.normal_best import normal_best
from seatrial.bandits.off_policy import Estimate, OffPolicy, off_policy
from seatrial.bandits.overlap import Overlap, overlap
from seatrial.bandits.policy import Policy
from seatrial.bandits.regression import Regression
from seatrial.bandits.simulation import Arm, Simulated, simulate
from seatrial.bandits.square_cb import InverseGap, SquareCB
from seatrial.bandits.tally import Tally
from seatrial.bandits.thompson import Thompson
from seatrial.bandits.top_two import TopTwo
from seatrial.bandits.ucb import UCB

__all__ = [
    "UCB",
    "AdaptiveData",
    "AdaptiveEffect",
    "Arm",
    "Beta",
    "EpsilonGreedy",
    "Estimate",
    "Hurdle",
    "InverseGap",
    "LinearBelief",
    "LinearThompson",
    "Logged",
    "Normal",
    "OffPolicy",
    "Options",
    "Overlap",
    "Policy",
    "Regression",
    "Rewards",
    "Simulated",
    "SquareCB",
    "Tally",
    "Thompson",
    "TopTwo",
    "adaptive_effect",
    "best",
    "fixed",
    "last_change",
    "normal_best",
    "off_policy",
    "overlap",
    "remembered",
    "simulate",
    "weigh",
]
