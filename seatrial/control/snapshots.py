"""From intent and state to the routing snapshot that gateways serve; pure."""

from collections.abc import Mapping, Sequence

import msgspec

from seatrial.control.ensembles import with_settings
from seatrial.control.popular import beside_others
from seatrial.control.transforms import transform_of
from seatrial.protocol.outcome_shapes import label_kinds
from seatrial.releases.records import DeploymentState, Pin
from seatrial.releases.run import ReleaseRun
from seatrial.routing.rules.conditions import conditions
from seatrial.routing.rules.expression import Expression
from seatrial.routing.rules.naming import names_of
from seatrial.routing.rules.parsing import Names
from seatrial.routing.snapshot import (
    Arm,
    Batch,
    BreakerPolicy,
    Cache,
    ContextKey,
    Crowd,
    Entry,
    LogPolicy,
    Lookup,
    Shadow,
    Slot,
    Snapshot,
    Transform,
    features_of,
)
from seatrial.spec.deployment import (
    ColdStartSpec,
    Deployment,
    EntrySpec,
    LogSpec,
    OutcomeSpec,
    ShadowStage,
    VariantSpec,
)
from seatrial.spec.errors import BadInput
from seatrial.spec.outcome_shapes import OutcomeField, OutcomeShape

UNSAID_KINDS = frozenset({"text", "list", "embedding"})
"""Kinds that ``log: {features: all}`` leaves out: they are logged when the file names them."""


WARM = "warm"


def warm_file(deployment: str, cold: ColdStartSpec) -> str:
    """The name, in snapshots, of the file of units that are no longer cold."""
    return f"{deployment}/{WARM}-{cold.outcome}-{cold.fewer_than}"


def routing_snapshot(spec: Deployment, state: DeploymentState) -> Snapshot:
    """The snapshot of ``state.revision``.

    Args:
        spec: The deployment file in force.
        state: What came of it: a slot for every variant that is not empty.

    What the file names and no version takes is left out, and a rule that speaks of it fails at every request; a file
    that does is refused when it is applied.
    """
    waits = state.open_run.challenger if state.open_run is not None and state.open_run.status == "pending" else None
    pinned = [_slot(spec, pin) for pin in state.pins if pin.slot is not None and pin.variant != waits]
    slots = beside_others(pinned, spec.default)
    transform = transform_of(spec, state.transform, slots)
    rules = conditions(spec, rule_names(spec, slots, transform))
    command = next(slot for slot in slots if slot.variant == spec.default)
    if state.previous is not None:
        slots = beside_others((*slots, state.previous.slot), spec.default)
    return Snapshot(
        deployment=spec.deployment,
        revision=state.revision,
        task=spec.task or command.signature.task,
        unit_name=spec.unit.name,
        unit_from=spec.unit.source.removeprefix("context.") if spec.unit.source else None,
        context=tuple(ContextKey(name, field.kind, field.optional) for name, field in spec.context.items()),
        slots=slots,
        transform=transform,
        default=spec.default,
        fallback=None if spec.fallback is None else msgspec.json.encode(spec.fallback).decode(),
        strict_features=spec.strict_features,
        entries=tuple(_entry(entry, rules.get(entry.name), spec, state) for entry in spec.routing),
        shadows=_shadows(spec, state.open_run),
        outcomes=tuple(spec.outcomes),
        outcome_shapes=tuple(_shape(name, outcome, slots) for name, outcome in spec.outcomes.items()),
        log=_log_policy(spec.log, slots),
    )


