"""XGBoost boosters and estimators: as originals, and as ONNX."""

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from seatrial.models.converted import Converted, NotConvertible, Way
from seatrial.models.frames import as_category
from seatrial.models.onnx_graph import finish, outputs_of
from seatrial.models.originals import Original, Predicted, plain_label
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Label, Task, Tensor


def is_xgboost(model: object) -> bool:
    """Whether it is an XGBoost Booster or estimator (not a pipeline that ends in one)."""
    return type(model).__module__.split(".")[0] == "xgboost"


def xgboost_original(model: Any) -> Original:
    """An XGBoost Booster or estimator as an original; raises BadInput for a ranker or an unfitted one."""
    import xgboost

    booster = booster_of(model)
    missing = getattr(model, "missing", None)
    if missing is not None and not np.isnan(missing):
        raise BadInput(
            f"The {type(model).__name__} was fitted with missing={missing:g}; put missing values into the data as such "
            "(None, NaN), where they can be told from numbers, and fit it without that."
        )
    objective = _objective(booster)
    task = _task(objective)
    classes = _classes(model, booster) if task == "classification" else ()
    names = booster.feature_names
    return Original(
        framework=f"xgboost {xgboost.__version__}",
        model=booster if hasattr(model, "trees_to_dataframe") else model,
        task=task,
        classes=classes,
        columns=tuple(names) if names else None,
        width=booster.num_features(),
        container="frame" if names else "array",
        needs_columns=False,
        predict=predictor(booster, classes),
        prepare=lambda frame: with_model_categories(frame, booster),
    )


def predictor(booster: Any, classes: Sequence[Label]) -> Callable[[Any], Predicted]:
    """Rows to answers, by the booster itself."""
    import xgboost

    def predict(rows: Any) -> Predicted:
        matrix = xgboost.DMatrix(rows, enable_categorical=True, nthread=1)
        values = np.asarray(booster.predict(matrix), dtype=np.float64)
        if not classes:
            return Predicted(values, None)
        scores = np.stack([1.0 - values, values], axis=1) if values.ndim == 1 else values
        chosen = (scores[:, 1] > 0.5).astype(np.intp) if scores.shape[1] == 2 else np.argmax(scores, axis=1)
        return Predicted(np.array(classes, dtype=object)[chosen], scores)

    return predict


def booster_of(model: Any) -> Any:
    """The Booster that answers: an estimator's, live or saved, with the trees up to its best iteration only."""
    whole = _whole_booster_of(model)
    kept = whole.attributes()
    stopped_early = "best_iteration" in kept and (whole is not model or "scikit_learn" in kept)
    return whole[: int(kept["best_iteration"]) + 1] if stopped_early and _has_trees(whole) else whole


def _whole_booster_of(model: Any) -> Any:
    if hasattr(model, "trees_to_dataframe"):
        return model
    try:
        return model.get_booster()
    except Exception as error:
        raise BadInput(f"The {type(model).__name__} is not fitted; call fit before you register it.") from error


def _has_trees(booster: Any) -> bool:
    return str(json.loads(booster.save_config())["learner"]["gradient_booster"]["name"]) != "gblinear"


def with_model_categories(frame: pd.DataFrame, booster: Any) -> pd.DataFrame:
    """The frame with its categorical columns in the model's own order, where the booster keeps it."""
    names = booster.feature_names or []
    types = booster.feature_types or []
    known = _known_categories(booster)
    typed = {
        name: as_category(frame[name], pd.CategoricalDtype(known[name]))
        if name in known
        else frame[name].astype("category")
        for name, kind in zip(names, types, strict=False)
        if kind == "c" and name in frame.columns
    }
    return frame.assign(**typed) if typed else frame


def xgboost_ways(original: Original, tensor: Tensor) -> Iterator[Way]:
    """XGBoost itself works in float32, so there is one way."""
    yield "float32", lambda: _convert(original, tensor)


def _convert(original: Original, tensor: Tensor) -> Converted:
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    try:
        with warnings.catch_warnings(), nameless(_whole_booster_of(original.model)):
            warnings.simplefilter("ignore")
            graph = convert_xgboost(
                original.model, initial_types=[(tensor.name, FloatTensorType([None, tensor.shape[1]]))], target_opset=15
            )
    except Exception as error:
        raise NotConvertible(
            f"the step {type(original.model).__name__}: {' '.join(str(error).split())[:200]}"
        ) from error
    outputs = outputs_of(graph)
    answer = Answer(prediction=outputs[0].name)
    if original.classes:
        answer = Answer(
            prediction=outputs[0].name, scores=outputs[1].name, classes=original.classes, prediction_is_index=True
        )
    return Converted(finish(graph, outputs), (tensor,), outputs, answer, "float32")


@contextmanager
def nameless(booster: Any) -> Iterator[None]:
    """While it lasts, the booster's columns are called f0, f1, …, and booleans are numbers, as converters want them."""
    names, types = booster.feature_names, booster.feature_types
    booster.feature_names = None
    if types is not None:
        booster.feature_types = ["c" if kind == "c" else "float" for kind in types]
    try:
        yield
    finally:
        booster.feature_names, booster.feature_types = names, types


def _objective(booster: Any) -> str:
    return str(json.loads(booster.save_config())["learner"]["objective"]["name"])


def _task(objective: str) -> Task:
    if objective.startswith("rank:"):
        raise BadInput(f"The model ranks ({objective}), which is not built yet; register a classifier or a regressor.")
    if objective in ("multi:softmax", "binary:hinge", "binary:logitraw"):
        raise BadInput(
            f"The objective {objective} gives no probabilities; train with binary:logistic or multi:softprob."
        )
    return "classification" if objective.startswith(("binary:", "multi:")) else "regression"


def _classes(model: Any, booster: Any) -> tuple[Label, ...]:
    given = getattr(model, "classes_", None)
    if given is not None:
        return tuple(plain_label(value) for value in given)
    parameters = json.loads(booster.save_config())["learner"]["learner_model_param"]
    return tuple(range(max(2, int(parameters["num_class"]))))


def _known_categories(booster: Any) -> dict[str, list[Any]]:
    """The categories that the booster was trained on, by column; empty where its version keeps none."""
    get = getattr(booster, "get_categories", None)
    if get is None:
        return {}
    try:
        exported = get(export_to_arrow=True).to_arrow()
    except Exception:  # noqa: BLE001 - a booster without categories, or without pyarrow, has nothing to tell
        return {}
    return {name: values.to_pylist() for name, values in exported or [] if values is not None}
