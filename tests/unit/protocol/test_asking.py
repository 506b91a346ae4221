"""What an Open Inference server answered is of the datatype that it says, or is no answer."""

import json
from typing import Any

import numpy as np
import pytest

from seatrial.protocol.answers import UnreadableAnswer
from seatrial.protocol.asking import Asked, read_answer, read_answer_message, write_request
from seatrial.protocol.messages import MESSAGES


def said(datatype: str, *data: Any) -> bytes:
    return json.dumps({"outputs": [{"name": "y", "datatype": datatype, "shape": [len(data)], "data": data}]}).encode()


@pytest.mark.parametrize(
    ("datatype", "element", "words"),
    [
        ("BOOL", None, "gave null among the BOOL elements of output 'y'"),
        ("BOOL", "no", 'gave "no" among'),
        ("BOOL", 1, "gave 1 among"),
        ("FP64", True, "gave true among"),
        ("FP32", "7", 'gave "7" among'),
        ("INT64", 7.9, "gave 7.9 among"),
        ("INT64", None, "gave null among"),
        ("INT32", False, "gave false among"),
        ("INT8", 128, "gave 128 in output 'y', which is no INT8"),
        ("UINT16", -1, "gave -1 in output 'y', which is no UINT16"),
        ("UINT64", 2**63, "elements in output 'y' that are none"),
        ("BYTES", None, "gave null among"),
        ("BYTES", 7, "gave 7 among"),
        ("BYTES", {"a": 1}, "gave a list or an object among"),
    ],
)
def test_an_element_of_another_kind_is_no_answer(datatype: str, element: Any, words: str) -> None:
    good: Any = {"BOOL": True, "BYTES": "a"}.get(datatype, 1)
    with pytest.raises(UnreadableAnswer, match=words):
        read_answer(said(datatype, good, element), ("y",), 2)


@pytest.mark.parametrize(
    ("datatype", "data", "read"),
    [
        ("BOOL", [True, False], [True, False]),
        ("INT8", [-128, 127], [-128, 127]),
        ("UINT8", [0, 255], [0, 255]),
        ("FP64", [1, 2.5], [1.0, 2.5]),
        ("BYTES", ["", "\u0000"], ["", "\u0000"]),
    ],
)
def test_elements_of_their_datatype_are_read(datatype: str, data: list[Any], read: list[Any]) -> None:
    assert read_answer(said(datatype, *data), ("y",), 2)["y"].tolist() == read


def test_null_is_a_number_that_is_missing() -> None:
    assert np.isnan(read_answer(said("FP32", 1.0, None), ("y",), 2)["y"]).tolist() == [False, True]


def test_bytes_that_are_no_text_are_no_answer_in_either_contents() -> None:
    for raw in (False, True):
        message = MESSAGES["ModelInferResponse"](model_name="m")
        output = message.outputs.add(name="y", datatype="BYTES", shape=[1])
        if raw:
            message.raw_output_contents.append(b"\2\0\0\0\xff\xd8")
        else:
            output.contents.bytes_contents.append(b"\xff\xd8")
        with pytest.raises(UnreadableAnswer, match=r"do not fit: .* not UTF-8"):
            read_answer_message(message, ("y",), 1)


def test_a_text_that_is_nul_is_no_missing_one() -> None:
    texts = np.array(["\0", None, ""], dtype=object)
    body = json.loads(write_request([Asked("note", "BYTES", texts)], (), None))
    assert body["inputs"][0]["data"] == ["\0", None, ""]
