"""What a remote variant takes and gives, worked out from the signature that it stands beside and what its server says.

The variant takes the features of the deployment's other versions and gives their outputs by their names, so that all
variants answer alike; what the server calls them stands in the slot's ``remote``. Whatever is not clear is refused,
with the key that makes it clear. Pure.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from seatrial.protocol.asking import Described, Terms
from seatrial.protocol.packing import Packing
from seatrial.routing.snapshot import Remote
from seatrial.spec.answer_path import parse_path
from seatrial.spec.body_template import parse_body
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import (
    NUMERIC_KINDS,
    TEXT_KINDS,
    Answer,
    Datatype,
    Feature,
    FeatureKind,
    Signature,
    Task,
    Tensor,
)

_FLOATS = frozenset(("FP16", "BF16", "FP32", "FP64"))
_KINDS: dict[str, FeatureKind] = {"BYTES": "text", "BOOL": "boolean"}
_MODEL_DATATYPES = frozenset(Datatype.__args__)  # type: ignore[attr-defined]


class Settled(NamedTuple):
    """A signature, and the remote with every name settled."""

    signature: Signature
    remote: Remote


def settle_json(remote: Remote, beside: Signature | None) -> Settled:
    """The terms of a server that takes any JSON.

    Args:
        beside: The signature that it stands beside; it says which features there are and which classes.

    Raises:
        BadInput: Nobody says which features there are, or template and paths do not fit them.
    """
    if beside is None:
        raise BadInput(
            "nobody says which features it takes, because no other variant has a model; declare one with `model`, with "
            "or without traffic, or use `open_inference`"
        )
    for name in parse_body(remote.body).features:
        if name not in {feature.name for feature in beside.features}:
            raise BadInput(f"its `body` names the feature {name!r}; there are {_some(f.name for f in beside.features)}")
    for path in filter(None, (remote.answer, remote.score, remote.scores)):
        parse_path(path)
    inputs = tuple(_own_tensor(feature) for feature in beside.features)
    return Settled(_signature(remote, beside.task, beside.features, inputs, beside), remote)


def settle_open_inference(
    remote: Remote, terms: Terms, columns: Sequence[str], beside: Signature | None, task: Task | None
) -> Settled:
    """The terms of an Open Inference server.

    Args:
        terms: The model's metadata.
        columns: Features in the columns of its one input, as the file says; none: the file says nothing.
        beside: As for `settle_json`; None: the metadata say it all.
        task: What the file says.

    Raises:
        BadInput: Which feature goes where, or which output is the answer, is not clear.
    """
    _check_datatypes(terms, remote)
    features, inputs = _inputs(terms, columns, beside)
    wanted = beside.task if beside is not None else task or "raw"
    named = _named_outputs(remote, terms, wanted, beside)
    signature = _signature(named, wanted, features, inputs, beside, {one.name: one for one in terms.outputs})
    return Settled(signature, named)


def _signature(
    remote: Remote,
    task: Task,
    features: tuple[Feature, ...],
    inputs: tuple[Tensor, ...],
    beside: Signature | None,
    outputs: dict[str, Described] | None = None,
) -> Signature:
    if task == "ranking":
        raise BadInput("a ranking cannot be remote yet; register its model")
    if task != "classification" and (remote.score or remote.scores or (not remote.answer and outputs is None)):
        raise BadInput(f"probabilities are of a classification, and this is a {task}; say `answer`")
    if task == "classification":
        answer, given = _classes(remote, beside, (outputs or {}).get(remote.answer))
    elif task == "raw" and outputs and not remote.answer:
        for one in outputs.values():
            if one.datatype not in _MODEL_DATATYPES:
                raise BadInput(f"its output {one.name!r} is {one.datatype}, which is not understood; name an `answer`")
        given = tuple(_tensor(one) for one in outputs.values())
        answer = Answer(prediction=given[0].name)
    else:
        name = beside.answer.prediction if beside is not None and task == "regression" else "prediction"
        answer = Answer(prediction=name)
        given = (Tensor(name=name, datatype="FP64" if task == "regression" else "BYTES", shape=(-1,)),)
    signature = Signature(task=task, features=features, inputs=inputs, outputs=given, answer=answer)
    Packing(signature)  # refuses tensors that cannot hold their features
    return signature


def _classes(remote: Remote, beside: Signature | None, output: Described | None) -> tuple[Answer, tuple[Tensor, ...]]:
    classes = beside.answer.classes if beside is not None else ()
    if remote.score and len(classes) != 2:
        raise BadInput(f"`score` is of two classes, and the default variant has {len(classes) or 'none that is known'}")
    if remote.scores and len(classes) < 2:
        raise BadInput("`scores` are of known classes, and the default variant has none; leave them out")
    name = beside.answer.prediction if beside is not None else "prediction"
    scores = (beside.answer.scores if beside is not None else None) or "scores"
    positions = output is not None and _are_positions(output, remote, beside)
    datatype = "INT64" if positions else _label_datatype(beside, output)
    given: tuple[Tensor, ...] = (Tensor(name=name, datatype=datatype, shape=(-1,)),)
    gives_scores = bool(remote.score or remote.scores)
    if gives_scores:
        given += (Tensor(name=scores, datatype="FP64", shape=(-1, len(classes))),)
    answer = Answer(
        prediction=name,
        scores=scores if gives_scores else None,
        classes=classes,
        prediction_is_index=positions,
    )
    return answer, given


def _are_positions(output: Described, remote: Remote, beside: Signature | None) -> bool:
    """Whole numbers out of a classifier of strings are positions among its classes."""
    if beside is None or not beside.answer.classes or output.datatype in ("BYTES", "BOOL", *_FLOATS):
        return False
    same = beside.answer.prediction_is_index and remote.answer == beside.answer.prediction
    return same or not any(isinstance(label, int) for label in beside.answer.classes)


def _label_datatype(beside: Signature | None, output: Described | None) -> Datatype:
    if beside is not None and beside.answer.classes:
        kinds = {type(label) for label in beside.answer.classes}
        return "BOOL" if kinds == {bool} else "INT64" if kinds == {int} else "BYTES"
    told = output.datatype if output is not None else None
    if beside is not None:
        told = next((t.datatype for t in beside.outputs if t.name == beside.answer.prediction), told)
    return "BYTES" if told in (None, "BYTES") else "BOOL" if told == "BOOL" else "INT64"


def _own_tensor(feature: Feature) -> Tensor:
    if feature.kind in NUMERIC_KINDS:
        return Tensor(name=feature.name, datatype="FP64", shape=(-1,), features=(feature.name,))
    if feature.kind in TEXT_KINDS:
        return Tensor(name=feature.name, datatype="BYTES", shape=(-1,), features=(feature.name,), null=True)
    return Tensor(name=feature.name, datatype="FP64", shape=(-1, feature.width or -1), features=(feature.name,))


def _check_datatypes(terms: Terms, remote: Remote) -> None:
    if not terms.inputs:
        raise BadInput(
            f"its server names no inputs of {remote.model!r}, so nobody knows how to ask; declare them at that server"
        )
    for one in (*terms.inputs, *terms.outputs):
        if not one.shape or one.shape[0] != -1:
            raise BadInput(f"its server takes a fixed number of rows: {one.name} is {list(one.shape)}; it must vary")
    for one in terms.inputs:
        if one.datatype not in _MODEL_DATATYPES or (one.datatype == "FP16" and remote.protocol == "http"):
            raise BadInput(f"its input {one.name!r} is {one.datatype}, which cannot be sent by {remote.protocol}")


def _inputs(
    terms: Terms, columns: Sequence[str], beside: Signature | None
) -> tuple[tuple[Feature, ...], tuple[Tensor, ...]]:
    """Which features there are, and what of them goes into which input."""
    first, *others = terms.inputs
    if columns:
        if others:
            raise BadInput(f"`features` are the columns of one input, and its server has {_named(terms.inputs)}")
        if _width(first) not in (len(columns), -1):
            raise BadInput(f"`features` are {len(columns)}, and its server has {_named(terms.inputs)}")
        return _of_columns(first, tuple(columns), beside)
    if beside is None:
        features = tuple(_feature(one) for one in terms.inputs)
        return features, tuple(_tensor(one, (one.name,)) for one in terms.inputs)
    if (same := _same_inputs(terms, beside)) is not None:
        return beside.features, same
    names = {feature.name: feature for feature in beside.features}
    if all(one.name in names for one in terms.inputs):
        for one in terms.inputs:
            _check_kind(one, names[one.name])
        if terms.by_feature:
            return beside.features, tuple(_own_tensor(names[one.name]) for one in terms.inputs)
        return beside.features, tuple(_tensor(one, (one.name,)) for one in terms.inputs)
    if not others and _width(first) == len(names):
        return _of_columns(first, tuple(names), beside)
    raise BadInput(
        f"its server has {_named(terms.inputs)}, and the features are {_some(names)}; which goes where is not clear: "
        "name the columns of one input in `features`"
    )


def _same_inputs(terms: Terms, beside: Signature) -> tuple[Tensor, ...] | None:
    """The tensors of the version beside, where the server takes the same: it is that kind of model."""
    theirs = {one.name: one for one in terms.inputs}
    if set(theirs) != {tensor.name for tensor in beside.inputs}:
        return None
    for tensor in beside.inputs:
        one = theirs[tensor.name]
        if one.datatype != tensor.datatype or _width(one) not in (_width(tensor), -1):
            return None
    return beside.inputs


def _of_columns(
    one: Described, columns: tuple[str, ...], beside: Signature | None
) -> tuple[tuple[Feature, ...], tuple[Tensor, ...]]:
    if beside is None:
        kind: FeatureKind = _KINDS.get(one.datatype, "number")
        return tuple(Feature(name=name, kind=kind) for name in columns), (_tensor(one, columns),)
    known = {feature.name: feature for feature in beside.features}
    for name in columns:
        if name not in known:
            raise BadInput(f"`features` name {name!r}; there are {_some(known)}")
        _check_kind(one, known[name])
    return beside.features, (_tensor(one, columns),)


def _check_kind(one: Described, feature: Feature) -> None:
    if (one.datatype == "BYTES") != (feature.kind in TEXT_KINDS):
        raise BadInput(
            f"its input {one.name!r} is {one.datatype}, and the feature {feature.name!r} is a {feature.kind}: how it "
            "travels is not clear"
        )
    wide = feature.kind not in NUMERIC_KINDS and feature.kind not in TEXT_KINDS
    if wide and one.name != feature.name:
        raise BadInput(f"the feature {feature.name!r} is a {feature.kind} and cannot be a column of {one.name!r}")


def _feature(one: Described) -> Feature:
    width = _width(one)
    if width == 1:
        return Feature(name=one.name, kind=_KINDS.get(one.datatype, "number"))
    if one.datatype == "BYTES":
        raise BadInput(f"its input {one.name!r} has several strings a row; name them in `features`")
    return Feature(name=one.name, kind="list", width=width if width > 0 else None)


def _tensor(one: Described, features: tuple[str, ...] = ()) -> Tensor:
    shape = (-1, *one.shape[1:])
    return Tensor(name=one.name, datatype=one.datatype, shape=shape, features=features)  # type: ignore[arg-type]


def _named_outputs(remote: Remote, terms: Terms, task: Task, beside: Signature | None) -> Remote:
    """The remote with the names of the outputs that are the answer."""
    there = {one.name: one for one in terms.outputs}
    for key, name in (("answer", remote.answer), ("score", remote.score), ("scores", remote.scores)):
        if name and there and name not in there:
            raise BadInput(f"`{key}` names the output {name!r}, and its server has {_named(terms.outputs)}")
    if remote.answer or remote.score or remote.scores or task == "raw":
        return remote
    if beside is not None and beside.answer.prediction in there:
        found = beside.answer.scores if beside.answer.scores in there and len(beside.answer.classes) > 1 else None
        return msgspec.structs.replace(remote, answer=beside.answer.prediction, scores=found or "")
    flat = [one for one in terms.outputs if _width(one) == 1]
    wide = [one for one in terms.outputs if _width(one) != 1 and one.datatype in _FLOATS]
    classes = len(beside.answer.classes) if beside is not None else 0
    scored = len(wide) == 1 and classes > 1 and _width(wide[0]) in (classes, -1)
    if task == "regression" and len(terms.outputs) == 1 and flat and flat[0].datatype not in ("BYTES", "BOOL"):
        return msgspec.structs.replace(remote, answer=flat[0].name)
    if task == "classification" and len(flat) == 1 and flat[0].datatype not in _FLOATS:
        return msgspec.structs.replace(remote, answer=flat[0].name, scores=wide[0].name if scored else "")
    if task == "classification" and not flat and scored:
        return msgspec.structs.replace(remote, scores=wide[0].name)
    raise BadInput(
        f"its server has {_named(terms.outputs) or 'no outputs that it names'}, and which is the answer of a {task} is "
        "not clear; name it with `answer`" + (", `score` or `scores`" if task == "classification" else "")
    )


def _width(one: Described | Tensor) -> int:
    """Elements a row; -1 where that varies."""
    width = 1
    for side in one.shape[1:]:
        if side < 0:
            return -1
        width *= side
    return width


def _named(tensors: Sequence[Described]) -> str:
    return _some(f"{one.name} {one.datatype} {list(one.shape)}" for one in tensors)


def _some(names: object) -> str:
    found = [str(name) for name in names]  # type: ignore[attr-defined]
    return ", ".join(found[:5]) + (", …" if len(found) > 5 else "")
