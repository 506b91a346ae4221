"""The summary of a day: one line a deployment, at the time of day that was asked for."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.releases.records import Alert
from seatrial.spec.alerting import ClockTime
from seatrial.watch.digest import Standing, last_due, line_of, told_digest

SECOND = 1_000_000
DAY = 86_400 * SECOND


def alert(event: str) -> Alert:
    return Alert(deployment="churn", at=1, event=event, key=event, severity="warning", sentence="S.", fate="digest")


def test_a_line_says_verdict_days_left_drift_and_changes() -> None:
    standing = Standing(
        deployment="churn",
        command="churn:6",
        challenger="churn:7",
        verdict="wait",
        seconds_left=3.25 * 86400,
        drift="moderate",
        changes=("apply", "promote", "apply"),
        alerts=(alert("data.moderate"),),
    )
    assert line_of(standing) == (
        "churn: churn:6 in command; release of churn:7: wait, 3.2 days left at most; drift moderate; "
        "changes: apply × 2, promote; alerts: data.moderate (digest)"
    )


def test_a_deployment_at_rest_is_one_quiet_line() -> None:
    assert line_of(Standing("churn", "churn:6", drift="none")) == (
        "churn: churn:6 in command; no release; drift none; no changes"
    )
    assert "drift not measured" in line_of(Standing("churn", ""))


def test_deployments_with_alerts_come_first() -> None:
    told = told_digest([Standing("a", "a:1"), Standing("b", "b:1", alerts=(alert("quality"),))])
    assert told.title == "Summary of the day: 2 deployments, 1 alert"
    assert [line.split(":")[0] for line in told.text.splitlines()[:2]] == ["b", "a"]


ZONES = st.sampled_from(["UTC", "Europe/Paris", "America/St_Johns", "Asia/Kathmandu"])


@given(st.integers(1_600_000_000, 1_800_000_000), st.integers(0, 1439), ZONES)
def test_the_last_due_moment_is_less_than_a_day_and_an_hour_back_and_shows_the_time(
    now: int, minute: int, zone: str
) -> None:
    due = last_due(ClockTime(minute, zone), now * SECOND)
    assert 0 <= now * SECOND - due < DAY + 3600 * SECOND
    shown = datetime.fromtimestamp(due / SECOND, UTC).astimezone(ZoneInfo(zone))
    minutes = shown.hour * 60 + shown.minute
    assert minutes == minute or (minutes - minute) % 1440 == 60  # the hour that clocks skip in spring


@given(st.integers(1_600_000_000, 1_800_000_000), st.integers(0, 1439), ZONES)
def test_due_moments_never_go_back_as_time_goes_on(now: int, minute: int, zone: str) -> None:
    at = ClockTime(minute, zone)
    steps = [last_due(at, (now + hours * 3600) * SECOND) for hours in range(60)]
    assert steps == sorted(steps)
    assert len(set(steps)) in (3, 4)


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_a_summary_is_due_once_a_day_when_clocks_change(day: datetime) -> None:
    at = ClockTime(150, "Europe/Paris")
    moments = {last_due(at, round((day + timedelta(minutes=m)).timestamp()) * SECOND) for m in range(2, 48 * 60, 7)}
    assert len(moments) == 3
