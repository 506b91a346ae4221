"""Numbers, strings and vectors into the tensors of a model: what goes into which column, worked out once."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.spec.errors import BadInput
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature, Signature, Tensor

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
"""Open Inference datatypes as numpy's; BYTES are object arrays of strings."""

EXACT = 2.0**53
"""Integers beyond it are not all float64 numbers."""


class Bound(NamedTuple):
    """The lowest and the highest number that a tensor's datatype holds."""

    low: float
    high: float
    datatype: str


Texts = Sequence[Sequence[str | None]]
Vectors = Sequence[Sequence[list[float] | None]]
_Fill = Callable[[NDArray[np.float64], Texts, Vectors], NDArray[Any]]


class Packing:
    """Makes the input tensors of one signature.

    Raises:
        BadInput: On construction, a tensor that cannot hold its features: a list beside other features, a string in a
            numeric tensor, or a nullable feature in a whole-number tensor that names no stand-in for missing.
    """

    def __init__(self, signature: Signature) -> None:
        self._fills = tuple((tensor.name, _plan(tensor, signature)) for tensor in signature.inputs)
        self._straight = _straight(signature)

    def pack(self, numbers: NDArray[np.float64], texts: Texts, vectors: Vectors) -> dict[str, NDArray[Any]]:
        """Tensors by name; arguments as in ``features.Encoded``."""
        if self._straight is not None:
            name, fill = self._straight
            return {name: fill(numbers)}
        return {name: fill(numbers, texts, vectors) for name, fill in self._fills}


def _straight(signature: Signature) -> tuple[str, Callable[[NDArray[np.float64]], NDArray[Any]]] | None:
    """The commonest model: one floating tensor of all features, all numeric, NaN where missing."""
    if len(signature.inputs) != 1 or len(signature.numbers) != len(signature.features):
        return None
    (tensor,) = signature.inputs
    if tensor.datatype not in ("FP32", "FP64") or tensor.missing is not None or len(tensor.shape) != 2:
        return None
    if tensor.features != tuple(feature.name for feature in signature.numbers):
        return None
    if tensor.datatype == "FP64":
        return tensor.name, lambda numbers: numbers
    single = DTYPES[tensor.datatype]
    return tensor.name, lambda numbers: numbers.astype(single)


def _plan(tensor: Tensor, signature: Signature) -> _Fill:
    by_name = {feature.name: feature for feature in signature.features}
    try:
        features = [by_name[name] for name in tensor.features]
    except KeyError as error:
        raise BadInput(
            f"input tensor {tensor.name!r} packs feature {error}, which the signature does not have"
        ) from None
    if not features:
        raise BadInput(f"input tensor {tensor.name!r} packs no feature")
    if any(feature.kind not in NUMERIC_KINDS and feature.kind not in TEXT_KINDS for feature in features):
        return _vector_plan(tensor, features, signature)
    if tensor.datatype == "BYTES":
        return _string_plan(tensor, features, signature)
    return _number_plan(tensor, features, signature)


def _number_plan(tensor: Tensor, features: Sequence[Feature], signature: Signature) -> _Fill:
    number_at = {feature.name: index for index, feature in enumerate(signature.numbers)}
    text_at = {feature.name: index for index, feature in enumerate(signature.texts)}
    for feature in features:
        if feature.kind in TEXT_KINDS and feature.categories is None:
            raise BadInput(
                f"feature {feature.name!r} is a {feature.kind} without categories in the numeric {tensor.name!r}"
            )
    _check_missing(tensor, features)
    stand_in = _stand_in(tensor)
    columns = [(c, number_at[f.name]) for c, f in enumerate(features) if f.name in number_at]
    coded = [
        (c, text_at[f.name], {value: float(code) for code, value in enumerate(f.categories or ())})
        for c, f in enumerate(features)
        if f.name in text_at
    ]
    targets = np.array([c for c, _ in columns], dtype=np.intp)
    sources = np.array([s for _, s in columns], dtype=np.intp)
    dtype = DTYPES[tensor.datatype]
    mend = not np.isnan(stand_in)

    def fill(numbers: NDArray[np.float64], texts: Texts, _: Vectors) -> NDArray[Any]:
        values = np.empty((len(numbers), len(features)))
        if len(targets):
            values[:, targets] = numbers[:, sources]
        for column, source, codes in coded:
            values[:, column] = [codes.get(row[source], stand_in) for row in texts]  # type: ignore[arg-type]
        if mend:
            values[np.isnan(values)] = stand_in
        return _shaped(values.astype(dtype), tensor)

    return fill


