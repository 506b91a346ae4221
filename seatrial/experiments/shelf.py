"""What is kept of a question's units between two judgements, wherever it is kept: pieces, and their sums."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec
import pyarrow as pa


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What had been read.

    Attributes:
        until: Microseconds since 1970 UTC up to which all was.
        rows: Rows that there were until then, of any kind.
        outcomes: Outcomes that there were until then, every revision.
    """

    until: int
    rows: int
    outcomes: int


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some units, each in one piece; what is in a piece of a name never changes.

    Attributes:
        name: Its own, for ever.
        units: How many.
        first, last: The first and the last of their first exposures, microseconds since 1970 UTC; 0 where none is.
    """

    name: str
    units: int
    first: int
    last: int


class Change(NamedTuple):
    """A piece that takes the place of another, or that is added."""

    instead_of: Piece | None
    table: pa.Table


class Shelf(Protocol):
    """Where the numbers of one question's units are kept. Pieces have the columns of the question's answer, and stay
    readable as they were when somebody else writes others."""

    def past(self) -> Past | None:
        """What is there; None: nothing, or nothing that can be read."""

    def pieces(self) -> tuple[Piece, ...]:
        """All pieces, at least one where there is anything; those made first first."""

    def read(self, piece: Piece, names: Sequence[str] | None = None) -> pa.Table:
        """Columns of a piece; None: all. A number that was NaN may be null."""

    def same(self, piece: Piece) -> Mapping[str, float]:
        """The value of columns of numbers that have one in every row of a piece, NaN where they have none in any."""

    def persons(self) -> pa.Table:
        """Who the units' other names are: columns ``alias`` and ``unit``."""

    def begin(self, past: Past, tables: Iterator[pa.Table], persons: pa.Table) -> None:
        """Keeps these pieces alone, at least one."""

    def change(self, past: Past, changes: Iterator[Change], persons: pa.Table | None = None) -> None:
        """Keeps what is there but for some changes."""

    def sums(self) -> bytes:
        """What was written of the pieces' sums; empty: nothing, or nothing that can be read."""

    def write_sums(self, sums: bytes) -> None:
        """Keeps the pieces' sums instead of others."""


class Shelves(Protocol):
    """The shelves of a deployment."""

    def shelf(self, key: str) -> AbstractContextManager[Shelf | None]:
        """The one of a question, for this reader alone; None: somebody else has it."""
