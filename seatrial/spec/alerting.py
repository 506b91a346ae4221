"""How an alert is asked for: so many of so many windows, a time of day; read from the file, shared by its grammar."""

import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

from seatrial.spec.errors import BadInput
from seatrial.spec.units import show

SUSTAINED_PATTERN = "[1-9][0-9]? of [1-9][0-9]?"
CLOCK_PATTERN = r"([01][0-9]|2[0-3]):[0-5][0-9]( [A-Za-z][A-Za-z0-9_+/-]{0,63})?"
_MOST_WINDOWS = 48


class Sustained(NamedTuple):
    """So many windows must alarm, of the last so many.

    Attributes:
        windows: How many must.
        of: Of how many, this one included.
    """

    windows: int
    of: int

    def __str__(self) -> str:
        return f"{self.windows} of {self.of}"


class ClockTime(NamedTuple):
    """A moment of every day.

    Attributes:
        minute: Of the day, 0 to 1439.
        zone: Whose clock.
    """

    minute: int
    zone: str = "UTC"


def parse_sustained(value: object) -> Sustained:
    """Reads ``2 of 3``.

    Raises:
        BadInput: It is no such words, more windows than there are, or more than 48.
    """
    if not isinstance(value, str) or not re.fullmatch(SUSTAINED_PATTERN, value):
        raise BadInput(f"{show(value)} does not say how many windows must alarm; write `2 of 3`")
    windows, of = map(int, value.split(" of "))
    if windows > of or of > _MOST_WINDOWS:
        raise BadInput(f"{show(value)} can never be; write at most so many windows as there are, and at most 48")
    return Sustained(windows, of)


def parse_clock(value: object) -> ClockTime:
    """Reads ``08:30`` or ``08:30 Europe/Paris``.

    Raises:
        BadInput: It is no time of day, or nobody knows the zone.
    """
    if not isinstance(value, str) or not re.fullmatch(CLOCK_PATTERN, value):
        raise BadInput(f"{show(value)} is no time of day; write `08:30` (UTC) or `08:30 Europe/Paris`, or `off`")
    hour, _, zone = value.partition(" ")
    try:
        ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(f"{show(value)} names the time zone {show(zone)}, which this machine does not know") from error
    return ClockTime(int(hour[:2]) * 60 + int(hour[3:]), zone or "UTC")
