"""Do rows arrive at the rate at which they did in the same windows of earlier weeks, or at a written one?"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import ndtri

from seatrial.drift.severity import Severity

LEAST_BEFORE = 3
"""Earlier windows without which nothing is usual."""

RATIOS: tuple[float, float] = (2.0, 10.0)
"""So many times fewer or more rows than usual are moderate, and major."""


class Arrival(NamedTuple):
    """What a window says of the rate of arrival."""

    severity: Severity
    sentence: str


def against_bounds(rows: int, least: int | None, most: int | None) -> Arrival:
    """A window of ``rows`` against written bounds; far beyond them is major."""
    if least is not None and rows < least:
        return Arrival(
            "major" if rows * RATIOS[1] <= least else "moderate", f"{rows} rows arrived, at least {least} must"
        )
    if most is not None and rows > most:
        return Arrival("major" if rows >= most * RATIOS[1] else "moderate", f"{rows} rows arrived, at most {most} may")
    return Arrival("none", f"{rows} rows arrived")


def against_usual(rows: int, before: Sequence[int], alpha: float) -> Arrival | None:
    """A window of ``rows`` against the same windows of earlier weeks; None while there are too few of those.

    It must be beyond a ratio that matters, and beyond chance: square roots of counts, whose variance is a quarter
    whatever the rate, differ by more than a normal quantile at ``alpha`` allows, and it lies outside of all that was.
    """
    if len(before) < LEAST_BEFORE:
        return None
    usual = statistics.median(before)
    gap = abs(rows**0.5 - usual**0.5) / (0.25 + 0.25 / len(before)) ** 0.5
    if gap <= float(-ndtri(alpha / 2)) or min(before) <= rows <= max(before):
        return Arrival("none", f"{rows} rows arrived, {usual:g} are usual")
    ratio = max(rows, usual) / max(min(rows, usual), 1e-9)
    severity: Severity = "major" if ratio >= RATIOS[1] else "moderate" if ratio >= RATIOS[0] else "none"
    return Arrival(severity, f"{rows} rows arrived, {usual:g} are usual at this time of the week")
