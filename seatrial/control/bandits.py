"""Bandits in control: what applying a file does to them, and what rewards do to their weights; pure."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from seatrial.bandits import UCB, EpsilonGreedy, Options, Policy, Tally, Thompson, TopTwo, remembered, weigh
from seatrial.bandits import Rewards as Remembered
from seatrial.control.chosen_by import declared
from seatrial.control.contextual import FEWEST, is_enough, learn_lines
from seatrial.control.recorded_lines import LinesSeen, again
from seatrial.experiments.rewards import Rewards
from seatrial.releases.records import BanditRun, DeploymentState
from seatrial.routing.snapshot import ByContext, Slot
from seatrial.spec.deployment import BanditSpec, Deployment
from seatrial.spec.errors import BadInput
from seatrial.spec.units import show_count, show_share
from seatrial.stats.bernoulli import log_evidence_above

_SURE = math.log(1 / 0.001)
"""Evidence that an arm's share of failures is over the limit: at most this chance that it ever comes up by luck."""
_RESET = 0.01
_SECOND = 1_000_000


@dataclass(frozen=True)
class Learned:
    """What an epoch's end comes to.

    Attributes:
        weights: Of each arm for the next epoch.
        removed: Arms out of it.
        tallies: What is known of each arm: rewards that count, and their mean in the outcome's unit (mapped to 0 to 1
            where the policy needs it).
        sentence: In words.
        by_context: How it chooses by context; None: by the weights, else these are only the means of its chances.
        lines: What these follow from.
    """

    weights: dict[str, float]
    removed: tuple[str, ...]
    tallies: dict[str, Tally]
    sentence: str
    by_context: ByContext | None = None
    lines: LinesSeen | None = None


def with_bandits(spec: Deployment, state: DeploymentState, now: int) -> DeploymentState:
    """The state with a run for every bandit of the file: as it was where arms and versions are, else begun anew.

    A run that begins does so with even weights and an epoch that the entry never had.
    """
    runs: dict[str, BanditRun] = {}
    epochs = {
        **state.epochs,
        **{name: max(run.epoch, state.epochs.get(name, 0)) for name, run in state.bandits.items()},
    }
    for entry in spec.routing:
        if entry.bandit is None:
            continue
        slots = {arm: slot for arm in entry.bandit.arms if (slot := state.slot(arm)) is not None}
        arms = tuple(slots) or entry.bandit.arms  # all of them empty: their heirs
        old, last = state.bandits.get(entry.name), epochs.get(entry.name, 0)
        held = tuple(pin.slot for pin in state.pins if pin.slot is not None)
        was = old.context if old is not None else {}
        context = {key: declared(spec, held, key, was.get(key)) for key in entry.bandit.context}
        fresh = _begun(old, last + 1, arms, slots, context, now)
        same = old is not None and (old.versions, old.digests, old.context) == (fresh.versions, fresh.digests, context)
        runs[entry.name] = old if old is not None and same else fresh
        epochs[entry.name] = runs[entry.name].epoch
    if (runs, epochs) == (state.bandits, state.epochs):
        return state
    return msgspec.structs.replace(state, bandits=runs, epochs=epochs)


def _begun(
    old: BanditRun | None,
    epoch: int,
    arms: tuple[str, ...],
    slots: Mapping[str, Slot],
    context: dict[str, str],
    now: int,
) -> BanditRun:
    versions = {arm: slot.model_version for arm, slot in slots.items()}
    digests = {arm: slot.digest for arm, slot in slots.items()}
    as_they_were = old is not None and (old.versions, old.digests) == (versions, digests)
    return BanditRun(
        epoch=epoch,
        started_at=now,
        since=old.since if old is not None and _goes_on(old, versions, digests) else now,
        together=old.together if old is not None and as_they_were else epoch,
        versions=versions,
        digests=digests,
        weights=dict.fromkeys(arms, 1 / len(arms)),
        removed=old.removed if old is not None and as_they_were else (),
        context=context,
    )


def _goes_on(old: BanditRun, versions: dict[str, str], digests: dict[str, str]) -> bool:
    """Whether an arm stays, so that its rewards go on counting, and none hides another thing behind the same name."""
    named = [arm for arm in versions if old.versions.get(arm) == versions[arm]]
    return bool(named) and all(old.digests.get(arm) == digests[arm] for arm in named)


def is_over(bandit: BanditSpec, run: BanditRun, now: int) -> bool:
    """Whether the epoch is."""
    return now >= run.started_at + round(bandit.every * _SECOND)


def learn(bandit: BanditSpec, run: BanditRun, seen: Rewards, keep: str) -> Learned:
    """The weights of the next epoch; the same for the same rewards, whatever was known before.

    Args:
        bandit: As the file says it.
        run: As it stands: its arms, and those that were removed.
        seen: All that the ledger has of it.
        keep: The arm that is never removed: the default variant.
    """
    arms = tuple(run.weights)
    removed = removed_of(bandit, run.removed, dict.fromkeys(run.weights, 0) | dict(seen.met), seen.unit_failures, keep)
    if bandit.context:
        return _by_context(bandit, run, seen, removed)
    options = options_of(bandit, arms)
    policy = policy_of(bandit)
    rewards = Remembered(np.array([arms.index(arm) for arm in seen.arms], dtype=np.int64), seen.values)
    tallies = remembered(rewards, len(arms), options, bounded=policy.bounded)
    known = dict(zip(arms, tallies, strict=True))
    shares = weights_of(bandit, known, removed, came=seen.any_came)
    return Learned(shares, removed, known, _sentence(bandit, seen, shares, removed))


