"""Doing one thing to a deployment: read what is, work out what shall be, carry it out, audit it.

Every function takes the deployment's lock, finishes what a killed process left, and acts on the state as it is then;
asking for what no longer makes sense is a Conflict, not a second swap.
"""

from collections.abc import Callable, Sequence

import msgspec

from seatrial.control.bandits import with_bandits
from seatrial.control.change import carry_out, next_revision, recover
from seatrial.control.resolve import slot_of
from seatrial.control.site import Site
from seatrial.control.snapshots import routing_snapshot
from seatrial.control.transitions import (
    advanced,
    baking,
    begun,
    concluded,
    failed,
    fallen_back,
    followed,
    moved,
    promoted,
    quarantined,
    refused,
    rolled_back,
    with_alias,
    without_previous,
)
from seatrial.releases.publication import PreparationFailed
from seatrial.releases.records import AuditEntry, DeploymentState
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import Conflict
from seatrial.spec.read import load_deployment


class Saw(msgspec.Struct, frozen=True):
    """What stood there when somebody decided: with anything else before him he might have decided otherwise.

    Attributes:
        release: The release under way, by its id; "": none.
        command: ``name:version`` in command.
        version: Of the state, for whoever decided on all of it; None: the rest does not matter.
    """

    release: str
    command: str
    version: int | None = None


def seen(spec: Deployment, state: DeploymentState) -> Saw:
    """All of a state, as whoever decides now sees it."""
    run, slot = state.open_run, state.slot(spec.default)
    return Saw(run.id if run is not None else "", slot.model_version if slot is not None else "", state.version)


