"""What becomes of a deployment's state when something is done to it; pure: state in, state out.

Each function gives the state after, one version further. Whether a new routing revision is needed is seen by comparing
snapshots, not decided here.
"""

import msgspec

from seatrial.releases.records import AliasMove, DeploymentState, Pin, Previous
from seatrial.releases.run import HELD_OUT, Phase, ReleaseRun, RunStatus
from seatrial.releases.states import Event, after, check_move, state_of
from seatrial.routing.snapshot import Arm, Slot
from seatrial.spec.deployment import CanaryStage, Deployment, Stage, TestStage
from seatrial.spec.errors import Conflict

PREVIOUS = "previous"
"""Name of the variant that was in command before; a file cannot declare it."""

_SECOND = 1_000_000


def promoted(spec: Deployment, state: DeploymentState, variant: str, now: int, revision: int = 0) -> DeploymentState:
    """``variant``'s version takes command.

    It goes into the default variant's slot, its own slot is emptied (the weight goes to the default), the alias is to
    be moved, and the version that was in command stays loaded as ``previous`` for ``rollback_window``.

    Raises:
        Conflict: the variant is in command already, or has no version.
    """
    old, new = state.slot(spec.default), state.slot(variant)
    if variant == spec.default or new is None or old is None:
        raise Conflict(f"{_empty(state, variant)}, so there is nothing to promote in {state.deployment!r}.")
    run = state.run if state.run is not None and _is_of(state.run, new) else None
    pins = _with_slot(state.pins, spec.default, msgspec.structs.replace(new, variant=spec.default))
    return _next(
        left_command(state, old, now),
        pins=_emptied(pins, variant, "promoted", heir=spec.default),
        run=_in_command(run, now) if run is not None else abandoned(state.run, now),
        previous=kept_as_previous(spec, state, new, now, release=run.id if run is not None else ""),
        holdout=None if run is None else _held_out(spec, state, run, now, revision),
        alias_due=_alias_to(state, new),
        rolled_back=tuple(v for v in state.rolled_back if v != new.model_version),
    )


def left_command(state: DeploymentState, slot: Slot | None, now: int) -> DeploymentState:
    """The same version of the state, in which ``slot`` (None: nobody) leaves command now."""
    if slot is None:
        return state
    others = tuple(version for version in state.commanded if version != slot.model_version)
    return msgspec.structs.replace(state, commanded=(*others, slot.model_version), commanded_at=now)


def _is_of(run: ReleaseRun, new: Slot) -> bool:
    """Whether ``run`` is the release that brings ``new`` to command."""
    may = "promoted" in after(run.state, "promote")
    return may and (run.challenger, run.challenger_version) == (new.variant, new.model_version)


def rolled_back(spec: Deployment, state: DeploymentState, now: int) -> DeploymentState:
    """Go back: from a release under way to the champion alone, else from the version in command to the previous one.

    The version that goes is refused from then on until somebody says retry.

    Raises:
        Conflict: no release is under way and no previous version is loaded.
    """
    run = state.open_run
    if run is not None:
        gone = run.challenger_version
        pins = _emptied(state.pins, run.challenger, "rolled back", heir=run.champion)
        return _next(state, pins=pins, run=_ended(run, "rolled-back", now), rolled_back=_with(state, gone))
    if state.previous is None:
        raise Conflict(
            f"deployment {state.deployment!r} has no release under way and no previous version loaded, so there is "
            "nothing to go back to; name the version that shall serve in the file and apply it."
        )
    back = msgspec.structs.replace(state.previous.slot, variant=spec.default)
    return _next(
        left_command(state, state.slot(spec.default), now),
        pins=tuple(_gone_back(pin, spec.default, back) for pin in state.pins),
        run=_ended(state.run, "rolled-back", now) if _was_promoted(state) else state.run,
        previous=None,
        holdout=holdout_ended(state, now).holdout,
        alias_due=_alias_to(state, back),
        rolled_back=_with(state, state.previous.replaced),
    )


