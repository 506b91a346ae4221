"""Which pieces change when units are read again: those of units whose numbers are others now, and the last.

Pieces are made in order of first exposure, so that the older a piece is the less happens in it. A unit is looked for in
the pieces whose time its first exposure lies in, and in those that reach into the time that is read again, where a row
that came late may have moved it. There it is unchanged where its *mark* is, a 64-bit hash of its name and all its
numbers; that another unit of a piece has the same by chance is as likely as one in 10^14.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from seatrial.experiments.shelf import Change, Piece, Shelf

MARK = "mark"
"""The column of marks."""


def changes_of(shelf: Shelf, fresh: pa.Table, until: int, size: int, renamed: Collection[str] = ()) -> Iterator[Change]:
    """How the pieces of a shelf change by units that were read again.

    Args:
        shelf: Where the pieces are.
        fresh: The units' answers; each once.
        until: Up to when everything had been read, microseconds since 1970 UTC.
        size: Units of a piece.
        renamed: Units that may have been other people's, or may be no more: they are looked for in every piece, and
            leave it where they were not read again.
    """
    names = pa.array(sorted(renamed), pa.string())
    *earlier, last = shelf.pieces()
    for piece in earlier:
        if piece.units:
            found = _placed(shelf, piece, fresh, until, names)
            fresh = found.left
            if found.table is not None:
                yield Change(piece, found.table)
    found = _placed(shelf, last, fresh, until, names)
    if not found.left.num_rows:
        if found.table is not None:
            yield Change(last, found.table)
    elif last.units + found.left.num_rows <= size:
        table = shelf.read(last) if found.table is None else found.table
        yield Change(last, pa.concat_tables([table, found.left.cast(table.schema)]))
    else:
        if found.table is not None:
            yield Change(last, found.table)
        yield from (Change(None, table) for table in cut([found.left], size))


def cut(tables: Iterable[pa.Table], size: int) -> Iterator[pa.Table]:
    """The same rows in tables of so many, at least one table; the last may be shorter."""
    left: pa.Table | None = None
    for table in tables:
        left = table if left is None else pa.concat_tables([left, table.cast(left.schema)])
        while left.num_rows > size:
            yield left.slice(0, size)
            left = left.slice(size)
    if left is not None:
        yield left


class _Placed(NamedTuple):
    """A piece with its units' new numbers, None where none has any, and the units that may be in other pieces."""

    table: pa.Table | None
    left: pa.Table


def _placed(shelf: Shelf, piece: Piece, fresh: pa.Table, until: int, renamed: pa.Array) -> _Placed:
    near = np.ones(fresh.num_rows, dtype=np.bool_)
    if piece.last <= until:
        first_at = fresh["first_at"].to_numpy()
        near = (first_at >= piece.first) & (first_at <= piece.last)
    if len(renamed):
        near |= pc.is_in(fresh["unit"], value_set=renamed).to_numpy()
    elif not near.any():
        return _Placed(None, fresh)
    as_before = near & np.isin(fresh[MARK].to_numpy(), shelf.read(piece, [MARK])[MARK].to_numpy())
    left, near = fresh.filter(pa.array(~as_before)), near[~as_before]
    if not near.any() and not len(renamed):
        return _Placed(None, left)
    known = shelf.read(piece, ["unit"])["unit"].combine_chunks()
    mine = near & pc.is_in(left["unit"], value_set=known).to_numpy()
    same = fresh.filter(pa.array(as_before))["unit"].combine_chunks()
    gone = renamed.filter(pc.invert(pc.is_in(renamed, value_set=same)))
    if not mine.any() and not pc.any(pc.is_in(known, value_set=gone)).as_py():
        return _Placed(None, left)
    new = left.filter(pa.array(mine))
    table = shelf.read(piece)
    others = pa.concat_arrays([new["unit"].combine_chunks(), gone.cast(new["unit"].type)])
    kept = table.filter(pc.invert(pc.is_in(table["unit"], value_set=others)))
    return _Placed(pa.concat_tables([kept, new.cast(table.schema)]), left.filter(pa.array(~mine)))
