"""What a bandit that chooses by context sees: keys first, then features, and only values of their kind."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.routing.contexts import Encoder
from seatrial.routing.seen import Seen
from seatrial.routing.snapshot import Arm, ByContext, Column, Entry

COLUMNS = (
    Column(key="features.age", kind="number", center=40.0, scale=10.0),
    Column(key="country", kind="category", categories=("DE",)),
    Column(key="features.member", kind="boolean", optional=True),
    Column(key="features.city", kind="category", categories=("Rome",)),
)
ENTRY = Entry(
    name="all",
    arms=(Arm("a", 0.5), Arm("b", 0.5)),
    by_context=ByContext(policy="squarecb", columns=COLUMNS, arms=("a", "b"), coefficients=()),
    reason="bandit",
)
SEEN = Seen((ENTRY,), ("segment", "country"))


def test_context_keys_come_first_then_the_features_that_are_chosen_by() -> None:
    assert SEEN.names == ("segment", "country", "features.age", "features.member", "features.city")
    assert SEEN.features == {"age", "member", "city"}
    features = {"age": 30, "member": True, "city": "Rome", "more": 1}
    assert SEEN.values(("gold", "DE"), features) == ("gold", "DE", 30, True, "Rome")
    assert SEEN.values((), {"age": 30}) == (None, None, 30, None, None)


@pytest.mark.parametrize(
    ("features", "seen"),
    [
        ({"age": "30"}, (None, None, None)),
        ({"age": True}, (None, None, None)),
        ({"age": float("nan")}, (None, None, None)),
        ({"age": [30], "member": 1, "city": 7}, (None, None, None)),
        ({"age": float("inf"), "member": False, "city": ""}, (None, False, "")),
        ({"age": 10**400}, (None, None, None)),
    ],
)
def test_a_value_that_is_not_of_the_kind_counts_as_missing(features: dict[str, Any], seen: tuple[Any, ...]) -> None:
    assert SEEN.values((None, None), features)[2:] == seen


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.none())


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("age", "member", "city"), anything)))
def test_whatever_a_request_carries_becomes_finite_numbers(features: dict[str, Any]) -> None:
    found = Encoder(COLUMNS, SEEN.names).encode(SEEN.values((), features))
    assert all(abs(number) <= 4 for number in found)


def test_without_features_the_context_is_what_is_seen() -> None:
    plain = Seen((Entry(name="all", to="a"),), ("segment",))
    assert (plain.names, plain.features) == (("segment",), frozenset())
    context = ("gold",)
    assert plain.values(context, {"age": 1}) is context
