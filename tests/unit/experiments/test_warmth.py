"""Who is warm: so many outcomes of a kind, each once, whoever names them how."""

from typing import Any

from seatrial.experiments.source import TableSource
from seatrial.experiments.warmth import warm_units
from tests.unit.experiments.test_rewards import SECOND, _table, click, row


def warm(rows: list[dict[str, Any]], outcomes: list[dict[str, Any]], least: int = 2, since: int = 0) -> list[str]:
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    source = TableSource(_table(rows, moment), _table(outcomes, moment))
    try:
        return sorted(warm_units(source, "click", least, since))
    finally:
        source.close()


def test_units_with_enough_outcomes_are_warm() -> None:
    rows = [row("ann", 1), row("bob", 2), row("cy", 3)]
    clicks = [click("ann", 10), click("ann", 11), click("bob", 12), click("ed", 13), click("ed", 14)]
    assert warm(rows, clicks) == ["ann", "ed"]
    assert warm(rows, clicks, 1) == ["ann", "bob", "ed"]
    assert warm(rows, clicks, 3) == []


def test_only_units_of_which_something_has_come_since_are_looked_at() -> None:
    clicks = [click("ann", 10), click("ann", 11), click("bob", 12), click("bob", 20)]
    assert warm([row("ann", 1)], clicks, since=12 * SECOND) == ["bob"], "with its earlier outcomes"
    assert warm([row("ann", 1)], clicks, since=21 * SECOND) == []


def test_outcomes_of_another_kind_do_not_count() -> None:
    assert warm([row("ann", 1)], [click("ann", 10), click("ann", 11, outcome="view")]) == []


def test_outcomes_join_by_request_and_by_a_key_of_one_unit() -> None:
    rows = [row("ann", 1, key="k1"), row("bob", 2, key="k2"), row("cy", 3, key="k2")]
    by_request = click(None, 10, request_id="ann@1")
    by_key = click(None, 11, key="k1", id="x")
    nobodys = [click(None, at, key="k2", id=f"y{at}") for at in (12, 13)]
    assert warm(rows, [by_request, by_key, *nobodys]) == ["ann"]
