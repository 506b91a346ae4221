"""What a bandit in a file would have to work with, from its deployment's past: traffic, delay, arms as they earn."""

from dataclasses import dataclass

import numpy as np

from seatrial.bandits import Arm, Simulated, simulate
from seatrial.control.bandits import options_of, policy_of
from seatrial.control.evaluation import bandit_of
from seatrial.control.replaying import ReplayedOutlook, replayed, units_a_second
from seatrial.control.site import open_site
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.ledger.reader import Reader
from seatrial.spec.errors import BadInput
from seatrial.spec.read import load_deployment
from seatrial.spec.settings import Settings

_FEWEST = 100
_EPOCHS = 100
_WORLDS, _FEW_WORLDS = 30, 3
"""Worlds that are played; few where an epoch's weights take a fifth of a second (`hurdle`)."""


@dataclass(frozen=True)
class Outlook:
    """A simulated future.

    Attributes:
        deployment, entry: Whose.
        arms: What each has earned, by variant.
        units: That come in an epoch.
        every: Length of an epoch, seconds.
        delay: Epochs from a unit to its matured reward.
        simulated: What came of it.
        sentence: In words.
    """

    deployment: str
    entry: str
    arms: dict[str, Arm]
    units: int
    every: float
    delay: int
    simulated: Simulated
    sentence: str


def outlook(settings: Settings, text: str, source: str, entry: str | None = None) -> Outlook | ReplayedOutlook:
    """How long the bandit of a file, and a plain even split, would take to find the better arm.

    One that chooses by context has its past played again instead (``control.replaying``).

    Args:
        settings: Of the machine whose ledger has the past.
        text, source: The file, applied or not.
        entry: The routing entry; None: the only bandit.

    Raises:
        BadInput: No bandit, or an arm with fewer than 100 matured rewards in that entry (split or bandit).
    """
    spec = load_deployment(text, source)
    chosen, bandit = bandit_of(spec, entry)
    if bandit.context:
        with open_site(settings) as site:
            return replayed(site, spec, chosen, bandit)
    with open_site(settings) as site, Reader(site.home).open(spec.deployment) as view:
        seen = read_rewards(view, chosen.name, bandit.reward, {}, since=0, now=site.clock(), prior=True)
    arms = {name: _arm(seen, name, chosen.name) for name in bandit.arms}
    units = round(units_a_second(seen) * bandit.every)
    delay = int(np.ceil((bandit.reward.within + bandit.reward.grace) / bandit.every))
    worlds = _FEW_WORLDS if bandit.reward.kind == "hurdle" else _WORLDS
    policy, options = policy_of(bandit), options_of(bandit, bandit.arms)
    found = simulate(tuple(arms.values()), policy, options, units=units, delay=delay, epochs=_EPOCHS, worlds=worlds)
    sentence = _sentence(found, bandit.every)
    return Outlook(spec.deployment, chosen.name, arms, units, bandit.every, delay, found, sentence)


def _arm(seen: Rewards, name: str, entry: str) -> Arm:
    earned = seen.values[np.array([arm == name for arm in seen.arms], dtype=bool)]
    if earned.size < _FEWEST:
        raise BadInput(
            f"arm {name!r} of {entry!r} has {earned.size} matured rewards, fewer than {_FEWEST}; "
            "let it run under a `split` first."
        )
    return Arm(float(earned.mean()), float(earned.std()), max(float((earned > 0).mean()), 1 / earned.size))


def _sentence(found: Simulated, every: float) -> str:
    hours = every / 3600
    split = f"An even split would know the better arm after {found.split_epochs * hours:.3g} hours"
    if found.bandit_epochs is None:
        took = (
            f"the bandit has found it within {_EPOCHS * hours:.3g} hours in {100 * found.bandit_found:.0f}% of worlds"
        )
    else:
        took = f"the bandit gives it nearly everything after {found.bandit_epochs * hours:.3g} (median)"
    if found.pays:
        end = f"and loses {100 * (1 - found.bandit_lost / found.split_lost):.0f}% less reward on the way"
    else:
        end = "and loses no less on the way: rewards come too late, or differ too little, for a bandit to pay"
    return f"{split}; {took}, {end}."
