"""When a release may climb: windows of the week in which it may, and freezes in which it may not.

Going back needs no calendar. Times of day are those of a zone, so that an office hour stays one when clocks change.
"""

import re
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from seatrial.spec.errors import BadInput
from seatrial.spec.units import show

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(DAYS)
WINDOW_PATTERN = rf"({_DAY})(-({_DAY}))? [0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]( [A-Za-z][A-Za-z0-9_+/-]{{0,63}})?"
FREEZE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}( to [0-9]{4}-[0-9]{2}-[0-9]{2})?"
WINDOW_FORMS = "write it like `mon-fri 09:00-16:00` or `mon-fri 09:00-16:00 Europe/Paris`"
FREEZE_FORMS = "write it like `2026-12-20 to 2027-01-03`, both days included, or one day alone"


class Window(NamedTuple):
    """Hours of some days of the week.

    Attributes:
        days: From 0, Monday.
        start, end: Minutes of the day; the end is not included, and 24:00 is 1440.
        zone: Whose clock.
        text: As the file says it.
    """

    days: tuple[int, ...]
    start: int
    end: int
    zone: str
    text: str


class Freeze(NamedTuple):
    """Days on which nothing climbs, both included, by the clock in UTC.

    Attributes:
        first, last: ISO dates.
        text: As the file says it.
    """

    first: str
    last: str
    text: str


class Calendar(NamedTuple):
    """No windows: any hour."""

    windows: tuple[Window, ...] = ()
    freeze: tuple[Freeze, ...] = ()


def parse_window(value: object) -> Window:
    """Reads ``mon-fri 09:00-16:00 Europe/Paris``.

    Raises:
        BadInput: It is no window, ends before it starts, or nobody knows the zone.
    """
    if not isinstance(value, str) or not re.fullmatch(WINDOW_PATTERN, value):
        raise BadInput(f"{show(value)} is not a window: {WINDOW_FORMS}")
    days, hours, *zone = value.split(" ")
    first, _, last = days.partition("-")
    start, end = (_minutes(hour, value) for hour in hours.split("-"))
    if start >= end:
        raise BadInput(f"{show(value)} ends before it starts; write two windows for a night")
    return Window(_days(first, last or first), start, end, _zone(zone[0] if zone else "UTC", value), value)


def parse_freeze(value: object) -> Freeze:
    """Reads ``2026-12-20 to 2027-01-03`` or one day.

    Raises:
        BadInput: It is no such days, or they are in the wrong order.
    """
    if not isinstance(value, str) or not re.fullmatch(FREEZE_PATTERN, value):
        raise BadInput(f"{show(value)} is not a freeze: {FREEZE_FORMS}")
    first, _, last = value.partition(" to ")
    for day in (first, last or first):
        try:
            date.fromisoformat(day)
        except ValueError as error:
            raise BadInput(f"{show(day)} is not a day of the calendar: {FREEZE_FORMS}") from error
    if last and last < first:
        raise BadInput(f"{show(value)} ends before it starts; turn the days round")
    return Freeze(first, last or first, value)


def closed(calendar: Calendar, now: int) -> str:
    """Why nothing may climb at ``now`` (microseconds since 1970 UTC), in words; "" when it may."""
    moment = datetime.fromtimestamp(now / 1e6, UTC)
    today = moment.date().isoformat()
    for freeze in calendar.freeze:
        if freeze.first <= today <= freeze.last:
            return f"the freeze {freeze.text}"
    if not calendar.windows or any(_inside(window, moment) for window in calendar.windows):
        return ""
    return f"outside {', '.join(window.text for window in calendar.windows)}"


def _inside(window: Window, moment: datetime) -> bool:
    local = moment.astimezone(ZoneInfo(window.zone))
    return local.weekday() in window.days and window.start <= local.hour * 60 + local.minute < window.end


def _days(first: str, last: str) -> tuple[int, ...]:
    start, end = DAYS.index(first), DAYS.index(last)
    return tuple((start + i) % 7 for i in range((end - start) % 7 + 1))


def _minutes(hour: str, whole: str) -> int:
    minutes = int(hour[:2]) * 60 + int(hour[3:])
    if minutes > 1440:
        raise BadInput(f"{show(whole)} has an hour after 24:00; {WINDOW_FORMS}")
    return minutes


def is_zone(name: str) -> bool:
    """Whether the machine knows a zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _zone(name: str, whole: str) -> str:
    if not is_zone(name):
        raise BadInput(f"{show(whole)} names the time zone {show(name)}, which this machine does not know")
    return name
