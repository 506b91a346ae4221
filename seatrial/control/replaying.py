"""What a bandit that chooses by context would earn: its deployment's records played again (``bandits.replay``)."""

from dataclasses import dataclass

import numpy as np

from seatrial.bandits import Logged
from seatrial.bandits.replay import Choice, Chosen, Learn, Replayed, replay
from seatrial.bandits.scores import cannot_tell
from seatrial.control.chosen_by import check_chosen_by, declared
from seatrial.control.contextual import FEWEST, Floats, as_declared, columns_of, is_enough, kinds_of, sums_of
from seatrial.control.evaluation import numbered
from seatrial.control.recorded_lines import lines_from
from seatrial.control.site import Site
from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.ledger.reader import Reader
from seatrial.routing.by_context import belief_of
from seatrial.routing.contexts import Encoder
from seatrial.routing.snapshot import Column
from seatrial.spec.deployment import BanditSpec, Deployment, EntrySpec
from seatrial.spec.errors import BadInput

_EPOCHS, _FEW_EPOCHS, _MOST_RECORDS = 100, 10, 100_000
_MICROSECONDS = 1e6


@dataclass(frozen=True)
class ReplayedOutlook:
    """A past played again.

    Attributes:
        deployment, entry: Whose.
        records: How many were played with.
        units: That come in an epoch.
        every: Length of an epoch, seconds.
        delay: Epochs from a unit to its matured reward.
        replayed: What came of it; its best arm is a position among ``arms``.
        arms: Of the bandit.
        sentence: In words.
    """

    deployment: str
    entry: str
    records: int
    units: int
    every: float
    delay: int
    arms: tuple[str, ...]
    replayed: Replayed
    sentence: str


def replayed(site: Site, spec: Deployment, entry: EntrySpec, bandit: BanditSpec) -> ReplayedOutlook:
    """Plays the records of an entry, drawn by a split or by a bandit, to a bandit that chooses by context.

    Raises:
        BadInput: Records that cannot tell (see ``bandits.scores.cannot_tell``), other arms among them, or features that
            nothing is learned by.
    """
    state = site.state.deployments.find(spec.deployment)
    slots = tuple(pin.slot for pin in state.pins if pin.slot is not None) if state is not None else ()
    check_chosen_by(spec, slots)
    chosen_by = {key: declared(spec, slots, key) for key in bandit.context}
    with Reader(site.home).open(spec.deployment) as view:
        seen = read_rewards(
            view, entry.name, bandit.reward, {}, since=0, now=site.clock(), prior=True, context=kinds_of(chosen_by)
        )
    columns = columns_of(chosen_by, given := as_declared(chosen_by, seen.contexts))
    encoder = Encoder(columns, tuple(chosen_by))
    contexts = np.array([encoder.encode(one)[1:] for one in given]).reshape(len(seen.arms), encoder.width - 1)
    logged = _logged(seen, bandit, entry.name, contexts)
    units = round(units_a_second(seen) * bandit.every)
    delay = int(np.ceil((bandit.reward.within + bandit.reward.grace) / bandit.every))
    epochs = min(_EPOCHS, _MOST_RECORDS // max(units, 1))
    if epochs < _FEW_EPOCHS:
        raise BadInput(f"{units} units an epoch are too many to play again; make epochs shorter (`every`).")
    found = replay(logged, len(bandit.arms), _learning(bandit, columns), units=units, delay=delay, epochs=epochs)
    said = _sentence(found, bandit, epochs)
    return ReplayedOutlook(
        spec.deployment, entry.name, logged.arms.size, units, bandit.every, delay, bandit.arms, found, said
    )


def _logged(seen: Rewards, bandit: BanditSpec, entry: str, contexts: Floats) -> Logged:
    others = sorted(set(seen.arms) - set(bandit.arms))
    if others:
        raise BadInput(
            f"{entry!r} has also given units {', '.join(map(repr, others))}, so that its propensities are not of these "
            "arms alone; simulate a bandit that has them, too."
        )
    arms = np.array([bandit.arms.index(arm) for arm in seen.arms], dtype=np.int64)
    logged = Logged(numbered(seen.units), arms, seen.values, seen.propensities, contexts)
    for why in cannot_tell(logged, bandit.arms, FEWEST):
        raise BadInput(f"{entry!r} cannot be played again: {why}")
    return logged


def _learning(bandit: BanditSpec, columns: tuple[Column, ...]) -> Learn:
    """What the bandit does at the end of an epoch, with the same lines."""
    names = np.array(bandit.arms, dtype=object)

    def learn(contexts: Floats, arms: Chosen, rewards: Floats) -> Choice | None:
        counts = dict(zip(bandit.arms, np.bincount(arms, minlength=names.size).tolist(), strict=True))
        if not is_enough(bandit, counts, bandit.arms, came=bool(rewards.any())):
            return None
        sums = sums_of(bandit, names[arms], rewards, bandit.arms, contexts, columns)
        return belief_of(lines_from(bandit, sums), contexts.shape[1]).drawn

    return learn


def units_a_second(seen: Rewards) -> float:
    """Records a second between the first and the last."""
    span = (max(seen.at) - min(seen.at)) / _MICROSECONDS
    return len(seen.units) / span if span > 0 else float(len(seen.units))


def _sentence(found: Replayed, bandit: BanditSpec, epochs: int) -> str:
    hours = bandit.every / 3600
    said = (
        f"Over {epochs * hours:.3g} hours the bandit would earn {found.bandit.value:.4g} a unit, an even split that "
        f"knows its better arm (`{bandit.arms[found.best_arm]}`) after {found.split_epochs * hours:.3g} hours "
        f"{found.split.value:.4g}: {found.gain.value:+.4g} (95% {found.gain.lower:+.4g} to {found.gain.upper:+.4g})"
    )
    if found.ahead is None:
        return f"{said}; at the end it is worth no more than that arm alone."
    return f"{said}; it is worth more than that arm alone from hour {(found.ahead - 1) * hours:.3g} on."
