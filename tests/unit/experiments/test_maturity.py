"""When outcomes are in, by hand: whose, from when, and in the words of the command line."""

from typing import Any

import pyarrow as pa
import pytest

from seatrial.cli.traffic import _days, _tell_maturity
from seatrial.experiments.maturity import Maturity, maturity
from seatrial.experiments.source import TableSource
from tests.unit.experiments.test_rewards import SECOND, _table, click, row

DAY = 86_400


def asked(rows: list[dict[str, Any]], outcomes: list[dict[str, Any]], *, now: int, since: int = 0) -> Maturity:
    moment = pa.timestamp("us", "UTC")
    source = TableSource(_table(rows, moment), _table(outcomes, moment))
    try:
        return maturity(source, "click", since * SECOND, now * SECOND)
    finally:
        source.close()


def came(unit: str | None, at: int, arrived: int, **more: Any) -> dict[str, Any]:
    return click(unit, at, received_at=arrived * SECOND, **more)


def with_id(one: dict[str, Any]) -> dict[str, Any]:
    return {"row_id": one["request_id"], **one}


def test_each_unit_counts_from_its_first_row_to_the_first_arrival() -> None:
    rows = [with_id(row(unit, at)) for unit, at in (("ann", 0), ("ann", DAY), ("bob", 0), ("cy", 9 * DAY), ("dee", 0))]
    outcomes = [
        came("ann", 60, DAY),
        came("ann", 70, 5 * DAY),
        came(None, 60, 3 * DAY, request_id="bob@0"),
        came("dee", 60, 8 * DAY, outcome="view"),
    ]
    found = asked(rows, outcomes, now=10 * DAY)
    assert (found.outcome, found.units, found.came) == ("click", 4, 2)
    shares = {round(one.delay, 2): round(one.share, 4) for one in found.curve}
    # cy was waited for one day: of four units one is in by then, and of the other two that remain one by the third.
    assert shares == {0.04: 0, 0.25: 0, 1.0: 0.25, 2.0: 0.25, 3.0: 0.625, 7.0: 0.625}
    assert found.in_by == (3.0, 3.0, 3.0)


def test_what_was_before_or_will_be_is_not_seen() -> None:
    rows = [with_id(row("ann", 0)), with_id(row("bob", 5 * DAY))]
    outcomes = [came("ann", 60, DAY), came("bob", 5 * DAY + 60, 7 * DAY)]
    found = asked(rows, outcomes, now=6 * DAY, since=4 * DAY)
    assert (found.units, found.came) == (1, 0)
    assert found.in_by == (None, None, None)
    assert asked(rows, outcomes, now=6 * DAY, since=6 * DAY).curve == ()


def test_an_outcome_that_is_corrected_came_when_it_first_did() -> None:
    rows = [with_id(row(unit, 0)) for unit in ("ann", "bob", "cy", "dee")]
    same = {"id": "one", "withdrawn": False}
    outcomes = [
        came("ann", 60, DAY, **same),
        came("ann", 60, 20 * DAY, **same),
        came("bob", 60, DAY, id="two", withdrawn=False),
        came("bob", 60, 3 * DAY, id="two", withdrawn=True),
        came("bob", 60, 5 * DAY, id="three", withdrawn=False),
        came("cy", 60, DAY, id="four", withdrawn=False),
        came("dee", 60, 5 * DAY, id="four", withdrawn=False),  # it was dee's
    ]
    by_day = {1: (3, (1.0, 1.0, 1.0)), 4: (2, (1.0, 1.0, 1.0)), 15: (3, (5.0, 5.0, 5.0)), 60: (3, (5.0, 5.0, 5.0))}
    for day, (units, in_by) in by_day.items():
        found = asked(rows, outcomes, now=day * DAY)
        assert (found.came, found.in_by) == (units, in_by), day


def test_it_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [with_id(row(f"u{n}", 0)) for n in range(10)]
    _tell_maturity(asked(rows, [came(f"u{n}", 60, (n + 1) * DAY // 4) for n in range(5)], now=8 * DAY))
    said = capsys.readouterr().out
    assert said.startswith("`click` of 10 units: 5 are in\n")
    assert "  within    1 d   40.00%" in said
    assert said.endswith("Of those that come within 7 d, half are in after 18 h, 90% after 1.25 d, 99% after 1.25 d.\n")
    assert [_days(0.5 / 86_400), _days(1 / 1440), _days(2)] == ["0.5 s", "1 min", "2 d"]
