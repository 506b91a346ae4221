"""The picture of the watch: rows in order, time without gaps, and words for what is not known."""

from typing import Any

import msgspec

from seatrial.dashboard.house import House
from seatrial.dashboard.watching import watch
from seatrial.drift.decide import FeatureDrift
from seatrial.releases.records import WindowRecord
from seatrial.watch.pictures import SHOWN_WINDOWS, drift_picture
from seatrial.watch.window import Monitor, Signal, Window
from tests.harbour import PLAIN, Harbour
from tests.houses import TestClient

MINUTE = 60_000_000
START = 1_790_000_000_000_000 // MINUTE * MINUTE


def window(place: int, names: tuple[str, ...], monitor: Monitor = "data", **more: Any) -> Window:
    return Window(
        deployment="churn",
        monitor=monitor,
        variant="champion",
        start=START + place * MINUTE,
        end=START + (place + 1) * MINUTE,
        rows=500,
        state="measured" if names else "no-data",
        features=tuple(FeatureDrift(feature=name, state="measured", rows=500) for name in names),
        **more,
    )


def picture(windows: list[Window], read_until: int = 0) -> dict[str, list[str]]:
    cells, length = drift_picture(windows, ["zebra", "age"], read_until)
    assert length == MINUTE
    rows: dict[str, list[str]] = {}
    for place, cell in enumerate(cells):
        rows.setdefault(cell.feature, []).append(cell.severity)
        assert cell.window == START + (len(rows[cell.feature]) - 1) * MINUTE, f"cell {place} is out of its place"
    return rows


def test_features_stand_in_their_own_order_and_the_prediction_below() -> None:
    windows = [window(0, ("age", "extra", "zebra")), window(0, ("label", "confidence"), "prediction")]
    assert list(picture(windows)) == ["zebra", "age", "extra", "prediction: confidence", "prediction: label"]


def test_a_pause_and_a_window_with_too_little_are_no_data() -> None:
    windows = [window(0, ("age",)), window(2, ()), window(4, ("age",))]
    assert picture(windows) == {"age": ["none", "no-data", "no-data", "no-data", "none"]}


def test_time_goes_on_to_where_the_monitor_has_read_but_what_was_seen_stays_in_sight() -> None:
    assert picture([window(0, ("age",))], START + 3 * MINUTE) == {"age": ["none", "no-data", "no-data"]}
    later = picture([window(0, ("age",))], START + 10_000 * MINUTE)["age"]
    assert later == ["none"] + ["no-data"] * (SHOWN_WINDOWS // 2)


def test_nothing_measured_is_no_picture() -> None:
    assert drift_picture([], ["age"], 0) == ((), None)
    assert drift_picture([window(0, ())], ["age"], 0)[0] == ()


WATCHED = (
    PLAIN
    + "outcomes: {churned: {label: true}}\n"
    + "metrics: {right: {kind: accuracy, outcome: churned, within: 1d, grace: 1h}}\n"
    + "monitors: {data: {window: 1h}, performance: {metric: right, window: 2h}}\n"
)


def test_before_data_the_watch_says_so_and_names_the_performance_monitor(nobody: TestClient) -> None:
    house: House = nobody.app.state.house  # type: ignore[attr-defined]
    harbour = Harbour(house.settings.home)
    harbour.apply(WATCHED)
    said = watch(house, "churn", "")
    assert (said["badge"], said["tone"]) == ("no data yet", "")
    page = nobody.get("/deployments/churn/watch").text.replace("\u202f", " ")
    assert "No data yet: right is read in windows of 2 h, each 25 h after its end" in page
    harbour.close()


def test_the_badge_is_what_the_newest_windows_come_to(nobody: TestClient) -> None:
    house: House = nobody.app.state.house  # type: ignore[attr-defined]
    harbour = Harbour(house.settings.home)
    harbour.apply(PLAIN)
    seen = [
        (window(0, ("age",)), ("no drift", "good")),
        (window(1, ("age",), drift=Signal(severity="major")), ("major", "bad")),
        (window(2, ()), ("no data lately", "")),
    ]
    for newest, wanted in seen:
        harbour.state.windows.add([record(newest)], deployment="churn", marks={})
        said = watch(house, "churn", "")
        assert (said["badge"], said["tone"]) == wanted
    harbour.close()


def test_what_moved_long_ago_is_no_badge(nobody: TestClient) -> None:
    house: House = nobody.app.state.house  # type: ignore[attr-defined]
    harbour = Harbour(house.settings.home)
    harbour.apply(PLAIN)
    hour, now = 60 * MINUTE, house.clock()
    moved = msgspec.structs.replace(
        window(0, ("age",), drift=Signal(severity="major")), start=now - 6 * hour, end=now - 5 * hour
    )
    harbour.state.windows.add([record(moved)], deployment="churn", marks={})
    assert watch(house, "churn", "")["badge"] == "no data lately"
    harbour.close()


def record(window: Window) -> WindowRecord:
    return WindowRecord(
        deployment="churn",
        monitor=window.monitor,
        variant=window.variant,
        version="churn:1",
        start=window.start,
        end=window.end,
        severity=window.severity,
        window=msgspec.json.encode(window).decode(),
    )
