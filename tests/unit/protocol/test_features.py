import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.protocol.features import Encoder
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, FeatureKind, Signature, Tensor

FLOATS = st.floats(-1e9, 1e9, allow_nan=False)


def signature(*features: Feature, inputs: tuple[Tensor, ...] | None = None, datatype: Any = "FP64") -> Signature:
    """A signature with one tensor of all features, unless other tensors are given."""
    one = Tensor(name="X", datatype=datatype, shape=(-1, len(features)), features=tuple(f.name for f in features))
    return Signature(
        task="regression", features=features, inputs=inputs or (one,), outputs=(), answer=Answer(prediction="y")
    )


def number(name: str, *, nullable: bool = False, kind: FeatureKind = "number") -> Feature:
    return Feature(name=name, kind=kind, nullable=nullable)


PLAIN = Encoder(signature(number("a"), number("b")))
COLOUR = Feature(name="colour", kind="category", categories=("red", "green"))


@given(rows=st.lists(st.tuples(FLOATS, FLOATS | st.integers(-(2**53), 2**53)), min_size=1, max_size=5))
def test_plain_numbers_arrive_exactly(rows: list[tuple[float, float]]) -> None:
    encoded = PLAIN.encode([{"a": a, "b": b} for a, b in rows])
    expected = np.array(rows, dtype=np.float64)
    assert np.array_equal(encoded.numbers, expected)
    assert np.array_equal(encoded.tensors["X"], expected)
    assert (encoded.unseen, encoded.extra) == (0, 0)


def test_order_of_columns_is_the_signatures() -> None:
    encoded = PLAIN.encode([{"b": 2.0, "a": 1.0}])
    assert encoded.tensors["X"].tolist() == [[1.0, 2.0]]


def test_tensor_columns_are_picked_by_name() -> None:
    inputs = (
        Tensor(name="second", datatype="FP32", shape=(-1, 1), features=("b",)),
        Tensor(name="both", datatype="INT64", shape=(-1, 2), features=("b", "a")),
        Tensor(name="flat", datatype="FP32", shape=(-1,), features=("a",)),
    )
    encoded = Encoder(signature(number("a"), number("b"), inputs=inputs)).encode([{"a": 1.0, "b": 2.0}] * 2)
    assert encoded.tensors["second"].tolist() == [[2.0], [2.0]]
    assert encoded.tensors["both"].tolist() == [[2, 1], [2, 1]]
    assert encoded.tensors["both"].dtype == np.int64
    assert encoded.tensors["flat"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("number", "1.5", 'expected a number, got the string "1.5"'),
        ("number", True, "expected a number, got true"),
        ("number", [1.0], "expected a number, got a list of 1"),
        ("number", {}, "expected a number, got an object"),
        ("number", math.inf, "is infinite"),
        ("number", -math.inf, "is infinite"),
        ("number", 2**53 + 1, r"beyond ±2\^53"),
        ("number", 10**400, "beyond"),
        ("number", None, "is missing and not nullable"),
        ("number", math.nan, "is missing and not nullable"),
        ("integer", 1.5, "expected a whole number, got 1.5"),
        ("integer", 2.0**60, "expected a whole number"),
        ("integer", "1", "expected a whole number"),
        ("integer", -(2**60), "beyond"),
        ("boolean", 1, "expected true or false, got 1"),
        ("boolean", "true", 'expected true or false, got the string "true"'),
        ("time", "2026-01-01T00:00:00", "has no offset"),
        ("time", "yesterday", "expected a time such as"),
        ("category", 3, "expected a string, got 3"),
        ("text", False, "expected a string, got false"),
        ("id", None, "is missing and not nullable"),
        ("list", 1.0, "expected a list of numbers, got 1.0"),
        ("list", [1.0, "x"], 'expected a number, got the string "x"'),
        ("list", [1.0, None], "is missing"),
    ],
)
def test_refused_in_words(kind: FeatureKind, value: object, message: str) -> None:
    feature = Feature(name="f", kind=kind, categories=("x",) if kind == "category" else None)
    datatype = "BYTES" if kind in ("category", "text", "id") else "FP64"
    encoder = Encoder(signature(feature, datatype=datatype))
    with pytest.raises(BadInput, match=f"feature 'f'.*{message}") as one:
        encoder.encode([{"f": value}])
    assert "instance" not in str(one.value)
    good: dict[str, object] = {"number": 1.0, "integer": 1, "boolean": True, "time": 0, "list": [1.0, 2.0]}
    with pytest.raises(BadInput, match=f"feature 'f' of instance 1.*{message}"):
        encoder.encode([{"f": good.get(kind, "x")}, {"f": value}])


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("integer", 7, 7.0),
        ("integer", 7.0, 7.0),
        ("boolean", True, 1.0),
        ("boolean", False, 0.0),
        ("time", "1970-01-01T00:01:00.5Z", 60.5),
        ("time", "1970-01-01T01:00:00+01:00", 0.0),
        ("time", 1e9, 1e9),
        ("number", 1e300, 1e300),
        ("number", 3, 3.0),
    ],
)
def test_each_kind_becomes_one_number(kind: FeatureKind, value: object, expected: float) -> None:
    assert Encoder(signature(number("f", kind=kind))).encode([{"f": value}]).numbers.tolist() == [[expected]]


