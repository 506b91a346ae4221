"""What monitors remember between two readings: a cache, on which everything can be read again from the ledger.

A key says all that its value depends on, so a value is never wrong, only absent; a crash between writing it and moving
the watermark costs nothing, since the next reading asks for the same key. Losing a shelf costs time.
"""

import os
from collections.abc import Iterator, MutableMapping
from hashlib import sha256
from pathlib import Path

Shelf = MutableMapping[str, bytes]


def keyed(kind: str, *parts: object) -> str:
    """A key: what it is of, and all that it depends on."""
    digest = sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
    return f"{kind}-{digest}"


_MAGIC = b"\x01kept"
_DIGEST = 8


def _digest(value: bytes) -> bytes:
    return sha256(value).digest()[:_DIGEST]


def _whole(content: bytes) -> bytes | None:
    """The value in a file; None where it is not all there. One of before there were digests is taken as it is."""
    if content.startswith(_MAGIC):
        digest, value = content[len(_MAGIC) :][:_DIGEST], content[len(_MAGIC) + _DIGEST :]
        return value if digest == _digest(value) else None
    return content if content.strip(b"\0") and not content.startswith(b"\0") else None


def _flush(path: Path) -> None:
    """To the disk itself: what is kept for good must outlive the machine's stop."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


class DiskShelf(MutableMapping[str, bytes]):
    """A shelf in a directory, one file a key; at most ``most`` of them, the oldest are dropped (None: none is).

    A value is there as a whole or not at all: it is written beside and renamed, and carries its digest, since a machine
    that stops may leave a file that is named and empty. One that is not as it was written is absent.
    """

    def __init__(self, directory: Path, most: int | None = 20_000) -> None:
        self._directory = directory
        self._most = most
        self._written = 0

    def __getitem__(self, key: str) -> bytes:
        try:
            content = _whole(self._path(key).read_bytes())
        except FileNotFoundError:
            content = None
        if content is None:
            raise KeyError(key)
        return content

    def __setitem__(self, key: str, value: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._path(key)
        beside = path.with_suffix(".new")
        beside.write_bytes(_MAGIC + _digest(value) + value)
        if self._most is None:
            _flush(beside)
        beside.replace(path)
        self._written += 1
        if self._most is not None and self._written % 100 == 1:
            self._drop_oldest()

    def __delitem__(self, key: str) -> None:
        try:
            self._path(key).unlink()
        except FileNotFoundError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self._directory.glob("*.kept")))

    def __len__(self) -> int:
        return sum(1 for _ in self._directory.glob("*.kept"))

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.kept"

    def _drop_oldest(self) -> None:
        if self._most is None:
            return
        there = sorted(self._directory.glob("*.kept"), key=lambda path: path.stat().st_mtime)
        for path in there[: max(0, len(there) - self._most)]:
            path.unlink(missing_ok=True)
