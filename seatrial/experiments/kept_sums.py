"""The sums of a shelf's pieces: those of before where nothing has changed, and the others taken anew.

A piece's sums of a metric hold until a unit of it changes, which makes it another piece, or matures. They are kept for
one release as it stands: its phases, its arms, its end, and how each metric is measured.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from seatrial.experiments.census import Census, take_census, together
from seatrial.experiments.kept_units import Columns, OnePiece
from seatrial.experiments.measure import COLUMNS, Measure
from seatrial.experiments.question import longest_of
from seatrial.experiments.shelf import Piece, Shelf
from seatrial.experiments.sums import Summing, Sums, merged
from seatrial.experiments.unfolding import PARTS
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun

_UNITS = ("unit", "variant", "phase", "first_at", "met")


class _Summed(msgspec.Struct, frozen=True):
    """A piece's census, and sums by metric, as of a moment (microseconds since 1970 UTC)."""

    at: int
    census: Census
    sums: dict[str, Sums]


class _Book(msgspec.Struct, frozen=True):
    key: str
    pieces: dict[str, _Summed]


class Totals(NamedTuple):
    """All units of a release, counted, and the sums of metrics by name."""

    census: Census
    sums: Mapping[str, Sums]


class Asked(NamedTuple):
    """What sums are of.

    Attributes:
        run: The release.
        measures: In the order in which the pieces have their columns.
        covariates: Likewise.
        summed: Names of those whose sums are wanted.
        now: Microseconds since 1970 UTC.
        drawn_as: The column of the names by which units were drawn.
    """

    run: ReleaseRun
    measures: Sequence[Measure]
    covariates: Sequence[str]
    summed: frozenset[str]
    now: int
    drawn_as: str = "unit"

    @property
    def key(self) -> str:
        """The same as long as sums that were taken are still those of the same question."""
        run = self.run
        which = (run.id, run.entry, run.salt, run.champion, run.challenger, run.phases, run.ended_at)
        return hashlib.sha256(repr((1, which, self.measures)).encode()).hexdigest()


def totals_of(shelf: Shelf, asked: Asked) -> Totals:
    """Of all pieces; what had to be taken anew is kept."""
    book = _book(shelf, asked.key)
    pieces = {piece.name: _brought(shelf, piece, book.pieces.get(piece.name), asked) for piece in shelf.pieces()}
    if any(pieces[name] is not book.pieces.get(name) for name in pieces):
        shelf.write_sums(msgspec.msgpack.encode(_Book(asked.key, pieces)))
    parts = list(pieces.values())
    return Totals(
        together(part.census for part in parts),
        {name: merged([part.sums[name] for part in parts]) for name in sorted(asked.summed)},
    )


def _book(shelf: Shelf, key: str) -> _Book:
    """What is kept; nothing where it is of another question, or cannot be read."""
    try:
        found = msgspec.msgpack.decode(shelf.sums(), type=_Book)
    except msgspec.DecodeError:
        return _Book(key, {})
    return found if found.key == key else _Book(key, {})


def _brought(shelf: Shelf, piece: Piece, before: _Summed | None, asked: Asked) -> _Summed:
    """A piece's sums as of now."""
    wanted = [measure for measure in asked.measures if measure.name in asked.summed]
    stale = [measure for measure in wanted if before is None or not _holds(before, piece, measure, asked.now)]
    if before is not None and not stale:
        return before
    names = dict.fromkeys((*_UNITS, asked.drawn_as, *_columns(asked.measures, stale)))
    rows = OnePiece(shelf, piece, list(names))
    units = Units.from_table(rows, asked.run, longest_of(asked.measures), asked.drawn_as)
    summing, columns = Summing(units, asked.run, asked.now), Columns(rows, asked.measures, asked.covariates)
    taken = {measure.name: summing.of(measure, columns[measure.name]) for measure in stale}
    kept = {} if before is None else before.sums
    sums = {measure.name: taken.get(measure.name) or kept[measure.name] for measure in wanted}
    return _Summed(asked.now, take_census(units) if before is None else before.census, sums)


def _holds(before: _Summed, piece: Piece, measure: Measure, now: int) -> bool:
    """Whether no unit of a piece has matured since its sums were taken."""
    first, last = piece.first + measure.matures, piece.last + measure.matures
    return measure.name in before.sums and before.at <= now and (before.at == now or last <= before.at or first > now)


def _columns(measures: Sequence[Measure], wanted: Sequence[Measure]) -> list[str]:
    names = {measure.name for measure in wanted}
    return [
        f"m{index}_{column}"
        for index, measure in enumerate(measures)
        if measure.name in names
        for column in (*COLUMNS, *(PARTS if measure.unfolds else ()))
    ]