@pytest.mark.parametrize("row", [{}, {"a": None}, {"a": math.nan}])
def test_missing_is_nan_where_nullable(row: dict[str, object]) -> None:
    encoded = Encoder(signature(number("a", nullable=True))).encode([row])
    assert math.isnan(encoded.numbers[0, 0])
    assert math.isnan(encoded.tensors["X"][0, 0])


def test_missing_becomes_the_stand_in_only_in_the_tensor() -> None:
    tensor = Tensor(name="X", datatype="INT64", shape=(-1, 1), features=("a",), missing=-999)
    encoded = Encoder(signature(number("a", nullable=True), inputs=(tensor,))).encode([{}, {"a": 4}])
    assert encoded.tensors["X"].tolist() == [[-999], [4]]
    assert math.isnan(encoded.numbers[0, 0])


@pytest.mark.parametrize(
    ("datatype", "value", "fits"),
    [
        ("FP32", 3e38, True),
        ("FP32", 1e39, False),
        ("FP16", 60000.0, True),
        ("FP16", 70000.0, False),
        ("INT32", 2**31 - 1, True),
        ("INT32", 2**31, False),
        ("UINT8", -1, False),
        ("UINT8", 255, True),
        ("INT64", 2**53, True),
    ],
)
def test_what_a_tensor_cannot_hold_is_refused(datatype: str, value: float, fits: bool) -> None:
    encoder = Encoder(signature(number("a"), datatype=datatype))
    if fits:
        assert float(encoder.encode([{"a": value}]).tensors["X"][0, 0]) == pytest.approx(value, rel=1e-3)
    else:
        with pytest.raises(BadInput, match=f"'a'.*{datatype} input can hold"):
            encoder.encode([{"a": value}])


def test_category_as_a_code_seen_unseen_and_missing() -> None:
    feature = Feature(name="colour", kind="category", categories=("red", "green"), nullable=True)
    tensor = Tensor(name="X", datatype="FP32", shape=(-1, 2), features=("colour", "a"), missing=-1)
    encoder = Encoder(signature(feature, number("a"), inputs=(tensor,)))
    rows = [{"colour": c, "a": 5} for c in ("green", "red", "mauve", None)]
    encoded = encoder.encode(rows)
    assert encoded.tensors["X"].tolist() == [[1, 5], [0, 5], [-1, 5], [-1, 5]]
    assert encoded.texts == [["green"], ["red"], ["mauve"], [None]]
    assert encoded.unseen == 1


def test_category_as_a_string_keeps_what_was_said() -> None:
    tensor = Tensor(name="S", datatype="BYTES", shape=(-1, 1), features=("colour",), missing="?")
    feature = Feature(name="colour", kind="category", categories=("red",), nullable=True)
    encoded = Encoder(signature(feature, inputs=(tensor,))).encode([{"colour": "mauve"}, {}])
    assert encoded.tensors["S"].tolist() == [["mauve"], ["?"]]
    assert encoded.unseen == 1


def test_a_category_of_whole_numbers_may_travel_as_numbers() -> None:
    plan = Feature(name="plan", kind="category", categories=("1", "2", "-3"))
    tensor = Tensor(name="X", datatype="FP64", shape=(-1, 1), features=("plan",), missing=-1.0)
    encoded = Encoder(signature(plan, inputs=(tensor,))).encode([{"plan": 2}, {"plan": "2"}, {"plan": -3}, {"plan": 7}])
    assert encoded.tensors["X"].ravel().tolist() == [1.0, 1.0, 2.0, -1.0]
    assert encoded.texts == [["2"], ["2"], ["-3"], ["7"]]
    assert encoded.unseen == 1
    with pytest.raises(BadInput, match="feature 'plan'"):
        Encoder(signature(plan, inputs=(tensor,))).encode([{"plan": True}])
    words = Feature(name="plan", kind="category", categories=("1", "basic"))
    with pytest.raises(BadInput, match="feature 'plan': expected a string, got 1"):
        Encoder(signature(words, inputs=(tensor,))).encode([{"plan": 1}])


