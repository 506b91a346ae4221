"""Which windows still say something of now."""

from typing import Any

import pytest

from seatrial.spec.read import load_deployment
from seatrial.watch.standing import standing
from seatrial.watch.window import Monitor, Signal, Window
from tests.harbour import PLAIN

HOUR = 3_600_000_000
DAY = 24 * HOUR
NOW = 20_000 * DAY + HOUR // 2
SPEC = load_deployment(
    PLAIN
    + "outcomes: {churned: {label: true}}\n"
    + "metrics: {right: {kind: accuracy, outcome: churned, within: 30d, grace: 1h}}\n"
    + "monitors: {data: {window: 1h}, performance: {metric: right, window: 1d}}\n"
)


def window(monitor: Monitor, end: int, length: int = HOUR, version: str = "churn:1", **more: Any) -> Window:
    where = {"deployment": "churn", "variant": "champion", "version": version, "start": end - length, "end": end}
    return Window(monitor=monitor, rows=500, drift=Signal("major", "major", False), **where, **more)


def monitors(*windows: Window, version: str = "churn:1") -> list[str]:
    return [one.monitor for one in standing(windows, SPEC, version, NOW)]


def test_the_newest_window_of_each_monitor_counts() -> None:
    end = NOW // HOUR * HOUR
    windows = [window("data", end - HOUR), window("data", end), window("prediction", end)]
    assert standing(windows, SPEC, "churn:1", NOW) == windows[1:]


@pytest.mark.parametrize(("hours", "counts"), [(0, True), (2, True), (3, False), (5000, False)])
def test_a_window_counts_while_it_is_at_most_two_windows_old(hours: int, counts: bool) -> None:
    assert monitors(window("data", NOW // HOUR * HOUR - hours * HOUR)) == ["data"] * counts


@pytest.mark.parametrize(("days", "counts"), [(31, True), (33, True), (35, False)])
def test_labels_that_take_a_month_make_no_window_old(days: int, counts: bool) -> None:
    end = NOW // DAY * DAY - days * DAY
    assert monitors(window("performance", end, DAY)) == ["performance"] * counts


def test_a_monitor_that_the_file_has_not_and_a_version_that_left_do_not_count() -> None:
    end = NOW // HOUR * HOUR
    assert monitors(window("fairness", end), window("calibration", end)) == []
    assert monitors(window("data", end, version="churn:0")) == []
    assert monitors(window("data", end, version="")) == ["data"]
    assert monitors(window("data", end, version="churn:0"), version="") == ["data"]


def test_the_window_of_a_version_that_left_does_not_hide_the_one_in_the_slot() -> None:
    end = NOW // HOUR * HOUR
    assert monitors(window("data", end - HOUR), window("data", end, version="churn:0")) == ["data"]


def test_a_window_of_rows_that_took_a_minute_outlasts_the_night() -> None:
    quick = HOUR // 60
    assert monitors(window("data", NOW - 30 * HOUR, quick, counted=5000)) == ["data"]
    assert monitors(window("data", NOW - 60 * HOUR, quick, counted=5000)) == []
