"""Converters for boosters inside scikit-learn pipelines: the same trees as outside, no threshold rounded by accident.

Inside a pipeline a booster is given what the steps before it make, which is float64 in the original; in a float32 graph
it arrives rounded, so thresholds are rounded to the nearest, which keeps the order.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from seatrial.models.histogram_models import histogram_trees
from seatrial.models.lightgbm_models import booster_of, lightgbm_trees
from seatrial.models.tree_ensembles import Trees, answer_nodes, ensemble_attributes

_CLASSIFIER_OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
OWN = frozenset({"LGBMClassifier", "LGBMRegressor", "HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
"""Estimators that are converted here; as the last step of a classifier they give positions in the classes."""

_registered: list[bool] = []


def register_converters() -> None:
    """Teach the pipeline converter the boosters that are installed; a second call does nothing."""
    if _registered:
        return
    _registered.append(True)
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    _register_own(HistGradientBoostingClassifier, histogram_trees)
    _register_own(HistGradientBoostingRegressor, histogram_trees)
    _register_lightgbm()
    _register_xgboost()


def _register_lightgbm() -> None:
    try:
        import lightgbm
    except ImportError:
        return
    _register_own(lightgbm.LGBMClassifier, lambda model: lightgbm_trees(booster_of(model)))
    _register_own(lightgbm.LGBMRegressor, lambda model: lightgbm_trees(booster_of(model)))


def _register_xgboost() -> None:
    try:
        import xgboost
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    except ImportError:
        return
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    update_registered_converter(
        xgboost.XGBClassifier,
        "XGBoostXGBClassifier",
        shapes.calculate_linear_classifier_output_shapes,
        convert_xgboost,
        options=_CLASSIFIER_OPTIONS,
    )
    update_registered_converter(
        xgboost.XGBRegressor, "XGBoostXGBRegressor", shapes.calculate_linear_regressor_output_shapes, convert_xgboost
    )


def _register_own(kind: type[Any], trees_of: Callable[[Any], Trees]) -> None:
    from skl2onnx import update_registered_converter

    classifies = kind.__name__.endswith("Classifier")
    update_registered_converter(
        kind,
        f"Seatrial{kind.__name__}",
        _classifier_shapes if classifies else _regressor_shapes,
        _converter(trees_of),
        options=_CLASSIFIER_OPTIONS if classifies else None,
    )


def _classifier_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType

    rows = operator.inputs[0].get_first_dimension()
    operator.outputs[0].type = Int64TensorType([rows])
    operator.outputs[1].type = FloatTensorType([rows, len(operator.raw_operator.classes_)])


def _regressor_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([operator.inputs[0].get_first_dimension(), 1])


def _converter(trees_of: Callable[[Any], Trees]) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        trees = trees_of(operator.raw_operator)
        taken = _as_floats(scope, operator.inputs[0], container)
        wide = type(operator.inputs[0].type).__name__ == "DoubleTensorType"
        raw = scope.get_unique_variable_name("raw")
        single = np.zeros(max(trees.feature, default=0) + 1, dtype=np.bool_)
        container.add_node(
            "TreeEnsembleRegressor",
            [taken],
            [raw],
            op_domain="ai.onnx.ml",
            op_version=3,
            name=scope.get_unique_operator_name("Trees"),
            **ensemble_attributes(trees, wide=wide, single=single),
        )
        outputs = [variable.full_name for variable in operator.outputs]
        classes = len(operator.raw_operator.classes_) if len(outputs) > 1 else 0
        nodes, constants = answer_nodes(trees, raw, outputs[0], outputs[-1], classes)
        _add(scope, container, nodes, constants)

    return convert


def _as_floats(scope: Any, variable: Any, container: Any) -> str:
    """The input's name, cast to float32 where it is neither float32 nor float64."""
    if type(variable.type).__name__ in ("FloatTensorType", "DoubleTensorType"):
        return str(variable.full_name)
    from onnx import TensorProto

    cast = str(scope.get_unique_variable_name("cast"))
    name = scope.get_unique_operator_name("Cast")
    container.add_node("Cast", [variable.full_name], [cast], name=name, to=TensorProto.FLOAT, op_version=13)
    return cast


def _add(scope: Any, container: Any, nodes: list[Any], constants: list[Any]) -> None:
    from onnx import helper

    for constant in constants:
        container.add_initializer(constant.name, constant.data_type, list(constant.dims), constant)
    for node in nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        name = scope.get_unique_operator_name(node.op_type)
        container.add_node(node.op_type, list(node.input), list(node.output), name=name, op_version=13, **attributes)