class Who(msgspec.Struct, frozen=True):
    """Who does something, and why.

    Attributes:
        actor: A person's name, or ``seatrial`` for the loop.
        why: The reason.
        saw: On what he decided it, which must still be so; None: on nothing that may have changed.
    """

    actor: str
    why: str
    saw: Saw | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done.

    Attributes:
        revision: The routing revision that serves now.
        sentence: What happened, in words.
        warning: What did not go smoothly, or "".
        version: Of the state that holds now.
    """

    deployment: str
    action: str
    revision: int
    sentence: str
    warning: str = ""
    version: int = 0


class Step(msgspec.Struct, frozen=True):
    """A worked-out change: the state after, whether gateways need a new revision, the sentence; where it decides on
    something, what it saw and came to, as JSON."""

    after: DeploymentState
    publishes: bool
    sentence: str
    observed: str = ""
    decision: str = ""


Work = Callable[[Deployment, DeploymentState, int], Step]
"""From the file in force, the state as it is and the next revision to the step; Conflict when it makes no sense."""


def perform(site: Site, deployment: str, action: str, who: Who, work: Work) -> Done:
    """Do ``work`` to a deployment under its lock, and audit it as ``action``.

    Raises:
        NotFound: no such deployment.
        Conflict: it makes no sense now, what it was decided on has changed, or somebody else is changing it.
        PreparationFailed: a worker could not prepare it; nothing has changed.
    """
    with site.changing(deployment):
        recover(site, deployment)
        state = site.state.deployments.get(deployment)
        spec = load_deployment(state.text)
        if who.saw is not None:
            check_unchanged(spec, state, who.saw)
        revision = next_revision(site, deployment)
        step = work(spec, state, revision)
        held = with_bandits(spec, step.after, site.clock())
        after = msgspec.structs.replace(held, revision=revision) if step.publishes else held
        run = state.open_run or after.open_run
        entry = AuditEntry(
            deployment=deployment,
            at=site.clock(),
            action=action,
            actor=who.actor,
            why=who.why,
            sentence=step.sentence,
            revision=after.revision,
            release=run.id if run is not None else "",
            observed=step.observed,
            decision=step.decision,
        )
        held, warning = carry_out(site, after, routing_snapshot(spec, after) if step.publishes else None, entry)
        return Done(
            deployment=deployment,
            action=action,
            revision=held.revision,
            sentence=step.sentence,
            warning=warning,
            version=held.version,
        )


def check_unchanged(spec: Deployment, state: DeploymentState, saw: Saw) -> None:
    """Raises Conflict where a state is not the one that somebody saw."""
    now = seen(spec, state)
    if saw.release != now.release:
        what = "the release it was about has ended" if saw.release else "a release has begun"
    elif saw.command != now.command:
        what = f"{now.command or 'nothing'} took command from {saw.command or 'nothing'}"
    elif saw.version not in (None, now.version):
        what = "it was changed"
    else:
        return
    name = state.deployment
    raise Conflict(
        f"nothing was done to {name!r}: {what} after this was decided; see seatrial status {name}, and say it again "
        "if it is still meant."
    )


def promote(site: Site, deployment: str, who: Who, variant: str | None = None) -> Done:
    """A challenger takes command: one swap.

    Args:
        variant: Which; None: that of the release, or the only other variant.
    """

    def work(spec: Deployment, state: DeploymentState, revision: int) -> Step:
        chosen = variant or _challenger(spec, state)
        after = promoted(spec, state, chosen, site.clock(), revision)
        new, old = state.slot(chosen), state.slot(spec.default)
        assert new is not None
        assert old is not None
        return Step(
            after,
            True,
            f"{new.model_version} took command from {old.model_version}, which stays loaded as `previous`."
            + _alias_stays(state, new)
            + _holds_out(after),
        )

    return perform(site, deployment, "promote", who, work)


def _holds_out(after: DeploymentState) -> str:
    """What is said of units that stay on the version before."""
    if after.holdout is None or after.holdout.phase is None:
        return ""
    return f" {100 * after.holdout.phase.arms[0].weight:.4g}% of the units stay on {after.holdout.champion_version}."


def _alias_stays(state: DeploymentState, new: Slot) -> str:
    """What is said of the alias where command goes to what is no registered version, which no alias can stand on."""
    alias = state.alias
    if new.has_files or alias is None:
        return ""
    how = "is remote" if new.remote is not None else "counts outcomes"
    return f" It {how}, so {alias.model}@{alias.alias} stays on version {alias.version}."


def _challenger(spec: Deployment, state: DeploymentState) -> str:
    if state.run is not None and state.slot(state.run.challenger) is not None:
        return state.run.challenger
    others = [pin.variant for pin in state.pins if pin.slot is not None and pin.variant != spec.default]
    if len(others) == 1:
        return others[0]
    if others:
        raise Conflict(
            f"deployment {state.deployment!r} has the variants {', '.join(others)} beside `{spec.default}`; "
            "say which one shall take command (--variant)."
        )
    raise Conflict(
        f"deployment {state.deployment!r} has no challenger loaded, so there is nothing to promote; "
        "name a version in the file and apply it."
    )


def rollback(site: Site, deployment: str, who: Who, evidence: Sequence[str] = ()) -> Done:
    """Back to what was in command: one swap to a version that is still loaded; ``evidence`` is kept in the audit."""

    def work(spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        after = rolled_back(spec, state, site.clock())
        if state.open_run is not None:
            gone, stays = state.open_run.challenger_version, state.open_run.champion_version
            return Step(after, True, " ".join([f"{gone} was taken out; {stays} stays in command alone.", *evidence]))
        assert state.previous is not None
        back = state.previous.slot.model_version
        return Step(after, True, f"{back} took command back from {state.previous.replaced}.")

    return perform(site, deployment, "rollback", who, work)


def fall_back(site: Site, deployment: str, who: Who, version: str) -> Done:
    """A named version, ``name:version``, takes command from the one that has it; a release under way ends."""

    def work(spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        name, _, number = version.partition(":")
        said = spec.variants[spec.default]
        slot = slot_of(spec.default, said, name, int(number), site.registry, site.store)
        after, old = fallen_back(spec, state, slot, site.clock()), state.slot(spec.default)
        replaced = f" from {old.model_version}" if old is not None else ""
        return Step(after, True, f"{slot.model_version} took command back{replaced}.")

    return perform(site, deployment, "fall-back", who, work)


def quarantine(site: Site, deployment: str, who: Who, variant: str) -> Done:
    """A version that crashed workers is taken out of routing."""

    def work(spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        previous = state.previous
        if previous is not None and previous.slot.variant == variant:
            sentence = (
                f"{previous.slot.model_version} is in quarantine and is not kept loaded; nobody is held out on it."
            )
            return Step(without_previous(state, site.clock()), True, sentence)
        after, slot = quarantined(spec, state, variant, site.clock()), state.slot(variant)
        assert slot is not None
        serves = after.slot(spec.default)
        assert serves is not None
        return Step(after, True, f"{slot.model_version} is in quarantine; its traffic goes to {serves.model_version}.")

    return perform(site, deployment, "quarantine", who, work)


def pause(site: Site, deployment: str, who: Who) -> Done:
    """The loop leaves the release alone, weights as they are, until it is resumed."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        run = state.open_run
        if run is not None and run.status == "paused":
            raise Conflict(f"the release of {run.challenger_version} is paused already.")
        after = moved(state, "pause")
        assert run is not None
        return Step(after, False, f"The release of {run.challenger_version} is paused; its traffic stays as it is.")

    return perform(site, deployment, "pause", who, work)


