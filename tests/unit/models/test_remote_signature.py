"""What a remote variant takes and gives: worked out where it is clear, refused in one sentence where it is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from seatrial.models.remote_signature import settle_json, settle_open_inference
from seatrial.protocol.asking import Described, Terms, read_terms
from seatrial.protocol.features import Encoder
from seatrial.routing.snapshot import Remote
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.gateways import BINARY

MLSERVER = Path(__file__).parents[2] / "protocol" / "others" / "mlserver_answers.json"
JSON = Remote(protocol="json", address="http://h/s", body="{{ features }}", answer="$.label")
HTTP = Remote(protocol="http", address="http://h", model="churn")
NUMBERS = Signature(
    task="classification",
    features=(Feature(name="a", kind="number"), Feature(name="b", kind="integer")),
    inputs=(Tensor(name="X", datatype="FP32", shape=(-1, 2), features=("a", "b")),),
    outputs=(Tensor(name="label", datatype="INT64", shape=(-1,)),),
    answer=Answer(prediction="label", classes=(0, 1)),
)
VALUE = Signature(
    task="regression",
    features=NUMBERS.features,
    inputs=NUMBERS.inputs,
    outputs=(Tensor(name="y", datatype="FP32", shape=(-1, 1)),),
    answer=Answer(prediction="y"),
)


def terms(inputs: list[tuple[Any, ...]], outputs: list[tuple[Any, ...]]) -> Terms:
    return Terms(tuple(Described(*one) for one in inputs), tuple(Described(*one) for one in outputs))


LABEL = ("predict", "INT64", (-1,))
PROBABILITIES = ("predict_proba", "FP32", (-1, 2))
ROWS_OF_TWO = ("in", "FP32", (-1, 2))


def test_a_server_of_json_takes_the_features_and_gives_the_outputs_of_the_variant_beside() -> None:
    signature, remote = settle_json(JSON, BINARY)
    assert remote == JSON
    assert signature.features == BINARY.features
    assert [tensor.features for tensor in signature.inputs] == [("age",), ("income",), ("country",)]
    assert signature.answer == Answer(prediction="label", classes=(0, 1))
    packed = Encoder(signature).encode([{"age": 0.1, "income": None, "country": "IS"}])
    assert packed.tensors["age"].tolist() == [0.1]  # float64: what was sent goes out
    assert packed.tensors["country"].tolist() == ["IS"]
    assert packed.unseen == 1
    nullable = Signature(
        task="raw",
        features=(Feature(name="note", kind="text", nullable=True),),
        inputs=(),
        outputs=(),
        answer=Answer(prediction=""),
    )
    assert Encoder(settle_json(JSON, nullable).signature).encode([{}]).tensors["note"].tolist() == [None]


@pytest.mark.parametrize(
    ("remote", "beside", "words"),
    [
        ({}, None, "nobody says which features it takes"),
        ({"body": "{{ features.salary }}"}, BINARY, "names the feature 'salary'; there are age, income, country"),
        ({"score": "$.p"}, VALUE, "probabilities are of a classification, and this is a regression"),
    ],
)
def test_a_server_of_json_that_does_not_fit_is_refused(remote: dict[str, str], beside: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        settle_json(replace(JSON, **remote), beside)


def test_the_same_model_elsewhere_takes_the_same_tensors() -> None:
    same = terms([("X", "FP32", (-1, 3))], [("label", "INT64", (-1,)), ("probabilities", "FP32", (-1, 2))])
    signature, remote = settle_open_inference(HTTP, same, (), BINARY, None)
    assert signature.inputs == BINARY.inputs  # `country` as the position of its category
    assert (remote.answer, remote.scores) == ("label", "probabilities")
    assert signature.answer.scores == "probabilities"


def test_mlservers_own_metadata_are_understood() -> None:
    body = json.dumps(json.loads(MLSERVER.read_text())["answers"]["model"]["body"]).encode()
    signature, remote = settle_open_inference(HTTP, read_terms(body), (), BINARY, None)
    assert (remote.answer, remote.scores) == ("label", "probabilities")
    assert signature.features == BINARY.features


def test_one_input_a_feature() -> None:
    theirs = terms([("b", "INT32", (-1, 1)), ("a", "FP64", (-1,))], [LABEL, PROBABILITIES])
    signature, remote = settle_open_inference(HTTP, theirs, (), NUMBERS, None)
    assert [(t.name, t.datatype, t.features) for t in signature.inputs] == [
        ("b", "INT32", ("b",)),
        ("a", "FP64", ("a",)),
    ]
    assert (remote.answer, remote.scores) == ("predict", "predict_proba")
    packed = Encoder(signature).encode([{"a": 0.5, "b": 3}, {"a": 1.5, "b": 4}]).tensors
    assert packed["b"].tolist() == [[3], [4]]


def test_one_input_of_all_features_in_their_order_or_in_the_one_that_is_said() -> None:
    theirs = terms([ROWS_OF_TWO], [LABEL])
    assert settle_open_inference(HTTP, theirs, (), NUMBERS, None).signature.inputs[0].features == ("a", "b")
    assert settle_open_inference(HTTP, theirs, ("b", "a"), NUMBERS, None).signature.inputs[0].features == ("b", "a")
    open_width = terms([("in", "FP32", (-1, -1))], [LABEL])
    assert settle_open_inference(HTTP, open_width, ("b",), NUMBERS, None).signature.inputs[0].features == ("b",)


def test_alone_the_metadata_say_it_all() -> None:
    theirs = terms([("age", "FP32", (-1, 1)), ("note", "BYTES", (-1,)), ("v", "FP32", (-1, 8))], [LABEL])
    signature, remote = settle_open_inference(HTTP, theirs, (), None, "classification")
    assert [(f.name, f.kind, f.width) for f in signature.features] == [
        ("age", "number", None),
        ("note", "text", None),
        ("v", "list", 8),
    ]
    assert remote.answer == "predict"
    raw = settle_open_inference(HTTP, theirs, (), None, None).signature
    assert (raw.task, [tensor.name for tensor in raw.outputs]) == ("raw", ["predict"])


def test_whole_numbers_of_a_classifier_of_strings_are_positions() -> None:
    named = Signature(
        task="classification",
        features=NUMBERS.features,
        inputs=NUMBERS.inputs,
        outputs=(Tensor(name="label", datatype="BYTES", shape=(-1,)),),
        answer=Answer(prediction="label", classes=("no", "yes")),
    )
    assert settle_open_inference(
        HTTP, terms([ROWS_OF_TWO], [LABEL]), (), named, None
    ).signature.answer.prediction_is_index
    words = terms([ROWS_OF_TWO], [("predict", "BYTES", (-1,))])
    assert not settle_open_inference(HTTP, words, (), named, None).signature.answer.prediction_is_index


@pytest.mark.parametrize(
    ("inputs", "outputs", "columns", "beside", "words"),
    [
        ([], [LABEL], (), NUMBERS, "names no inputs of 'churn'"),
        ([("in", "FP32", (-1, 3))], [LABEL], (), NUMBERS, "which goes where is not clear: name the columns"),
        ([("in", "FP32", (-1, -1))], [LABEL], (), NUMBERS, "which goes where is not clear"),
        ([("p", "FP32", (-1,)), ("q", "FP32", (-1,))], [LABEL], (), NUMBERS, "which goes where is not clear"),
        ([ROWS_OF_TWO, ("q", "FP32", (-1,))], [LABEL], ("a",), NUMBERS, "`features` are the columns of one input"),
        ([ROWS_OF_TWO], [LABEL], ("a",), NUMBERS, "`features` are 1, and its server has in FP32"),
        ([ROWS_OF_TWO], [LABEL], ("a", "z"), NUMBERS, "`features` name 'z'"),
        ([("in", "FP32", (-1, 3))], [LABEL], (), BINARY, "the feature 'country' is a category: how it travels"),
        ([("a", "FP32", (1,)), ("b", "FP32", (1,))], [LABEL], (), NUMBERS, "takes a fixed number of rows"),
        ([("in", "FP16", (-1, 2))], [LABEL], (), NUMBERS, "is FP16, which cannot be sent by http"),
        ([ROWS_OF_TWO], [("predict", "FP32", (-1,))], (), NUMBERS, "the answer of a classification is not clear"),
        ([ROWS_OF_TWO], [LABEL, ("other", "INT64", (-1,))], (), NUMBERS, "name it with `answer`, `score`"),
        ([ROWS_OF_TWO], [], (), NUMBERS, "no outputs that it names"),
        ([ROWS_OF_TWO], [LABEL, PROBABILITIES], (), VALUE, "the answer of a regression is not clear"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused(
    inputs: list[Any], outputs: list[Any], columns: tuple[str, ...], beside: Signature, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        settle_open_inference(HTTP, terms(inputs, outputs), columns, beside, None)


def test_the_file_says_which_output_is_meant() -> None:
    one = terms([ROWS_OF_TWO], [("p", "FP32", (-1,))])
    signature, _ = settle_open_inference(replace(HTTP, score="p"), one, (), NUMBERS, None)
    assert signature.answer.scores == "scores"
    with pytest.raises(BadInput, match="`answer` names the output 'q', and its server has p FP32"):
        settle_open_inference(replace(HTTP, answer="q"), one, (), NUMBERS, None)
