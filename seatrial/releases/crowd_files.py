"""Files of units as sorted 64-bit hashes: written whole by control, mapped into memory by whoever decides.

    8 bytes ``SEACROWD`` | number of hashes | xxh3 of them | the hashes, ascending

Every number is a little-endian unsigned 64-bit integer. A file is replaced in one step (temp, fsync, rename), so that a
reader sees an old one or a new one; one that is damaged all the same is told by its digest and not used.
"""

import mmap
import os
import struct
import sys
from bisect import bisect_left
from math import isqrt
from pathlib import Path

import xxhash

from seatrial.releases.followed import Followed
from seatrial.releases.layout import named_file, write_whole
from seatrial.routing.crowds import Asks, hash_unit
from seatrial.routing.snapshot import Snapshot
from seatrial.spec.errors import BadInput

_MAGIC = b"SEACROWD"
_HEAD = struct.Struct("<8sQQ")
_NEAR = 4
"""Hashes are even over their range: one lies within so many √n places of where it should, but for 1 in 10^15 or so."""


def crowd_file(home: Path, name: str) -> Path:
    """Where the file of a crowd lies; ``name`` is ``deployment/file``, as a snapshot says it. Raises BadInput."""
    return named_file(home, "crowds", name)


def write_crowd(path: Path, body: bytes) -> None:
    """Replace a crowd's file by these hashes: ascending, each once, 8 bytes each. Raises OSError."""
    write_whole(path, _HEAD.pack(_MAGIC, len(body) // 8, xxhash.xxh3_64_intdigest(body)) + body)


class Crowd:
    """The units of a file, as it was when it was opened. Memory is the page cache's, shared by all workers.

    Args:
        path: The file.

    Raises:
        BadInput: It is damaged, or no such file.
        OSError: It cannot be read.
    """

    __slots__ = ("_hashes", "_map", "_near", "_size")

    def __init__(self, path: Path) -> None:
        if sys.byteorder != "little":
            raise BadInput("units of a file need a machine of little-endian numbers")
        with open(path, "rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""
        data = memoryview(self._map)
        if len(data) < _HEAD.size or data[:8] != _MAGIC:
            raise BadInput(f"{path} is no file of units")
        size, digest = _HEAD.unpack(data[: _HEAD.size])[1:]
        self._size: int = size
        body = data[_HEAD.size :]
        if len(body) != 8 * self._size or xxhash.xxh3_64_intdigest(body) != digest:
            raise BadInput(f"{path} is damaged: it is not what was written")
        self._hashes = body.cast("Q")
        self._near = _NEAR * isqrt(self._size) + 1

    def __len__(self) -> int:
        return self._size

    def holds(self, unit: str) -> bool:
        """Whether a unit is in it."""
        return self.holds_hash(hash_unit(unit))

    def holds_hash(self, wanted: int) -> bool:
        """Whether a hash is in it: looked for around where it should lie, and everywhere when it lies beyond."""
        hashes, size, near = self._hashes, self._size, self._near
        guess = (wanted * size) >> 64
        low = guess - near if guess > near else 0
        high = guess + near if guess + near < size else size
        place = bisect_left(hashes, wanted, low, high)
        if (place == low and low) or (place == high and high < size):
            place = bisect_left(hashes, wanted)
        return place < size and hashes[place] == wanted

    @property
    def body(self) -> memoryview:
        """All hashes, ascending, 8 bytes each."""
        return self._hashes


class CrowdFiles:
    """The crowds of one snapshot; ``look`` is called now and then, by a thread that may wait for a disk."""

    __slots__ = ("_followed",)

    def __init__(self, home: Path, snapshot: Snapshot) -> None:
        names = {entry.crowd.file for entry in snapshot.entries if entry.crowd is not None}
        self._followed = {name: _follow(home, name) for name in sorted(names)}

    def look(self) -> None:
        """Take what has been replaced since."""
        for followed in self._followed.values():
            followed.look()

    @property
    def asks(self) -> dict[str, Asks]:
        """For the router."""
        return {name: _asks(followed) for name, followed in self._followed.items()}


def _follow(home: Path, name: str) -> Followed[Crowd]:
    return Followed(crowd_file(home, name), Crowd, "the units of a routing entry", "its entry takes nobody")


def _asks(followed: Followed[Crowd]) -> Asks:
    def holds(unit: str) -> bool | None:
        crowd = followed.now
        return None if crowd is None else crowd.holds(unit)

    return holds