def resume(site: Site, deployment: str, who: Who) -> Done:
    """The loop looks after the release again."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        run = state.open_run
        if run is not None and run.status != "paused":
            raise Conflict(f"the release of {run.challenger_version} is not paused.")
        after = moved(state, "resume")
        assert run is not None
        return Step(after, False, f"The release of {run.challenger_version} goes on.")

    return perform(site, deployment, "resume", who, work)


def advance(site: Site, deployment: str, who: Who) -> Done:
    """The release enters its next stage."""

    def work(spec: Deployment, state: DeploymentState, revision: int) -> Step:
        after = advanced(spec, state, site.clock(), revision)
        run = after.open_run
        assert run is not None
        return Step(after, True, f"{run.challenger_version} enters {_where(run)}.")

    return perform(site, deployment, "advance", who, work)


def _where(run: ReleaseRun) -> str:
    """Its stage, step and share, in words."""
    stage = f"step {run.step + 1} of its canary stage" if run.stage == "canary" else f"its {run.stage} stage"
    share = f" with {100 * run.phase.arms[-1].weight:.4g}% of the units" if run.phase is not None else ""
    return stage + share


def begin(site: Site, deployment: str, who: Who) -> Done:
    """A release that waited for the calendar begins; when a worker cannot load its version, it has failed.

    Raises:
        PreparationFailed: A worker could not; the release is ``failed`` and its version refused.
    """

    def work(spec: Deployment, state: DeploymentState, revision: int) -> Step:
        after = begun(spec, state, site.clock(), revision)
        run = after.open_run
        assert run is not None
        return Step(after, True, f"The release of {run.challenger_version} begins: it enters {_where(run)}.")

    try:
        return perform(site, deployment, "begin", who, work)
    except PreparationFailed as error:
        _fail(site, deployment, Who(who.actor, error.reason))
        raise


def _fail(site: Site, deployment: str, who: Who) -> Done:
    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        run = state.open_run
        after = failed(state, site.clock())
        assert run is not None
        return Step(
            after,
            False,
            f"The release of {run.challenger_version} failed before it had traffic, because a worker could not load "
            f"it: {who.why}",
        )

    return perform(site, deployment, "fail", who, work)


def bake(site: Site, deployment: str, who: Who) -> Done:
    """The canary step has its units."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        after = baking(state)
        assert after.run is not None
        return Step(after, False, f"{after.run.challenger_version} has its units in {_where(after.run)}, and bakes.")

    return perform(site, deployment, "bake", who, work)


def conclude(site: Site, deployment: str, who: Who) -> Done:
    """The release ends without an answer, and the champion keeps command."""

    def work(spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        goes = spec.release is not None and spec.release.if_inconclusive == "roll-back"
        after = (refused if goes else concluded)(state, site.clock())
        run = state.open_run
        assert run is not None
        sentence = f"The release of {run.challenger_version} ended inconclusive; {run.champion_version} keeps command"
        return Step(after, True, f"{sentence}, and {run.challenger_version} was taken out." if goes else f"{sentence}.")

    return perform(site, deployment, "conclude", who, work)


def propose(site: Site, deployment: str, who: Who) -> Done:
    """A person is asked to promote."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        after = moved(state, "propose")
        assert after.run is not None
        return Step(
            after,
            False,
            f"{after.run.challenger_version} is ready to take command; say: seatrial promote {deployment}.",
        )

    return perform(site, deployment, "propose", who, work)


def reconsider(site: Site, deployment: str, who: Who) -> Done:
    """A person was asked to promote, but the evidence does not say so any more."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        after = moved(state, "reconsider")
        assert after.run is not None
        return Step(after, False, f"{after.run.challenger_version} is not ready to take command any more.")

    return perform(site, deployment, "reconsider", who, work)


def unload_previous(site: Site, deployment: str, who: Who) -> Done:
    """The rollback window is over: the previous version is unloaded."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        if state.previous is None:
            raise Conflict(f"deployment {deployment!r} keeps no previous version.")
        sentence = f"{state.previous.slot.model_version} is not kept loaded any longer."
        return Step(without_previous(state, site.clock()), True, sentence)

    return perform(site, deployment, "unload", who, work)


def tell_alias(site: Site, deployment: str, who: Who, stands: int) -> Done:
    """Somebody else moved the champion's alias: noted, told, not served."""

    def work(spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        alias = state.alias
        if alias is None:
            raise Conflict(f"deployment {deployment!r} follows no alias.")
        sentence = (
            f"Somebody moved {alias.model}@{alias.alias} to version {stands}; {alias.model}:{alias.version} is still "
            f"served. To serve version {stands}, name models:/{alias.model}/{stands} at `{spec.default}` and apply."
        )
        return Step(with_alias(state, alias, strayed=stands), False, sentence)

    return perform(site, deployment, "alias-moved", who, work)


def alias_back(site: Site, deployment: str, who: Who) -> Done:
    """The alias stands where we put it again."""

    def work(_spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        alias = state.alias
        if alias is None:
            raise Conflict(f"deployment {deployment!r} follows no alias.")
        sentence = f"{alias.model}@{alias.alias} stands on version {alias.version} again."
        return Step(with_alias(state, alias), False, sentence)

    return perform(site, deployment, "alias-back", who, work)


def follow_alias(site: Site, deployment: str, who: Who, stands: int) -> Done:
    """Somebody else moved the champion's alias, and the file wants that served."""

    def work(spec: Deployment, state: DeploymentState, _revision: int) -> Step:
        alias, old = state.alias, state.slot(spec.default)
        if alias is None or old is None:
            raise Conflict(f"deployment {deployment!r} follows no alias.")
        said = spec.variants[spec.default]
        slot = slot_of(spec.default, said, alias.model, stands, site.registry, site.store)
        sentence = f"{slot.model_version} took command from {old.model_version}, following {alias.model}@{alias.alias}."
        return Step(followed(spec, state, slot, site.clock()), True, sentence)

    return perform(site, deployment, "follow", who, work)
