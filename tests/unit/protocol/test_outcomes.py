import msgspec
import pytest

from seatrial.protocol.outcomes import read_outcomes
from seatrial.spec.errors import BadInput

JANUARY = 1_767_225_600_000_000


def one(**fields: object) -> bytes:
    return msgspec.json.encode({"outcome": "churned", "unit": "u", **fields})


def test_every_field() -> None:
    (got,) = read_outcomes(
        one(
            unit=None,
            request_id="r",
            row=3,
            key="k",
            value=1.5,
            fields={"amount": 2.5, "items": 3, "gift": True, "note": "x", "nothing": None},
            item="i",
            at="2026-01-01T01:00:00+01:00",
            id="o1",
            deployment="churn",
        )
    )
    assert (got.unit, got.request_id, got.row, got.key, got.item, got.id) == (None, "r", 3, "k", "i", "o1")
    assert (got.value, got.withdrawn, got.at, got.deployment) == (1.5, False, JANUARY, "churn")
    assert got.fields == {"amount": 2.5, "items": 3, "gift": True, "note": "x", "nothing": None}
    assert type(got.fields["items"]) is int


@pytest.mark.parametrize(("value", "kept"), [(1, 1.0), (True, True), ("yes", "yes"), (0.25, 0.25)])
def test_values_keep_their_kind(value: object, kept: object) -> None:
    (got,) = read_outcomes(one(value=value))
    assert got.value == kept
    assert type(got.value) is type(kept)
    assert not got.withdrawn


def test_null_withdraws_and_absence_does_not() -> None:
    assert [(o.value, o.withdrawn) for o in read_outcomes(one(value=None))] == [(None, True)]
    assert [(o.value, o.withdrawn) for o in read_outcomes(one())] == [(None, False)]


def test_object_array_and_lines() -> None:
    assert len(read_outcomes(one())) == 1
    assert len(read_outcomes(b"[" + one() + b"," + one() + b"]")) == 2
    assert len(read_outcomes(one() + b"\r\n" + one() + b"\n")) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": None}, "names nobody"),
        ({"unit": ""}, "unit is empty"),
        ({"unit": "x" * 10_000}, "unit is 10000 bytes"),
        ({"outcome": ""}, "outcome is empty"),
        ({"at": "0001-01-01T00:00:00+23:59"}, "out of range; expected a time within the years 1 to 9999"),
        ({"at": "9999-12-31T23:59:59-23:59"}, "out of range; expected a time within the years 1 to 9999"),
        ({"request_id": "r"}, "both a unit and a request_id; it joins by one of them"),
        ({"key": "k"}, "both a unit and a key; it joins by one of them"),
        ({"row": 1}, "give the request_id too"),
        ({"unit": None, "row": -1, "request_id": "r"}, "row: expected a whole number of at least 0"),
        ({"at": "2026-01-01T00:00:00"}, "has no offset; write 2026-01-01T00:00:00Z"),
        ({"at": "2026-01-01"}, "expected a time such as"),
        ({"at": "2026-13-01T00:00:00Z"}, "expected a time such as"),
        ({"at": 5}, "at: expected a string, got a whole number"),
        ({"value": [1]}, "value: expected true or false, a number or a string, got a list"),
        ({"value": 2**60}, r"beyond ±2\^53"),
        ({"value": "x" * 10_001}, "10001 characters"),
        ({"fields": {"amount": [1]}}, "field 'amount': expected a number"),
        ({"fields": {"amount": 2**60}}, "field 'amount' is"),
        ({"unit": None, "key": "k" * 129}, "key has 129 characters"),
        ({"id": ""}, "id has 0 characters"),
        ({"surprise": 1}, "unknown field `surprise`"),
        ({"valeu": 1}, "unknown field `valeu`; did you mean `value`"),
    ],
)
def test_refused_in_words(fields: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        read_outcomes(one(**fields))


def test_the_wrong_one_of_many_is_named() -> None:
    with pytest.raises(BadInput, match="outcome 1: unit is empty"):
        read_outcomes(b"[" + one() + b"," + one(unit="") + b"]")
    with pytest.raises(BadInput, match="0 outcomes"):
        read_outcomes(b"[]")


def test_a_value_that_is_no_number_is_not_to_be_null() -> None:
    with pytest.raises(BadInput, match="value is NaN, which is no number of JSON; leave the outcome out"):
        read_outcomes(b'{"outcome": "o", "unit": "u", "value": NaN}')
    with pytest.raises(BadInput, match=r"\[1\].unit: expected a whole number or a string, got a number"):
        read_outcomes(b"[" + one() + b"," + one(unit=1.5) + b"]")
