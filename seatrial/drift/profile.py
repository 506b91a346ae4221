"""The reference profile that is stored with a model version, and how it is written down."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from seatrial.drift import columns
from seatrial.drift.by_kind import ColumnReference
from seatrial.drift.estimates.lesson import Lesson
from seatrial.drift.feature import FeatureProfile
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature

WATCHED_BY_MORE = frozenset({"text", "list", "time", "id", "embedding"})


class Baseline(msgspec.Struct, frozen=True):
    """A metric measured on the holdout: its value, the rows behind it and its standard error."""

    value: float
    n: int
    se: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a version's world looked like when it was made.

    Attributes:
        rows: Rows of the reference data.
        features: One profile per feature, in the signature's order.
        holdout_rows: Rows the model was not fitted on; 0 when no holdout was given.
        prediction: Profiles of the prediction's columns, of the holdout only; empty without one.
        performance: Baselines by metric kind (``accuracy``, ``mae``), of the holdout only.
        lesson: What the holdout taught about when the version is right; None without one, or where it was too small.
        kinds: Of texts, lists, times, ids and embeddings: what they are watched by beyond their one number.
        importance: How much each feature matters to the model, shares that add up to one; empty where nobody can say.
        importance_from: The ``model`` itself, or ``permutation`` on the holdout; "" where it is empty.
    """

    rows: int
    features: tuple[FeatureProfile, ...] = ()
    holdout_rows: int = 0
    prediction: tuple[FeatureProfile, ...] = ()
    performance: dict[str, Baseline] = {}
    lesson: Lesson | None = None
    kinds: tuple[ColumnReference, ...] = ()
    importance: dict[str, float] = {}
    importance_from: Literal["", "model", "permutation"] = ""

    def importance_of(self, column: str) -> float | None:
        """How much the feature of a column (``note``, ``note.unseen``) matters; None where nobody can say."""
        if column in self.importance:
            return self.importance[column]
        parts = [name for name in self.importance if column.startswith(f"{name}.")]
        return self.importance[max(parts, key=len)] if parts else None

    @property
    def little(self) -> float:
        """The importance below which the model hardly uses a feature: a tenth of an even share."""
        return 0.1 / max(len(self.importance), 1)

    @classmethod
    def from_values(
        cls,
        features: Sequence[Feature],
        values: Mapping[str, columns.Values],
        *,
        prediction: tuple[FeatureProfile, ...] = (),
        performance: Mapping[str, Baseline] | None = None,
        holdout_rows: int = 0,
        lesson: Lesson | None = None,
    ) -> "Profile":
        """Profile reference data.

        Args:
            features: The signature's features.
            values: A column by feature name, all of one length.
            prediction: From ``classification_profile`` or ``regression_profile`` on the holdout.
            performance: From ``accuracy_baseline`` on the holdout.
            holdout_rows: Its rows.
            lesson: From ``drift.estimates.lesson`` on the holdout.
        """
        absent = [feature.name for feature in features if feature.name not in values]
        if absent:
            raise BadInput(f"the reference data has no column {absent[0]!r}; give one for every feature of the model")
        profiles = tuple(FeatureProfile.from_values(feature, values[feature.name]) for feature in features)
        more = (ColumnReference.from_values(f, values[f.name]) for f in features if f.kind in WATCHED_BY_MORE)
        lengths = {profile.rows for profile in profiles}
        if len(lengths) > 1:
            raise BadInput(f"the columns of the reference data have different lengths {sorted(lengths)}")
        return cls(
            rows=lengths.pop() if lengths else 0,
            features=profiles,
            holdout_rows=holdout_rows,
            prediction=prediction,
            performance=dict(performance or {}),
            lesson=lesson,
            kinds=tuple(more),
        )

    def to_json(self) -> bytes:
        """As stored beside the model."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, content: bytes) -> "Profile":
        """As stored beside the model; BadInput when it is something else."""
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.MsgspecError as error:
            raise BadInput(f"this is not a reference profile ({error}); register the version again") from None


def classification_profile(
    labels: columns.Values, scores: columns.Values | None = None, classes: Sequence[object] = ()
) -> tuple[FeatureProfile, ...]:
    """Profile a classifier's answers on the holdout.

    Args:
        labels: Predicted labels, shape [n].
        scores: P(class), shape [n, classes], or P(positive), shape [n], or None where the model gives none.
        classes: The labels it can give, in order; a label of the reference only, when empty.

    Returns:
        ``label`` (a category) and, with scores, ``score`` (two classes: P(positive)) or ``confidence`` (more: the
        largest of them).
    """
    known = tuple(label_text(label) for label in classes) or None
    label = FeatureProfile.from_values(
        Feature(name="label", kind="category", categories=known),
        [label_text(value) for value in _values(labels)],
    )
    if scores is None:
        return (label,)
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim == 1 or table.shape[1] == 2:
        score = table if table.ndim == 1 else table[:, 1]
        return label, FeatureProfile.from_values(Feature(name="score", kind="number"), score)
    return label, FeatureProfile.from_values(Feature(name="confidence", kind="number"), table.max(axis=1))


def regression_profile(values: columns.Values) -> tuple[FeatureProfile, ...]:
    """Profile a regressor's answers on the holdout: ``value``."""
    return (FeatureProfile.from_values(Feature(name="value", kind="number"), values),)


def accuracy_baseline(truth: columns.Values, predicted: columns.Values) -> Baseline:
    """Share of holdout rows where the predicted label is the true one."""
    right = [label_text(a) == label_text(b) for a, b in zip(_values(truth), _values(predicted), strict=True)]
    n = len(right)
    value = sum(right) / n if n else 0.0
    return Baseline(value, n, (value * (1 - value) / n) ** 0.5 if n else 0.0)


def _values(labels: columns.Values) -> list[object]:
    """As Python's own values, whatever types are mixed."""
    values: list[object] = np.asarray(labels, dtype=object).tolist()
    return values


def label_text(label: object) -> str:
    """A label as the ledger's text of it, so that 3, 3.0 and "3" are one label and True is ``true``."""
    if isinstance(label, bool):
        return "true" if label else "false"
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)
