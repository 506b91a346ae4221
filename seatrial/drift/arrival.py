"""Do rows arrive at the rate at which they did in the same windows of earlier weeks, or at a written one?"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from scipy.special import ndtri, stdtrit

from seatrial.drift.severity import Severity

LEAST_BEFORE = 3
"""Earlier windows without which nothing is usual."""

LEAST_EXPECTED = 10.0
"""Independent arrivals (rows over their dispersion) that are taken to be usual at least."""

MEDIAN = math.pi / 2
"""The variance of a median over that of a mean."""

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


class Dispersion(NamedTuple):
    """How much more counts vary than independent rows would.

    Attributes:
        times: Their variance over their mean; 1 of independent rows.
        freedom: Degrees of freedom that it was estimated with; infinite where it is known.
    """

    times: float = 1.0
    freedom: float = math.inf


def dispersion(slots: Sequence[Sequence[int]], by_unit: float = 1.0) -> Dispersion:
    """How much earlier windows vary, from one week to the next.

    Rows of a unit come together: of a visitor who asks twelve times, the twelve rows are one event. That is known from
    the rows of each unit; that weeks differ, only from the weeks. The larger of both counts, and never less than 1.

    Args:
        slots: Rows of the same window of the week in each earlier week, a slot an inner sequence.
        by_unit: The rows of a row's unit in its window, on average over rows (Σ r² / Σ r); 1 where units are unknown.

    References:
        P. McCullagh and J. A. Nelder, Generalized Linear Models, 1989, 4.5 (Pearson's estimate of the dispersion).
    """
    total, freedom = 0.0, 0
    for counts in slots:
        mean = sum(counts) / max(len(counts), 1)
        if mean > 0 and len(counts) > 1:
            total += sum((count - mean) ** 2 for count in counts) / mean
            freedom += len(counts) - 1
    return Dispersion(max(1.0, by_unit, total / freedom if freedom else 1.0), float(freedom) if freedom else math.inf)


def against_usual(rows: int, before: Sequence[int], alpha: float, spread: Dispersion = Dispersion()) -> Arrival | None:
    """A window of ``rows`` against the same windows of earlier weeks; None while there are too few of those.

    It must be beyond a ratio that matters, and beyond chance: square roots of independent arrivals, whose variance
    is a quarter whatever the rate, differ by more than a t quantile at ``alpha`` allows, and it lies outside of all
    that was. Where fewer than ``LEAST_EXPECTED`` independent arrivals are usual, as many are taken to be, since a
    visitor in an hour that is usually empty is no news, and an empty hour is none where few come.
    """
    if len(before) < LEAST_BEFORE:
        return None
    usual = statistics.median(before)
    least = LEAST_EXPECTED * spread.times
    held = max(usual, least) if rows > usual else usual
    gap = 2 * abs(_root(rows, spread) - _root(held, spread)) / (1 + MEDIAN / len(before)) ** 0.5
    by_chance = usual < least and rows <= least
    if by_chance or gap <= _quantile(alpha, spread.freedom) or min(before) <= rows <= max(before):
        return Arrival("none", f"{rows} rows arrived, {usual:g} are usual")
    ratio = max(rows, held) / max(min(rows, held), 1e-9)
    severity: Severity = "major" if ratio >= RATIOS[1] else "moderate" if ratio >= RATIOS[0] else "none"
    return Arrival(severity, f"{rows} rows arrived, {usual:g} are usual at this time of the week")


def _root(rows: float, spread: Dispersion) -> float:
    """Of independent arrivals, by Anscombe (The transformation of Poisson data, Biometrika 35, 1948)."""
    return math.sqrt(rows / spread.times + 0.375)


def _quantile(alpha: float, freedom: float) -> float:
    """Two-sided."""
    return float(-ndtri(alpha / 2)) if math.isinf(freedom) else float(-stdtrit(freedom, alpha / 2))
