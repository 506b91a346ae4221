"""The form in which a version will be served: the files, the signature, the proof."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import pandas as pd

from seatrial.models.conversion import Evidence, first_that_agrees, gather_evidence
from seatrial.models.converted import NotConvertible, Way
from seatrial.models.frames import FrameRecipe
from seatrial.models.histogram_models import histogram_ways, is_histogram
from seatrial.models.lightgbm_models import is_lightgbm, lightgbm_ways
from seatrial.models.manifest import Parity
from seatrial.models.originals import Original
from seatrial.models.sklearn_to_onnx import convert_sklearn, matrix, sklearn_ways
from seatrial.models.thresholds import thresholds_of
from seatrial.models.xgboost_models import is_xgboost, xgboost_ways
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, Signature


class ServingForm(NamedTuple):
    """What will be served.

    Attributes:
        content: The model file's bytes.
        evidence: The rows of the proof, of an original in a process of its own.
    """

    file: str
    content: bytes
    format: str
    runtime: Literal["onnx", "python"]
    signature: Signature
    trust: Literal["none", "pickle"]
    parity: Parity | None
    notes: tuple[str, ...]
    evidence: Evidence | None = None


def onnx_form(
    original: Original,
    recipe: FrameRecipe,
    frame: pd.DataFrame,
    features: Sequence[Feature],
    tolerance: float,
) -> ServingForm:
    """Convert to ONNX and prove it; raises BadInput that names the step and the mend."""
    cuts = thresholds_of(original, [feature.name for feature in features])
    evidence = gather_evidence(original, recipe, frame, features, cuts)
    try:
        proved = first_that_agrees(_ways(original, features, frame), original, features, evidence, tolerance)
    except NotConvertible as error:
        raise BadInput(
            f"The model has no ONNX form that agrees with it ({error}); serve the original with --runtime python."
        ) from error
    return ServingForm(
        file="model.onnx",
        content=proved.converted.content,
        format="onnx",
        runtime="onnx",
        signature=proved.signature,
        trust="none",
        parity=proved.parity,
        notes=_notes(proved.converted.way, proved.parity, evidence, proved.signature),
    )


def _ways(original: Original, features: Sequence[Feature], frame: pd.DataFrame) -> Iterator[Way]:
    if is_lightgbm(original.model):
        yield from lightgbm_ways(original, matrix(features, "FP32"), frame)
        return
    if is_histogram(original.model):
        yield from histogram_ways(original, matrix(features, "FP32"), frame)
        return
    if is_xgboost(original.model):
        yield from xgboost_ways(original, matrix(features, "FP32"))
        return
    for name, inputs in sklearn_ways(original, features):
        yield name, lambda inputs=inputs, name=name: convert_sklearn(original, inputs, name)  # type: ignore[misc]


def _notes(way: str, parity: Parity, evidence: Evidence, signature: Signature) -> tuple[str, ...]:
    notes = [
        f"Served as ONNX ({way}): agrees with the original on {parity.rows} reference rows and {parity.made_rows} made "
        f"rows (worst {max(parity.worst_probability, parity.worst_relative):.1g}, allowed {parity.tolerance:g})."
    ]
    if evidence.refused:
        notes.append(
            f"The original itself fails on {evidence.refused} made rows (a missing or unseen value, or an extreme)."
        )
    if parity.unsafe_features:
        wide = any(tensor.datatype == "FP64" for tensor in signature.inputs)
        so = (
            "so the model is served in float64 and nothing is lost"
            if wide
            else f"so they reach the model rounded to 7 digits; the answers still agreed within {parity.tolerance:g}"
        )
        notes.append(f"float32 cannot hold all values of: {', '.join(parity.unsafe_features)}; {so}.")
    return tuple(notes)
