"""The binary tensor extension: what is read, and every malformed request's one sentence."""

import struct
from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.protocol.binary_bodies import raw_infer, read_binary_infer, read_length, write_binary
from seatrial.protocol.inference import (
    BinaryAnswer,
    Form,
    InferAnswer,
    InferBody,
    check_forms,
    only_binary,
    read_infer,
    rows_of,
    tensors_out,
)
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import BINARY

ROW = np.array([[40.0, 10.0, 1.0]], dtype=np.float32)
OUT = {"label": np.array([1]), "probabilities": np.array([[0.25, 0.75]])}


def read(*pairs: tuple[dict[str, Any], bytes], tail: bytes = b"", **more: Any) -> InferBody:
    """A request of inputs with their bytes; ``binary_data_size`` is filled in where the input does not say it."""
    inputs = []
    for given, raw in pairs:
        sized = given.get("parameters") or (None if "data" in given else {"binary_data_size": len(raw)})
        inputs.append({**given, "parameters": sized})
    head = msgspec.json.encode({"inputs": inputs, **more})
    return read_binary_infer(head + b"".join(raw for _, raw in pairs) + tail, len(head))


def given(name: str = "X", shape: tuple[int, ...] = (1, 3), datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "datatype": datatype, **more}


def words(*elements: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(one)) + one for one in elements)


def test_a_models_tensor() -> None:
    assert rows_of(read((given(), ROW.tobytes())), BINARY) == [{"age": 40.0, "income": 10.0, "country": "FR"}]


def test_binary_and_json_inputs_in_one_request() -> None:
    request = read(
        (given("age", (2,), "FP16"), np.array([1.5, 2.5], dtype="<f2").tobytes()),
        (given("income", (2,), "INT32", data=[10, 20]), b""),
        (given("country", (2, 1), "BYTES"), words(b"DE", b"")),
    )
    assert rows_of(request, BINARY) == [
        {"age": 1.5, "income": 10, "country": "DE"},
        {"age": 2.5, "income": 20, "country": ""},
    ]


def test_nan_is_missing_and_brain_floats_are_numbers() -> None:
    (row,) = rows_of(read((given(datatype="BF16"), struct.pack("<3H", 0x4220, 0x7FC0, 0x3F80))), BINARY)
    assert (row["age"], row["country"]) == (40.0, "FR")
    assert np.isnan(row["income"])


