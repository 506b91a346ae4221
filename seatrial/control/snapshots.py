"""From intent and state to the routing snapshot that gateways serve; pure."""

import msgspec

from seatrial.control.ensembles import with_settings
from seatrial.control.transforms import transform_of
from seatrial.protocol.outcome_shapes import label_kinds
from seatrial.releases.records import DeploymentState, Pin
from seatrial.releases.run import ReleaseRun
from seatrial.routing.snapshot import (
    Arm,
    Batch,
    BreakerPolicy,
    Cache,
    ContextKey,
    Entry,
    LogPolicy,
    Lookup,
    Shadow,
    Slot,
    Snapshot,
)
from seatrial.spec.deployment import Deployment, EntrySpec, LogSpec, OutcomeSpec, ShadowStage, VariantSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.outcome_shapes import OutcomeField, OutcomeShape
from seatrial.spec.signature import Feature

UNSAID_KINDS = frozenset({"text", "list", "embedding"})
"""Kinds that ``log: {features: all}`` leaves out: they are logged when the file names them."""


def routing_snapshot(spec: Deployment, state: DeploymentState) -> Snapshot:
    """The snapshot of ``state.revision``.

    Args:
        spec: The deployment file in force.
        state: What came of it: a slot for every variant that is not empty.

    Raises:
        BadInput: ``log`` names a feature that no version has; or no version takes what the transform gives.
    """
    waits = state.open_run.challenger if state.open_run is not None and state.open_run.status == "pending" else None
    slots = tuple(_slot(spec, pin) for pin in state.pins if pin.slot is not None and pin.variant != waits)
    command = next(slot for slot in slots if slot.variant == spec.default)
    if state.previous is not None:
        slots += (state.previous.slot,)
    return Snapshot(
        deployment=spec.deployment,
        revision=state.revision,
        task=spec.task or command.signature.task,
        unit_name=spec.unit.name,
        unit_from=spec.unit.source.removeprefix("context.") if spec.unit.source else None,
        context=tuple(ContextKey(name, field.kind, field.optional) for name, field in spec.context.items()),
        slots=slots,
        transform=transform_of(spec, state.transform, slots),
        default=spec.default,
        fallback=None if spec.fallback is None else msgspec.json.encode(spec.fallback).decode(),
        strict_features=spec.strict_features,
        entries=tuple(_entry(entry, spec, state) for entry in spec.routing),
        shadows=_shadows(spec, state.open_run),
        outcomes=tuple(spec.outcomes),
        outcome_shapes=tuple(_shape(name, outcome, slots) for name, outcome in spec.outcomes.items()),
        log=log_policy(spec.log, slots),
    )


def _slot(spec: Deployment, pin: Pin) -> Slot:
    assert pin.slot is not None
    variant = spec.variants[pin.variant]
    return msgspec.structs.replace(
        with_settings(pin.slot, variant),
        variant=pin.variant,
        lookup=_lookup(variant) if pin.slot.remote is None else None,
        breaker=_breaker(variant),
        batch=None if variant.batch is None else Batch(rows=variant.batch.rows, delay=variant.batch.delay),
        cache=None if variant.cache is None else Cache(bytes=variant.cache.bytes, ttl=variant.cache.ttl),
    )


def _breaker(variant: VariantSpec) -> BreakerPolicy | None:
    said = variant.breaker
    return None if said is None else BreakerPolicy(**said.model_dump())


def _lookup(variant: VariantSpec) -> Lookup | None:
    said = variant.lookup
    return None if said is None else Lookup(scores=said.scores, key=said.key, stale_after=said.stale_after)


def _entry(entry: EntrySpec, spec: Deployment, state: DeploymentState) -> Entry:
    if entry.to is not None:
        return Entry(name=entry.name, to=_heir(entry.to, state), reason="rule")
    run = state.open_run
    salt = state.salts.get(entry.name, f"{spec.deployment}/{entry.name}")
    if run is not None and run.entry == entry.name and run.phase is not None:
        return Entry(
            name=entry.name,
            arms=run.phase.arms,
            salt=run.salt,
            reason="canary" if run.stage == "canary" else "split",
            release=run.id,
            phase=run.phase.number,
        )
    return Entry(name=entry.name, arms=_arms(entry, state), salt=salt, reason="split")


def _arms(entry: EntrySpec, state: DeploymentState) -> tuple[Arm, ...]:
    """The file's weights; an empty variant's goes to its heir."""
    weights: dict[str, float] = {}
    for variant, share in (entry.split or {}).items():
        served = _heir(variant, state)
        weights[served] = weights.get(served, 0.0) + share
    return tuple(Arm(variant, weight) for variant, weight in weights.items())


def _heir(variant: str, state: DeploymentState) -> str:
    pin = state.pin(variant)
    return pin.heir if pin is not None and pin.slot is None else variant


def _shadows(spec: Deployment, run: ReleaseRun | None) -> tuple[Shadow, ...]:
    if run is None or run.status == "pending" or run.stage != "shadow" or spec.release is None:
        return ()
    stage = spec.release.stages[run.stage_index]
    assert isinstance(stage, ShadowStage)
    return (Shadow(variant=run.challenger, share=stage.share, salt=run.salt, entry=run.entry, release=run.id),)


def _shape(name: str, outcome: OutcomeSpec, slots: tuple[Slot, ...]) -> OutcomeShape:
    fields = tuple(OutcomeField(field, kind) for field, kind in outcome.fields.items())
    plain = outcome.label and not fields
    kinds = label_kinds([slot.signature for slot in slots]) if plain else ()
    return OutcomeShape(name=name, fields=fields, label=outcome.label, kinds=kinds)


def log_policy(log: LogSpec, slots: tuple[Slot, ...]) -> LogPolicy:
    """``log`` with its features named; raises BadInput for one that no version has."""
    features: dict[str, Feature] = {}
    for slot in slots:
        for feature in slot.signature.features:
            features.setdefault(feature.name, feature)
    if log.features == "all":
        named = tuple(name for name, feature in features.items() if feature.kind not in UNSAID_KINDS)
    elif log.features == "none":
        named = ()
    else:
        named = tuple(_known(name, features, "log.features") for name in log.features)
    redact = tuple(_known(name, features, "log.redact") for name in log.redact)
    return LogPolicy(features=named, redact=redact, sample=log.sample)


def _known(name: str, features: dict[str, Feature], where: str) -> str:
    bare = name.removeprefix("features.")
    if bare not in features:
        raise BadInput(f"`{where}` names {bare!r}, which no version takes; the features are {', '.join(features)}.")
    return bare
