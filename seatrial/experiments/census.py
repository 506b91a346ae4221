"""Who arrived, counted: units by phase, variant and minute of their first exposure, before any exclusion.

What the checks of arrivals look at (sample ratio, gaps, both arms) are counts, so parts of the units add up.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.units import Units

MINUTE = 60_000_000
"""Microseconds; every interval that arrivals are looked at in is so many minutes."""


class Arrivals(msgspec.Struct, frozen=True):
    """Units of one phase and variant by the minute, counted from 1970 UTC, of their first exposure.

    Attributes:
        minute: Ascending, each once.
        n: How many came then, as many numbers.
    """

    minute: tuple[int, ...]
    n: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.n)


class Census(msgspec.Struct, frozen=True):
    """Units of a release.

    Attributes:
        arrivals: By phase and variant, those that have any; in order.
        in_both_arms: Times that a name met two variants within one phase: there must be none.
    """

    arrivals: dict[int, dict[str, Arrivals]]
    in_both_arms: int = 0

    @property
    def n(self) -> int:
        """All units."""
        return sum(one.total for phase in self.arrivals.values() for one in phase.values())

    def fresh(self) -> dict[int, dict[str, int]]:
        """Units by phase and variant: what the sample-ratio check looks at."""
        return {number: {name: one.total for name, one in phase.items()} for number, phase in self.arrivals.items()}

    def of(self, variant: str) -> int:
        """Units of a variant, of any phase."""
        return sum(phase[variant].total for phase in self.arrivals.values() if variant in phase)


def take_census(units: Units) -> Census:
    """Counts units."""
    minute = units.first_at // MINUTE
    arrivals: dict[int, dict[str, Arrivals]] = {}
    for number in np.flatnonzero(np.bincount(units.phase)).tolist():
        here = units.phase == number
        found = {variant: _arrivals(minute[here & units.of(variant)]) for variant in units.variants}
        arrivals[number] = {variant: one for variant, one in found.items() if one.n}
    return Census(arrivals, units.in_both_arms)


def together(parts: Iterable[Census]) -> Census:
    """All units of several parts, of which no unit is in two."""
    found: dict[int, dict[str, list[Arrivals]]] = {}
    in_both_arms = 0
    for part in parts:
        in_both_arms += part.in_both_arms
        for number, phase in part.arrivals.items():
            for variant, one in phase.items():
                found.setdefault(number, {}).setdefault(variant, []).append(one)
    arrivals = {
        number: {variant: _added(ones) for variant, ones in sorted(phase.items())}
        for number, phase in sorted(found.items())
    }
    return Census(arrivals, in_both_arms)


class Cells(NamedTuple):
    """Units by interval, an entry an interval that any of a phase's units came in, ascending.

    Attributes:
        place: The interval's number, counted from 1970 UTC.
        n: Units of the variants asked of, by variant.
    """

    place: NDArray[np.int64]
    n: tuple[NDArray[np.int64], ...]


def by_interval(phase: Mapping[str, Arrivals], variants: Iterable[str], minutes: int) -> Cells:
    """A phase's arrivals in intervals of so many minutes."""
    every = [np.array(one.minute, dtype=np.int64) // minutes for one in phase.values()]
    place = np.unique(np.concatenate(every)) if every else np.empty(0, dtype=np.int64)
    return Cells(place, tuple(_in(phase.get(variant), place, minutes) for variant in variants))


def _in(one: Arrivals | None, place: NDArray[np.int64], minutes: int) -> NDArray[np.int64]:
    found = np.zeros(len(place), dtype=np.int64)
    if one is not None:
        np.add.at(found, np.searchsorted(place, np.array(one.minute, dtype=np.int64) // minutes), one.n)
    return found


def _arrivals(minute: NDArray[np.int64]) -> Arrivals:
    found, n = np.unique(minute, return_counts=True)
    return Arrivals(tuple(found.tolist()), tuple(n.tolist()))


def _added(parts: list[Arrivals]) -> Arrivals:
    minutes = np.array([minute for part in parts for minute in part.minute], dtype=np.int64)
    found, where = np.unique(minutes, return_inverse=True)
    n = np.zeros(len(found), dtype=np.int64)
    np.add.at(n, where, np.array([n for part in parts for n in part.n], dtype=np.int64))
    return Arrivals(tuple(found.tolist()), tuple(n.tolist()))
