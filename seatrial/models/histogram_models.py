"""scikit-learn's histogram gradient boosting as trees."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from seatrial.models.converted import Converted, NotConvertible, Way
from seatrial.models.originals import Original
from seatrial.models.tree_ensembles import Link, Trees, converted_trees, ensemble_model, single_columns
from seatrial.spec.signature import Tensor

_LINKS: dict[str, Link] = {
    "HalfBinomialLoss": "sigmoid",
    "HalfMultinomialLoss": "softmax",
    "HalfSquaredError": "identity",
    "AbsoluteError": "identity",
    "PinballLoss": "identity",
    "HalfPoissonLoss": "exp",
    "HalfGammaLoss": "exp",
}


def is_histogram(model: object) -> bool:
    """Whether it is a HistGradientBoosting estimator itself."""
    return type(model).__name__ in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")


def histogram_ways(original: Original, tensor: Tensor, frame: pd.DataFrame) -> Iterator[Way]:
    """Conversions worth trying: float32 with mended thresholds, then float64 with exact ones."""
    yield "float32", lambda: _convert(original, tensor, frame, wide=False)
    yield "float64", lambda: _convert(original, tensor, frame, wide=True)


def _convert(original: Original, tensor: Tensor, frame: pd.DataFrame, *, wide: bool) -> Converted:
    model = ensemble_model(
        histogram_trees(original.model),
        columns=tensor.shape[1],
        classes=len(original.classes),
        wide=wide,
        single=single_columns(list(frame.dtypes)),
    )
    return converted_trees(model, original.classes, tensor, wide=wide)


def histogram_trees(model: Any) -> Trees:
    """The estimator's trees; raises NotConvertible for categorical splits and unknown losses."""
    loss = type(model._loss).__name__
    if loss not in _LINKS:
        raise NotConvertible(f"the step {type(model).__name__}: the loss {loss} has no ONNX form here")
    targets = int(model.n_trees_per_iteration_)
    base = np.broadcast_to(np.ravel(model._baseline_prediction), (targets,)).astype(float).tolist()
    trees = Trees(targets, _LINKS[loss], base)
    for iteration, predictors in enumerate(model._predictors):
        for target, predictor in enumerate(predictors):
            _add(trees, iteration * targets + target, predictor.nodes, target, type(model).__name__)
    return trees


def _add(trees: Trees, number: int, nodes: Any, target: int, name: str) -> None:
    for place, node in enumerate(nodes):
        if node["is_leaf"]:
            trees.add_leaf(number, place, target=target, value=float(node["value"]))
            continue
        if node["is_categorical"]:
            raise NotConvertible(f"the step {name}: its categorical splits have no ONNX form here")
        trees.add_split(
            number,
            place,
            feature=int(node["feature_idx"]),
            mode="BRANCH_LEQ",
            cut=float(node["num_threshold"]),
            yes=int(node["left"]),
            no=int(node["right"]),
            missing_yes=bool(node["missing_go_to_left"]),
        )
