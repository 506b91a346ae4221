"""What a deployment's transform comes to: its pinned model, which features it gives to whom, and what requests carry.

A request carries what the transform takes, and whatever the variants take that the transform does not give.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from seatrial.control.resolve import Registry, check_allowed, resolve, slot_of
from seatrial.models.manifest import read_manifest
from seatrial.releases.records import DeploymentState, Pin
from seatrial.routing.snapshot import Slot, Transform, features_of
from seatrial.spec.deployment import Deployment, GivenFeature, TransformSpec, VariantSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, FeatureKind, Signature, Tensor

TRANSFORM = "transform"
_LISTS = ("list", "embedding")


def transform_pin(spec: Deployment, state: DeploymentState | None, registry: Registry, store: Path) -> Pin | None:
    """The version that the transform's model comes to; a pin stays while its reference does.

    Raises:
        NotFound: no such model, alias or version.
        BadInput: the transform does not allow what the version needs.
    """
    said = spec.transform
    if said is None or said.model is None:
        return None
    as_variant = _variant(said)
    kept = state.transform if state is not None else None
    if kept is None or kept.reference != said.model or kept.slot is None:
        slot = resolve(TRANSFORM, as_variant, registry, store)
        return Pin(variant=TRANSFORM, reference=said.model, slot=slot)
    if (Path(kept.slot.path) / "manifest.json").exists():
        check_allowed(TRANSFORM, as_variant, kept.slot.model_version, read_manifest(kept.slot.path))
    else:
        slot_of(TRANSFORM, as_variant, kept.slot.model, kept.slot.version, registry, store)
    return kept


def check_transform(spec: Deployment, slots: Sequence[Slot], transform: Transform | None) -> None:
    """Refuse, when a file is applied, a transform that feeds nobody, or that takes a feature in another form.

    Later it is carried out as far as it goes: a version that took what it gives may have been emptied, and neither a
    rollback nor a promotion is refused for that.

    Args:
        slots: Every variant that is loaded.
        transform: What ``transform_of`` made of the file and them.

    Raises:
        BadInput: No version takes what it gives, or one takes that, or what requests carry, in another form.
    """
    said = spec.transform
    if said is None or transform is None:
        return
    features = features_of(slots)
    if transform.slot is None:
        _check_function(said, features)
    else:
        _check_model(transform.slot, transform, slots, features)
    for slot in slots:
        _check_forms(transform, slot)


def _check_function(said: TransformSpec, features: Mapping[str, Feature]) -> None:
    for name in said.gives:
        if name not in features:
            raise BadInput(
                f"`transform.gives` names {name!r}, which no version takes; the features are {', '.join(features)}."
            )


def _check_model(slot: Slot, transform: Transform, slots: Sequence[Slot], features: Mapping[str, Feature]) -> None:
    for output in slot.signature.outputs:
        feature = features.get(output.name)
        if feature is not None and output.name not in transform.gives:
            raise BadInput(
                f"the transform {slot.model_version} gives {output.name!r} in {_width(output)} columns, and the "
                f"versions take a {feature.kind}; name the output otherwise, or as the tensor whose columns it fills."
            )
    if not transform.gives:
        given = ", ".join(output.name for output in slot.signature.outputs)
        raise BadInput(
            f"the transform {slot.model_version} gives {given}, and no version takes a feature or a tensor of such a "
            f"name; the features are {', '.join(features)}, the tensors {', '.join(_tensors(slots))}."
        )


def _check_forms(transform: Transform, slot: Slot) -> None:
    """What a request carries must fit the transform and every version that takes it too."""
    given = {name for names in transform.gives.values() for name in names}
    carried = {feature.name: feature for feature in transform.signature.features}
    for feature in slot.signature.features:
        name = feature.name
        if name in transform.takes and name not in given and _form(feature) != _form(carried[name]):
            raise BadInput(
                f"feature {name!r} is a {carried[name].kind} to the transform and a {feature.kind} to "
                f"`{slot.variant}` ({slot.model_version}); call one of them otherwise, or let the transform give it."
            )


def transform_of(spec: Deployment, pin: Pin | None, slots: Sequence[Slot]) -> Transform | None:
    """The transform as gateways run it; pure. What it gives and no version takes is left out.

    Args:
        slots: Every variant that is loaded; that of ``spec.default`` among them.
    """
    said = spec.transform
    if said is None:
        return None
    if said.python is not None:
        taken = [_feature(name, given) for name, given in said.features.items()]
        return _transform(spec, None, taken, {name: (name,) for name in said.gives}, slots)
    assert pin is not None
    assert pin.slot is not None
    as_variant = _variant(said)
    slot = msgspec.structs.replace(pin.slot, timeout=said.timeout, trust=as_variant.trust)
    return _transform(spec, slot, slot.signature.features, _gives(slot, slots), slots)


def _variant(said: TransformSpec) -> VariantSpec:
    return VariantSpec(model=said.model, timeout=said.timeout, trust="pickle" if said.trust == "pickle" else "none")


def _transform(
    spec: Deployment,
    slot: Slot | None,
    taken: Iterable[Feature],
    gives: dict[str, tuple[str, ...]],
    slots: Sequence[Slot],
) -> Transform:
    assert spec.transform is not None
    command = next(one for one in slots if one.variant == spec.default)
    given = {name for names in gives.values() for name in names}
    takes = {feature.name: feature for feature in taken}
    past = {f.name: f for f in command.signature.features if f.name not in given}
    carried = {**{name: _both(feature, past.get(name)) for name, feature in takes.items()}}
    carried |= {name: feature for name, feature in past.items() if name not in carried}
    tensors = slot.signature.inputs if slot is not None else ()
    packed = {name for tensor in tensors for name in tensor.features}
    return Transform(
        slot=slot,
        python=spec.transform.python or "",
        takes=tuple(takes),
        gives=gives,
        signature=Signature(
            task=command.signature.task,
            features=tuple(carried.values()),
            inputs=(*tensors, *(_tensor(f) for f in carried.values() if f.name not in packed and _has_shape(f))),
            outputs=command.signature.outputs,
            answer=command.signature.answer,
        ),
        timeout=spec.transform.timeout,
    )


def _gives(slot: Slot, slots: Sequence[Slot]) -> dict[str, tuple[str, ...]]:
    """The features that each output of a model becomes: the one of its name, or those of the tensor of its name."""
    features, tensors = features_of(slots), _tensors(slots)
    found: dict[str, tuple[str, ...]] = {}
    for output in slot.signature.outputs:
        width = _width(output)
        feature, tensor = features.get(output.name), tensors.get(output.name)
        if feature is not None and (feature.kind in _LISTS) == (width != 1):
            found[output.name] = (feature.name,)
        elif tensor is not None and width in (-1, len(tensor.features)):
            found[output.name] = tensor.features
    return found


def _tensors(slots: Sequence[Slot]) -> dict[str, Tensor]:
    return {tensor.name: tensor for one in reversed(slots) for tensor in one.signature.inputs}


def _width(output: Tensor) -> int:
    return output.shape[-1] if len(output.shape) > 1 else 1


def _both(taken: Feature, past: Feature | None) -> Feature:
    """A feature that the transform takes, and that the variants take too, is as strict as both."""
    return taken if past is None else msgspec.structs.replace(taken, nullable=taken.nullable and past.nullable)


def _form(feature: Feature) -> str:
    if feature.kind in TEXT_KINDS:
        return "text"
    if feature.kind in ("number", "integer"):
        return "number"
    return "list" if feature.kind in _LISTS else feature.kind


def _feature(name: str, given: GivenFeature) -> Feature:
    kind: FeatureKind = "text" if given.kind == "string" else given.kind
    return Feature(name=name, kind=kind, nullable=given.optional)


def _has_shape(feature: Feature) -> bool:
    """A list of no fixed width is a tensor in each request by itself, and no tensor of all."""
    return feature.kind not in _LISTS or feature.width is not None


def _tensor(feature: Feature) -> Tensor:
    if feature.kind in TEXT_KINDS:
        return Tensor(name=feature.name, datatype="BYTES", shape=(-1,), features=(feature.name,))
    shape = (-1,) if feature.kind in NUMERIC_KINDS else (-1, feature.width or -1)
    return Tensor(name=feature.name, datatype="FP64", shape=shape, features=(feature.name,))
