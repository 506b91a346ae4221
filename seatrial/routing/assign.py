"""Sticky assignment: which arm of a split a unit belongs to, by weighted rendezvous hashing.

Every arm draws a number u in (0, 1) for the unit, by hashing; the arm with the highest −weight / ln(u) wins.
−ln(u) / weight is an exponential variable of rate ``weight``, and the smallest of independent exponentials is the i-th
with probability weight_i / Σ weight: shares are exact, for any non-negative weights. An arm's draw depends on nothing
but the salt, its own name and the unit, so a change of one weight moves units only from or to that arm.

What is hashed must be unambiguous (("ab", "c") is not ("a", "bc")): the salt and the variant go in with their lengths.

References:
    Wang, Ravishankar: Using name-based mappings to increase hit rates. IEEE/ACM Transactions on Networking 6 (1998).
    Schindelhauer, Schomaker: Weighted distributed hash tables. SPAA (2005).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import log

import numpy as np
import xxhash
from numpy.typing import NDArray

from seatrial.routing.snapshot import Arm, Entry

_SCALE = 2.0**-52
_NEAR = 1e-12
"""Relative difference of the two best below which the vectorised logarithm (its last bit differs from the scalar one's
between machines) is not trusted, and the scalar path decides."""

_hash: Callable[[bytes], int] = xxhash.xxh3_64_intdigest


def prefix(salt: str, variant: str) -> bytes:
    """What is hashed before the unit: salt and variant, each with its length in front."""
    salt_bytes, variant_bytes = salt.encode(), variant.encode()
    return b"".join(
        (
            len(salt_bytes).to_bytes(4, "little"),
            salt_bytes,
            len(variant_bytes).to_bytes(4, "little"),
            variant_bytes,
        )
    )


def draw(head: bytes, unit: bytes) -> float:
    """A number in the open interval (0, 1): the upper 52 bits of the 64-bit xxh3 of ``head + unit``, at mid-step."""
    return ((_hash(head + unit) >> 12) + 0.5) * _SCALE


class Split:
    """A set of weighted arms under one salt.

    Args:
        salt: Two splits with different salts are independent.
        arms: Variants and non-negative weights; at least one above zero. Their order does not matter.
    """

    __slots__ = ("_contenders", "_heads", "_names", "_scales")

    def __init__(self, salt: str, arms: Iterable[Arm]) -> None:
        live = sorted((arm for arm in arms if arm.weight > 0), key=lambda arm: arm.variant)
        self._names = tuple(arm.variant for arm in live)
        self._heads = tuple(prefix(salt, name) for name in self._names)
        self._scales = tuple(-1.0 / arm.weight for arm in live)
        self._contenders = tuple(zip(self._names, self._heads, self._scales, strict=True))

    def choose(self, unit: str) -> str:
        """The variant that ``unit`` belongs to."""
        if len(self._names) == 1:
            return self._names[0]
        data = unit.encode()
        best = float("inf")
        chosen = self._names[0]
        for name, head, scale in self._contenders:
            cost = log(((_hash(head + data) >> 12) + 0.5) * _SCALE) * scale
            if cost < best:
                best, chosen = cost, name
        return chosen

    def choose_many(self, units: Sequence[str]) -> NDArray[np.object_]:
        """The variants that ``units`` belong to, as an array of names; the same as ``choose`` one by one."""
        names = np.array(self._names, dtype=object)
        if len(names) == 1:
            return np.repeat(names, len(units))
        data = [unit.encode() for unit in units]
        costs = np.stack([self._costs(arm, data) for arm in range(len(names))])
        chosen: NDArray[np.object_] = names[np.argmin(costs, axis=0)]
        best, second = np.partition(costs, 1, axis=0)[:2]
        for index in np.flatnonzero(second - best <= _NEAR * second).tolist():
            chosen[index] = self.choose(units[index])
        return chosen

    def _costs(self, arm: int, data: Sequence[bytes]) -> NDArray[np.float64]:
        head = self._heads[arm]
        hashes = np.fromiter((_hash(head + unit) for unit in data), dtype=np.uint64, count=len(data))
        draws = ((hashes >> np.uint64(12)).astype(np.float64) + 0.5) * _SCALE
        costs: NDArray[np.float64] = np.log(draws) * self._scales[arm]
        return costs


@lru_cache(maxsize=256)
def _split(salt: str, arms: tuple[Arm, ...]) -> Split:
    return Split(salt, arms)


def assign(entry: Entry, unit: str) -> str:
    """The variant to which a routing entry assigns a unit.

    Args:
        entry: A ``to`` entry, or one with arms.
        unit: Who is randomised.
    """
    return entry.to if entry.to is not None else _split(entry.salt, entry.arms).choose(unit)


def assign_many(entry: Entry, units: Sequence[str]) -> NDArray[np.object_]:
    """The variants to which a routing entry assigns many units: an array of names [len(units)], equal to ``assign``."""
    if entry.to is not None:
        return np.repeat(np.array([entry.to], dtype=object), len(units))
    return _split(entry.salt, entry.arms).choose_many(units)
