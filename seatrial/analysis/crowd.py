"""Who is in the files, before any exclusion."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from seatrial.analysis.ends import Ends
from seatrial.analysis.joining import Joined
from seatrial.analysis.repeats import Repeats


class Crowd(NamedTuple):
    """All units of the files, or all clusters where those are what is drawn.

    Attributes:
        units: By variant, before any exclusion.
        both: How many met several variants.
        one: One of them.
        until: Until when they tell what happened; None without times.
        what: ``unit`` or ``cluster``.
        joined: Whose the outcomes are, by outcome; empty without a file of them.
        repeats: Which of them stand twice.
        ends: Where the two files end; None unless windows depend on it.
    """

    units: dict[str, int]
    both: int
    one: str
    until: str | None
    what: str = "unit"
    joined: Mapping[str, Joined] = MappingProxyType({})
    repeats: Repeats = Repeats()
    ends: Ends | None = None
