"""scikit-learn estimators and pipelines as originals."""

from typing import Any, Literal

import numpy as np

from seatrial.models.originals import Original, Predicted, plain_label
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Task


def is_sklearn(model: object) -> bool:
    """Whether it is an estimator that scikit-learn's own checks understand."""
    return hasattr(model, "predict") and hasattr(model, "get_params") and hasattr(model, "fit")


def sklearn_original(model: Any) -> Original:
    """An estimator or pipeline as an original; raises BadInput when it is not fitted or of no supported kind."""
    import sklearn
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise BadInput(f"The {type(model).__name__} is not fitted; call fit before you register it.") from error
    task = _task(model)
    columns = getattr(model, "feature_names_in_", None)
    container = _container(model, columns is not None)
    return Original(
        framework=f"scikit-learn {sklearn.__version__}",
        model=model,
        task=task,
        classes=_classes(model) if task == "classification" else (),
        columns=None if columns is None else tuple(str(c) for c in columns),
        width=1 if container == "texts" else getattr(model, "n_features_in_", None),
        container=container,
        needs_columns=container == "texts" or any(type(p).__name__ == "ColumnTransformer" for p in parts_of(model)),
        predict=lambda rows: predict_sklearn(model, rows),
    )


def predict_sklearn(model: Any, rows: Any) -> Predicted:
    """Labels or values, and probabilities where the model gives them.

    A model that was fitted on a table of one column answers with such a table; its values are taken out of it.
    """
    scores = model.predict_proba(rows) if hasattr(model, "predict_proba") else None
    prediction = np.asarray(model.predict(rows))
    if prediction.ndim == 2 and prediction.shape[1] == 1:
        prediction = prediction[:, 0]
    return Predicted(prediction, None if scores is None else np.asarray(scores, dtype=np.float64))


def parts_of(model: Any) -> list[Any]:
    """The model and all estimators inside it, pipelines, column transformers, unions and wrappers opened."""
    found = [model]
    for _, step in getattr(model, "steps", None) or getattr(model, "transformer_list", None) or []:
        found += parts_of(step)
    for transformer in getattr(model, "transformers_", None) or []:
        found += parts_of(transformer[1])
    inner = getattr(model, "best_estimator_", None)
    if inner is not None:
        found += parts_of(inner)
    return [part for part in found if not isinstance(part, str) and part is not None]


def last_step(model: Any) -> Any:
    """The estimator that answers: a pipeline's last step, a search's best one, or the model itself."""
    steps = getattr(model, "steps", None)
    inner = steps[-1][1] if steps else getattr(model, "best_estimator_", None)
    return model if inner is None else last_step(inner)


def _task(model: Any) -> Task:
    from sklearn.base import is_classifier, is_regressor

    if is_classifier(model):
        return "classification"
    if is_regressor(model):
        return "regression"
    raise BadInput(
        f"{type(model).__name__} is neither a classifier nor a regressor; register it as an ONNX file instead."
    )


def _classes(model: Any) -> tuple[Any, ...]:
    classes = model.classes_
    if isinstance(classes, list):
        raise BadInput(f"{type(model).__name__} predicts {len(classes)} targets at once; register one model a target.")
    return tuple(plain_label(value) for value in classes)


def _container(model: Any, named: bool) -> Literal["frame", "array", "texts"]:
    if named:
        return "frame"
    steps = getattr(model, "steps", None)
    first = steps[0][1] if steps else model
    vectorises = hasattr(first, "analyzer") and hasattr(first, "transform")
    return "texts" if vectorises else "array"
