"""The split thresholds of trees, in the units of the model's columns: where conversions to float32 go wrong."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seatrial.models.originals import Original
from seatrial.models.xgboost_models import nameless

Cut = tuple[int, float]
"""Column and threshold."""


def thresholds_of(original: Original, columns: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Split thresholds by feature; empty for a model without trees, or with steps before them that mix columns."""
    cuts: dict[str, list[float]] = {}
    for column, threshold in _cuts(original.model, columns):
        if column < len(columns):
            cuts.setdefault(columns[column], []).append(threshold)
    return {name: np.unique(np.array(values, dtype=np.float64)) for name, values in cuts.items()}


def _cuts(model: Any, columns: Sequence[str]) -> Iterator[Cut]:
    steps = getattr(model, "steps", None)
    if steps is not None and len(steps) == 2 and hasattr(steps[0][1], "output_indices_"):
        yield from _behind_columns(steps[0][1], steps[1][1], columns)
    elif steps is not None:
        yield from _through(steps[:-1], steps[-1][1])
    else:
        yield from tree_cuts(model)


def _behind_columns(chooser: Any, last: Any, columns: Sequence[str]) -> Iterator[Cut]:
    """Thresholds on columns that a ColumnTransformer passes through as they are."""
    places: dict[int, int] = {}
    for name, step, chosen in chooser.transformers_:
        where = range(*chooser.output_indices_[name].indices(10**9)) if name in chooser.output_indices_ else range(0)
        if _passes(step) and len(where) == len(chosen) and all(c in columns for c in chosen):
            places.update(zip(where, (columns.index(c) for c in chosen), strict=True))
    for column, threshold in tree_cuts(last):
        if column in places:
            yield places[column], threshold


def _passes(step: Any) -> bool:
    return step == "passthrough" or (type(step).__name__ == "FunctionTransformer" and step.func is None)


def _through(before: Sequence[tuple[str, Any]], last: Any) -> Iterator[Cut]:
    """Thresholds behind steps that scale each column by itself, scaled back; behind other steps they have no place."""
    cuts = list(tree_cuts(last))
    if not cuts or not all(_scales(step) for _, step in before):
        return
    width = getattr(last, "n_features_in_", max(column for column, _ in cuts) + 1)
    rows = np.zeros((len(cuts), width))
    for row, (column, threshold) in enumerate(cuts):
        rows[row, column] = threshold
    for _, step in reversed(list(before)):
        rows = step.inverse_transform(rows)
    for row, (column, _) in enumerate(cuts):
        yield column, float(rows[row, column])


def _scales(step: Any) -> bool:
    return type(step).__name__ in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")


def tree_cuts(model: Any) -> Iterator[Cut]:
    """Column and threshold of every numeric split of a tree model of any of the known libraries."""
    if hasattr(model, "booster_"):
        yield from lightgbm_cuts(model.booster_)
    elif hasattr(model, "dump_model") and hasattr(model, "num_trees"):
        yield from lightgbm_cuts(model)
    elif hasattr(model, "get_booster"):
        yield from xgboost_cuts(model.get_booster())
    elif hasattr(model, "trees_to_dataframe"):
        yield from xgboost_cuts(model)
    elif hasattr(model, "_predictors"):
        yield from _histogram_cuts(model)
    elif hasattr(model, "tree_"):
        yield from _sklearn_cuts(model)
    else:
        for tree in np.ravel(getattr(model, "estimators_", [])):
            if hasattr(tree, "tree_"):
                yield from _sklearn_cuts(tree)


def lightgbm_cuts(booster: Any) -> Iterator[Cut]:
    """Of a LightGBM Booster."""
    waiting = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "split_feature" not in node:
            continue
        if node["decision_type"] == "<=":
            yield int(node["split_feature"]), float(node["threshold"])
        waiting += [node["left_child"], node["right_child"]]


def xgboost_cuts(booster: Any) -> Iterator[Cut]:
    """Of an XGBoost Booster; its thresholds are float32, and a value on one goes right."""
    with nameless(booster):
        trees = [json.loads(text) for text in booster.get_dump(dump_format="json")]
    while trees:
        node = trees.pop()
        condition = node.get("split_condition")
        if isinstance(condition, int | float):
            yield int(str(node["split"])[1:]), float(np.float32(condition))
        trees += node.get("children", [])


def _sklearn_cuts(tree: Any) -> Iterator[Cut]:
    inner = tree.tree_
    for column, threshold in zip(inner.feature, inner.threshold, strict=True):
        if column >= 0:
            yield int(column), float(threshold)


def _histogram_cuts(model: Any) -> Iterator[Cut]:
    for stage in model._predictors:
        for predictor in stage:
            for node in predictor.nodes:
                if not node["is_leaf"] and not node["is_categorical"]:
                    yield int(node["feature_idx"]), float(node["num_threshold"])
