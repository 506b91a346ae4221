"""What a bandit's units earned: whose, when, how often, and what does not count."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.experiments.rewards import Rewards, read_rewards
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import RewardSpec

SECOND = 1_000_000
HOUR = 3600 * SECOND
CLICK = RewardSpec(outcome="click", within=600, grace=60)


def row(unit: str, at: int, variant: str = "a", epoch: int = 1, **more: Any) -> dict[str, Any]:
    plain = {"entry": "all", "reason": "bandit", "propensity": 0.5, "request_id": f"{unit}@{at}", "key": unit}
    version = {"assigned_version": f"{variant}:1", "status": "ok"}
    return {"unit": unit, "at": at * SECOND, "variant": variant, "phase": epoch, **plain, **version, **more}


def click(unit: str | None, at: int, **more: Any) -> dict[str, Any]:
    plain = {"outcome": "click", "received_at": at * SECOND, "request_id": None, "key": None, "id": f"{unit}{at}"}
    return {"unit": unit, "at": at * SECOND, "fields": "{}", **plain, **more}


def rewards(
    rows: list[dict[str, Any]],
    outcomes: list[dict[str, Any]],
    reward: RewardSpec = CLICK,
    *,
    now: int = 100_000,
    since: int = 0,
    prior: bool = False,
    versions: dict[str, str] | None = None,
) -> Rewards:
    moment = pa.timestamp("us", "UTC")
    source = TableSource(_table(rows, moment), _table(outcomes, moment) if outcomes else None)
    try:
        given = versions or {}
        return read_rewards(source, "all", reward, given, since=since * SECOND, now=now * SECOND, prior=prior)
    finally:
        source.close()


def _table(rows: list[dict[str, Any]], moment: pa.DataType) -> pa.Table:
    table = pa.Table.from_pylist(rows)
    for name in ("at", "received_at"):
        if name in table.column_names:
            where = table.column_names.index(name)
            table = table.set_column(where, name, table[name].cast(moment))
    for name in ("unit", "request_id", "key"):
        if name in table.column_names:
            where = table.column_names.index(name)
            table = table.set_column(where, name, table[name].cast(pa.string()))
    return table


def test_one_record_a_unit_and_epoch_whatever_it_does() -> None:
    found = rewards(
        [row("u", 100), row("u", 150), row("u", 5000, "b", 2), row("v", 120, "b")],
        [click("u", 130), click("u", 140), click("u", 5100)],
    )
    assert list(zip(found.units, found.arms, found.epochs.tolist(), found.values.tolist(), strict=True)) == [
        ("u", "a", 1, 1.0),
        ("v", "b", 1, 0.0),
        ("u", "b", 2, 1.0),
    ]
    assert found.any_came


def test_a_window_is_not_cut_by_who_comes_back() -> None:
    """What lies in the windows of two epochs counts in both, so that the first one's arm is paid whoever returns."""
    found = rewards([row("u", 100), row("u", 400, "b", 2), row("v", 100)], [click("u", 450), click("v", 450)])
    assert list(zip(found.units, found.epochs.tolist(), found.values.tolist(), strict=True)) == [
        ("u", 1, 1.0),
        ("v", 1, 1.0),
        ("u", 2, 1.0),
    ]


