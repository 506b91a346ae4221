"""Small surgery on ONNX graphs: reading their inputs and outputs, leaving outputs out, fixing text operators."""

from collections.abc import Sequence
from typing import Any

from seatrial.spec.signature import Datatype, Label, Tensor

DATATYPES: dict[int, Datatype] = {
    1: "FP32",
    2: "UINT8",
    3: "INT8",
    4: "UINT16",
    5: "INT16",
    6: "INT32",
    7: "INT64",
    8: "BYTES",
    9: "BOOL",
    10: "FP16",
    11: "FP64",
    12: "UINT32",
    13: "UINT64",
}
"""ONNX element types by number."""


def outputs_of(model: Any) -> tuple[Tensor, ...]:
    """The graph's outputs as tensors; a sequence or map output has no such form and is left out."""
    return tuple(_tensor(value) for value in model.graph.output if value.type.HasField("tensor_type"))


def inputs_of(model: Any) -> tuple[Tensor, ...]:
    """The graph's inputs that are not constants."""
    constants = {value.name for value in model.graph.initializer}
    return tuple(_tensor(value) for value in model.graph.input if value.name not in constants)


def finish(model: Any, outputs: Sequence[Tensor]) -> bytes:
    """The model as bytes with only the given outputs, and text operators that need no locale but C."""
    keep = {tensor.name for tensor in outputs}
    left = [value for value in model.graph.output if value.name in keep]
    del model.graph.output[:]
    model.graph.output.extend(left)
    for node in model.graph.node:
        if node.op_type == "StringNormalizer":
            _locale_c(node)
    content: bytes = model.SerializeToString()
    return content


def _locale_c(node: Any) -> None:
    """``en_US`` is absent from bare containers, and the model would not load there."""
    for attribute in node.attribute:
        if attribute.name == "locale":
            attribute.s = b"C"
            return
    from onnx import helper

    node.attribute.append(helper.make_attribute("locale", "C"))


def _tensor(value: Any) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(axis.dim_value if axis.dim_value > 0 else -1 for axis in kind.shape.dim)
    return Tensor(name=value.name, datatype=DATATYPES[kind.elem_type], shape=shape)


def without_zipmap(model: Any) -> tuple[Label, ...]:
    """Take ZipMap out of a graph, so that scores are one tensor; gives the classes that it named."""
    classes: tuple[Label, ...] = ()
    for node in [node for node in model.graph.node if node.op_type == "ZipMap"]:
        for attribute in node.attribute:
            found: list[Label] = [text.decode() for text in attribute.strings] or list(attribute.ints)
            classes = tuple(found)
        _show_instead(model, node.output[0], node.input[0], len(classes))
        model.graph.node.remove(node)
    return classes


def _show_instead(model: Any, hidden: str, shown: str, width: int) -> None:
    from onnx import TensorProto, helper

    kept = [value for value in model.graph.output if value.name != hidden]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    model.graph.output.append(helper.make_tensor_value_info(shown, TensorProto.FLOAT, [None, width]))
