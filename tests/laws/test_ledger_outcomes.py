"""Which revision of an outcome counts: the views agree with a few lines of Python on any history, however compacted."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.ledger.outcomes import derive_id
from seatrial.ledger.reader import Reader
from seatrial.ledger.rows import Outcome
from tests.ledger_events import START, compacted, outcome, write_outcomes

VALUES = st.sampled_from([1.0, 2.0, True, "gold", None])
POSTS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), VALUES, st.booleans()), min_size=1, max_size=12)


def counting(history: list[Outcome]) -> dict[str, tuple[Any, int]]:
    """For each id its value and when it first arrived; history is in order of arrival."""
    latest: dict[str, Outcome] = {}
    for post in history:
        current = latest.get(post.id)
        same = current is not None and (current.value, type(current.value)) == (post.value, type(post.value))
        if not same:
            latest[post.id] = post
    return {id_: (post.value, post.received_at) for id_, post in latest.items() if not post.withdrawn}


@settings(max_examples=25)
@given(POSTS)
def test_the_view_agrees_with_the_definition(tmp_path_factory: pytest.TempPathFactory, posts: list[Any]) -> None:
    home: Path = tmp_path_factory.mktemp("home")
    history = [
        outcome(unit="u", id=id_, value=value, withdrawn=value is None, at=START, received_at=START + 1 + number)
        for number, (id_, value, _) in enumerate(posts)
    ]
    for number, (post, (_, _, compact)) in enumerate(zip(history, posts, strict=True)):
        write_outcomes(home, post, worker=f"w{number}")
        if compact:
            compacted(home)
    with Reader(home).open("churn") as view:
        found = view.sql(
            "SELECT id, value_kind, value_number, value_text, epoch_us(received_at) AS received FROM outcomes"
        ).to_pylist()
    back = {"number": lambda o: o["value_number"], "boolean": lambda o: o["value_text"] == "true"}
    seen = {o["id"]: (back.get(o["value_kind"], lambda o: o["value_text"])(o), o["received"]) for o in found}
    assert seen == counting(history)
    assert len(found) == len(seen)


PART = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=6))


@given(st.tuples(PART, PART, PART, PART), st.tuples(PART, PART, PART, PART))
def test_different_join_keys_have_different_ids(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    names = ("unit", "request_id", "key", "item")
    first = derive_id(outcome="o", at=1, **dict(zip(names, one, strict=True)))
    second = derive_id(outcome="o", at=1, **dict(zip(names, other, strict=True)))
    assert (first == second) == (one == other)
