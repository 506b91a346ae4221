"""Ensembles of decision trees, from any library, and their ONNX form: thresholds are put in here, and nowhere rounded
by accident."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.models.converted import Converted
from seatrial.models.onnx_graph import outputs_of
from seatrial.models.rounding import at_or_below, nearest
from seatrial.spec.signature import Answer, Label, Tensor

Link = Literal["identity", "sigmoid", "softmax", "exp", "signed-square"]
Mode = Literal["BRANCH_LEQ", "BRANCH_EQ", "LEAF"]


@dataclass
class Trees:
    """Trees as parallel lists, one entry a node.

    Attributes:
        targets: Scores that the trees sum up to (1, or one a class).
        link: From summed scores to answers.
        base: What the sums start from, [targets].
        scale: Multiplies the sums before the link.
        tree, node, feature, mode, cut, yes, no, missing_yes: Node by node: its tree, its number in it, the column that
            it looks at, how, the threshold (float64), where true and false lead, and whether missing counts as true.
        leaf_tree, leaf_node, leaf_target, leaf_value: Leaf by leaf.
    """

    targets: int
    link: Link
    base: list[float]
    scale: float = 1.0
    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[Mode] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    yes: list[int] = field(default_factory=list)
    no: list[int] = field(default_factory=list)
    missing_yes: list[bool] = field(default_factory=list)
    leaf_tree: list[int] = field(default_factory=list)
    leaf_node: list[int] = field(default_factory=list)
    leaf_target: list[int] = field(default_factory=list)
    leaf_value: list[float] = field(default_factory=list)

    def add_split(
        self, tree: int, node: int, *, feature: int, mode: Mode, cut: float, yes: int, no: int, missing_yes: bool
    ) -> None:
        self.tree.append(tree)
        self.node.append(node)
        self.feature.append(feature)
        self.mode.append(mode)
        self.cut.append(cut)
        self.yes.append(yes)
        self.no.append(no)
        self.missing_yes.append(missing_yes)

    def add_leaf(self, tree: int, node: int, *, target: int, value: float) -> None:
        self.add_split(tree, node, feature=0, mode="LEAF", cut=0.0, yes=0, no=0, missing_yes=False)
        self.leaf_tree.append(tree)
        self.leaf_node.append(node)
        self.leaf_target.append(target)
        self.leaf_value.append(value)

    def cuts(self) -> list[tuple[int, float]]:
        """Column and threshold of every numeric split."""
        return [(f, c) for f, c, mode in zip(self.feature, self.cut, self.mode, strict=True) if mode == "BRANCH_LEQ"]


def narrow_cuts(trees: Trees, single: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Thresholds in float32: at or below for columns that are float32 themselves, nearest for the others.

    Args:
        trees: The ensemble.
        single: Whether each column is float32, [columns].
    """
    cuts = np.array(trees.cut, dtype=np.float64)
    return np.where(single[np.array(trees.feature, dtype=np.intp)], at_or_below(cuts), nearest(cuts))


def ensemble_attributes(trees: Trees, *, wide: bool, single: NDArray[np.bool_]) -> dict[str, Any]:
    """Attributes of a ``TreeEnsembleRegressor`` (``ai.onnx.ml`` 3) that sums the trees, without base and link."""
    from onnx import numpy_helper

    cuts = np.array(trees.cut, dtype=np.float64) if wide else narrow_cuts(trees, single)
    weights = np.array(trees.leaf_value, dtype=np.float64 if wide else np.float32)
    attributes: dict[str, Any] = {
        "n_targets": trees.targets,
        "nodes_treeids": trees.tree,
        "nodes_nodeids": trees.node,
        "nodes_featureids": trees.feature,
        "nodes_modes": trees.mode,
        "nodes_truenodeids": trees.yes,
        "nodes_falsenodeids": trees.no,
        "nodes_missing_value_tracks_true": [int(value) for value in trees.missing_yes],
        "target_treeids": trees.leaf_tree,
        "target_nodeids": trees.leaf_node,
        "target_ids": trees.leaf_target,
        "post_transform": "NONE",
    }
    if wide:
        attributes["nodes_values_as_tensor"] = numpy_helper.from_array(cuts, name="cuts")
        attributes["target_weights_as_tensor"] = numpy_helper.from_array(weights, name="weights")
    else:
        attributes["nodes_values"] = cuts.tolist()
        attributes["target_weights"] = weights.tolist()
    return attributes