def quarantined(spec: Deployment, state: DeploymentState, variant: str, now: int) -> DeploymentState:
    """A version that crashed workers goes: a challenger's weight to the champion, one in command to the one before.

    It is refused from then on until somebody says retry.

    Raises:
        Conflict: the variant is empty, or is in command and there is nothing to go back to.
    """
    slot, run = state.slot(variant), state.open_run
    if slot is None:
        raise Conflict(f"{_empty(state, variant)}, so there is nothing to take out of {state.deployment!r}.")
    if run is not None and run.challenger == variant:
        return rolled_back(spec, state, now)
    if variant != spec.default:
        pins = _emptied(state.pins, variant, "rolled back", heir=spec.default)
        return _next(state, pins=pins, rolled_back=_with(state, slot.model_version))
    if run is not None:
        raise Conflict(f"{slot.model_version} is in command of {state.deployment!r} and a release is under way.")
    return rolled_back(spec, state, now)


def advanced(spec: Deployment, state: DeploymentState, now: int, revision: int) -> DeploymentState:
    """The release enters its next stage; a test begins its first phase.

    Raises:
        Conflict: no release is under way, or it is in its last stage.
    """
    run = state.open_run
    if run is None or spec.release is None:
        raise Conflict(f"deployment {state.deployment!r} has no release under way.")
    stage = spec.release.stages[run.stage_index]
    if isinstance(stage, CanaryStage) and run.step + 1 < len(stage.steps):
        changed = msgspec.structs.replace(run, step=run.step + 1, status="running")
        check_move(run.state, "advance", changed.state)
        return _next(state, run=with_phase(changed, stage.steps[changed.step], now, revision))
    if run.stage_index + 1 >= len(spec.release.stages):
        raise Conflict(f"deployment {state.deployment!r} has no release with a further stage.")
    entered = in_stage(spec, _next(state), run, run.stage_index + 1, now, revision)
    assert entered.run is not None
    check_move(run.state, "advance", entered.run.state)
    return entered


def begun(spec: Deployment, state: DeploymentState, now: int, revision: int) -> DeploymentState:
    """A release that waited for the calendar enters its first stage.

    Raises:
        Conflict: no release is pending.
    """
    run = state.open_run
    if run is None or run.status != "pending":
        raise Conflict(f"deployment {state.deployment!r} has no release that waits to begin.")
    started = msgspec.structs.replace(run, status="running", started_at=now)
    return in_stage(spec, _next(state), started, 0, now, revision)


def failed(state: DeploymentState, now: int) -> DeploymentState:
    """The version of a pending release could not be loaded: it is refused until somebody says retry."""
    run = state.open_run
    if run is None or run.status != "pending":
        raise Conflict(f"deployment {state.deployment!r} has no release that waits to begin.")
    check_move("warming", "refuse", "failed")
    pins = _emptied(state.pins, run.challenger, "rolled back", heir=run.champion)
    return _next(state, pins=pins, run=_ended(run, "failed", now), rolled_back=_with(state, run.challenger_version))


def baking(state: DeploymentState) -> DeploymentState:
    """The canary step has its units; it bakes."""
    run = _open(state)
    check_move(run.state, "bake", "baking")
    return _next(state, run=msgspec.structs.replace(run, status="baking"))


def in_stage(
    spec: Deployment, state: DeploymentState, run: ReleaseRun, index: int, now: int, revision: int
) -> DeploymentState:
    """``state`` with ``run`` at the stage ``index``, begun now."""
    assert spec.release is not None
    stage = spec.release.stages[index]
    run = msgspec.structs.replace(
        run, stage=stage.kind, stage_index=index, stage_started_at=now, step=0, status="running"
    )
    share = share_of(stage, 0)
    if share is not None:
        run = with_phase(run, share, now, revision)
        salts = {**state.salts, run.entry: run.salt}  # kept when the release is over: ending it moves nobody twice
        state = msgspec.structs.replace(state, salts=salts)
    return msgspec.structs.replace(state, run=run)


def share_of(stage: Stage, step: int) -> float | None:
    """The challenger's share of the entry in a stage and step; None in shadow, where it has none."""
    if isinstance(stage, CanaryStage):
        return stage.steps[min(step, len(stage.steps) - 1)]
    return stage.share if isinstance(stage, TestStage) else None


def with_phase(run: ReleaseRun, share: float, now: int, revision: int) -> ReleaseRun:
    """``run`` with a new period of constant weights: ``share`` of the entry for the challenger."""
    arms = (Arm(run.champion, 1 - share), Arm(run.challenger, share))
    number = run.phase.number + 1 if run.phase is not None else 1
    phase = Phase(number=number, arms=arms, started_at=now, revision=revision)
    return msgspec.structs.replace(run, phases=(*run.phases, phase))