def _string_plan(tensor: Tensor, features: Sequence[Feature], signature: Signature) -> _Fill:
    text_at = {feature.name: index for index, feature in enumerate(signature.texts)}
    for feature in features:
        if feature.name not in text_at:
            raise BadInput(
                f"feature {feature.name!r} is a {feature.kind} and cannot be packed in the strings {tensor.name!r}"
            )
    sources = [text_at[feature.name] for feature in features]
    stand_in = None if tensor.null else "" if tensor.missing is None else str(tensor.missing)

    def fill(_: NDArray[np.float64], texts: Texts, __: Vectors) -> NDArray[Any]:
        values = np.empty((len(texts), len(sources)), dtype=object)
        for column, source in enumerate(sources):
            values[:, column] = [stand_in if row[source] is None else row[source] for row in texts]
        return _shaped(values, tensor)

    return fill


def _vector_plan(tensor: Tensor, features: Sequence[Feature], signature: Signature) -> _Fill:
    if len(features) != 1:
        raise BadInput(f"input tensor {tensor.name!r} packs a list beside other features; give the list its own tensor")
    (feature,) = features
    source = [vector.name for vector in signature.vectors].index(feature.name)
    if feature.nullable and feature.width is None:
        raise BadInput(f"list {feature.name!r} is nullable and of no fixed width, so missing has no shape")
    _check_missing(tensor, features)
    dtype = DTYPES[tensor.datatype]
    empty = [_stand_in(tensor)] * (feature.width or 0)

    def fill(_: NDArray[np.float64], __: Texts, vectors: Vectors) -> NDArray[Any]:
        rows = [empty if row[source] is None else row[source] for row in vectors]
        widths = {len(row) for row in rows if row is not None}
        if len(widths) > 1:
            raise BadInput(f"feature {feature.name!r}: expected lists of one length in a request, got {sorted(widths)}")
        return _shaped(np.array(rows, dtype=np.float64).reshape(len(rows), -1).astype(dtype), tensor)

    return fill


def _check_missing(tensor: Tensor, features: Sequence[Feature]) -> None:
    if tensor.datatype in ("FP16", "FP32", "FP64") or tensor.missing is not None:
        return
    for feature in features:
        if feature.nullable or feature.kind in TEXT_KINDS:
            raise BadInput(
                f"input tensor {tensor.name!r} of {tensor.datatype} has no stand-in for a missing or unseen"
                f" {feature.name!r}; give the tensor a `missing` value"
            )


def _stand_in(tensor: Tensor) -> float:
    return float("nan") if tensor.missing is None else float(tensor.missing)


def bounds(signature: Signature) -> dict[str, Bound]:
    """What the narrowest tensor of each numeric feature can hold; a value outside would become infinite, or wrap."""
    found: dict[str, Bound] = {}
    for tensor in signature.inputs:
        if tensor.datatype == "BYTES":
            continue
        low, high = _range(DTYPES[tensor.datatype])
        for name in tensor.features:
            known = found.get(name)
            if known is None or high - low < known.high - known.low:
                found[name] = Bound(low, high, tensor.datatype)
    return found


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype == np.bool_:
        return 0.0, 1.0
    if np.issubdtype(dtype, np.integer):
        whole = np.iinfo(dtype)
        return max(float(whole.min), -EXACT), min(float(whole.max), EXACT)
    real = np.finfo(dtype)
    return float(real.min), float(real.max)


def _shaped(values: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """[n, k] in the tensor's own shape: [n] where it has one axis, [n, …] where all its other axes are fixed."""
    if len(tensor.shape) == 2:
        return values
    if len(tensor.shape) == 1:
        return values.reshape(len(values))
    inner = tensor.shape[1:]
    if -1 in inner:
        inner = (*(size if size > 0 else 1 for size in inner[:-1]), -1)
    return values.reshape(len(values), *inner)
