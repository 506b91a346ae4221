import pytest

from seatrial.protocol.bodies import (
    MAX_UNIT_BYTES,
    check_count,
    read_name,
    read_predict,
    read_predictions,
    read_unit,
)
from seatrial.spec.errors import BadInput, TooLarge


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is empty"),
        (b"{", "the body is not JSON: it ends too early, after 1 bytes"),
        (b"not json", "the body is not JSON: invalid character"),
        (b"\xff\xfe", "the body is not JSON"),
        (b'{"features": {"a": "\xff"}}', "the body is not UTF-8 text"),
        (b"[]", r'the body: expected an object, got a list; send several rows as {"instances": '),
        (b'{"features": [1]}', "features: expected an object, got a list"),
        (b'{"feature": {}}', "the body has an unknown field `feature`; did you mean `features`?"),
        (
            b'{"instances": [{"feature": {}}]}',
            r"instances\[0\] has an unknown field `feature`; did you mean `features`?",
        ),
        (b'{"features": {"b": "1e999", "a": 1e400}}', "features.a is 1e400, more than a number can hold"),
        (b'{"features": {"b": "NaN", "a": NaN}}', "a is NaN, which is no number of JSON; write null"),
        (b'{"features": {"a": [1, -Infinity]}}', "a is -Infinity, which is no number of JSON"),
        (b'{"unit": 1.5}', "unit: expected a whole number or a string, got a number with a fraction"),
        (b'{"instances": [{"features": {}, "key": 3}]}', r"0\].key: expected a string, got a whole number"),
        (b'{"features":' * 5000, "nested too deeply"),
    ],
)
def test_read_predict_refuses_in_words(body: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_predict(body)


@pytest.mark.parametrize("latency", [b"1e308", b"1e20", b"-1"])
def test_a_latency_that_no_row_holds_is_refused(latency: bytes) -> None:
    with pytest.raises(BadInput, match=r"latency_ms: expected a number of at (least|most)"):
        read_predictions(b'{"deployment":"d","request_id":"r","variant":"v","latency_ms":' + latency + b"}")


def test_read_predict_one_and_several() -> None:
    one = read_predict(b'{"unit": "u", "features": {"a": 1, "b": null}}')
    assert (one.unit, one.features) == ("u", {"a": 1, "b": None})
    several = read_predict(b'{"instances": [{"features": {"a": 1}, "key": "k", "unit": 7}]}')
    assert several.instances is not None
    assert (several.instances[0].key, several.instances[0].unit) == ("k", 7)


@pytest.mark.parametrize(
    ("given", "unit"), [("u", "u"), (7, "7"), (-3, "-3"), ("客户", "客户"), ("x" * 1024, "x" * 1024)]
)
def test_read_unit(given: object, unit: str) -> None:
    assert read_unit(given) == unit


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "unit is empty"),
        ("x" * 10_000, "unit is 10000 bytes .*the limit is 1024"),
        ("é" * 513, f"unit is 1026 bytes .*the limit is {MAX_UNIT_BYTES}"),
        (10**4000, "the limit is"),
        (True, "expected a string or a whole number"),
        (1.5, "expected a string or a whole number"),
        (None, "expected a string or a whole number"),
    ],
)
def test_read_unit_refuses(given: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_unit(given)


def test_names_and_counts_have_limits() -> None:
    assert read_name(None, "key") is None
    assert read_name("k" * 128, "key") == "k" * 128
    for bad in ("", "k" * 129):
        with pytest.raises(BadInput, match="key has"):
            read_name(bad, "key")
    check_count(5, 5)
    with pytest.raises(BadInput, match="0 rows"):
        check_count(0, 5)
    with pytest.raises(TooLarge, match="6 rows in one request; the limit is 5"):
        check_count(6, 5)


ROW = b'{"deployment": "d", "request_id": "r", "variant": "v", "prediction": 1}'


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (ROW, 1),
        (b"[" + ROW + b"," + ROW + b"]", 2),
        (ROW + b"\n" + ROW + b"\n", 2),
        (ROW + b"\n\n  " + ROW, 2),
        (ROW.replace(b",", b",\n"), 1),
    ],
)
def test_read_predictions_object_array_and_lines(body: bytes, count: int) -> None:
    assert [one.request_id for one in read_predictions(body)] == ["r"] * count


def test_read_predictions_names_the_line() -> None:
    with pytest.raises(BadInput, match="line 3: "):
        read_predictions(ROW + b"\n\n" + b'{"deployment": 5}')
