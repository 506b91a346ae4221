"""The table of states: whole, reachable, and without a way on from an end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.releases.run import OPEN
from seatrial.releases.states import MOVES, STATES, after, check_move, state_of
from seatrial.spec.errors import Conflict

NAMES = [state.name for state in STATES]
ENDS = [state.name for state in STATES if not state.open]


def test_every_state_is_reached_and_every_open_one_has_an_end() -> None:
    reached = {"pending", "warming"}
    for _ in STATES:
        reached |= {to for move in MOVES if reached & set(move.before) for to in move.after}
    assert reached == set(NAMES)
    for name in NAMES:
        ways = {name}
        for _ in STATES:
            ways |= {to for move in MOVES if ways & set(move.before) for to in move.after}
        assert ways & set(ENDS)


def test_statuses_and_states_agree_about_what_is_open() -> None:
    for status in OPEN:
        for stage in ("shadow", "canary", "test"):
            assert state_of(status, stage) not in ENDS
    for status in ("promoted", "rolled-back", "inconclusive", "failed", "abandoned"):
        assert state_of(status, "test") in ENDS


def test_what_is_over_stays_over_but_for_people_and_rollback() -> None:
    left = {(before, move.event) for move in MOVES for before in move.before if before in ENDS}
    assert left == {("inconclusive", "promote"), ("abandoned", "promote"), ("promoted", "roll back")}


@given(st.sampled_from(NAMES), st.sampled_from(sorted({move.event for move in MOVES})), st.sampled_from(NAMES))
def test_a_move_that_is_not_in_the_table_is_refused(before: str, event: str, to: str) -> None:
    if to in after(before, event):  # type: ignore[arg-type]
        check_move(before, event, to)  # type: ignore[arg-type]
    else:
        with pytest.raises(Conflict, match="cannot"):
            check_move(before, event, to)  # type: ignore[arg-type]
