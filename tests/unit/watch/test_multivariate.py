"""All columns together: relations that no column shows, told from the same hours of earlier days."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from seatrial.drift import FeatureProfile
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import DataMonitor, LogSpec, Monitors, MultivariateMonitor
from seatrial.spec.signature import Feature
from seatrial.watch.alerts import alerts_of
from seatrial.watch.monitor import watch
from seatrial.watch.multivariate import coded, with_products
from seatrial.watch.panes import DAY
from seatrial.watch.window import Window

SECOND = 1_000_000
T0 = 1_700_000_000_000_000 // DAY * DAY
HOUR = 3600 * SECOND
NAMES = ("x", "y", "z")


def rows(start: int, n: int, rng: np.random.Generator, rho: float = 0.0, shift: float = 0.0) -> dict[str, Any]:
    """Normal columns of which the first two are correlated."""
    table = rng.normal(size=(n, 3))
    table[:, 1] = rho * table[:, 0] + (1 - rho**2) ** 0.5 * table[:, 1]
    return {"at": start + np.arange(n) * (HOUR // n), "table": table + shift, "unit": rng.integers(0, 10**9, n)}


def source_of(*parts: dict[str, Any]) -> TableSource:
    at = np.concatenate([part["at"] for part in parts])
    table = np.vstack([part["table"] for part in parts])
    units = np.concatenate([part["unit"] for part in parts])
    n = len(at)
    columns: dict[str, Any] = {
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "unit": pa.array([f"u{unit}" for unit in units]),
        "variant": pa.array(["champion"] * n),
        "request_id": pa.array([f"r{i}" for i in range(n)]),
        **{f"feature.{name}": pa.array(table[:, i]) for i, name in enumerate(NAMES)},
    }
    return TableSource(pa.table(columns))


def found(source: TableSource, deployment: Any, profile: Any, since: int, **monitor: Any) -> Window:
    log = monitor.pop("log", LogSpec())
    together = MultivariateMonitor(**{"window": 3600, **monitor})
    spec = deployment(monitors=Monitors(data=None, performance=None, multivariate=together), log=log)
    return watch(spec, {"champion": profile}, source, since, since + HOUR + 10 * SECOND)[0]


@pytest.fixture
def profile() -> Any:
    from seatrial.drift import Profile

    rng = np.random.default_rng(0)
    features = [Feature(name=name, kind="number") for name in NAMES]
    return Profile.from_values(features, {name: rng.normal(size=500) for name in NAMES})


@pytest.mark.parametrize("model", ["linear", "trees"])
def test_a_relation_that_turned_is_seen_and_no_column_shows_it(deployment: Any, profile: Any, model: str) -> None:
    rng = np.random.default_rng(1)
    past = [rows(T0 + day * DAY, 800, rng, rho=0.8) for day in range(3)]
    source = source_of(*past, rows(T0 + 3 * DAY, 800, rng, rho=-0.8))
    window = found(source, deployment, profile, T0 + 3 * DAY, model=model)
    assert (window.severity, window.drift.calm) == ("major", False)
    assert window.apart is not None
    assert window.apart.lower > 0.638 > 0.5
    assert [alert.event for alert in alerts_of([window], (), 7)] == ["multivariate.major"]
    alone = deployment(monitors=Monitors(data=DataMonitor(window=3600), performance=None))
    singly = watch(alone, {"champion": profile}, source, T0 + 3 * DAY, T0 + 3 * DAY + HOUR + 10 * SECOND)
    assert {w.severity for w in singly if w.monitor == "data"} == {"none"}


@pytest.mark.parametrize("seed", range(5))
def test_rows_as_before_are_at_rest(deployment: Any, profile: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = source_of(*(rows(T0 + day * DAY, 500, rng, rho=0.8) for day in range(4)))
    window = found(source, deployment, profile, T0 + 3 * DAY)
    assert window.apart is not None
    assert (window.severity, window.drift.calm, window.apart.before, window.rows) == ("none", True, 1500, 500)
    assert window.apart.lower < 0.5 < window.apart.upper


def test_a_night_is_compared_with_nights(deployment: Any, profile: Any) -> None:
    rng = np.random.default_rng(2)
    days = [
        rows(T0 + day * DAY + hour * HOUR, 400, rng, shift=2.0 * (hour == 1)) for day in range(3) for hour in (0, 1)
    ]
    window = found(source_of(*days), deployment, profile, T0 + 2 * DAY + HOUR)
    assert window.apart is not None
    assert (window.severity, window.apart.before) == ("none", 800)


def test_a_heavy_unit_is_one_row_and_samples_are_bounded(deployment: Any, profile: Any) -> None:
    rng = np.random.default_rng(3)
    heavy = rows(T0 + DAY, 3000, rng, shift=3.0)
    heavy["unit"] = np.zeros(3000, dtype=int)
    source = source_of(rows(T0, 900, rng), rows(T0 + DAY, 900, rng), heavy)
    window = found(source, deployment, profile, T0 + DAY, sample=300)
    assert window.apart is not None
    assert (window.rows, window.apart.before, window.severity) == (300, 300, "none")


def test_units_that_come_daily_weigh_in_the_past_what_they_weigh_in_a_window(deployment: Any, profile: Any) -> None:
    """Nothing moves; a sixth of the units come nearly every day, the others once a month, and a column tells which."""
    rng = np.random.default_rng(7)
    daily = rng.random(3000) < 0.15
    own = rng.normal(size=(3000, 3)) + np.outer(np.where(daily, 2.0, 0.0), [1.0, 0.0, 0.0])

    def day(number: int) -> dict[str, Any]:
        units = np.flatnonzero(rng.random(3000) < np.where(daily, 0.9, 1 / 28))
        return {"at": T0 + number * DAY + np.arange(units.size), "table": own[units], "unit": units}

    window = found(source_of(*map(day, range(29))), deployment, profile, T0 + 28 * DAY)
    assert window.apart is not None
    assert (window.severity, window.drift.calm) == ("none", True)
    assert window.apart.lower < 0.5


def test_a_window_of_two_days_has_a_past_of_two_days(deployment: Any, profile: Any) -> None:
    """A unit is one row of each two days, on whichever of them it came."""
    rng = np.random.default_rng(8)
    units = np.arange(400)
    days = [{**rows(T0 + day * DAY, 400, rng), "unit": units} for day in range(6)]
    together = MultivariateMonitor(window=2 * DAY / SECOND)
    spec = deployment(monitors=Monitors(data=None, performance=None, multivariate=together))
    since = T0 // (2 * DAY) * (2 * DAY) + 2 * DAY
    windows = watch(spec, {"champion": profile}, source_of(*days), since, since + 4 * DAY + 10 * SECOND)
    assert [(w.rows, w.apart.before) for w in windows if w.apart] == [(400, 400), (400, 800)]


def test_the_same_rows_say_the_same(deployment: Any, profile: Any) -> None:
    rng = np.random.default_rng(4)
    parts = [rows(T0 + day * DAY, 900, rng) for day in range(2)]
    first, second = (found(source_of(*parts), deployment, profile, T0 + DAY, sample=300) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"minimum_rows": 901}, "900 units, 900 at the same hours before, and 901 are needed"),
        ({"features": ("x",)}, "fewer than two numbers, categories or booleans are logged"),
        ({"log": LogSpec(redact=("x", "y"))}, "fewer than two numbers, categories or booleans are logged"),
    ],
)
def test_too_little_is_no_data(deployment: Any, profile: Any, more: dict[str, Any], why: str) -> None:
    rng = np.random.default_rng(5)
    source = source_of(*(rows(T0 + day * DAY, 900, rng) for day in range(2)))
    window = found(source, deployment, profile, T0 + DAY, sample=2000, **more)
    assert (window.state, why in window.sentence) == ("no-data", True)


def test_the_first_day_has_nothing_to_be_compared_with(deployment: Any, profile: Any) -> None:
    window = found(source_of(rows(T0, 900, np.random.default_rng(6))), deployment, profile, T0)
    assert "900 units, 0 at the same hours before" in window.sentence


def test_numbers_are_ranks_values_are_columns_and_what_is_missing_is_seen() -> None:
    number = FeatureProfile.from_values(Feature(name="n", kind="number"), [1.0, 2.0])
    plan = FeatureProfile.from_values(Feature(name="p", kind="category"), ["free", "free", "paid"])
    before = pa.table({"c0": [1.0, 1e300], "c1": ["free", None]})
    after = pa.table({"c0": [None, 1.0], "c1": ["paid", "free"]})
    left, right = coded(before, after, [number, plan])
    assert left.tolist() == [[pytest.approx(-1 / 6), 0.0, 1.0, 0.0], [pytest.approx(1 / 3), 0.0, 0.0, 0.0]]
    assert right.tolist() == [[0.0, 1.0, 0.0, 1.0], [pytest.approx(-1 / 6), 0.0, 1.0, 0.0]]


def test_products_are_left_out_where_they_are_too_many() -> None:
    assert with_products(np.ones((5, 22))).shape == (5, 22 + 22 * 23 // 2)
    assert with_products(np.ones((5, 24))).shape == (5, 48)
