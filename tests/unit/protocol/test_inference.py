from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.protocol.calls import write_call
from seatrial.protocol.inference import (
    InferAnswer,
    InferBody,
    answers_out,
    check_outputs,
    check_texts,
    metadata_in,
    read_infer,
    rows_of,
    tensors_out,
)
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import BINARY


def body(*inputs: dict[str, Any], **more: Any) -> InferBody:
    return read_infer(msgspec.json.encode({"inputs": list(inputs), **more}))


def tensor(data: Any, shape: list[int], name: str = "X", datatype: str = "FP32") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


ROWS = [{"age": 40.0, "income": 10.0, "country": "FR"}, {"age": 50.0, "income": 20.0, "country": "DE"}]


@pytest.mark.parametrize("data", [[40.0, 10.0, 1, 50.0, 20.0, 0], [[40.0, 10.0, 1], [50.0, 20.0, 0]]])
def test_the_models_tensor_flat_or_nested(data: Any) -> None:
    assert rows_of(body(tensor(data, [2, 3])), BINARY) == ROWS


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_one_input_per_feature(shape: list[int]) -> None:
    inputs = (
        tensor([40.0, 50.0], shape, "age"),
        tensor([10.0, 20.0], shape, "income", "FP64"),
        tensor(["FR", "DE"], shape, "country", "BYTES"),
    )
    assert rows_of(body(*inputs), BINARY) == ROWS


def test_a_code_outside_the_categories_is_unseen_and_null_is_missing() -> None:
    (row,) = rows_of(body(tensor([40.0, None, 17], [1, 3])), BINARY)
    assert row["income"] is None
    assert row["country"] not in ("DE", "FR", "US")


def test_an_embedding_keeps_its_inner_shape_flat() -> None:
    signature = Signature(
        task="raw",
        features=(Feature(name="image", kind="embedding", width=4),),
        inputs=(Tensor(name="I", datatype="FP32", shape=(-1, 2, 2), features=("image",)),),
        outputs=(),
        answer=Answer(prediction=""),
    )
    assert rows_of(body(tensor([[[1, 2], [3, 4]]], [1, 2, 2], "I")), signature) == [{"image": [1, 2, 3, 4]}]


@pytest.mark.parametrize("single", [False, True])
def test_a_width_that_does_not_fit_is_refused_before_the_elements_are_looked_at(single: bool) -> None:
    """An element that is refused too stands among millions that nobody needs to walk through."""
    wide = tensor([1.0, "not a number", 3.0, 4.0], [1, 4], "age" if single else "X")
    others = (tensor([1.0], [1], "income"), tensor(["FR"], [1], "country", "BYTES")) if single else ()
    with pytest.raises(BadInput, match="has shape"):
        rows_of(body(wide, *others), BINARY)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs is empty"),
        ([tensor([1, 2], [1, 2], "Z")], "'Z' is neither a feature"),
        ([tensor([1, 2], [1, 2])], r"expected \[n, 3\]"),
        ([tensor([1, 2], [1, 3])], r"has 2 elements; its shape \[1, 3\] means 3"),
        ([tensor([[1, 2, 3], 4], [2, 3])], "ragged"),
        ([tensor([1, 2, {}], [1, 3])], "elements"),
        ([tensor([], [0, 3])], "0 rows"),
        ([tensor([1], [-1, 3])], "sizes of 0 or more"),
        ([tensor([1], [])], "sizes of 0 or more"),
        ([tensor([1], [2**40, 2**40])], "more than anybody could send"),
        ([tensor([1], [1], datatype="FP16")], "FP16 has no form in JSON"),
        ([tensor([1], [1], datatype="COMPLEX")], "is not one of BOOL"),
        ([{"name": "X", "shape": [1, 3], "datatype": "FP32"}], "has no data; send"),
        ([tensor([1, 2, 3], [1, 3]), tensor([1, 2, 3], [1, 3])], "same name"),
        ([tensor([1, 2, 0.5], [1, 3])], "position of a category"),
        ([tensor([1, 2], [2], "age"), tensor([1], [1], "income")], "different numbers of rows"),
    ],
)
def test_refused_in_words(inputs: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        rows_of(body(*inputs), BINARY)


def test_outputs_all_or_those_asked_for() -> None:
    outputs = {"label": np.array([1, 0]), "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)}
    label, scores = tensors_out(outputs, BINARY, None)
    assert (label.name, label.datatype, label.shape, label.data) == ("label", "INT64", [2], [1, 0])
    assert (scores.shape, scores.data) == ([2, 2], [0.25, 0.75, 0.5, 0.5])
    wanted = body(tensor([1], [1]), outputs=[{"name": "label"}]).outputs
    assert [one.name for one in tensors_out(outputs, BINARY, wanted)] == ["label"]
    with pytest.raises(BadInput, match="'nothing' is not one of label, probabilities"):
        check_outputs(body(tensor([1], [1]), outputs=[{"name": "nothing"}]).outputs, BINARY)
    with pytest.raises(BadInput, match="same name"):
        check_outputs(body(tensor([1], [1]), outputs=[{"name": "label"}] * 2).outputs, BINARY)


def test_a_fallback_as_tensors() -> None:
    found = answers_out([{"prediction": 0, "score": 0.5}] * 2)
    assert [(t.name, t.datatype, t.data) for t in found] == [
        ("prediction", "INT64", [0, 0]),
        ("score", "FP64", [0.5, 0.5]),
    ]
    assert answers_out([{"prediction": "no"}])[0].datatype == "BYTES"


def test_metadata_names_the_tensors() -> None:
    assert metadata_in(BINARY) == [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}]


def test_bytes_that_are_no_text_are_whole_by_grpc_and_refused_in_json() -> None:
    picture = b"\xff\xd8\xff\xe0JPEG"
    signature = Signature(
        task="raw",
        features=(),
        inputs=(),
        outputs=(Tensor(name="image", datatype="BYTES", shape=(-1,)),),
        answer=Answer(prediction="image"),
    )
    outputs = tensors_out({"image": np.array([picture, b"text", "text"], dtype=object)}, signature, None)
    answer = InferAnswer(model_name="m", model_version=None, outputs=outputs, parameters={})
    assert list(write_call(answer).outputs[0].contents.bytes_contents) == [picture, b"text", b"text"]
    with pytest.raises(BadInput, match="output 'image' is bytes that are not UTF-8"):
        check_texts(outputs)
    check_texts(tensors_out({"image": np.array([b"text", "text"], dtype=object)}, signature, None))