def concluded(state: DeploymentState, now: int) -> DeploymentState:
    """The release ends without an answer; the champion keeps command, the challenger stays loaded without traffic."""
    return _next(state, run=_ended(_open(state), "inconclusive", now))


def refused(state: DeploymentState, now: int) -> DeploymentState:
    """The same where the file says ``if_inconclusive: roll-back``: the version goes, and is refused until retry."""
    run = _open(state)
    pins = _emptied(state.pins, run.challenger, "rolled back", heir=run.champion)
    return _next(
        state, pins=pins, run=_ended(run, "inconclusive", now), rolled_back=_with(state, run.challenger_version)
    )


_STATUS: dict[str, RunStatus] = {
    "pause": "paused",
    "resume": "running",
    "propose": "proposed",
    "reconsider": "running",
}
"""The status that each move without new weights leads to."""


def moved(state: DeploymentState, event: Event) -> DeploymentState:
    """The release under way is paused, resumed, proposed or taken back; weights stay as they are.

    Raises:
        Conflict: it is in no state for that.
    """
    run = _open(state)
    status = _STATUS[event]
    check_move(run.state, event, state_of(status, run.stage))
    return _next(state, run=msgspec.structs.replace(run, status=status))


def with_caps(state: DeploymentState, caps: dict[str, float]) -> DeploymentState:
    """The numbers that were fixed before the first look are kept with the release; those kept already stay."""
    run = _open(state)
    return _next(state, run=msgspec.structs.replace(run, caps={**caps, **run.caps}))


def without_previous(state: DeploymentState, now: int) -> DeploymentState:
    """The previous version need not stay loaded any longer, and nobody is held out on it."""
    return _next(holdout_ended(state, now), previous=None)


def with_alias(state: DeploymentState, alias: AliasMove, strayed: int = 0) -> DeploymentState:
    """Where the champion's alias stands by our doing, and where somebody else put it (0: nowhere)."""
    return _next(state, alias=alias, alias_due=None, alias_strayed=strayed)


def followed(spec: Deployment, state: DeploymentState, slot: Slot, now: int) -> DeploymentState:
    """The champion follows its alias to the version that somebody put it on; a release under way ends with it."""
    assert state.alias is not None
    return _next(
        left_command(state, state.slot(spec.default), now),
        pins=_with_slot(state.pins, spec.default, msgspec.structs.replace(slot, variant=spec.default)),
        previous=kept_as_previous(spec, state, slot, now),
        holdout=holdout_ended(state, now).holdout,
        run=abandoned(state.run, now),
        alias=msgspec.structs.replace(state.alias, version=slot.version),
        alias_strayed=0,
    )


def fallen_back(spec: Deployment, state: DeploymentState, slot: Slot, now: int) -> DeploymentState:
    """A named version takes command, and the one that had it is refused until somebody says retry.

    Raises:
        Conflict: it is in command already.
    """
    old = state.slot(spec.default)
    if old is not None and old.digest == slot.digest:
        raise Conflict(f"{slot.model_version} is in command of {state.deployment!r} already.")
    return _next(
        left_command(state, old, now),
        pins=_with_slot(state.pins, spec.default, msgspec.structs.replace(slot, variant=spec.default)),
        previous=kept_as_previous(spec, state, slot, now),
        holdout=holdout_ended(state, now).holdout,
        run=abandoned(state.run, now),
        alias_due=_alias_to(state, slot),
        rolled_back=_with(state, old.model_version) if old is not None else state.rolled_back,
    )


def kept_as_previous(
    spec: Deployment, state: DeploymentState, new: Slot, now: int, release: str = ""
) -> Previous | None:
    """The version in command as the one to go back to, now that ``new`` replaces it."""
    old = state.slot(spec.default)
    if old is None or old.digest == new.digest:
        return state.previous
    return Previous(
        slot=msgspec.structs.replace(old, variant=PREVIOUS),
        release=release,
        replaced=new.model_version,
        until=now + round(max(spec.rollback_window, _held_for(spec) if release else 0.0) * _SECOND),
    )


def _held_for(spec: Deployment) -> float:
    """Seconds for which the file holds units out after a promotion."""
    return spec.release.holdout.duration if spec.release is not None and spec.release.holdout is not None else 0.0


