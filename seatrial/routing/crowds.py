"""Units that a routing entry takes by what no rule can see: a list of units, or their history; pure.

A crowd is a set of 64-bit hashes of units in a file that control writes and a snapshot names. Who reads the file gives
the router a function for it.
"""

from collections.abc import Callable, Mapping

import xxhash

from seatrial.routing.snapshot import Crowd

Asks = Callable[[str], bool | None]
"""Whether a unit is in a crowd; None: nobody knows, because its file is missing or damaged."""

Crowds = Mapping[str, Asks]
"""By the file's name in the snapshot."""

NO_CROWDS: Crowds = {}

_SEED = 0x5EA7  # so that who is in a crowd says nothing about the arm of a split that hashes the same unit


def hash_unit(unit: str) -> int:
    """What a crowd's file holds of a unit: 64-bit xxh3. Of n units in it, a stranger passes for one with n / 2^64."""
    return xxhash.xxh3_64_intdigest(unit.encode("utf-8", "surrogatepass"), _SEED)


def taker(crowd: Crowd | None, crowds: Crowds) -> Asks | None:
    """Whether an entry takes a unit: with ``inside`` those of the crowd, else all others; None: it takes everybody."""
    if crowd is None:
        return None
    holds = crowds.get(crowd.file, _unknown)
    return holds if crowd.inside else lambda unit: None if (known := holds(unit)) is None else not known


def _unknown(_unit: str) -> None:
    return None
