"""Several versions as one: what they take and give together; pure.

The ensemble takes every feature that a member takes. Members whose tensors are alike share one; a tensor that differs
from another of its name gets the member's position behind it, ``X.2``. So rows are read once, for all of them.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from seatrial.routing.snapshot import Combine, Slot
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import TEXT_KINDS, Answer, Datatype, Feature, Label, Signature, Tensor


def ensemble_signature(name: str, members: Sequence[Slot], combine: Combine) -> Signature:
    """What an ensemble takes and gives; its outputs are called as the first member's.

    Args:
        name: The variant's name, for messages.
        members: At least two, each a version.

    Raises:
        BadInput: The members are not of one kind, or cannot be combined like that; the message names them.
    """
    _check_alike(name, members, combine)
    first = members[0].signature
    answer = first.answer
    classes = answer.classes
    outputs = [Tensor(name=answer.prediction, datatype=label_datatype(classes) if classes else "FP64", shape=(-1,))]
    scores = None
    if classes and combine != "vote":
        scores = answer.scores
        outputs.append(Tensor(name=scores or "", datatype="FP64", shape=(-1, len(classes))))
    return Signature(
        task=first.task,
        features=_features(name, members),
        inputs=tuple(_placed(members)[0].values()),
        outputs=tuple(outputs),
        answer=Answer(prediction=answer.prediction, scores=scores, classes=classes),
    )


def member_inputs(members: Sequence[Slot]) -> tuple[Mapping[str, str], ...]:
    """For each member, its own tensors' names, each with the name of that tensor in the ensemble."""
    return tuple(_placed(members)[1])


def ensemble_digest(members: Sequence[Slot], combine: Combine, weights: Sequence[float]) -> str:
    """SHA-256 over the members' digests, in order, and how they are combined."""
    said = [combine, [slot.digest for slot in members], list(weights)]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()


def _check_alike(name: str, members: Sequence[Slot], combine: Combine) -> None:
    first = members[0]
    task = first.signature.task
    if task not in ("classification", "regression"):
        raise BadInput(f"`{name}` combines {_said(first)}, of task {task}; only labels and numbers can be combined.")
    if task == "regression" and combine == "vote":
        raise BadInput(f"`{name}` votes on numbers ({_said(first)} is a regression); write `combine: mean`.")
    for member in members:
        signature = member.signature
        if signature.task != task:
            raise BadInput(
                f"`{name}` combines {_said(first)}, of task {task}, with {_said(member)}, of task {signature.task}; "
                "members of an ensemble have one task."
            )
        if set(signature.answer.classes) != set(first.signature.answer.classes):
            raise BadInput(
                f"`{name}` combines {_said(first)}, which answers {_some(first)}, with {_said(member)}, which answers "
                f"{_some(member)}; members of an ensemble have the same classes."
            )
        if task == "classification" and not signature.answer.classes:
            raise BadInput(f"`{name}` combines {_said(member)}, whose classes nobody knows; register it with them.")
        if task == "classification" and combine != "vote" and signature.answer.scores is None:
            raise BadInput(f"`{name}` averages scores, and {_said(member)} gives none; write `combine: vote`.")


def _features(name: str, members: Sequence[Slot]) -> tuple[Feature, ...]:
    found: dict[str, Feature] = {}
    source: dict[str, Slot] = {}
    coded: dict[str, tuple[Slot, Feature]] = {}
    for member in members:
        by_code = {f for tensor in member.signature.inputs if tensor.datatype != "BYTES" for f in tensor.features}
        for feature in member.signature.features:
            known = found.get(feature.name)
            merged = feature if known is None else _both(name, known, source[feature.name], feature, member)
            if feature.kind in TEXT_KINDS and feature.name in by_code:
                other, before = coded.setdefault(feature.name, (member, feature))
                if before.categories != feature.categories:
                    raise BadInput(
                        f"`{name}` combines {_said(other)} with {_said(member)}, to which the categories of "
                        f"{feature.name!r} have other codes; register both with the same `categories` (--schema)."
                    )
            found[feature.name] = merged
            source.setdefault(feature.name, member)
    for feature_name, (_, feature) in coded.items():
        found[feature_name] = msgspec.structs.replace(found[feature_name], categories=feature.categories)
    return tuple(found.values())


def _both(name: str, one: Feature, whose: Slot, other: Feature, member: Slot) -> Feature:
    """The feature as both take it: what one of them refuses is refused."""
    kind = one.kind
    if {one.kind, other.kind} == {"number", "integer"}:
        kind = "integer"
    elif one.kind in TEXT_KINDS and other.kind in TEXT_KINDS:
        kind = "category" if "category" in (one.kind, other.kind) else one.kind
    elif one.kind != other.kind or (one.width and other.width and one.width != other.width):
        raise BadInput(
            f"`{name}` cannot give {one.name!r} to its members: it is {_kind(one)} to {_said(whose)} and "
            f"{_kind(other)} to {_said(member)}; register one of them with --schema."
        )
    known = (*(one.categories or ()), *(other.categories or ()))
    return Feature(
        name=one.name,
        kind=kind,
        nullable=one.nullable and other.nullable,
        categories=tuple(dict.fromkeys(known)) or None,
        width=one.width or other.width,
    )


def _kind(feature: Feature) -> str:
    width = f" of {feature.width}" if feature.width is not None else ""
    return f"{'an' if feature.kind[0] in 'aeiou' else 'a'} {feature.kind}{width}"


def _placed(members: Sequence[Slot]) -> tuple[dict[str, Tensor], list[dict[str, str]]]:
    """The ensemble's tensors, and for each member where its own are among them."""
    tensors: dict[str, Tensor] = {}
    placed = []
    for position, member in enumerate(members, 1):
        places = {}
        for tensor in member.signature.inputs:
            alike = tensors.get(tensor.name, tensor) == tensor
            name = tensor.name if alike else f"{tensor.name}.{position}"
            tensors[name] = msgspec.structs.replace(tensor, name=name)
            places[tensor.name] = name
        placed.append(places)
    return tensors, placed


def label_datatype(classes: Sequence[Label]) -> Datatype:
    """Of the ensemble's label tensor."""
    kinds = {type(label) for label in classes}
    return "BOOL" if kinds == {bool} else "INT64" if kinds == {int} else "BYTES"


def _said(slot: Slot) -> str:
    return f"`{slot.variant}` ({slot.model_version})"


def _some(slot: Slot) -> str:
    classes = slot.signature.answer.classes
    return ", ".join(repr(label) for label in classes[:4]) + (", …" if len(classes) > 4 else "") or "numbers"
