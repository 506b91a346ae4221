"""The hour of the day on somebody's clock: office hours stay the same hours when clocks change, and UTC's do not."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

BLOCK = 900
"""Seconds: clocks differ from UTC, and change, by whole quarters of an hour."""

SPAN = (-62_000_000_000, 250_000_000_000)
"""Seconds since 1970 between which a calendar has dates (years 5 to 9892); UTC is kept beyond."""


def hours(seconds: NDArray[np.float64], zone: str | None) -> list[str | None]:
    """``00`` to ``23``, None of NaN, by the clock of an IANA zone (None: UTC) of seconds since 1970 UTC; shape [n]."""
    if zone is None:
        return [None if np.isnan(s) else f"{int(s // 3600 % 24):02d}" for s in seconds]
    blocks = np.floor(np.nan_to_num(seconds) / BLOCK)
    distinct, place = np.unique(blocks, return_inverse=True)
    clock = ZoneInfo(zone)
    named = [f"{_hour(block * BLOCK, clock):02d}" for block in distinct.tolist()]
    return [None if np.isnan(s) else named[i] for s, i in zip(seconds, place.tolist(), strict=True)]


def _hour(second: float, clock: ZoneInfo) -> int:
    if not SPAN[0] < second < SPAN[1]:
        return int(second // 3600 % 24)
    return datetime.fromtimestamp(second, clock).hour
