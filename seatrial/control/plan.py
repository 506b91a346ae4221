"""What applying a file would change, as sentences and as the state after; pure.

The file is intent, the state is what came of it. A variant's pin stays while its reference in the file stays the same,
whatever happened to it since: so an unchanged file changes nothing, also after a promotion or a rollback.
"""

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from seatrial.control.bandits import with_bandits
from seatrial.control.compatible import check_compatible
from seatrial.control.ensembles import reference_of
from seatrial.control.next_run import NextRun, next_run
from seatrial.control.popular import beside_others
from seatrial.control.snapshots import routing_snapshot
from seatrial.control.transitions import holdout_ended, kept_as_previous, left_command
from seatrial.releases.records import AliasMove, DeploymentState, Pin
from seatrial.routing.snapshot import Slot, Snapshot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput, Conflict
from seatrial.spec.tree import parse


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a file would do.

    Attributes:
        deployment: Which.
        changes: One sentence each; none: nothing changes.
        notes: What is worth knowing beside.
        after: The state that would hold; None when not even the text differs.
        snapshot: The routing snapshot to publish; None when gateways need not know.
    """

    deployment: str
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    after: DeploymentState | None = None
    snapshot: Snapshot | None = None


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Who applies, when, and the identities to use: what a pure function cannot find out for itself.

    Attributes:
        now: Microseconds since 1970 UTC.
        revision: The next routing revision.
        run_id: Identity of a release that would begin.
        retry: Whether versions that were rolled back, and releases that ended, may begin again.
        restart: Whether a release under way may be ended for another, and lose its evidence.
    """

    now: int
    actor: str
    revision: int
    run_id: str
    retry: bool = False
    restart: bool = False


def to_resolve(
    spec: Deployment, state: DeploymentState | None, retry: bool, renew: Collection[str] = ()
) -> dict[str, str]:
    """References by variant that must be looked up: new ones, with ``retry`` those of versions rolled back, and those
    to ``renew``."""
    wanted: dict[str, str] = {}
    for variant in spec.variants:
        pin = state.pin(variant) if state is not None else None
        again = retry and pin is not None and (pin.emptied == "rolled back" or pin.went_back)
        reference = reference_of(spec, variant)
        if pin is None or pin.reference != reference or again or variant in renew:
            wanted[variant] = reference
    return wanted


def make_plan(
    spec: Deployment,
    text: str,
    state: DeploymentState | None,
    resolved: Mapping[str, Slot],
    moment: Moment,
    transform: Pin | None = None,
    lists: Mapping[str, str] | None = None,
) -> Plan:
    """Compare a file with what is in force.

    Args:
        spec, text: The file.
        state: What is in force; None for a new deployment.
        resolved: A slot for every variant of ``to_resolve``.
        moment: Who, when, and the next identities.
        transform: The model that the file's transform comes to.
        lists: The files of units that its entries' lists come to.

    Raises:
        Conflict: a version was rolled back before, and this is no retry.
        BadInput: the versions do not go together.
    """
    before = state or DeploymentState(deployment=spec.deployment)
    _refuse_rolled_back(before, resolved, moment.retry)
    _check_settings(spec)
    pins = _pins(spec, before, resolved)
    check_compatible(spec, beside_others([pin.slot for pin in pins if pin.slot is not None], spec.default))
    command = next(pin for pin in pins if pin.variant == spec.default)
    assert command.slot is not None
    old = _spec_of(before)
    draft = msgspec.structs.replace(
        _command_passed(spec, before, command.slot, moment.now),
        version=before.version + 1,
        text=text,
        pins=pins,
        transform=transform,
        lists=dict(lists or {}),
        previous=kept_as_previous(spec, before, command.slot, moment.now),
        rolled_back=tuple(v for v in before.rolled_back if v not in {s.model_version for s in resolved.values()}),
        alias=_alias(before, command),
        applied_by=moment.actor,
        applied_at=moment.now,
    )
    over = _holdout_over(spec, before, command.slot)
    if over:
        draft = holdout_ended(draft, moment.now)
    run = next_run(spec, old, before, draft, moment)
    if over:
        said = f"nobody is held out on the version before any more, because {over}."
        run = msgspec.structs.replace(run, changes=(said, *run.changes))
    run = msgspec.structs.replace(run, state=with_bandits(spec, run.state, moment.now))
    return _finish(spec, old, before, run, moment)


