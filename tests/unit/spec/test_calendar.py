"""When a release may climb: hours of a zone's clock, days of the calendar."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.spec.calendar import Calendar, closed, parse_freeze, parse_window


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


OFFICE = Calendar(windows=(parse_window("mon-fri 09:00-16:00"),))


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T09:00", True),
        ("2026-11-23T08:59", False),
        ("2026-11-23T15:59", True),
        ("2026-11-23T16:00", False),
        ("2026-11-27T12:00", True),
        ("2026-11-28T12:00", False),
    ],
)
def test_hours_of_days_of_the_week(moment: str, is_open: bool) -> None:
    assert (closed(OFFICE, at(moment)) == "") == is_open


def test_an_office_hour_stays_one_when_clocks_change() -> None:
    paris = Calendar(windows=(parse_window("mon-sun 09:00-10:00 Europe/Paris"),))
    assert closed(paris, at("2026-07-01T07:30")) == ""
    assert closed(paris, at("2026-12-01T08:30")) == ""
    assert closed(paris, at("2026-12-01T07:30")) == "outside mon-sun 09:00-10:00 Europe/Paris"


def test_days_go_round_the_week() -> None:
    assert parse_window("fri-mon 00:00-24:00").days == (4, 5, 6, 0)
    assert parse_window("wed 09:00-10:00").days == (2,)


def test_a_freeze_has_both_its_days_and_stands_before_every_window() -> None:
    both = Calendar(windows=OFFICE.windows, freeze=(parse_freeze("2026-12-21 to 2026-12-24"),))
    for day, is_open in ((18, True), (21, False), (24, False), (25, True)):
        assert (closed(both, at(f"2026-12-{day}T12:00")) == "") == is_open
    assert closed(both, at("2026-12-22T12:00")) == "the freeze 2026-12-21 to 2026-12-24"
    assert closed(Calendar(freeze=(parse_freeze("2026-12-21"),)), at("2026-12-21T00:00")) == "the freeze 2026-12-21"


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))
def test_a_week_of_windows_is_open_as_long_as_they_say(start: datetime) -> None:
    """Oracle: counting the half hours of a week."""
    moments = [start + timedelta(minutes=30 * i) for i in range(7 * 48)]
    is_open = [closed(OFFICE, at(moment.isoformat())) == "" for moment in moments]
    assert sum(is_open) == 5 * 7 * 2
    assert closed(Calendar(), at(start.isoformat())) == ""
