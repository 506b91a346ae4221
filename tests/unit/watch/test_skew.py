"""Training-serving skew: logged features beside another source's, row by row."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from seatrial.drift import Profile
from seatrial.spec.deployment import LogSpec, Monitors, OutcomeSpec, SkewMonitor
from seatrial.spec.signature import Feature
from seatrial.watch.alerts import alerts_of
from seatrial.watch.interval import share_by_unit
from seatrial.watch.monitor import watch
from seatrial.watch.skew import severity_of
from seatrial.watch.window import GroupRate, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
FIELDS = {"age": "number", "plan": "string", "note": "string", "other": "number"}


def found(world: Any, deployment: Any, log: LogSpec | None = None, **monitor: Any) -> Window:
    skew = SkewMonitor(**{"outcome": "offline", "window": 10, "within": 5, "grace": 5, "minimum_rows": 50, **monitor})
    spec = deployment(
        outcomes={"offline": OutcomeSpec(fields=FIELDS)},
        monitors=Monitors(data=None, performance=None, skew=skew),
        log=log or LogSpec(),
    )
    (window,) = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    return window


def offline(
    world: Any, row: dict[str, Any], by: str = "request_id", second: float | None = None, **fields: Any
) -> None:
    at = (row["at"] - T0) / SECOND if second is None else second
    said = {"age": row["feature.age"], "plan": row["feature.plan"], **fields}
    world.happen(at, "offline", fields=json.dumps(said), **{by: row[by]})


def rate(window: Window, name: str) -> GroupRate:
    return next(rate for rate in window.rates if rate.by == name)


@pytest.mark.parametrize("by", ["request_id", "unit"])
def test_the_same_values_do_not_differ(world: Any, deployment: Any, by: str) -> None:
    for row in world.fill(0, 10, 300):
        offline(world, row, by)
    window = found(world, deployment)
    assert {(r.by, r.value, r.rows) for r in window.rates} == {("age", 0.0, 300), ("plan", 0.0, 300)}
    assert (window.severity, window.drift.calm, window.rows) == ("none", True, 300)


def test_a_feature_in_another_unit_is_told_by_name(world: Any, deployment: Any) -> None:
    for row in world.fill(0, 10, 300):
        offline(world, row, age=row["feature.age"] * 12)
    window = found(world, deployment)
    assert (rate(window, "age").value, rate(window, "plan").value) == (1.0, 0.0)
    assert (window.severity, window.drift.calm) == ("major", False)
    assert window.sentence.startswith("age differs from offline in 100.00% of 300 rows of champion")
    assert window.sentence.endswith("1 % may; 1 of 2 features differ more for certain.")
    assert [alert.event for alert in alerts_of([window], (), LATER)] == ["skew.major"]


def test_numbers_may_differ_by_the_tolerance(world: Any, deployment: Any) -> None:
    for row in world.fill(0, 10, 300):
        offline(world, row, age=row["feature.age"] * 1.0005)
    assert rate(found(world, deployment), "age").value == 0.0
    assert rate(found(world, deployment, tolerance=0.0001), "age").value == 1.0


def test_a_value_that_one_side_lacks_differs_and_a_field_that_was_not_sent_is_not_compared(
    world: Any, deployment: Any
) -> None:
    rows = world.fill(0, 10, 400)
    for i, row in enumerate(rows):
        if i < 100:
            offline(world, row, age=None)
        elif i < 200:
            row["feature.age"], age = None, row["feature.age"]
            offline(world, row, age=age)
        elif i < 300:
            world.happen((row["at"] - T0) / SECOND, "offline", fields='{"plan": "gold"}', request_id=row["request_id"])
        else:
            offline(world, row)
    window = found(world, deployment)
    assert (rate(window, "age").value, rate(window, "age").rows) == (pytest.approx(2 / 3), 300)
    assert (rate(window, "plan").value, rate(window, "plan").rows) == (0.25, 400)


def test_the_interval_is_by_unit_and_holds_for_all_features_together(world: Any, deployment: Any) -> None:
    for i, row in enumerate(world.fill(0, 10, 300)):
        row["unit"] = f"u{i // 10}"
        offline(world, row, age=-1.0 if i < 30 else row["feature.age"])
    window = found(world, deployment)
    alpha = 0.5 * 10 / (30 * 86400) / 3  # age, plan and note could be compared
    hits = np.array([10.0] * 3 + [0.0] * 27)
    exact = share_by_unit(hits, np.full(30, 10.0), alpha)
    assert (rate(window, "age").lower, rate(window, "age").upper) == pytest.approx((exact.lower, exact.upper))


def test_what_comes_late_or_was_not_logged_is_not_compared(world: Any, deployment: Any) -> None:
    rows = world.fill(0, 10, 300)
    for i, row in enumerate(rows):
        offline(world, row, second=30 if i < 100 else None, age=-1.0)
        row["sampled"] = i < 200
    assert rate(found(world, deployment), "age").rows == 100


def test_the_latest_word_of_the_other_source_counts(world: Any, deployment: Any) -> None:
    for row in world.fill(0, 10, 300):
        for age, came in ((-1.0, 1), (row["feature.age"], 2)):
            said = {"fields": json.dumps({"age": age}), "request_id": row["request_id"]}
            world.happen(
                (row["at"] - T0) / SECOND,
                "offline",
                received_at=row["at"] + came * SECOND,
                id=f"{came}{row['request_id']}",
                **said,
            )
    assert rate(found(world, deployment), "age").value == 0.0


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"features": ("note",)}, "0 of 300 rows have both values, and 50 are needed"),
        ({"log": LogSpec(redact=("age", "plan", "note"))}, "no field of offline is a feature that is logged"),
        ({"minimum_rows": 301}, "300 of 300 rows have both values, and 301 are needed"),
    ],
)
def test_nothing_to_compare_is_no_data(world: Any, deployment: Any, more: dict[str, Any], why: str) -> None:
    for row in world.fill(0, 10, 300):
        offline(world, row)
    window = found(world, deployment, **more)
    assert (window.state, window.rates) == ("no-data", ())
    assert why in window.sentence


@pytest.mark.parametrize(("lower", "severity"), [(0.01, "none"), (0.011, "moderate"), (0.12, "major")])
def test_severity_is_of_the_lower_end(lower: float, severity: str) -> None:
    rate = GroupRate(by="age", group="", rate="differs", value=0.5, lower=lower, upper=0.6, rows=100)
    assert severity_of(rate, 0.01) == severity


SAME = [
    lambda s: s,
    lambda s: datetime.fromtimestamp(s, UTC).isoformat(),
    lambda s: datetime.fromtimestamp(s, UTC).isoformat().replace("+00:00", "Z"),
    lambda s: datetime.fromtimestamp(s, timezone(timedelta(hours=5, minutes=45))).isoformat(),
    lambda s: datetime.fromtimestamp(s, UTC).isoformat().removesuffix("+00:00"),
    lambda s: s + 0.9,
]
OTHER = [
    lambda s: s + 15 * 86400,
    lambda s: s + 1.1,
    lambda s: datetime.fromtimestamp(s, UTC).isoformat().replace("+00:00", "+01:00"),
    lambda s: datetime.fromtimestamp(s, UTC).date().isoformat(),
    lambda _: "a while ago",
]


@pytest.mark.parametrize(("say", "differs"), [*((say, 0.0) for say in SAME), *((say, 1.0) for say in OTHER)])
def test_times_are_the_same_instant_within_a_second_however_they_are_written(
    world: Any, deployment: Any, say: Callable[[float], object], differs: float
) -> None:
    """A share of the seconds since 1970 would be weeks."""
    for number, row in enumerate(world.fill(0, 10, 100)):
        row["feature.signed"] = 1_700_000_000.0 + number * 86400
        world.happen(
            (row["at"] - T0) / SECOND,
            "offline",
            fields=json.dumps({"signed": say(row["feature.signed"])}),
            request_id=row["request_id"],
        )
    signed = Profile.from_values([Feature(name="signed", kind="time")], {"signed": [1.7e9, 1.8e9]})
    skew = SkewMonitor(outcome="offline", window=10, within=5, grace=5, minimum_rows=50)
    spec = deployment(
        outcomes={"offline": OutcomeSpec(fields={"signed": "string"})},
        monitors=Monitors(data=None, performance=None, skew=skew),
    )
    (window,) = watch(spec, {"champion": signed}, world.source, 0, LATER)
    assert rate(window, "signed").value == differs
