"""The original itself as the serving form: a tensor a feature in, rows rebuilt as the model was fitted on them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from numpy.typing import NDArray

from seatrial.models.conversion import Evidence, gather_evidence
from seatrial.models.frames import MISSING_TEXT, FrameRecipe, pack, rebuild
from seatrial.models.manifest import Parity
from seatrial.models.original_outputs import PREDICTION, SCORES, tensors_of
from seatrial.models.originals import Original
from seatrial.models.parity import Difference, compare, served_answers
from seatrial.models.python_files import write_original
from seatrial.models.serving_form import ServingForm
from seatrial.models.thresholds import thresholds_of
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import TEXT_KINDS, Answer, Feature, Signature, Tensor

Run = Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]]


def python_form(
    original: Original,
    recipe: FrameRecipe,
    frame: pd.DataFrame,
    features: Sequence[Feature],
    tolerance: float,
    *,
    trusted: bool,
) -> ServingForm:
    """The original in a file, with the proof that rows which travel as tensors come back as they were.

    Raises:
        BadInput: It needs a pickle and ``trusted`` is false; or its answers change on the way.
    """
    cuts = thresholds_of(original, [feature.name for feature in features])
    evidence = gather_evidence(original, recipe, frame, features, cuts)
    signature = python_signature(original, features, has_scores=evidence.predicted.scores is not None)
    kept = write_original(original.model, trusted=trusted)

    def run(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        answers = original.predict(recipe.container_of(rebuild(recipe, signature.features, tensors)))
        return dict(tensors_of(answers, signature.answer))

    travels, mend = "when its rows travel as requests", "correct the kinds of the features with --schema"
    parity = prove(run, signature, evidence, tolerance, where=travels, mend=mend)
    said = f"Served by its own library ({kept.format}) in a process of its own: agrees on {parity.rows} reference rows "
    return ServingForm(
        file=kept.file,
        content=kept.content,
        format=kept.format,
        runtime="python",
        signature=signature,
        trust=kept.trust,
        parity=parity,
        evidence=evidence,
        notes=(
            f"{said}and {parity.made_rows} made rows.",
            *(
                ("It is a pickle: a variant that serves it must say `trust: pickle`.",)
                if kept.trust == "pickle"
                else ()
            ),
        ),
    )


def python_signature(original: Original, features: Sequence[Feature], *, has_scores: bool) -> Signature:
    """One tensor a feature: numbers as float64, texts as strings."""
    outputs = [Tensor(name=PREDICTION, datatype="INT64" if original.classes else "FP64", shape=(-1,))]
    if has_scores:
        outputs.append(Tensor(name=SCORES, datatype="FP64", shape=(-1, len(original.classes))))
    return Signature(
        task=original.task,
        features=tuple(features),
        inputs=tuple(_tensor(feature) for feature in features),
        outputs=tuple(outputs),
        answer=Answer(
            prediction=PREDICTION,
            scores=SCORES if has_scores else None,
            classes=original.classes,
            prediction_is_index=bool(original.classes),
        ),
    )


def prove(run: Run, signature: Signature, evidence: Evidence, tolerance: float, *, where: str, mend: str) -> Parity:
    """Let what will be served answer reference rows and made rows, and compare.

    Args:
        run: Input tensors to output tensors.
        where, mend: How the refusal says where the answers differ, and what to do.

    Raises:
        BadInput: The answers differ by more than ``tolerance``.
    """
    worst: list[Difference] = []
    for what, frame, predicted in (
        ("reference", evidence.reference, evidence.predicted),
        ("made", evidence.made, evidence.predicted_made),
    ):
        if not len(frame):
            continue
        difference = compare(predicted, served_answers(run(pack(signature, frame)), signature.answer), signature.task)
        if not difference.within(tolerance):
            raise BadInput(
                f"The model answers otherwise {where}: on {what} rows {difference.sentence(len(frame))}; {mend}."
            )
        worst.append(difference)
    return Parity(
        rows=len(evidence.reference),
        made_rows=len(evidence.made),
        worst_probability=max((d.worst_probability for d in worst), default=0.0),
        worst_relative=max((d.worst_relative for d in worst), default=0.0),
        tolerance=tolerance,
        unsafe_features=(),
    )


def _tensor(feature: Feature) -> Tensor:
    if feature.kind in TEXT_KINDS:
        return Tensor(name=feature.name, datatype="BYTES", shape=(-1,), features=(feature.name,), missing=MISSING_TEXT)
    shape = (-1, feature.width or -1) if feature.kind in ("embedding", "list") else (-1,)
    return Tensor(name=feature.name, datatype="FP64", shape=shape, features=(feature.name,))