def _command_passed(spec: Deployment, before: DeploymentState, command: Slot, now: int) -> DeploymentState:
    """``before``, in which the version leaves command that a file takes it from."""
    old = before.slot(spec.default)
    left = old is not None and old.model_version != command.model_version
    return left_command(before, old, now) if left else before


def _holdout_over(spec: Deployment, before: DeploymentState, command: Slot) -> str:
    """Why a file ends a holdout that is open, in words; "" when it goes on, or there is none."""
    held = before.holdout
    if held is None or not held.open:
        return ""
    if spec.release is None or spec.release.holdout is None:
        return "the file asks for none"
    if command.model_version != held.challenger_version:
        return f"{command.model_version} is in command now"
    entry = next((entry for entry in spec.routing if entry.name == held.entry), None)
    if entry is None or set(entry.split or {}) - {spec.release.of} != {spec.default}:
        return f"the file has no entry `{held.entry}` that is the champion's alone"
    return ""


def _finish(spec: Deployment, old: Deployment | None, before: DeploymentState, run: NextRun, moment: "Moment") -> Plan:
    notes = (*run.notes, *_went_back(run.state))
    in_lists = _list_changes(before, run.state)
    in_file = _file_changes(before.text, run.state.text, run.begins)
    changes = (*_pin_changes(before, run.state), *run.changes, *in_lists, *in_file)
    snapshot = routing_snapshot(spec, msgspec.structs.replace(run.state, revision=moment.revision))
    if old is not None and before.revision and _same(snapshot, routing_snapshot(old, before)):
        unchanged = run.state.text == before.text and not changes
        after = None if unchanged else run.state
        return Plan(deployment=spec.deployment, changes=changes, notes=notes, after=after)
    after = msgspec.structs.replace(run.state, revision=moment.revision)
    return Plan(deployment=spec.deployment, changes=changes, notes=notes, after=after, snapshot=snapshot)


def _went_back(state: DeploymentState) -> list[str]:
    """Variants whose reference came to a version that was rolled back, so that the one before serves."""
    return [
        f"`{pin.variant}` ({pin.reference}) serves {pin.slot.model_version}, because the version that it came to was "
        "rolled back; apply with --retry to try that again."
        for pin in state.pins
        if pin.went_back and pin.slot is not None
    ]


def _same(one: Snapshot, other: Snapshot) -> bool:
    return one == msgspec.structs.replace(other, revision=one.revision)


def _spec_of(state: DeploymentState) -> Deployment | None:
    from seatrial.spec.read import load_deployment  # slow to import, and only needed for a file that was applied

    return load_deployment(state.text) if state.text else None


def _refuse_rolled_back(state: DeploymentState, resolved: Mapping[str, Slot], retry: bool) -> None:
    for variant, slot in resolved.items():
        if slot.model_version in state.rolled_back and not retry:
            raise Conflict(
                f"variant `{variant}` is {slot.model_version}, which was rolled back before; "
                "apply with --retry to try it again, or name another version."
            )


def _check_settings(spec: Deployment) -> None:
    """What a challenger's version needs, or was tested with, it must find in the champion's place."""
    if spec.release is None:
        return
    challenger, champion = spec.variants[spec.release.of], spec.variants[spec.default]
    if challenger.device != champion.device:
        raise BadInput(
            f"variant `{spec.release.of}` runs on {challenger.device} and `{spec.default}` on {champion.device}, so "
            "what is tested would not be what takes command; write the same `device` at both."
        )
    if challenger.trust == "pickle" and champion.trust != "pickle":
        raise BadInput(
            f"variant `{spec.release.of}` says `trust: pickle` and `{spec.default}` does not, so its version could "
            f"never take command; write `trust: pickle` at `{spec.default}` too, or release a version without pickle."
        )