@given(st.data())
def test_when_a_unit_returns_does_not_change_what_its_first_epoch_earned(data: st.DataObject) -> None:
    clicks = [click("u", at, id=str(at)) for at in data.draw(st.sets(st.integers(90, 1500), max_size=6))]
    back = data.draw(st.lists(st.integers(101, 1500), max_size=3, unique=True))
    rows = [row("u", 100), *(row("u", at, "b", epoch) for epoch, at in enumerate(sorted(back), 2))]
    summed = RewardSpec(outcome="click", within=600, grace=60, kind="normal")
    alone, found = rewards([row("u", 100)], clicks, summed), rewards(rows, clicks, summed)
    assert found.values[found.epochs == 1].tolist() == alone.values.tolist()
    assert alone.values.tolist() == [sum(100 <= c["at"] // SECOND <= 700 for c in clicks)]


def test_nothing_counts_before_it_is_matured() -> None:
    rows, clicks = [row("u", 100)], [click("u", 130)]
    assert rewards(rows, clicks, now=759).units == ()
    assert rewards(rows, clicks, now=760).values.tolist() == [1]


def test_what_comes_before_after_or_too_late_does_not_count() -> None:
    found = rewards(
        [row("early", 500), row("late", 500), row("slow", 500), row("in", 500)],
        [
            click("early", 400),
            click("late", 1101),
            click("slow", 600, received_at=1161 * SECOND),
            click("in", 1100),
        ],
    )
    assert dict(zip(found.units, found.values.tolist(), strict=True)) == {"early": 0, "late": 0, "slow": 0, "in": 1}
    assert found.early == 1


def test_a_reward_that_never_comes_is_nothing() -> None:
    found = rewards([row("u", 100), row("v", 100, "b")], [])
    assert found.values.tolist() == [0, 0]
    assert not found.any_came


def test_an_outcome_sent_twice_is_one_and_two_outcomes_sum() -> None:
    reward = RewardSpec(outcome="click", within=600, grace=60, value="amount", kind="normal")
    paid = [
        click("u", 130, fields='{"amount": 3}', id="x"),
        click("u", 130, fields='{"amount": 5}', id="x", received_at=131 * SECOND),
        click("u", 140, fields='{"amount": 7}', id="y"),
    ]
    assert rewards([row("u", 100)], paid, reward).values.tolist() == [12]


def test_a_reward_outside_its_range_is_cut_and_counted() -> None:
    reward = RewardSpec(outcome="click", within=600, grace=60, value="amount", range=(0, 10))
    found = rewards([row("u", 100), row("v", 100)], [click("u", 130, fields='{"amount": 1000}')], reward)
    assert found.values.tolist() == [10, 0]
    assert found.out_of_range == 1


def test_a_reward_that_came_without_its_number_is_not_known() -> None:
    paid = RewardSpec(outcome="click", value="amount", range=(0, 100), within=600, grace=60)
    rows = [row("u", 100), row("v", 100), row("w", 100, "b"), row("x", 100, "b")]
    came = [
        click("u", 130, fields='{"amount": 7}'),
        click("v", 130, fields='{"amount": 5}'),
        click("v", 140, fields="{}"),
        click("w", 130, fields='{"amount": null}'),
    ]
    found = rewards(rows, came, paid)
    assert dict(zip(found.units, found.values.tolist(), strict=True)) == {"u": 7.0, "x": 0.0}
    assert (found.unknown, found.any_came) == (2, True)
    assert rewards(rows, came).unknown == 0  # that something came needs no number


def test_outcomes_find_their_unit_by_request_and_by_key() -> None:
    found = rewards(
        [row("u", 100), row("v", 100)],
        [click(None, 130, request_id="u@100"), click(None, 131, key="v")],
    )
    assert found.values.tolist() == [1, 1]


@pytest.mark.parametrize(("at", "kept"), [(120, 0), (130, 0), (131, 1), (9000, 1)])
@pytest.mark.parametrize("by", ["key", "request_id"])
def test_whose_a_reward_is_was_settled_when_it_came(by: str, at: int, kept: int) -> None:
    rows = [row("u", 100, **{by: "x"}), row("clerk", at, reason="override", **{by: "x"})]
    assert rewards(rows, [click(None, 130, **{by: "x"})]).values.tolist() == [kept]


def test_a_reward_of_one_instance_of_a_request_belongs_to_its_unit() -> None:
    rows = [row("u", 100, request_id="r", row=0), row("v", 100, request_id="r", row=1)]
    assert rewards(rows, [click(None, 130, request_id="r", row=1)]).values.tolist() == [0, 1]


@pytest.mark.parametrize(
    "more",
    [
        {"unit_named": False},
        {"role": "shadow"},
        {"reason": "override"},
        {"entry": "other"},
        {"reason": "split"},
    ],
)
def test_rows_that_no_bandit_drew_are_left_out(more: dict[str, Any]) -> None:
    defaults = {"unit_named": True, "contested": True, "role": "answer"}
    rows = [row("u", 100, **(defaults | more)), row("v", 100, **defaults)]
    assert rewards(rows, []).units == ("v",)


@pytest.mark.parametrize("value", [{"value_number": 0.0}, {"value_text": "0"}])
def test_an_outcome_told_as_0_or_false_is_no_reward(value: dict[str, Any]) -> None:
    plain = {"value_number": None, "value_text": None}
    told = [
        click("u", 130, **(plain | value)),
        click("v", 130, **plain),
        click("w", 130, **(plain | {"value_text": "gold"})),
    ]
    found = rewards([row("u", 100), row("v", 100), row("w", 100)], told)
    assert dict(zip(found.units, found.values.tolist(), strict=True)) == {"u": 0, "v": 1, "w": 1}


@pytest.mark.parametrize("more", [{"range": (0, 10)}, {"kind": "normal"}, {"kind": "normal", "range": (0, 10)}])
def test_without_a_field_a_reward_is_the_outcomes_own_value(more: dict[str, Any]) -> None:
    reward = RewardSpec(outcome="click", within=600, grace=60, **more)
    found = rewards(
        [row("u", 100), row("v", 100)], [click("u", 130, value_number=2.5), click("u", 131, value_number=5.0)], reward
    )
    assert found.values.tolist() == [7.5, 0]


def test_epochs_in_which_one_arm_had_everything_are_learned_from() -> None:
    found = rewards([row("u", 100, contested=False, propensity=1.0), row("v", 100, contested=True)], [click("u", 130)])
    assert list(zip(found.units, found.propensities.tolist(), found.values.tolist(), strict=True)) == [
        ("u", 1.0, 1.0),
        ("v", 0.5, 0.0),
    ]
    split = [row("w", 100, contested=False, reason="split", epoch=0)]
    assert rewards([*split, row("x", 100, contested=True)], [], prior=True).units == ("x",)


def test_an_earlier_split_is_one_record_a_unit_and_release() -> None:
    canary = {"reason": "canary", "release": "r1"}
    rows = [
        row("u", 100, **canary),
        row("u", 1000, "b", 2, **canary),
        row("u", 2000, **canary | {"reason": "split", "phase": 3}),
        row("u", 5000, **canary | {"release": "r2"}),  # phase 1 again, another release
        row("u", 9000, reason="split", epoch=0, release=""),
        row("u", 9900, reason="split", epoch=1, release=""),
    ]
    found = rewards(rows, [], prior=True)
    assert list(zip(found.at, found.arms, strict=True)) == [(at * SECOND, "a") for at in (100, 5000, 9000)]


def test_a_second_release_does_not_lose_those_who_met_the_first() -> None:
    rows = [
        row("u", 100, "b", reason="canary", release="r1"),
        row("u", 50_000, "b", reason="canary", release="r2", assigned_version="b:2"),
    ]
    found = rewards(rows, [click("u", 50_100)], prior=True, versions={"a": "a:1", "b": "b:2"})
    assert found.values.tolist() == [1]


def test_an_earlier_split_counts_where_it_is_asked_for() -> None:
    rows = [row("u", 100, reason="split", epoch=0), row("v", 5000)]
    assert rewards(rows, [], since=4000).units == ("v",)
    assert rewards(rows, [], since=4000, prior=True).units == ("u", "v")


def test_another_version_is_another_arm() -> None:
    rows = [row("u", 100, assigned_version="a:0"), row("v", 100), row("w", 100, "b")]
    found = rewards(rows, [], versions={"a": "a:1"})
    assert found.units == ("v",)
    assert found.rows == {"a": 1}


def test_failures_are_counted_by_arm() -> None:
    answered = {"answered_by": "default"}
    rows = [
        row("u", 100, answered_by="assigned"),
        row("v", 100, "b", status="error", **answered),
        row("w", 100, "b", answered_by="assigned"),
    ]
    found = rewards(rows, [])
    assert (found.met, found.unit_failures) == ({"a": 1, "b": 2}, {"a": 0, "b": 1})
    assert (found.rows, found.failed) == ({"a": 1, "b": 2}, {"a": 0, "b": 1})


def test_a_unit_fails_by_its_share_in_its_first_epoch_with_the_arm() -> None:
    bad = {"status": "error"}
    rows = [row("u", 100 + i, **(bad if i else {})) for i in range(4)]
    rows += [row("u", 5000 + i, epoch=2, **bad) for i in range(20)]
    found = rewards([*rows, row("v", 100)], [])
    assert (found.rows, found.failed) == ({"a": 25}, {"a": 23})
    assert (found.met, found.unit_failures) == ({"a": 2}, {"a": 0.75})
