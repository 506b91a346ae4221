"""LightGBM boosters and estimators: as originals, and as ONNX with exact thresholds."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from seatrial.models.converted import Converted, NotConvertible, Way
from seatrial.models.frames import as_category
from seatrial.models.originals import Original, Predicted, plain_label
from seatrial.models.tree_ensembles import Link, Trees, converted_trees, ensemble_model, single_columns
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Label, Task, Tensor

_LINKS: dict[str, Link] = {
    "binary": "sigmoid",
    "multiclass": "softmax",
    "multiclassova": "sigmoid",
    "cross_entropy": "sigmoid",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
}
ZERO = float(np.float32(1e-35))
"""LightGBM's own bound of what is zero."""

_CLASSIFICATION = ("binary", "multiclass", "multiclassova")


def is_lightgbm(model: object) -> bool:
    """Whether it is a LightGBM Booster or estimator (not a pipeline that ends in one)."""
    return type(model).__module__.split(".")[0] == "lightgbm"


def lightgbm_original(model: Any) -> Original:
    """A LightGBM Booster or estimator as an original; raises BadInput for a ranker or an unfitted one."""
    import lightgbm

    booster = booster_of(model)
    task = _task(booster)
    classes = _classes(model, booster) if task == "classification" else ()
    names = [str(name) for name in getattr(model, "feature_names_in_", booster.feature_name())]
    named = not all(name == f"Column_{i}" for i, name in enumerate(names))
    coded = categorical_columns(booster)
    return Original(
        framework=f"lightgbm {lightgbm.__version__}",
        model=model,
        task=task,
        classes=classes,
        columns=tuple(names) if named else None,
        width=booster.num_feature(),
        container="frame" if named else "array",
        needs_columns=False,
        predict=predictor(booster, classes),
        prepare=lambda frame: with_model_categories(frame, booster.pandas_categorical or [], coded),
        spelt=lambda name: "_".join(name.split(" ")),
    )


def predictor(booster: Any, classes: Sequence[Label]) -> Callable[[Any], Predicted]:
    """Rows to answers, by the booster itself."""

    def predict(rows: Any) -> Predicted:
        values = np.asarray(booster.predict(rows), dtype=np.float64)
        if not classes:
            return Predicted(values, None)
        scores = np.stack([1.0 - values, values], axis=1) if values.ndim == 1 else values
        return Predicted(np.array(classes, dtype=object)[_chosen(scores)], scores)

    return predict


def booster_of(model: Any) -> Any:
    """The Booster inside an estimator, or the Booster itself."""
    if hasattr(model, "dump_model"):
        return model
    try:
        return model.booster_
    except Exception as error:
        raise BadInput(f"The {type(model).__name__} is not fitted; call fit before you register it.") from error


def categorical_columns(booster: Any) -> tuple[int, ...]:
    """The columns that the booster takes for categories; one that was the same in every row is not told."""
    told = booster.dump_model().get("feature_infos") or {}
    return tuple(i for i, name in enumerate(booster.feature_name()) if told.get(name, {}).get("values"))


