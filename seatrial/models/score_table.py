"""Answers that were computed beforehand, by key: one LMDB file a table, and a pointer file that names the current one.

    scores/tables/<name>.lmdb     a whole table; never changed once it stands there, so readers need no locks
    scores/current                the name of the table to serve; replaced in one step

A table holds one database a model version (``churn:7``), and says about itself what made it. What is kept of an answer
is its row of every output tensor, so that a looked-up answer goes on exactly as a computed one.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.protocol.packing import DTYPES
from seatrial.spec.errors import SeatrialError
from seatrial.spec.signature import Signature

ABOUT = b"\0about"
POINTER = "current"
TABLES = "tables"
MAX_VERSIONS = 64
LONGEST_KEY = 500
"""Bytes; LMDB takes 511."""

_STAMP = 8
_HASHED = b"\xff"
"""No UTF-8 begins so."""


class Held(msgspec.Struct, frozen=True):
    """A version's part of a table.

    Attributes:
        digest: Of the version's files, as in its slot.
        rows: How many keys have an answer.
    """

    digest: str
    rows: int


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a table says about itself.

    Attributes:
        key: Column of the input that held the keys.
        started_at: When the run began that computed it, microseconds since 1970 UTC: its answers know nothing later.
        versions: By ``name:version``.
    """

    deployment: str
    key: str
    started_at: int
    versions: dict[str, Held]


def table_file(scores: Path, name: str) -> Path:
    """Where a table lies below a directory of scores."""
    return scores / TABLES / f"{name}.lmdb"


def current_table(scores: Path) -> str | None:
    """The name of the table to serve; None when there is none."""
    try:
        return (scores / POINTER).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def key_bytes(key: str) -> bytes:
    """A key as the table has it; a long one by its digest."""
    raw = key.encode("utf-8", "surrogatepass")
    return raw if len(raw) <= LONGEST_KEY else _HASHED + hashlib.sha256(raw).digest()


def packed(outputs: Mapping[str, NDArray[Any]], signature: Signature, first_row: Sequence[int]) -> list[bytes]:
    """What is kept of the answers to n rows.

    Args:
        outputs: The version's output tensors, n on the first axis.
        first_row: Position in the input of each; it is kept, to tell a repeated key from a repeated run.
    """
    columns = [outputs[tensor.name].tolist() for tensor in signature.outputs]
    encode = _encoder.encode
    return [
        row.to_bytes(_STAMP, "little") + encode(values)
        for row, values in zip(first_row, zip(*columns, strict=True), strict=True)
    ]


def row_of(kept: bytes) -> int:
    """Position in the input of the row that was kept."""
    return int.from_bytes(kept[:_STAMP], "little")


def unpacked(kept: Sequence[bytes], signature: Signature) -> dict[str, NDArray[Any]]:
    """Output tensors of what was kept of n rows."""
    decode = _decoder.decode
    rows = [decode(memoryview(one)[_STAMP:]) for one in kept]
    return {
        tensor.name: np.array([row[place] for row in rows], dtype=DTYPES[tensor.datatype])
        for place, tensor in enumerate(signature.outputs)
    }


class ScoreTable:
    """One table, open for reading by any number of threads; never changes. Make it with `open_table`."""

    def __init__(self, file: Path) -> None:
        self.name = file.stem
        # The file never changes, so it is read without locks; a lock file would need a directory that we may write to.
        self._env = lmdb.open(
            str(file), subdir=False, readonly=True, lock=False, readahead=False, max_dbs=MAX_VERSIONS, max_spare_txns=8
        )
        with self._env.begin() as transaction:
            content = transaction.get(ABOUT)
        if content is None:
            raise SeatrialError(f"{file} is no table of scores; write one with `seatrial batch`")
        self.about = msgspec.json.decode(content, type=About)
        self._databases = {
            version: self._env.open_db(version.encode(), create=False) for version in self.about.versions
        }

    def get(self, version: str, keys: Sequence[bytes]) -> list[bytes | None]:
        """What is kept for each key; None where nothing is. Raises KeyError for a version that is not in the table."""
        with self._env.begin(self._databases[version]) as transaction:
            get = transaction.get
            return [get(key) for key in keys]

    def items(self, version: str) -> Iterator[tuple[bytes, bytes]]:
        """Every key of a version and what is kept for it, in the order of the keys."""
        with self._env.begin(self._databases[version]) as transaction:
            yield from transaction.cursor()


_encoder = msgspec.msgpack.Encoder(enc_hook=lambda value: value.item())
_decoder = msgspec.msgpack.Decoder()
_tables: "WeakValueDictionary[Path, ScoreTable]" = WeakValueDictionary()
_opening = threading.Lock()


def open_table(file: Path) -> ScoreTable:
    """The table in a file. LMDB forbids a process to open a file twice, so those who want the same one share it.

    Raises:
        SeatrialError: It is not there, or no table.
    """
    path = file.resolve()
    with _opening:
        found = _tables.get(path)
        if found is None:
            with _told(path):
                found = _tables[path] = ScoreTable(path)
        return found


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except (lmdb.Error, OSError, msgspec.DecodeError) as error:
        raise SeatrialError(
            f"{file} cannot be read as a table of scores ({error}); run `seatrial batch` again"
        ) from error
