"""What a model version takes and gives: its features, the tensors they are packed into, and its answer."""

from typing import Literal

import msgspec

Task = Literal["classification", "regression", "ranking", "raw"]
FeatureKind = Literal["number", "integer", "boolean", "category", "text", "time", "id", "list", "embedding"]
Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]
Label = str | int | bool

NUMERIC_KINDS: frozenset[str] = frozenset({"number", "integer", "boolean", "time"})
"""Kinds that travel, and are logged, as one float64: booleans as 0 and 1, times as seconds since 1970 UTC."""

TEXT_KINDS: frozenset[str] = frozenset({"category", "text", "id"})
"""Kinds that travel, and are logged, as one string (or missing)."""


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One input of a model, as a user names it.

    Attributes:
        name: The column's name in the reference data and in requests.
        kind: How it is validated, packed, logged and watched.
        nullable: Whether missing (``null`` or an absent key) is accepted.
        categories: For ``category``, the known values in the model's own order (a position is the value's code);
            a value outside it is *unseen*: accepted and counted.
        width: For ``list`` and ``embedding``, the fixed number of elements; None when it varies.
        zone: For ``time``, the IANA name of the zone by whose clock its hours are watched; None: UTC.
    """

    name: str
    kind: FeatureKind
    nullable: bool = False
    categories: tuple[str, ...] | None = None
    width: int | None = None
    zone: str | None = None


class Tensor(msgspec.Struct, frozen=True, kw_only=True):
    """One tensor of the model, in or out.

    Attributes:
        name: The tensor's name in the model's graph.
        datatype: Its Open Inference datatype.
        shape: Its shape, -1 where it varies; the first axis is the batch.
        features: For an input, the features packed into its columns, in order. A ``category`` in a numeric tensor is
            packed as its position in ``Feature.categories``; unseen and missing become ``missing``.
        missing: What stands in the tensor where the feature is missing: NaN by default in floating tensors (written
            None here, because JSON has no NaN), else a number or string that the model was converted to understand.
        null: In a tensor of strings nothing stands there: the element is None, and ``null`` when it travels.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    features: tuple[str, ...] = ()
    missing: float | str | None = None
    null: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How output tensors become an answer.

    Attributes:
        prediction: Output tensor that holds the label (classification) or value (regression); for ``raw`` unused.
        scores: Output tensor [n, classes] of probabilities, where the model gives them.
        classes: For classification, the labels in the order of the columns of ``scores``; for two classes the second
            is the positive one.
        prediction_is_index: The label output holds positions in ``classes`` instead of labels.
    """

    prediction: str
    scores: str | None = None
    classes: tuple[Label, ...] = ()
    prediction_is_index: bool = False


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a version takes and gives."""

    task: Task
    features: tuple[Feature, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    answer: Answer

    @property
    def numbers(self) -> tuple[Feature, ...]:
        """Features that are one float64 each, in declared order."""
        return tuple(f for f in self.features if f.kind in NUMERIC_KINDS)

    @property
    def texts(self) -> tuple[Feature, ...]:
        """Features that are one string each, in declared order."""
        return tuple(f for f in self.features if f.kind in TEXT_KINDS)

    @property
    def vectors(self) -> tuple[Feature, ...]:
        """Features that are lists of numbers, in declared order."""
        return tuple(f for f in self.features if f.kind not in NUMERIC_KINDS and f.kind not in TEXT_KINDS)