def _slot(spec: Deployment, pin: Pin) -> Slot:
    assert pin.slot is not None
    variant = spec.variants[pin.variant]
    return msgspec.structs.replace(
        with_settings(pin.slot, variant),
        variant=pin.variant,
        lookup=_lookup(variant) if pin.slot.has_files else None,
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


def rule_names(spec: Deployment, slots: Sequence[Slot], transform: Transform | None) -> Names:
    """What rules may speak of: what a request carries for the default variant, then for the others, and the context."""
    if transform is not None:
        return names_of(transform.signature.features, spec.context)
    ordered = sorted(slots, key=lambda slot: slot.variant != spec.default)
    return names_of([feature for slot in ordered for feature in slot.signature.features], spec.context)


def _entry(entry: EntrySpec, when: Expression | None, spec: Deployment, state: DeploymentState) -> Entry:
    if entry.cold_start is not None:
        warm = Crowd(warm_file(spec.deployment, entry.cold_start), inside=False)
        to = _heir(entry.cold_start.to, state)
        return Entry(name=entry.name, when=when, crowd=warm, to=to, reason="cold-start")
    if entry.to is not None:
        listed = Crowd(state.lists[entry.name]) if entry.units_from is not None else None
        return Entry(
            name=entry.name,
            when=when,
            crowd=listed,
            to=_heir(entry.to, state),
            reason="explicit" if entry.units or listed is not None else "rule",
        )
    for run in (state.open_run, state.holdout):
        if run is not None and run.open and run.entry == entry.name and run.phase is not None:
            return Entry(
                name=entry.name,
                when=when,
                arms=run.phase.arms,
                salt=run.salt,
                reason="canary" if run.stage == "canary" else "split",
                release=run.id,
                phase=run.phase.number,
            )
    salt = state.salts.get(entry.name, f"{spec.deployment}/{entry.name}")
    if entry.bandit is not None:
        return _bandit(entry.name, when, state, salt)
    return Entry(name=entry.name, when=when, arms=_arms(entry.split or {}, state), salt=salt, reason="split")


def _bandit(name: str, when: Expression | None, state: DeploymentState, salt: str) -> Entry:
    """A split by the weights of the epoch, which is in the salt: units are drawn anew in each."""
    run = state.bandits[name]
    served = all(_heir(arm, state) == arm for arm in run.weights)
    return Entry(
        name=name,
        when=when,
        arms=_arms(run.weights, state),
        by_context=run.by_context if served else None,
        salt=f"{salt}/epoch-{run.epoch}",
        reason="bandit",
        phase=run.epoch,
    )


def _arms(shares: Mapping[str, float], state: DeploymentState) -> tuple[Arm, ...]:
    """Weights; an empty variant's goes to its heir."""
    weights: dict[str, float] = {}
    for variant, share in shares.items():
        served = _heir(variant, state)
        weights[served] = weights.get(served, 0.0) + share
    return tuple(Arm(variant, weight) for variant, weight in weights.items())


def _heir(variant: str, state: DeploymentState) -> str:
    pin = state.pin(variant)
    return pin.heir if pin is not None and pin.slot is None else variant


def _shadows(spec: Deployment, run: ReleaseRun | None) -> tuple[Shadow, ...]:
    if run is None or run.status == "pending" or spec.release is None:
        return ()
    if run.stage != "shadow":  # nobody shadows himself: each gets the requests of the other's arm
        both = (run.champion, run.challenger) if spec.release.trigger == "differs" else ()
        return tuple(
            Shadow(variant=variant, share=1.0, salt=run.salt, entry=run.entry, release=run.id) for variant in both
        )
    stage = spec.release.stages[run.stage_index]
    assert isinstance(stage, ShadowStage)
    return (Shadow(variant=run.challenger, share=stage.share, salt=run.salt, entry=run.entry, release=run.id),)


def _shape(name: str, outcome: OutcomeSpec, slots: tuple[Slot, ...]) -> OutcomeShape:
    fields = tuple(OutcomeField(field, kind) for field, kind in outcome.fields.items())
    plain = outcome.label and not fields
    kinds = label_kinds([slot.signature for slot in slots]) if plain else ()
    return OutcomeShape(name=name, fields=fields, label=outcome.label, kinds=kinds)


def check_log(log: LogSpec, slots: Sequence[Slot]) -> None:
    """Refuse, when a file is applied, a ``log`` that names a feature which no version takes; raises BadInput."""
    features = features_of(slots)
    named = {"log.features": log.features if not isinstance(log.features, str) else (), "log.redact": log.redact}
    for where, names in named.items():
        for name in map(_bare, names):
            if name not in features:
                raise BadInput(
                    f"`{where}` names {name!r}, which no version takes; the features are {', '.join(features)}."
                )


def _log_policy(log: LogSpec, slots: Sequence[Slot]) -> LogPolicy:
    """``log`` with its features named; a version that was rolled back may have taken one along."""
    features = features_of(slots)
    if log.features == "all":
        named = tuple(name for name, feature in features.items() if feature.kind not in UNSAID_KINDS)
    elif log.features == "none":
        named = ()
    else:
        named = tuple(name for name in map(_bare, log.features) if name in features)
    redact = tuple(name for name in map(_bare, log.redact) if name in features)
    return LogPolicy(features=named, redact=redact, sample=log.sample)


def _bare(name: str) -> str:
    return name.removeprefix("features.")
