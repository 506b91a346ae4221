"""What the client writes is what the gateway reads: the same bodies through the gateway's own decoders."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.client import messages
from seatrial.client.ids import new_id
from seatrial.client.values import Assignment
from seatrial.protocol.bodies import read_assign, read_predict, read_predictions
from seatrial.protocol.outcomes import read_outcomes

NOW = 1_700_000_000_000_000
units = st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()) | st.integers(0, 10**12)


@given(unit=units, value=st.none() | st.booleans() | st.floats(-1e9, 1e9) | st.text(max_size=9), named=st.booleans())
def test_outcomes(unit: str | int, value: object, named: bool) -> None:
    said: messages.OutcomeFields = {"unit": unit, "value": value, "fields": {"amount": 1.5}}
    body = messages.outcome("purchase", {**said, "id": "mine"} if named else said, now=NOW, fresh_id=new_id(NOW))
    (read,) = read_outcomes(messages.outcomes([body]).body or b"")
    assert read.unit == str(unit)
    assert read.withdrawn == (value is None)
    assert read.value == value
    assert read.fields == {"amount": 1.5}
    assert read.at == NOW
    assert read.id == "mine" if named else len(read.id or "") == 32


def test_an_outcome_that_simply_happened_is_not_withdrawn() -> None:
    body = messages.outcome("click", {"unit": "u"}, now=NOW, fresh_id="f")
    (read,) = read_outcomes(messages.outcomes([body]).body or b"")
    assert (read.withdrawn, read.value, read.id) == (False, None, "f")


def test_saying_the_same_moment_twice_is_saying_it_once() -> None:
    """With ``at`` and no ``id`` the gateway derives the identity, so the client must not make one up."""
    at = datetime(2024, 1, 1, tzinfo=UTC)
    bodies = [messages.outcome("o", {"unit": "u", "at": at}, now=n, fresh_id=str(n)) for n in (1, 2)]
    assert bodies[0] == bodies[1]
    assert "id" not in bodies[0]


def test_requests() -> None:
    asked: messages.RequestFields = {"request_id": "r", "unit": 7, "context": {"a": "b"}, "variant": None}
    one = read_predict(messages.predict("d", asked, features={"x": 1}).body or b"")
    assert (one.request_id, one.unit, one.context, one.features, one.instances) == ("r", 7, {"a": "b"}, {"x": 1}, None)
    rows = ({"features": {"x": 1}, "key": "k", "unit": "u", "context": {}}, {"features": {}})
    many = read_predict(messages.predict("d", asked, instances=rows).body or b"")
    assert [msgspec.to_builtins(row)["features"] for row in many.instances or []] == [{"x": 1}, {}]
    decided = read_assign(messages.assign("d", "r", "u", {"a": 1}, {"x": 2}).body or b"")
    assert (decided.request_id, decided.unit, decided.context) == ("r", "u", {"a": 1})


def test_rows_of_applications() -> None:
    assignment = Assignment(
        request_id="r",
        deployment="d",
        variant="b",
        reason="split",
        propensity=0.25,
        revision=3,
        unit="u",
        context={"a": 1},
    )
    more: messages.RowFields = {
        "features": {"x": 1},
        "score": 0.5,
        "key": "k",
        "row": 2,
        "error": "e",
        "latency_ms": 1.5,
    }
    (read,) = read_predictions(messages.rows([messages.prediction_row(assignment, None, more)]).body or b"")
    assert (read.deployment, read.variant, read.propensity, read.revision, read.row) == ("d", "b", 0.25, 3, 2)
    assert read.prediction is None


@pytest.mark.parametrize("now", [0, NOW])
def test_identities_are_version_7_and_sort_by_time(now: int) -> None:
    first, later = new_id(now), new_id(now + 1000)
    assert first < later
    assert len(first) == 32
    assert first[12] == "7"
    assert first[16] in "89ab"
    assert int(first[:12], 16) == now // 1000
    assert new_id(now) != first
