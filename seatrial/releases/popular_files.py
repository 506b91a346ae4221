"""Files of popular items as JSON: written whole by control, read into memory by whoever answers with them.

    {"digest": xxh3 of the items, "items": [["name", score], …]}

A file is replaced in one step (temp, fsync, rename), so that a reader sees an old one or a new one; one that is damaged
all the same is told by its digest and not used.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import xxhash

from seatrial.releases.layout import named_file, write_whole
from seatrial.spec.errors import BadInput


class Scored(NamedTuple):
    """An item and its count or sum, which is above 0."""

    item: str
    score: float


class _Whole(msgspec.Struct):
    digest: str
    items: tuple[Scored, ...]


_decode = msgspec.json.Decoder(_Whole).decode


def popular_file(home: Path, name: str) -> Path:
    """Where a file of items lies; ``name`` is ``deployment/file``, as a snapshot says it. Raises BadInput."""
    return named_file(home, "popular", name)


def write_popular(path: Path, items: Sequence[Scored]) -> None:
    """Replace a file of items, the best first. Raises OSError."""
    write_whole(path, msgspec.json.encode(_Whole(_digest(items), tuple(items))))


def read_popular(path: Path) -> tuple[Scored, ...]:
    """What is in a file of items, the best first.

    Raises:
        BadInput: It is damaged, or no such file.
        OSError: It cannot be read.
    """
    try:
        found = _decode(path.read_bytes())
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is no file of popular items: {error}") from None
    if found.digest != _digest(found.items):
        raise BadInput(f"{path} is damaged: it is not what was written")
    return found.items


def _digest(items: Sequence[Scored]) -> str:
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode([[item, float(score)] for item, score in items]))
