"""Pieces of a shelf as units and columns of numbers, as if they had just been read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seatrial.experiments.answers import Answers
from seatrial.experiments.measure import COLUMNS, Column, Measure
from seatrial.experiments.shelf import Piece, Shelf
from seatrial.experiments.unfolding import PARTS, Around

_ALL = "_all"
"""How columns end in which what came late is counted too; they are null where nothing did."""


class Rows(Protocol):
    """Units, of whom columns are asked for by name."""

    def __getitem__(self, name: str, /) -> pa.ChunkedArray:
        """A column."""

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers; NaN where there is none."""


class OnePiece:
    """The units of one piece, as they lie there; what is wanted is read at once.

    Args:
        shelf: Where it is.
        piece: Which.
        names: Columns that will be asked for.
    """

    def __init__(self, shelf: Shelf, piece: Piece, names: Sequence[str]) -> None:
        self._n = piece.units
        self._same = shelf.same(piece)
        self._table = shelf.read(piece, [name for name in names if name not in self._same])
        self._whole = (shelf, piece)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name in self._table.column_names:
            return self._table[name]
        shelf, piece = self._whole
        return shelf.read(piece, [name])[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        if name in self._same:
            return np.broadcast_to(np.float64(self._same[name]), self._n)
        found: NDArray[np.float64] = self[name].cast(pa.float64()).to_numpy()
        return found


class AllPieces:
    """All units of a shelf in order of exposure; a column is read when it is asked for."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._pieces = shelf.pieces()
        self._same = [shelf.same(piece) for piece in self._pieces]
        self._where = _in_order(self._read("unit"), self._read("first_at").to_numpy())

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self._read(name).take(pa.array(self._where))

    def numbers(self, name: str) -> NDArray[np.float64]:
        value = _one_value([same.get(name) for same in self._same])
        if value is not None:
            return np.broadcast_to(np.float64(value), len(self._where))
        found: NDArray[np.float64] = self._read(name).cast(pa.float64()).to_numpy()[self._where]
        return found

    def _read(self, name: str) -> pa.ChunkedArray:
        found = [self._shelf.read(piece, [name])[name] for piece in self._pieces]
        kind = found[0].type
        return pa.chunked_array([chunk.cast(kind) for column in found for chunk in column.chunks], kind)


@dataclass(frozen=True, eq=False)
class Columns(Mapping[str, Column]):
    """The columns of measures by name. Each is read when it is asked for, and kept by nobody here."""

    rows: Rows
    measures: Sequence[Measure]
    covariates: Sequence[str]

    def __getitem__(self, name: str) -> Column:
        for index, measure in enumerate(self.measures):
            if measure.name == name:
                return self._column(f"m{index}_", measure)
        raise KeyError(name)

    def _column(self, prefix: str, measure: Measure) -> Column:
        found = {name: self.rows.numbers(f"{prefix}{name}") for name in COLUMNS if not name.endswith(_ALL)}
        for name in ("x", "y"):
            late = self.rows.numbers(f"{prefix}{name}{_ALL}")
            none = late.strides == (0,) and len(late) and np.isnan(late[0])
            found[f"{name}{_ALL}"] = found[name] if none else np.where(np.isnan(late), found[name], late)
        z = [self.rows.numbers(f"z{self.covariates.index(name)}") for name in measure.covariates]
        around = (self.rows.numbers(f"{prefix}{part}") for part in PARTS)
        return Column(
            **found,
            z=np.column_stack(z) if z else None,
            answers=Answers.from_lists(self.rows[f"{prefix}answers"]) if measure.listed else None,
            around=Around(*around) if measure.unfolds else None,
        )

    def __iter__(self) -> Iterator[str]:
        return (measure.name for measure in self.measures)

    def __len__(self) -> int:
        return len(self.measures)


def _one_value(values: Sequence[float | None]) -> float | None:
    """The one that all are, NaN among them; None where they differ or one is not known."""
    first = values[0]
    if first is None or any(value is None for value in values):
        return None
    return first if np.array_equal(np.array(values), np.full(len(values), first), equal_nan=True) else None


def _in_order(unit: pa.ChunkedArray, first_at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions by exposure, units that came at the same moment by name."""
    order = np.argsort(first_at, kind="stable")
    times = first_at[order]
    same = np.flatnonzero(times[1:] == times[:-1])
    if not same.size:
        return order
    begins = same[np.concatenate([[True], np.diff(same) > 1])]
    ends = same[np.concatenate([np.diff(same) > 1, [True]])] + 2
    members = np.concatenate([np.arange(a, b) for a, b in zip(begins, ends, strict=True)])
    names = np.array(unit.take(pa.array(order[members])).to_pylist(), dtype=object)
    ranked = sorted(range(len(members)), key=lambda i: (times[members[i]], names[i]))
    order[members] = order[members[ranked]]
    return order
