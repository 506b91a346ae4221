"""False alerts per deployment and month, and a real change found, through the monitors' whole path: rows in a source of
SQL, windows read by ``watch``, alerts told by ``alerts_of``.

The suite runs a few days; the figures in ``docs/drift.md`` come of

    python tests/statistics/test_watch_wired.py --months 8

A month is 720 hours of 200 answers with eight features, at the defaults, of a deployment in which nothing changes but,
in the worlds with a cycle, the time of day: the mean of every second feature swings by half a standard deviation.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from seatrial.drift import Profile, classification_profile
from seatrial.experiments.source import TableSource
from seatrial.releases.records import Alert
from seatrial.spec.deployment import Against, DataMonitor, Deployment, EntrySpec, Monitors, VariantSpec
from seatrial.spec.signature import Feature
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

HOUR = 3_600_000_000
START = 1_700_006_400_000_000 // HOUR * HOUR
ROWS, FEATURES = 200, 8
FEATURE_LIST = tuple(Feature(name=f"f{i}", kind="number") for i in range(FEATURES))


def draw(rng: np.random.Generator, hours: np.ndarray, column: int, *, cycle: bool) -> np.ndarray:
    """Normal, lognormal, zero-inflated and count columns in turn; every second one swings with the time of day."""
    swing = 0.5 * np.sin(2 * np.pi * (hours % 24) / 24) if cycle and column % 2 == 0 else 0.0
    n = hours.size
    match column % 4:
        case 0:
            return rng.normal(size=n) + swing
        case 1:
            return rng.lognormal(0, 1, n)
        case 2:
            return np.where(rng.random(n) < 0.5, 0.0, rng.normal(5, 1, n)) + swing
        case _:
            return rng.poisson(3.0, n).astype(np.float64)


def a_source(
    rng: np.random.Generator, hours: int, *, cycle: bool, shift: float = 0.0, shifted_from: int = 0
) -> TableSource:
    """Answers of so many hours; from one hour on the first feature moves by ``shift`` standard deviations."""
    each = np.repeat(np.arange(hours), ROWS)
    at = START + each * HOUR + np.tile(np.arange(ROWS), hours) * (HOUR // ROWS)
    scores = rng.random(each.size)
    columns: dict[str, object] = {
        "unit": pa.array([f"u{i}" for i in range(each.size)]),
        "variant": pa.array(["champion"] * each.size),
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "prediction.label": pa.array(np.where(scores > 0.5, "yes", "no")),
        "prediction.score": pa.array(scores),
    }
    for i in range(FEATURES):
        values = draw(rng, each, i, cycle=cycle)
        columns[f"feature.f{i}"] = pa.array(values + (shift * (each >= shifted_from) if i == 0 else 0.0))
    return TableSource(pa.table(columns))


def a_profile(rng: np.random.Generator, *, cycle: bool, rows: int = 5000) -> Profile:
    hours = rng.integers(0, 24, rows)
    scores = rng.random(rows)
    return Profile.from_values(
        FEATURE_LIST,
        {f"f{i}": draw(rng, hours, i, cycle=cycle) for i in range(FEATURES)},
        prediction=classification_profile(np.where(scores > 0.5, "yes", "no"), scores, ["no", "yes"]),
        holdout_rows=rows,
    )


def a_deployment(against: Against) -> Deployment:
    return Deployment(
        deployment="d",
        variants={"champion": VariantSpec(model="models:/m/1")},
        routing=(EntrySpec(name="everybody", split={"champion": 1.0}),),
        monitors=Monitors(data=DataMonitor(against=against)),
    )


def told(
    seed: int, first: int, hours: int, *, cycle: bool = False, against: Against = "training", shift: float = 0.0
) -> tuple[list[Alert], list[Window]]:
    """Alerts and windows of hours ``first`` to ``hours``; a shift begins at ``first``."""
    rng = np.random.default_rng(seed)
    profile = a_profile(rng, cycle=cycle)
    source = a_source(rng, hours, cycle=cycle, shift=shift, shifted_from=first)
    begin, end = START + first * HOUR, START + hours * HOUR + 60_000_000
    windows = watch(a_deployment(against), {"champion": profile}, source, begin, end, shelf={})
    source.close()
    return [a for a in alerts_of(windows, (), end) if '"begins"' in a.details], list(windows)


def months(number: int, seed: int) -> Iterator[tuple[str, int, int, int]]:
    """World, months, alerts, and windows that showed something."""
    worlds: tuple[tuple[str, int, bool, Against], ...] = (
        ("no cycle, against training", 0, False, "training"),
        ("daily cycle, against training", 0, True, "training"),
        ("daily cycle, against the same hours", 672, True, "same hours"),
    )
    for name, warm, cycle, against in worlds:
        found = [told(seed + month, warm, warm + 720, cycle=cycle, against=against) for month in range(number)]
        yield (
            name,
            number,
            sum(len(alerts) for alerts, _ in found),
            sum(window.severity not in ("none", "no-data") for _, windows in found for window in windows),
        )


def test_days_without_a_change_are_quiet() -> None:
    alerts, windows = told(1, 0, 72)
    assert len(windows) == 2 * 72
    assert alerts == []


def test_a_day_is_like_the_same_hours_of_the_days_before() -> None:
    alerts, windows = told(2, 5 * 24, 6 * 24, cycle=True, against="same hours")
    assert {window.severity for window in windows if window.monitor == "data"} == {"none"}
    assert alerts == []
    loud, _ = told(2, 5 * 24, 6 * 24, cycle=True)
    assert [alert.event.split(".")[0] for alert in loud] == ["data"] * len(loud)
    assert loud


def test_at_the_defaults_a_cycle_is_nothing_unusual_from_the_second_day_and_a_shift_on_it_is() -> None:
    alerts, windows = told(3, 24, 48, cycle=True)
    drifting = [window for window in windows if window.monitor == "data" and window.drift.alarm != "none"]
    assert drifting, "a day does differ from the training data"
    assert alerts
    assert all(condition_of(alert).stands for alert in alerts)  # type: ignore[union-attr]
    alerts, _ = told(3, 24, 30, cycle=True, shift=1.5)
    assert [condition_of(alert).unusual for alert in alerts] == ["major"]  # type: ignore[union-attr]


def test_a_shift_is_told_in_its_first_hours() -> None:
    alerts, windows = told(3, 48, 54, shift=1.0)
    assert next(alert.event for alert in alerts if alert.event.startswith("data")) == "data.major"
    assert {window.severity for window in windows if window.monitor == "data"} == {"major"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=8)
    parser.add_argument("--seed", type=int, default=100)
    asked = parser.parse_args()
    for world, number, alerts, shown in months(asked.months, asked.seed):
        print(f"{world}: {alerts} alerts in {number} months, {shown} of {1440 * number} windows showed something")
