"""Whether the versions of one deployment can stand in for each other; pure."""

from collections.abc import Sequence

from seatrial.routing.snapshot import Slot
from seatrial.spec.deployment import Deployment
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature


def check_compatible(spec: Deployment, slots: Sequence[Slot]) -> None:
    """Raise BadInput when two variants could not answer the same request, or their answers could not be compared.

    Args:
        spec: The deployment.
        slots: Every variant that is loaded; that of ``spec.default`` among them.
    """
    command = next(slot for slot in slots if slot.variant == spec.default)
    task = spec.task or command.signature.task
    for slot in slots:
        _check_task(slot, task, spec)
        _check_features(slot, command)
        _check_classes(slot, command)
    _check_watched(spec, slots)


def _check_watched(spec: Deployment, slots: Sequence[Slot]) -> None:
    """A feature that is to be watched and that nobody takes would be watched by nobody, in silence."""
    if spec.monitors.data is None or spec.monitors.data.features == "all":
        return
    known = list(dict.fromkeys(feature.name for slot in slots for feature in slot.signature.features))
    for name in spec.monitors.data.features:
        if name not in known:
            raise BadInput(
                f"`monitors.data.features` names {name!r}, which no version takes; the features are {', '.join(known)}."
            )


def _check_task(slot: Slot, task: str, spec: Deployment) -> None:
    if slot.signature.task == task:
        return
    said = "the file says" if spec.task else f"`{spec.default}` is of"
    if slot.popular is not None:
        raise BadInput(
            f"variant `{slot.variant}` answers with a list of items, which is a ranking, but {said} {task}; a "
            "deployment has one task, so leave the variant out."
        )
    raise BadInput(
        f"variant `{slot.variant}` ({slot.model_version}) is of task {slot.signature.task}, but {said} {task}; a "
        "deployment has one task, so register the version with it or leave the variant out."
    )


def _check_features(slot: Slot, command: Slot) -> None:
    known = {feature.name: feature for feature in command.signature.features}
    for feature in slot.signature.features:
        other = known.get(feature.name)
        if other is not None and _form(other) != _form(feature):
            raise BadInput(
                f"feature {feature.name!r} is a {feature.kind} to `{slot.variant}` ({slot.model_version}) and a "
                f"{other.kind} to `{command.variant}` ({command.model_version}); register one of them with --schema."
            )
        if other is None and not feature.nullable:
            raise BadInput(
                f"`{slot.variant}` ({slot.model_version}) needs feature {feature.name!r}, which `{command.variant}` "
                f"({command.model_version}) does not take, so requests may lack it; register it as nullable (--schema)."
            )


def _form(feature: Feature) -> str:
    """How the feature travels: what one form accepts, another refuses."""
    if feature.kind in NUMERIC_KINDS:
        return "time" if feature.kind == "time" else "number"
    return "text" if feature.kind in TEXT_KINDS else "list"


def _check_classes(slot: Slot, command: Slot) -> None:
    mine, theirs = slot.signature.answer.classes, command.signature.answer.classes
    if mine and theirs and not set(mine) & set(theirs):
        raise BadInput(
            f"`{slot.variant}` ({slot.model_version}) answers with {_some(mine)} and `{command.variant}` "
            f"({command.model_version}) with {_some(theirs)}; their labels must be the same ones to be compared."
        )


def _some(labels: Sequence[object]) -> str:
    shown = ", ".join(repr(label) for label in labels[:4])
    return f"{shown}, …" if len(labels) > 4 else shown