@pytest.mark.parametrize(
    ("pairs", "tail", "message"),
    [
        ([(given(), ROW.tobytes()[:-1])], b"", r"has 11 bytes; its shape means 3 elements of FP32, which are 12"),
        ([(given(), ROW.tobytes() * 2)], b"", "has 24 bytes"),
        ([(given(), ROW.tobytes())], b"xy", "2 bytes are left over behind the last input"),
        ([(given(parameters={"binary_data_size": 13}), ROW.tobytes())], b"", "is 13, and 12 bytes are left"),
        ([(given(parameters={"binary_data_size": -1}), b"")], b"", "'-1'; expected a number of bytes"),
        ([(given(parameters={"binary_data_size": True}), b"")], b"", "'True'; expected a number of bytes"),
        ([(given(parameters={"binary_data_size": "12"}), b"")], b"", "'12'; expected a number of bytes"),
        ([(given(parameters={"binary_data_size": 12}, data=[1, 2, 3]), ROW.tobytes())], b"", "both `data` and"),
        ([(given(shape=(-1, 3)), ROW.tobytes())], b"", "sizes of 0 or more"),
        ([(given(shape=(2**33, 2**33)), b"")], b"", "more than anybody could send"),
        ([(given(shape=(2**31, 1), datatype="BYTES"), b"")], b"", "has 0 BYTES elements"),
        ([(given(shape=()), b"")], b"", "sizes of 0 or more"),
        ([(given(shape=(1,) * 33), b"\0" * 4)], b"", "33 dimensions; the limit is 32"),
        ([(given(datatype="FP8"), b"")], b"", "'FP8' is not one of"),
        ([(given("country", (1,), "BYTES"), words(b"a", b"b"))], b"", "more BYTES elements than the 1"),
        ([(given("country", (2,), "BYTES"), words(b"a"))], b"", "has 1 BYTES elements; its shape means 2"),
        ([(given("country", (1,), "BYTES"), b"\1\0")], b"", "ends within the length of its BYTES element 0"),
        ([(given("country", (1,), "BYTES"), b"\xff\xff\xff\xff")], b"", "says it has 4294967295 bytes, and 0 are left"),
        ([(given("country", (1,), "BYTES"), words(b"\xff"))], b"", "element 0 is not UTF-8"),
    ],
)
def test_refused_in_words(pairs: list[tuple[dict[str, Any], bytes]], tail: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read(*pairs, tail=tail)


@pytest.mark.parametrize(("code", "country"), [(np.nan, None), (2.0, "US"), (9.0, "#9")])
def test_a_position_of_a_category_in_bytes(code: float, country: str | None) -> None:
    (row,) = rows_of(read((given(), np.array([[1, 2, code]], dtype="<f4").tobytes())), BINARY)
    assert row["country"] == country


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (((given(shape=(0, 3)), b""),), "0 rows"),
        (
            ((given(), np.array([[1, 2, np.inf]], dtype="<f4").tobytes()),),
            "expected the position of a category, got 'inf'",
        ),
        (((given(shape=(1, 3), datatype="INT8"), b"\1\2"),), "has 2 bytes"),
    ],
)
def test_rows_refused(request_: tuple[tuple[dict[str, Any], bytes], ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        rows_of(read(*request_), BINARY)


def test_a_size_without_the_header_is_no_data() -> None:
    body = msgspec.json.encode({"inputs": [given(parameters={"binary_data_size": 12})]})
    with pytest.raises(BadInput, match="has no data; send `data`, or its bytes behind the JSON"):
        rows_of(read_infer(body), BINARY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"11", "is 11, and the body has 10 bytes"),
        (b"-1", "'-1'; expected a number of bytes"),
        (b"", "''; expected"),
        (b"1.5", "'1.5'; expected"),
        (b"9" * 30, "expected a number of bytes"),
        ("²".encode(), "expected a number"),
    ],
)
def test_lengths_refused(text: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_length(text, b"x" * 10)


def test_a_raw_request() -> None:
    request = raw_infer(np.concatenate([ROW, ROW]).tobytes(), BINARY)
    assert [row["age"] for row in rows_of(request, BINARY)] == [40.0, 40.0]
    assert Form(request).binary("label")


def text_model(*shapes: tuple[int, ...], datatype: str = "BYTES") -> Signature:
    kind = "text" if datatype == "BYTES" else "embedding"
    names = [f"f{i}" for i in range(len(shapes))]
    return Signature(
        task="raw",
        features=tuple(Feature(name=name, kind=kind) for name in names),  # type: ignore[arg-type]
        inputs=tuple(
            Tensor(name=name.upper(), datatype=datatype, shape=shape, features=(name,))  # type: ignore[arg-type]
            for name, shape in zip(names, shapes, strict=True)
        ),
        outputs=(Tensor(name="half", datatype="FP16", shape=(-1,)), Tensor(name="text", datatype="BYTES", shape=(-1,))),
        answer=Answer(prediction="text"),
    )


def test_a_raw_request_of_text_is_the_text_itself() -> None:
    assert rows_of(raw_infer("a\0é".encode(), text_model((-1, 1))), text_model((-1, 1))) == [{"f0": "a\0é"}]


@pytest.mark.parametrize(
    ("signature", "body", "message"),
    [
        (text_model((-1,), (-1,)), b"a", r"the model has 2 \(F0, F1\)"),
        (text_model((-1, -1), datatype="FP32"), b"1234", "leaves one size open"),
        (BINARY, b"12345", "has 5 bytes; input 'X' takes a multiple of 12"),
    ],
)
def test_raw_requests_refused(signature: Signature, body: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        raw_infer(body, signature)


def asked(parameters: Any = None, outputs: Any = None) -> InferBody:
    return read_infer(msgspec.json.encode({"inputs": [], "parameters": parameters, "outputs": outputs}))


@pytest.mark.parametrize(
    ("body", "label", "probabilities"),
    [
        (asked(), False, False),
        (asked({"binary_data_output": True}), True, True),
        (asked({"binary_data_output": True}, [{"name": "label", "parameters": {"binary_data": False}}]), False, True),
        (asked(None, [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities"}]), True, False),
        (asked({"binary_data_output": True}, [{"name": "label", "parameters": {"classification": 1}}]), True, True),
    ],
)
def test_which_outputs_are_binary(body: InferBody, label: bool, probabilities: bool) -> None:
    form = Form(body)
    assert (form.binary("label"), form.binary("probabilities")) == (label, probabilities)
    assert form.plain == (not label and not probabilities)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (asked({"binary_data_output": 1}), "binary_data_output"),
        (asked(None, [{"name": "label", "parameters": {"binary_data": "yes"}}]), "binary_data"),
    ],
)
def test_forms_refused(body: InferBody, name: str) -> None:
    with pytest.raises(BadInput, match=f"parameter '{name}': expected true or false"):
        Form(body)


def test_an_answer_in_bytes_and_json() -> None:
    form = Form(asked(None, [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]))
    outputs = tensors_out(OUT, BINARY, None, form)
    answer = InferAnswer("churn", "churn:1", outputs, {}, "i")
    body, length = write_binary(BinaryAnswer(answer, form.write(outputs, OUT)))
    head = msgspec.json.decode(body[:length])
    assert head["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [1], "data": [1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
    ]
    assert np.frombuffer(body[length:], dtype="<f4").tolist() == [0.25, 0.75]


def test_halves_have_no_form_in_json() -> None:
    names = only_binary(text_model((-1,)))
    assert names == {"half"}
    with pytest.raises(BadInput, match="output 'half' is FP16, which has no form in JSON"):
        check_forms(names, asked())
    check_forms(names, asked({"binary_data_output": True}))
    check_forms(names, asked(None, [{"name": "text"}]))
    with pytest.raises(BadInput, match="FP16 has no form in JSON; send it in binary"):
        rows_of(read_infer(msgspec.json.encode({"inputs": [given(datatype="FP16", data=[1, 2, 3])]})), BINARY)