def means_of(
    bandit: BanditSpec, tallies: Mapping[str, Tally], removed: Collection[str], lines: LinesSeen | None, *, came: bool
) -> dict[str, float]:
    """The mean chances that follow from what was recorded of a bandit that chooses by context.

    Raises:
        BadInput: Sums and contexts that are not whole, of other arms, or missing where there was enough to learn from.
    """
    live = [arm for arm in tallies if arm not in removed]
    enough = is_enough(bandit, {arm: tally.n for arm, tally in tallies.items()}, live, came=came)
    if enough != (lines is not None) or (lines is not None and list(lines.arms) != live):
        raise BadInput("the sums that were recorded are not of these arms and rewards")
    found = again(bandit, lines) if lines is not None else dict.fromkeys(live, 1 / len(live))
    return {arm: found.get(arm, 0.0) for arm in tallies}


def weights_of(
    bandit: BanditSpec, tallies: Mapping[str, Tally], removed: Collection[str], *, came: bool
) -> dict[str, float]:
    """The weights that follow from what is known of each arm; even ones before any outcome ``came``."""
    arms = tuple(tallies)
    if came:
        gone = {arms.index(arm) for arm in removed}
        weights = weigh(policy_of(bandit), tuple(tallies.values()), options_of(bandit, arms), gone)
    else:
        live = np.array([arm not in removed for arm in arms], dtype=np.float64)
        weights = live / live.sum()
    return dict(zip(arms, weights.tolist(), strict=True))


def _by_context(bandit: BanditSpec, run: BanditRun, seen: Rewards, removed: tuple[str, ...]) -> Learned:
    arms = tuple(run.weights)
    live = tuple(arm for arm in arms if arm not in removed)
    numbers = np.array([arms.index(arm) for arm in seen.arms], dtype=np.int64)
    tallies = {arm: Tally.of(seen.values[numbers == number]) for number, arm in enumerate(arms)}
    learned = learn_lines(bandit, run, seen, live)
    shares = {arm: learned.means.get(arm, 0.0) for arm in arms}
    said = _sentence(bandit, seen, shares, removed)
    if learned.lines is None and seen.any_came:
        said += f" It chooses by context from {FEWEST} rewards on, with `minimum_units` of every arm."
    elif learned.lines is not None:
        said += " These are means; each unit's are by its context."
    return Learned(shares, removed, tallies, said, learned.lines, learned.seen)


def policy_of(bandit: BanditSpec) -> Policy:
    """The policy that the file names, which holds for everybody."""
    policies: Mapping[str, Policy] = {
        "thompson": Thompson(bandit.reward.kind),
        "top-two": TopTwo(bandit.reward.kind),
        "ucb1": UCB(),
        "ucb-tuned": UCB(tuned=True),
        "epsilon-greedy": EpsilonGreedy(bandit.epsilon),
    }
    return policies[bandit.policy]


def options_of(bandit: BanditSpec, arms: tuple[str, ...]) -> Options:
    """How it learns."""
    low, high = bandit.reward.range or (0.0, 1.0)
    return Options(
        floor=bandit.floor,
        start=bandit.minimum_units,
        half_life=bandit.half_life,
        reset=_RESET if bandit.change_reset else None,
        penalty=tuple(bandit.penalty.get(arm, 0.0) for arm in arms) if bandit.penalty else (),
        low=low,
        high=high,
        force=bandit.force,
    )


def removed_of(
    bandit: BanditSpec, before: Collection[str], met: Mapping[str, int], failures: Mapping[str, float], keep: str
) -> tuple[str, ...]:
    """Arms of which an average unit's requests surely fail too often, by a test that may be looked at every epoch.

    A unit is one observation, the share of its rows that failed in its first epoch with the arm. The likelihood ratio
    is convex in it, so that a share between 0 and 1 is no more evidence than a coin of that chance.

    Args:
        bandit: As the file says it.
        before: Arms that are out already.
        met: Units of every arm.
        failures: Sums of their shares.
        keep: The arm that is never removed.
    """
    limit = bandit.remove_failing
    if limit is None:
        return ()
    gone = [arm for arm in met if arm in before]
    for arm, units in met.items():
        failing = failures.get(arm, 0.0)
        if arm in gone or arm == keep or failing <= limit * units:
            continue
        if log_evidence_above(failing, units, limit) >= _SURE:
            gone.append(arm)
    return tuple(gone) if len(gone) < len(met) else tuple(gone[:-1])


def _sentence(bandit: BanditSpec, seen: Rewards, weights: dict[str, float], removed: tuple[str, ...]) -> str:
    shares = ", ".join(f"`{arm}` {show_share(round(weight, 4))}" for arm, weight in weights.items())
    said = [f"After {show_count(len(seen.arms))} matured rewards: {shares}."]
    if not seen.any_came:
        said.append(f"No `{bandit.reward.outcome}` has come yet, so there is nothing to learn from.")
    if seen.out_of_range:
        low, high = bandit.reward.range or (0.0, 1.0)
        said.append(f"{seen.out_of_range} rewards lay outside {low:g} to {high:g} and were cut to it.")
    if seen.unknown:
        what = f"the field `{bandit.reward.value}`" if bandit.reward.value is not None else "a number"
        said.append(f"{seen.unknown} records were left out: a `{bandit.reward.outcome}` of theirs came without {what}.")
    if seen.early:
        said.append(f"{seen.early} outcomes came before the row they would belong to and do not count.")
    said += [f"`{arm}` is out, because too many of its requests fail." for arm in removed]
    return " ".join(said)