def _held_out(spec: Deployment, state: DeploymentState, run: ReleaseRun, now: int, revision: int) -> ReleaseRun | None:
    """The comparison that goes on after a promotion: a share stays on ``previous``, drawn anew."""
    if spec.release is None or spec.release.holdout is None:
        return None
    share = spec.release.holdout.share
    arms = (Arm(PREVIOUS, share), Arm(spec.default, 1 - share))
    name = f"{run.id}{HELD_OUT}"
    return ReleaseRun(
        id=name,
        deployment=state.deployment,
        entry=run.entry,
        champion=PREVIOUS,
        challenger=spec.default,
        champion_version=run.champion_version,
        challenger_version=run.challenger_version,
        salt=f"{state.deployment}/{run.entry}/{name}",
        stage="test",
        stage_started_at=now,
        phases=(Phase(number=1, arms=arms, started_at=now, revision=revision),),
        alpha=run.alpha,
        plan_units=run.plan_units,
        caps=run.caps,
        started_at=now,
    )


def holdout_ended(state: DeploymentState, now: int) -> DeploymentState:
    """Nobody is held out any more: the version in command has every unit."""
    held = state.holdout
    if held is None or not held.open:
        return state
    return msgspec.structs.replace(state, holdout=_ended(held, "abandoned", now))


def _in_command(run: ReleaseRun, now: int) -> ReleaseRun:
    ended = _ended(run, "promoted", now)
    assert ended is not None
    return msgspec.structs.replace(ended, took_command_at=now)


def abandoned(run: ReleaseRun | None, now: int) -> ReleaseRun | None:
    """``run`` ended from outside, when it was under way."""
    return _ended(run, "abandoned", now) if run is not None and run.open else run


def _open(state: DeploymentState) -> ReleaseRun:
    run = state.open_run
    if run is None:
        raise Conflict(f"deployment {state.deployment!r} has no release under way.")
    return run


def _next(state: DeploymentState, **changes: object) -> DeploymentState:
    return msgspec.structs.replace(state, version=state.version + 1, **changes)


def _ended(run: ReleaseRun | None, status: RunStatus, now: int) -> ReleaseRun | None:
    if run is None:
        return None
    if status in _ENDS:
        check_move(run.state, _ENDS[status], state_of(status, run.stage))
    return msgspec.structs.replace(run, status=status, ended_at=now)


_ENDS: dict[str, Event] = {
    "promoted": "promote",
    "rolled-back": "roll back",
    "inconclusive": "conclude",
    "abandoned": "abandon",
}
"""The move that ends a release with a status."""


def _was_promoted(state: DeploymentState) -> bool:
    return state.run is not None and state.previous is not None and state.run.id == state.previous.release


def _with_slot(pins: tuple[Pin, ...], variant: str, slot: Slot) -> tuple[Pin, ...]:
    return tuple(
        msgspec.structs.replace(pin, slot=slot, went_back=False) if pin.variant == variant else pin for pin in pins
    )


def _gone_back(pin: Pin, champion: str, back: Slot) -> Pin:
    if pin.variant == champion:
        return msgspec.structs.replace(pin, slot=back, went_back=True)
    return msgspec.structs.replace(pin, emptied="rolled back") if pin.emptied == "promoted" else pin


def _emptied(pins: tuple[Pin, ...], variant: str, why: str, heir: str) -> tuple[Pin, ...]:
    return tuple(
        msgspec.structs.replace(pin, slot=None, emptied=why, heir=heir) if pin.variant == variant else pin
        for pin in pins
    )


def _with(state: DeploymentState, version: str) -> tuple[str, ...]:
    return (*(v for v in state.rolled_back if v != version), version)


def _alias_to(state: DeploymentState, slot: Slot) -> AliasMove | None:
    """The alias follows command, when it is an alias of the same model."""
    if state.alias is None or state.alias.model != slot.model or not slot.version:
        return None
    return msgspec.structs.replace(state.alias, version=slot.version)


def _empty(state: DeploymentState, variant: str) -> str:
    pin = state.pin(variant)
    if pin is None:
        return f"variant {variant!r} is not declared"
    if pin.slot is None:
        return f"variant {variant!r} is empty (its version was {pin.emptied})"
    return f"variant {variant!r} is in command"