def test_text_of_any_script_arrives() -> None:
    encoder = Encoder(signature(Feature(name="t", kind="text"), datatype="BYTES"))
    assert encoder.encode([{"t": "Straße 🙂\n"}]).tensors["X"].tolist() == [["Straße 🙂\n"]]


def test_embedding_takes_the_tensors_shape() -> None:
    feature = Feature(name="image", kind="embedding", width=4)
    tensor = Tensor(name="I", datatype="FP32", shape=(-1, 1, 2, 2), features=("image",))
    encoded = Encoder(signature(feature, inputs=(tensor,))).encode([{"image": [1, 2, 3, 4]}])
    assert encoded.tensors["I"].tolist() == [[[[1.0, 2.0], [3.0, 4.0]]]]
    assert encoded.vectors == [[[1, 2, 3, 4]]]
    with pytest.raises(BadInput, match="expected 4 numbers, got 3"):
        Encoder(signature(feature, inputs=(tensor,))).encode([{"image": [1, 2, 3]}])


def test_lists_of_one_request_have_one_length() -> None:
    feature = Feature(name="v", kind="list")
    tensor = Tensor(name="V", datatype="FP32", shape=(-1, -1), features=("v",))
    encoder = Encoder(signature(feature, inputs=(tensor,)))
    assert encoder.encode([{"v": [1.0, 2.0]}]).tensors["V"].shape == (1, 2)
    with pytest.raises(BadInput, match="one length"):
        encoder.encode([{"v": [1.0]}, {"v": [1.0, 2.0]}])


def test_extra_features_are_counted_or_refused() -> None:
    assert PLAIN.encode([{"a": 1.0, "b": 2.0, "c": 3.0}]).extra == 1
    nullable = Encoder(signature(number("a"), number("b", nullable=True)))
    assert nullable.encode([{"a": 1.0, "z": 2.0}]).extra == 1
    strict = Encoder(signature(number("a")), strict=True)
    assert strict.encode([{"a": 1.0}]).extra == 0
    with pytest.raises(BadInput, match="feature 'c' is not one of the model's"):
        strict.encode([{"a": 1.0, "c": 1.0}])


@pytest.mark.parametrize(
    ("features", "inputs", "message"),
    [
        ((number("a", nullable=True),), ("INT64", ("a",)), "no stand-in"),
        ((COLOUR,), ("INT64", ("colour",)), "no stand-in"),
        ((Feature(name="t", kind="text"),), ("FP32", ("t",)), "without categories"),
        ((number("a"),), ("BYTES", ("a",)), "cannot be packed"),
        ((number("a"),), ("FP32", ("z",)), "does not have"),
        ((number("a"), Feature(name="v", kind="list")), ("FP32", ("a", "v")), "its own tensor"),
    ],
)
def test_a_signature_that_cannot_work_is_refused_at_once(
    features: tuple[Feature, ...], inputs: tuple[Any, tuple[str, ...]], message: str
) -> None:
    tensor = Tensor(name="X", datatype=inputs[0], shape=(-1, len(inputs[1])), features=inputs[1])
    with pytest.raises(BadInput, match=message):
        Encoder(signature(*features, inputs=(tensor,)))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["n", "i", "b", "c", "v", "x"]), ANYTHING), min_size=1, max_size=3)
)
def test_any_row_is_encoded_or_refused_by_name(rows: list[dict[str, object]]) -> None:
    inputs = (
        Tensor(name="X", datatype="FP32", shape=(-1, 4), features=("n", "i", "b", "c")),
        Tensor(name="V", datatype="FP32", shape=(-1, 2), features=("v",)),
    )
    features = (
        number("n", nullable=True),
        number("i", kind="integer"),
        number("b", kind="boolean", nullable=True),
        Feature(name="c", kind="category", categories=("x", "y"), nullable=True),
        Feature(name="v", kind="embedding", width=2, nullable=True),
    )
    refusal = "feature '"
    try:
        encoded = Encoder(signature(*features, inputs=inputs)).encode(rows)
    except BadInput as error:
        refusal = str(error)
    else:
        assert encoded.tensors["X"].shape == (len(rows), 4)
        assert not np.isinf(encoded.tensors["X"]).any()
    assert refusal.startswith("feature '")
