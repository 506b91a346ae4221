"""From an opened model and its reference data to what will be served."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from seatrial.models.features import apply_schema, infer_features
from seatrial.models.frames import FrameRecipe, recipe_of
from seatrial.models.importance import Importance, importance_of_model
from seatrial.models.lineage import parameters_of
from seatrial.models.onnx_files import parse_onnx, read_onnx
from seatrial.models.opening import Opened
from seatrial.models.originals import Original, Predicted
from seatrial.models.python_form import python_form
from seatrial.models.reference import Reference
from seatrial.models.serving_form import ServingForm, onnx_form
from seatrial.models.torch_models import torch_parity, torch_to_onnx
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.signature import Feature, Task

RuntimeName = Literal["onnx", "python"]


class Wishes(NamedTuple):
    """What the caller of register asked for."""

    task: Task | None
    schema: object
    trusted: bool
    parity: float
    runtime: RuntimeName | None
    example: object = None


class Ready(NamedTuple):
    """A model that is ready to be written down.

    Attributes:
        form: What will be served.
        frame: Reference rows, the features as columns in the model's order and types.
        recipe: How the original's rows are made.
        predict: The original's (or served) answers for rows with the features as columns.
        importance: Of its features, where the original says it.
    """

    form: ServingForm
    frame: pd.DataFrame
    recipe: FrameRecipe
    predict: Callable[[pd.DataFrame], Predicted]
    framework: str
    parameters: Mapping[str, str]
    notes: tuple[str, ...]
    importance: Importance = Importance()


def prepare(opened: Opened, reference: Reference, wishes: Wishes) -> Ready:
    """Convert or take over, and prove; raises BadInput with the mend."""
    if wishes.example is not None and opened.torch is None:
        raise BadInput("An example input is for PyTorch modules; other models say themselves what they take.")
    if opened.original is None:
        return _ready_onnx(opened, reference, wishes)
    original = opened.original
    if wishes.task not in (None, original.task):
        raise BadInput(f"{opened.name} does {original.task}, not {wishes.task}; leave --task out.")
    frame, notes = choose_columns(original, reference.frame)
    features = _features(frame, wishes.schema)
    recipe = recipe_of(frame, original.container)
    if wishes.runtime == "python":
        form = python_form(original, recipe, frame, features, wishes.parity, trusted=wishes.trusted)
    else:
        form = onnx_form(original, recipe, frame, features, wishes.parity)

    def predict(rows: pd.DataFrame) -> Predicted:
        chosen, _ = choose_columns(original, rows)
        return original.predict(recipe.container_of(recipe.as_fitted(chosen)))

    importance = importance_of_model(original, frame)
    parameters = parameters_of(original.model)
    return Ready(form, frame, recipe, predict, original.framework, parameters, notes, importance)


def choose_columns(original: Original, frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns that the model was fitted on, in its order, with a note about those it does not use.

    Raises:
        BadInput: The data lacks a column, or has another number of them.
    """
    if original.columns is not None:
        spelt = {original.spelt(name): name for name in frame.columns}
        lacking = [name for name in original.columns if name not in spelt]
        if lacking:
            raise BadInput(
                f"The reference data has no column {lacking[0]!r}, on which the model was fitted"
                f"{f' (nor {len(lacking) - 1} others)' if len(lacking) > 1 else ''}; give the data it was trained on."
            )
        chosen = [spelt[name] for name in original.columns]
        unused = [name for name in frame.columns if name not in chosen]
        notes = (f"Not used by the model, so not part of its features: {', '.join(unused)}.",) if unused else ()
        return original.prepare(frame[chosen]), notes
    if original.width is not None and original.width != frame.shape[1]:
        raise BadInput(
            f"The model was fitted on {original.width} columns and the reference data has {frame.shape[1]} "
            f"({', '.join(frame.columns[:4])}, …); name the label's column with --target, leave out what is no feature."
        )
    return original.prepare(frame), ()


def _ready_onnx(opened: Opened, reference: Reference, wishes: Wishes) -> Ready:
    if wishes.runtime == "python":
        raise BadInput(f"{opened.name} is ONNX, which the onnx runtime serves; leave --runtime python out.")
    frame = reference.frame
    features = _features(frame, wishes.schema)
    framework, content = "onnx", opened.onnx
    if content is None:
        framework, content = "torch", torch_to_onnx(opened.torch, frame.shape[1], wishes.example)
    found = read_onnx(parse_onnx(content, opened.name), features, frame, reference.target, wishes.task)
    parity, said = None, "It came as ONNX, so there is no original to compare it with."
    if opened.onnx is None:
        parity = torch_parity(opened.torch, content, found.signature, frame, wishes.parity)
        said = (
            f"Exported from PyTorch: agrees with the original on {parity.rows} reference rows and {parity.made_rows} "
            f"made rows (worst {parity.worst_relative:.1g}, allowed {parity.tolerance:g})."
        )
    notes = (said, *found.notes)
    form = ServingForm("model.onnx", found.content, "onnx", "onnx", found.signature, "none", parity, notes)
    recipe = recipe_of(frame, "frame")
    return Ready(form, frame, recipe, found.predict, framework, {}, ())


def _features(frame: pd.DataFrame, schema: object) -> tuple[Feature, ...]:
    features = infer_features(frame)
    return features if schema is None else apply_schema(features, read_schema(schema))


def read_schema(schema: object) -> Mapping[str, Any]:
    """Corrections of features: a mapping as it is, or the path of a YAML file."""
    if isinstance(schema, Mapping):
        return schema
    if isinstance(schema, str | Path):
        from seatrial.spec.features import load_features  # the YAML reader, only where there is a file

        path = Path(schema)
        if not path.exists():
            raise NotFound(f"There is no schema file at {str(path)!r}.")
        return load_features(path.read_text(), path.name)
    raise BadInput(f"A schema must be a mapping of features or the path of a YAML file, not {schema!r}.")