def _pins(spec: Deployment, before: DeploymentState, resolved: Mapping[str, Slot]) -> tuple[Pin, ...]:
    pins: list[Pin] = []
    for variant in spec.variants:
        kept = before.pin(variant)
        if variant in resolved:
            pins.append(Pin(variant=variant, reference=reference_of(spec, variant), slot=resolved[variant]))
        else:
            assert kept is not None
            pins.append(kept)
    command = next(pin.slot for pin in pins if pin.variant == spec.default)
    if spec.release is None or command is None:
        return tuple(pins)
    # A release of the version that is in command already is over before it begins.
    return tuple(
        msgspec.structs.replace(pin, slot=None, emptied="promoted", heir=spec.default)
        if pin.variant == spec.release.of and pin.slot is not None and pin.slot.digest == command.digest
        else pin
        for pin in pins
    )


def _alias(before: DeploymentState, command: Pin) -> AliasMove | None:
    """The alias that the file's reference names, on the version that it was pinned to."""
    model, sign, alias = command.reference.removeprefix("models:/").partition("@")
    if not sign or command.slot is None or not command.slot.version:
        return None
    if before.alias is not None and (before.alias.model, before.alias.alias) == (model, alias):
        kept = before.pin(command.variant)
        if kept is not None and kept.reference == command.reference and kept.slot == command.slot:
            return before.alias
    return AliasMove(model=model, alias=alias, version=command.slot.version)


def _pin_changes(before: DeploymentState, after: DeploymentState) -> list[str]:
    changes = []
    for pin in after.pins:
        old = before.pin(pin.variant)
        was = old.slot.model_version if old is not None and old.slot is not None else None
        now = pin.slot.model_version if pin.slot is not None else None
        if old is None:
            changes.append(f"`{pin.variant}` is {now or 'empty'} ({pin.reference}).")
        elif was == now and pin.slot is not None and pin.slot.ensemble is not None and old.reference != pin.reference:
            changes.append(f"`{pin.variant}` combines other versions: {old.reference} → {pin.reference}.")
        elif was == now and pin.slot is not None and pin.slot.popular is not None and old.reference != pin.reference:
            changes.append(f"`{pin.variant}` counts otherwise: {old.reference} → {pin.reference}.")
        elif was == now and old.reference != pin.reference:
            changes.append(f"`{pin.variant}` stays {now or 'empty'}, named as {pin.reference} now.")
        elif was != now:
            changes.append(f"`{pin.variant}`: {was or 'empty'} → {now or 'empty'} ({pin.reference}).")
    named = {pin.variant for pin in after.pins}
    changes += [f"`{pin.variant}` is removed." for pin in before.pins if pin.variant not in named]
    return changes


def _list_changes(before: DeploymentState, after: DeploymentState) -> list[str]:
    """Lists whose units are others, though the file may say the same."""
    named = [name for name, file in after.lists.items() if before.lists.get(name, file) != file]
    return [f"the units that `{name}` takes are others." for name in named]


def _file_changes(before: str, after: str, release_begins: bool) -> list[str]:
    """What differs between two files beside the versions, in the file's own words."""
    if not before:
        return ["the deployment is new."]
    old, new = parse(before, "the file in force").plain, parse(after, "the file").plain
    for values in (old, new):
        for variant in (values.get("variants") or {}).values():
            if isinstance(variant, dict):
                for key in ("model", "popular", "ensemble", "combine", "weights"):
                    variant.pop(key, None)
        if release_begins:
            values.pop("release", None)
    return _differences(old, new, "")


def _differences(old: Any, new: Any, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in _of_key(old, new, key, f"{path}.{key}" if path else str(key))]
    return [f"`{path}`: {_shown(old)} → {_shown(new)}."]


def _of_key(old: dict[str, Any], new: dict[str, Any], key: str, path: str) -> list[str]:
    if path.startswith("variants.") and path.count(".") == 1 and (key not in old or key not in new):
        return []  # said of its pin already
    if key not in new:
        return [f"`{path}` is removed (was {_shown(old[key])})."]
    if key not in old:
        return [f"`{path}` is added: {_shown(new[key])}."]
    return _differences(old[key], new[key], path)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_shown(child) for child in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
