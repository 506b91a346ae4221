"""From an original to the form that is served: the ways are tried in order, the first that agrees is taken."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.models.converted import Converted, NotConvertible, Way
from seatrial.models.frames import FrameRecipe, pack
from seatrial.models.made_rows import made_rows, unsafe_features
from seatrial.models.manifest import Parity
from seatrial.models.originals import Original, Predicted
from seatrial.models.parity import Difference, compare, served_answers
from seatrial.models.runtimes import OnnxRuntime, RuntimeFailure
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, Signature

MOST_REFERENCE_ROWS = 5000
"""Reference rows on which parity is proved, spread evenly over the data."""


class Evidence(NamedTuple):
    """The rows on which a served form must agree, and what the original says of them."""

    reference: pd.DataFrame
    made: pd.DataFrame
    predicted: Predicted
    predicted_made: Predicted
    refused: int
    unsafe: tuple[str, ...]


class Proved(NamedTuple):
    """A converted model with the proof that it is the original."""

    converted: Converted
    signature: Signature
    parity: Parity


def gather_evidence(
    original: Original,
    recipe: FrameRecipe,
    frame: pd.DataFrame,
    features: Sequence[Feature],
    thresholds: Mapping[str, NDArray[np.float64]],
) -> Evidence:
    """Let the original answer reference rows and made rows.

    A made row at which the original itself fails (an unseen category that it was told to refuse) proves nothing and is
    left out, and counted.
    """
    reference = spread(frame)
    made = made_rows(reference, features, thresholds)
    answer = _caller(original, recipe)
    try:
        predicted = answer(reference)
    except Exception as error:
        raise BadInput(f"The model fails on the reference data: {_first_line(error)}") from error
    if predicted.prediction.ndim > 1:
        raise BadInput(
            f"The model predicts {predicted.prediction.shape[1]} values at once; register one model a value."
        )
    kept, predicted_made = _answerable(answer, made)
    return Evidence(
        reference, kept, predicted_made=predicted_made, predicted=predicted, refused=len(made) - len(kept),
        unsafe=unsafe_features(reference, features),
    )  # fmt: skip


def spread(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows on which parity is proved: all, or as many as are enough, spread evenly."""
    chosen = np.unique(np.linspace(0, len(frame) - 1, min(len(frame), MOST_REFERENCE_ROWS)).astype(int))
    return frame.iloc[chosen].reset_index(drop=True)


def first_that_agrees(
    ways: Iterator[Way], original: Original, features: Sequence[Feature], evidence: Evidence, tolerance: float
) -> Proved:
    """Convert and prove; raises NotConvertible with the reason of each way that was tried."""
    reasons: list[tuple[str, str]] = []
    for name, convert in ways:
        try:
            found = convert()
            return _prove(found, original, features, evidence, tolerance)
        except NotConvertible as error:
            reasons.append((name, str(error)))
    raise NotConvertible(_together(reasons))


def _together(reasons: Sequence[tuple[str, str]], limit: int = 2) -> str:
    """The reasons of the ways that were tried, each once, a few of them."""
    ways: dict[str, list[str]] = {}
    for name, reason in reasons:
        ways.setdefault(reason, []).append(name)
    said = [f"{' and '.join(names[:2])}: {reason.rstrip('.')}" for reason, names in list(ways.items())[:limit]]
    return "; ".join(said)


def _prove(
    found: Converted, original: Original, features: Sequence[Feature], evidence: Evidence, tolerance: float
) -> Proved:
    signature = Signature(
        task=original.task,
        features=tuple(features),
        inputs=found.inputs,
        outputs=found.outputs,
        answer=found.answer,
    )
    try:
        runtime = OnnxRuntime(found.content, tuple(tensor.name for tensor in found.outputs))
    except RuntimeFailure as error:
        raise NotConvertible(str(error)) from error
    on_reference = _difference(runtime, signature, evidence.reference, evidence.predicted)
    on_made = _difference(runtime, signature, evidence.made, evidence.predicted_made)
    for what, rows, frame in (("reference", on_reference, evidence.reference), ("made", on_made, evidence.made)):
        if not rows.within(tolerance):
            raise NotConvertible(_disagreement(what, rows, frame, evidence))
    parity = Parity(
        rows=len(evidence.reference),
        made_rows=len(evidence.made),
        worst_probability=max(on_reference.worst_probability, on_made.worst_probability),
        worst_relative=max(on_reference.worst_relative, on_made.worst_relative),
        label_flips=0,
        tolerance=tolerance,
        unsafe_features=evidence.unsafe,
    )
    return Proved(found, signature, parity)


def _difference(runtime: OnnxRuntime, signature: Signature, frame: pd.DataFrame, predicted: Predicted) -> Difference:
    if not len(frame):
        return Difference()
    try:
        outputs = runtime.run(pack(signature, frame))
    except RuntimeFailure as error:
        return Difference(shapes=f"the converted model fails ({error})")
    return compare(predicted, served_answers(outputs, signature.answer), signature.task)


def _disagreement(what: str, difference: Difference, frame: pd.DataFrame, evidence: Evidence) -> str:
    said = f"it converts, but on {what} rows {difference.sentence(len(frame))}"
    if difference.shapes or not len(frame):
        return said
    row = frame.iloc[difference.row].to_dict()
    shown = ", ".join(f"{name}={value!r}" for name, value in list(row.items())[:4])
    unsafe = f"; float32 cannot hold {', '.join(evidence.unsafe)}" if evidence.unsafe else ""
    return f"{said} (worst at {shown}{', …' if len(row) > 4 else ''}){unsafe}"


def _caller(original: Original, recipe: FrameRecipe) -> Callable[[pd.DataFrame], Predicted]:
    return lambda frame: original.predict(recipe.container_of(frame))


def _answerable(answer: Callable[[pd.DataFrame], Predicted], made: pd.DataFrame) -> tuple[pd.DataFrame, Predicted]:
    """The made rows that the original answers; all at once when it can, halving where it cannot."""
    kept: list[pd.DataFrame] = []
    answers: list[Predicted] = []
    waiting = [made] if len(made) else []
    while waiting:
        part = waiting.pop()
        try:
            answers.append(answer(part.reset_index(drop=True)))
            kept.append(part)
        except Exception:  # noqa: BLE001 - a model throws whatever it likes
            if len(part) > 1:
                half = len(part) // 2
                waiting += [part.iloc[half:], part.iloc[:half]]
    if not kept:
        return made.iloc[:0], Predicted(np.empty(0), None)
    return pd.concat(kept, ignore_index=True), _joined(answers)


def _joined(answers: Sequence[Predicted]) -> Predicted:
    scores = [part.scores for part in answers if part.scores is not None]
    return Predicted(
        np.concatenate([part.prediction for part in answers]),
        np.concatenate(scores) if len(scores) == len(answers) else None,
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
