"""What counts of an outcome that is revised, repeated, withdrawn: the ledger's history agrees with a few lines here."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.question import read
from seatrial.ledger.reader import Reader
from tests import worlds
from tests.ledger_events import compacted, outcome, write_outcomes

SECOND = worlds.SECOND
MATURED = 10 * SECOND
RUN = worlds.release((0.5, 0))
DEPLOYMENT = worlds.deployment(
    outcomes={"buy": {}}, metrics={"m": {"kind": "mean", "outcome": "buy", "within": 9.0, "grace": 1.0}}
)
POSTS = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([1.0, 2.0, None]), st.integers(1, 20)), max_size=6
)


def in_force(posts: list[tuple[str, float | None, int]], by: int) -> float:
    """The sum of what each id last said by then; null withdraws."""
    said = {name: value for name, value, second in posts if second * SECOND <= by}
    return sum(value or 0.0 for value in said.values())


@settings(max_examples=15, deadline=None)
@given(POSTS, st.booleans(), st.integers(0, 10))
def test_a_unit_counts_with_what_stood_when_it_matured(
    tmp_path_factory: pytest.TempPathFactory, posts: list[Any], compact: bool, later: int
) -> None:
    home: Path = tmp_path_factory.mktemp("home")
    posts = sorted(posts, key=lambda post: post[2])
    at = worlds.START + SECOND
    for number, (name, value, second) in enumerate(posts):
        arrived = worlds.START + second * SECOND - 100 + number
        told = outcome("buy", unit="u", id=name, value=value, withdrawn=value is None, at=at, received_at=arrived)
        write_outcomes(home, told, worker=f"w{number}")
    if compact:
        compacted(home)
    now = worlds.START + MATURED + later * SECOND
    with Reader(home).open("digits") as view:
        view.connection.register("made", worlds.table(worlds.rows(RUN, ["u"], [worlds.START])))
        view.connection.execute("CREATE OR REPLACE TEMP VIEW rows AS SELECT * FROM made")
        found = read(view, RUN, declared_measures(DEPLOYMENT, RUN), now)[1]["m"]
    assert found.x[0] == in_force(posts, MATURED)
    assert found.x_all[0] == in_force(posts, MATURED + later * SECOND)
