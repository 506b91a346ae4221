"""What is open and was told to nobody is asked about again, and told once."""

from typing import Any

import msgspec
import pytest

from seatrial.control import heeding
from seatrial.control.fates import AskingAgain, decide_fates
from seatrial.control.telling_metrics import TellingMetrics
from seatrial.drift import FeatureDrift
from seatrial.releases.records import WindowRecord
from seatrial.spec.deployment import Deployment
from seatrial.spec.read import load_deployment
from seatrial.watch.alerts import alerts_of
from seatrial.watch.window import Monitor, Signal, Window
from tests.harbour import PLAIN, Harbour

HOUR = 3_600_000_000
DAY = 24 * HOUR
FILE = PLAIN + 'alerts: [{to: "json://127.0.0.1:9000/hook", digest: off}]\n'
MAJOR = Signal("major", "major", False)


def window(start: int, *strong: str, monitor: Monitor = "data", length: int = HOUR) -> Window:
    return Window(
        deployment="churn",
        monitor=monitor,
        variant="champion",
        version="churn:1",
        start=start,
        end=start + length,
        rows=500,
        drift=MAJOR,
        features=tuple(FeatureDrift(feature=f, state="measured", rows=500, severity="major") for f in strong),
    )


class House:
    """A deployment with somebody to wake, whose windows are kept by hand."""

    def __init__(self, harbour: Harbour) -> None:
        harbour.apply(FILE)
        self.harbour = harbour
        self.specs: dict[str, Deployment] = {"churn": load_deployment(FILE)}
        self.metrics = TellingMetrics(harbour.site.home)
        self.asking = AskingAgain(harbour.site, self.metrics)

    def see(self, *windows: Window) -> None:
        state, now = self.harbour.state, self.harbour.clock.now
        for alert in alerts_of(windows, state.alerts.of("churn"), now):
            state.alerts.add(alert)
        records = [
            WindowRecord(
                deployment="churn", monitor=w.monitor, variant=w.variant, version=w.version, start=w.start, end=w.end,
                severity=w.severity, window=msgspec.json.encode(w).decode(),
            )
            for w in windows
        ]  # fmt: skip
        state.windows.add(records, deployment="churn", marks={})

    def decide(self, **passed: float) -> list[str]:
        """Fates of all alerts after so long a time."""
        now = self.harbour.clock.forward(**passed) if passed else self.harbour.clock.now
        decide_fates(self.harbour.site, self.specs, self.metrics, now)
        self.asking.look(self.specs, now)
        return [alert.fate for alert in self.harbour.state.alerts.of("churn")]

    @property
    def messages(self) -> list[Any]:
        found = self.harbour.state.notices.of("churn")
        return [notice for notice in found if notice.given_up_at is None]


@pytest.fixture
def house(harbour: Harbour) -> House:
    return House(harbour)


def test_what_is_still_open_when_its_mute_ends_is_told_then_and_once(house: House) -> None:
    heeding.mute(house.harbour.site, "churn", "performance", 3600.0, actor="ada", why="deploying")
    house.see(window(0, monitor="performance"))
    assert house.decide() == ["muted"]
    assert house.decide(seconds=1800) == ["muted"]
    assert house.decide(seconds=1900) == ["told"]
    assert [house.decide(seconds=3600) for _ in range(3)] == [["told"]] * 3
    assert len(house.messages) == 1


def test_a_message_that_a_mute_withdrew_goes_out_after_it(house: House) -> None:
    house.see(window(0, monitor="performance"))
    assert house.decide() == ["told"]
    heeding.mute(house.harbour.site, "churn", "performance", 3600.0, actor="ada", why="deploying")
    assert house.messages == []
    assert house.decide(seconds=120) == ["digest"]
    assert house.decide(seconds=3600) == ["told"]
    assert len(house.messages) == 1


def test_a_second_feature_that_drifts_strongly_wakes(house: House) -> None:
    house.see(window(0, "tenure"), window(HOUR, "tenure"))
    assert house.decide(seconds=60) == ["digest"]
    house.see(window(2 * HOUR, "tenure", "note"))
    assert house.decide(seconds=3600) == ["digest"], "two of three windows"
    house.see(window(3 * HOUR, "tenure", "note"))
    assert house.decide(seconds=3600) == ["told"]
    assert "`note`, `tenure`" in house.messages[0].why


def test_it_is_asked_once_a_minute_whatever_the_clock_does(house: House) -> None:
    house.see(window(0, "tenure"), window(HOUR, "tenure"))
    house.decide()
    house.see(window(2 * HOUR, "tenure", "note"), window(3 * HOUR, "tenure", "note"))
    assert house.decide(seconds=59) == ["digest"]
    assert house.decide(seconds=-10_000) == ["told"], "a clock that went back is asked at once"


@pytest.mark.parametrize(("length", "days"), [(HOUR, 2), (DAY, 2), (7 * DAY, 14)])
def test_an_estimate_counts_for_two_of_its_windows(house: House, length: int, days: int) -> None:
    start = house.harbour.clock.now - length
    house.see(window(start, monitor="estimate", length=length), window(0, "tenure"), window(HOUR, "tenure"))
    house.harbour.clock.forward(days=days - 0.01)
    assert house.decide() == ["told"]


def test_an_estimate_of_long_ago_does_not(house: House) -> None:
    start = house.harbour.clock.now - 7 * DAY
    house.see(window(start, monitor="estimate", length=7 * DAY), window(0, "tenure"), window(HOUR, "tenure"))
    house.harbour.clock.forward(days=14.01)
    assert house.decide() == ["digest"]
