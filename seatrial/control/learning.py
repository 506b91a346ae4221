"""The loop's part in bandits: at the end of an epoch, read what was earned, publish the next epoch's weights, audit."""

from typing import Any

import msgspec

from seatrial.bandits import Tally
from seatrial.control.bandits import is_over, learn, means_of, removed_of, weights_of
from seatrial.control.perform import Step, Who, perform
from seatrial.control.recorded_lines import LinesSeen, is_small
from seatrial.control.senses import Senses
from seatrial.control.site import Site
from seatrial.experiments.rewards import Rewards
from seatrial.releases.records import AuditEntry, BanditRun, DeploymentState
from seatrial.spec.deployment import BanditSpec, Deployment, EntrySpec
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment

REWEIGHED = "reweigh"


class KnownOfArm(msgspec.Struct, frozen=True):
    """What a reweighing knew of an arm.

    Attributes:
        rewards: Matured ones that count.
        mean: Theirs.
        m2: Sum of squared differences from it.
        positive: Rewards above 0.
        units: That met the arm.
        failures: Sum over them of the share of their rows that failed.
    """

    rewards: float
    mean: float
    m2: float
    positive: float
    units: int
    failures: float


class SeenOfBandit(msgspec.Struct, frozen=True, kw_only=True):
    """What a reweighing saw; kept in the audit.

    Attributes:
        entry: Routing entry.
        epoch: The one that ended.
        arms: By variant.
        bandit: As the file said it, by key.
        removed: Arms that were out before.
        keep: The arm that is never removed.
        came: Whether any outcome had come.
        early: Outcomes that came before the row they would belong to.
        out_of_range: Rewards cut to their range.
        unknown: Records left out, because an outcome of theirs lacks the number they are paid by.
        failed: Rows that each arm did not answer.
        lines: Of a bandit that chooses by context, what its lines follow from; None: too little had been earned; unset:
            they are too large for the audit, or older than this field.
    """

    entry: str
    epoch: int
    arms: dict[str, KnownOfArm]
    bandit: dict[str, Any]
    removed: tuple[str, ...]
    keep: str
    came: bool
    early: int
    out_of_range: int
    failed: dict[str, int]
    unknown: int = 0
    lines: LinesSeen | msgspec.UnsetType | None = msgspec.UNSET


def reweigh_all(site: Site, senses: Senses, spec: Deployment, state: DeploymentState, now: int, who: Who) -> None:
    """Reweigh every bandit of a deployment whose epoch is over."""
    for entry in spec.routing:
        run = state.bandits.get(entry.name)
        if entry.bandit is not None and run is not None and is_over(entry.bandit, run, now):
            reweigh(site, senses, state.deployment, entry.name, now, who)


def reweigh(site: Site, senses: Senses, deployment: str, name: str, now: int, who: Who) -> None:
    """The next epoch of one bandit: one swap of weights, drawn anew.

    A second call in the same epoch (a second replica's, a repeat after a kill) is a Conflict and changes nothing.
    Rewards are read before the deployment is locked, since that may take long; what changed meanwhile is a Conflict.
    """
    before = site.state.deployments.get(deployment)
    spec = load_deployment(before.text)
    entry, bandit, run = _whose_epoch_is_over(spec, before, name, now)
    seen = senses.rewards(spec, entry, run, now)
    learned = learn(bandit, run, seen, spec.default)

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        if state.text != before.text or state.bandits.get(name) != run:
            raise Conflict(f"bandit {name!r} of {deployment!r} changed while its rewards were read; it is tried again.")
        after = msgspec.structs.replace(
            run,
            epoch=run.epoch + 1,
            started_at=now,
            weights=learned.weights,
            removed=learned.removed,
            by_context=learned.by_context,
        )
        known = {arm: _known(arm, tally, seen) for arm, tally in learned.tallies.items()}
        observed = SeenOfBandit(
            entry=name,
            epoch=run.epoch,
            arms=known,
            bandit=bandit.model_dump(mode="json"),
            removed=run.removed,
            keep=spec.default,
            came=seen.any_came,
            early=seen.early,
            out_of_range=seen.out_of_range,
            failed=dict(seen.failed),
            unknown=seen.unknown,
            lines=learned.lines if learned.lines is None or is_small(learned.lines) else msgspec.UNSET,
        )
        return Step(
            msgspec.structs.replace(state, version=state.version + 1, bandits={**state.bandits, name: after}),
            True,
            f"Epoch {after.epoch} of `{name}`. {learned.sentence}",
            observed=msgspec.json.encode(observed).decode(),
            decision=msgspec.json.encode(learned.weights).decode(),
        )

    perform(site, deployment, REWEIGHED, who, work)


def _known(arm: str, tally: Tally, seen: Rewards) -> KnownOfArm:
    units, failures = seen.met.get(arm, 0), seen.unit_failures.get(arm, 0.0)
    return KnownOfArm(tally.n, tally.mean, tally.m2, tally.positive, units, failures)


CLOSE = 1e-9
"""Weights that differ by less are the same decision."""


def can_be_decided_again(entry: AuditEntry) -> bool:
    """Whether the audit holds all that a reweighing depended on: of one by context, the sums of its lines."""
    seen = msgspec.json.decode(entry.observed)
    return not seen.get("bandit", {}).get("context") or "lines" in seen


def decided_again(entry: AuditEntry) -> str:
    """The weights that what a reweighing saw leads to now, as it recorded them.

    What was recorded is taken where no weight differs from it by more than ``CLOSE``: another build of the numeric
    libraries may round otherwise. The tallies are those that were recorded, not counted in the ledger again.

    Raises:
        msgspec.MsgspecError, ValueError, SeatrialError: What was seen cannot be read any more, or is not whole.
    """
    seen = msgspec.json.decode(entry.observed, type=SeenOfBandit)
    bandit = BanditSpec.model_validate(seen.bandit)
    met = {arm: known.units for arm, known in seen.arms.items()}
    failures = {arm: known.failures for arm, known in seen.arms.items()}
    removed = removed_of(bandit, seen.removed, met, failures, seen.keep)
    tallies = {arm: Tally(known.rewards, known.mean, known.m2, known.positive) for arm, known in seen.arms.items()}
    if bandit.context:
        lines = seen.lines if seen.lines is not msgspec.UNSET else None
        today = means_of(bandit, tallies, removed, lines, came=seen.came)
    else:
        today = weights_of(bandit, tallies, removed, came=seen.came)
    then = msgspec.json.decode(entry.decision, type=dict[str, float])
    if then.keys() == today.keys() and all(abs(then[arm] - today[arm]) <= CLOSE for arm in then):
        return entry.decision
    return msgspec.json.encode(today).decode()


def _whose_epoch_is_over(
    spec: Deployment, state: DeploymentState, name: str, now: int
) -> tuple[EntrySpec, BanditSpec, BanditRun]:
    entry = next((entry for entry in spec.routing if entry.name == name), None)
    run = state.bandits.get(name)
    if entry is None or entry.bandit is None or run is None or not is_over(entry.bandit, run, now):
        raise Conflict(f"the epoch of bandit {name!r} of {state.deployment!r} is not over.")
    return entry, entry.bandit, run