def with_model_categories(
    frame: pd.DataFrame, orders: Sequence[Sequence[Any]], coded: Sequence[int] = ()
) -> pd.DataFrame:
    """The frame with its categorical columns in the model's own order of categories.

    LightGBM keeps the orders of the categorical columns of the frame that it was fitted on, without their names; they
    belong, in order, to the columns that it takes for categories, else to the reference's categorical (or text) ones.

    Args:
        frame: Rows, their columns in the model's order.
        orders: ``pandas_categorical`` of the model.
        coded: Positions of the columns that the model takes for categories.
    """
    if not orders:
        return frame
    dtypes = {str(name): frame[name].dtype for name in frame.columns}
    columns = [list(dtypes)[i] for i in coded]
    if len(columns) != len(orders):
        columns = [name for name, dtype in dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    if len(columns) != len(orders):
        columns = [name for name, dtype in dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]
    if len(columns) != len(orders):
        raise BadInput(
            f"The model was fitted with {len(orders)} categorical columns and the reference data has {len(columns)} "
            f"({', '.join(columns) or 'none'}); give them the pandas type category, as in training."
        )
    typed = {
        name: as_category(frame[name], pd.CategoricalDtype(list(order)))
        for name, order in zip(columns, orders, strict=True)
    }
    return frame.assign(**typed)


def lightgbm_ways(original: Original, tensor: Tensor, frame: pd.DataFrame) -> Iterator[Way]:
    """Conversions worth trying: float32 with mended thresholds, then float64 with exact ones."""
    yield "float32", lambda: _convert(original, tensor, frame, wide=False)
    yield "float64", lambda: _convert(original, tensor, frame, wide=True)


def _convert(original: Original, tensor: Tensor, frame: pd.DataFrame, *, wide: bool) -> Converted:
    trees = lightgbm_trees(booster_of(original.model))
    model = ensemble_model(
        trees,
        columns=tensor.shape[1],
        classes=len(original.classes),
        wide=wide,
        single=single_columns(list(frame.dtypes)),
    )
    return converted_trees(model, original.classes, tensor, wide=wide)


def lightgbm_trees(booster: Any) -> Trees:
    """The booster's trees; raises NotConvertible for an objective or a way of missing that has no such form."""
    dump = booster.dump_model()
    link, scale = _link(dump)
    targets = int(dump["num_tree_per_iteration"])
    trees = Trees(targets, link, [0.0] * targets, scale)
    share = len(dump["tree_info"]) // targets if dump.get("average_output") else 1
    for number, tree in enumerate(dump["tree_info"]):
        _add_tree(trees, number, tree["tree_structure"], number % targets, share)
    return trees


def _add_tree(trees: Trees, number: int, root: dict[str, Any], target: int, share: int) -> None:
    """One tree, iteratively (trees may be deeper than Python's stack); nodes are numbered as they are met."""
    waiting = [(0, root)]
    free = 1
    while waiting:
        place, node = waiting.pop()
        if "split_feature" not in node:
            trees.add_leaf(number, place, target=target, value=float(node["leaf_value"]) / share)
            continue
        left, right = free, free + 1
        free += 2
        if node["decision_type"] == "<=":
            _add_threshold(trees, number, place, node, left, right)
        elif node["decision_type"] == "==":
            free = _add_membership(trees, number, place, node, left, right, free)
        else:
            raise NotConvertible(f"a split of the kind {node['decision_type']!r} has no ONNX form")
        waiting += [(right, node["right_child"]), (left, node["left_child"])]


def _add_threshold(trees: Trees, number: int, place: int, node: dict[str, Any], left: int, right: int) -> None:
    cut = effective_cut(float(node["threshold"]))
    missing = node["missing_type"]
    if missing == "Zero":
        raise NotConvertible("zero_as_missing has no ONNX form")
    # without a missing value in training, LightGBM reads one as 0
    missing_yes = bool(node["default_left"]) if missing == "NaN" else cut >= 0.0
    trees.add_split(
        number,
        place,
        feature=int(node["split_feature"]),
        mode="BRANCH_LEQ",
        cut=cut,
        yes=left,
        no=right,
        missing_yes=missing_yes,
    )


def effective_cut(threshold: float) -> float:
    """The threshold as LightGBM acts on it: it reads values within ±1e-35 as 0, also one that lies on a threshold."""
    if -ZERO <= threshold < 0.0:
        return float(np.nextafter(np.float32(-ZERO), np.float32(-1.0)))
    return ZERO if 0.0 <= threshold <= ZERO else threshold


def _add_membership(
    trees: Trees, number: int, place: int, node: dict[str, Any], left: int, right: int, free: int
) -> int:
    """A split by a set of categories: a chain of equalities whose true sides lead to the same node."""
    codes = [int(code) for code in str(node["threshold"]).split("||")]
    for i, code in enumerate(codes):
        last = i == len(codes) - 1
        following = right if last else free
        trees.add_split(
            number,
            place,
            feature=int(node["split_feature"]),
            mode="BRANCH_EQ",
            cut=float(code),
            yes=left,
            no=following,
            missing_yes=False,
        )
        if not last:
            place, free = free, free + 1
    return free


def _link(dump: dict[str, Any]) -> tuple[Link, float]:
    words = str(dump.get("objective", "")).split(" ")
    options = dict(word.split(":", 1) for word in words[1:] if ":" in word)
    name = words[0]
    if name == "regression" and "sqrt" in words:
        return "signed-square", 1.0
    if name not in _LINKS:
        raise NotConvertible(f"the objective {name!r} has no ONNX form here")
    link = _LINKS[name]
    return link, float(options.get("sigmoid", 1.0)) if link == "sigmoid" else 1.0


def _chosen(scores: NDArray[np.float64]) -> NDArray[np.intp]:
    if scores.shape[1] == 2:
        return (scores[:, 1] > 0.5).astype(np.intp)
    return np.asarray(np.argmax(scores, axis=1))


def _task(booster: Any) -> Task:
    objective = str(booster.dump_model().get("objective", "")).split(" ")[0]
    if not objective or objective == "custom":
        raise BadInput(
            "The model was trained with an objective of its own, so what its scores mean is not known; register it as "
            "an ONNX file that ends in probabilities or values."
        )
    if objective in _CLASSIFICATION:
        return "classification"
    if objective in ("lambdarank", "rank_xendcg"):
        raise BadInput(f"The model ranks ({objective}), which is not built yet; register a classifier or a regressor.")
    return "regression"


def _classes(model: Any, booster: Any) -> tuple[Label, ...]:
    given = getattr(model, "classes_", None)
    if given is not None:
        return tuple(plain_label(value) for value in given)
    return tuple(range(max(2, int(booster.dump_model()["num_class"]))))