def answer_nodes(trees: Trees, raw: str, label: str, scores: str, classes: int) -> tuple[list[Any], list[Any]]:
    """Nodes and constants from summed scores to answers.

    Args:
        trees: For its base, scale and link.
        raw: Name of the summed scores, [n, targets], float32.
        label: Name to give the position of the class [n], or the value [n, 1] when there are no classes.
        scores: Name to give the probabilities [n, classes].
        classes: How many; 0 for regression.
    """
    from onnx import helper, numpy_helper

    nodes: list[Any] = []
    constants = [numpy_helper.from_array(np.array([trees.base], dtype=np.float32), name=f"{raw}_base")]
    nodes.append(helper.make_node("Add", [raw, f"{raw}_base"], [f"{raw}_sum"]))
    here = f"{raw}_sum"
    if trees.scale != 1.0:
        constants.append(numpy_helper.from_array(np.array([trees.scale], dtype=np.float32), name=f"{raw}_scale"))
        nodes.append(helper.make_node("Mul", [here, f"{raw}_scale"], [f"{raw}_scaled"]))
        here = f"{raw}_scaled"
    if not classes:
        return nodes + _value_nodes(trees.link, here, label), constants
    if trees.link == "softmax":
        nodes.append(helper.make_node("Softmax", [here], [scores], axis=1))
    elif trees.targets == 1:
        nodes.append(helper.make_node("Sigmoid", [here], [f"{raw}_yes"]))
        constants.append(numpy_helper.from_array(np.array([1.0], dtype=np.float32), name=f"{raw}_one"))
        nodes.append(helper.make_node("Sub", [f"{raw}_one", f"{raw}_yes"], [f"{raw}_no"]))
        nodes.append(helper.make_node("Concat", [f"{raw}_no", f"{raw}_yes"], [scores], axis=1))
    else:
        nodes.append(helper.make_node("Sigmoid", [here], [scores]))
    nodes.append(helper.make_node("ArgMax", [scores], [label], axis=1, keepdims=0))
    return nodes, constants


def _value_nodes(link: Link, here: str, label: str) -> list[Any]:
    from onnx import helper

    if link == "exp":
        return [helper.make_node("Exp", [here], [label])]
    if link == "signed-square":
        return [
            helper.make_node("Abs", [here], [f"{here}_abs"]),
            helper.make_node("Mul", [here, f"{here}_abs"], [label]),
        ]
    if link == "sigmoid":
        return [helper.make_node("Sigmoid", [here], [label])]
    return [helper.make_node("Identity", [here], [label])]


def ensemble_model(trees: Trees, *, columns: int, classes: int, wide: bool, single: NDArray[np.bool_]) -> Any:
    """A whole ONNX model of one ensemble: ``input`` [n, columns] to ``label`` and, with classes, ``probabilities``."""
    from onnx import TensorProto, helper

    attributes = ensemble_attributes(trees, wide=wide, single=single)
    nodes = [helper.make_node("TreeEnsembleRegressor", ["input"], ["raw"], domain="ai.onnx.ml", **attributes)]
    more, constants = answer_nodes(trees, "raw", "label", "probabilities", classes)
    kind = TensorProto.DOUBLE if wide else TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info("label", TensorProto.INT64, [None])]
    if classes:
        outputs.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, classes]))
    else:
        outputs = [helper.make_tensor_value_info("label", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(
        nodes + more, "trees", [helper.make_tensor_value_info("input", kind, [None, columns])], outputs, constants
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8
    )


def single_columns(dtypes: Sequence[Any]) -> NDArray[np.bool_]:
    """Which columns hold float32 (or float16) values by their pandas or numpy type."""
    return np.array([str(dtype).lower() in ("float32", "float16") for dtype in dtypes], dtype=np.bool_)


def converted_trees(model: Any, classes: tuple[Label, ...], tensor: Tensor, *, wide: bool) -> Converted:
    """An ensemble model with its signature; its label is a position in the classes."""
    outputs = outputs_of(model)
    answer = Answer(prediction="label")
    if classes:
        answer = Answer(prediction="label", scores="probabilities", classes=classes, prediction_is_index=True)
    taken = msgspec.structs.replace(tensor, name="input", datatype="FP64" if wide else "FP32")
    return Converted(model.SerializeToString(), (taken,), outputs, answer, "float64" if wide else "float32")
