"""Reading a release again costs what is new: the numbers of every unit are kept, and only touched units are read anew.

A unit is *touched* when a row of it, or an outcome that may concern it, has come since. What is kept and what is read
anew are the same columns of the same question, so a judgement made of both is the one that reading everything gives
(``tests/laws/test_reading_again.py``). That holds as long as nothing older is added or taken away, which is counted:
where the rows and outcomes up to the last reading are not as many as they were (a late file, a unit that was forgotten,
retention), everything is read again. The first reading goes through the units in parts, so that its memory is bounded
however many there are.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from seatrial.experiments.answers import Answers
from seatrial.experiments.measures import COLUMNS, Column, Measure, Question, longest_of, outcomes_of, question, read
from seatrial.experiments.narrowed import Narrowed, Shared, touched_units
from seatrial.experiments.source import Source
from seatrial.experiments.unfolding import PARTS, Around
from seatrial.experiments.units import SLACK, Units
from seatrial.releases.run import ReleaseRun


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


class Shelf(Protocol):
    """Where the numbers of one question's units are kept: a large part, and beside it a small one, of the units that
    have changed since or were added. Both have the columns of the question's answer, and stay readable as they are when
    somebody else writes others."""

    def past(self) -> Past | None:
        """What is there; None: nothing, or nothing that can be read."""

    def large(self, names: Sequence[str] | None = None) -> pa.Table:
        """Columns of the large part; None: all."""

    def small(self, names: Sequence[str] | None = None) -> pa.Table | None:
        """Likewise of the small part; None: no unit has changed."""

    def same(self, name: str) -> float | None:
        """The value that a column of numbers has in every row of both parts, NaN where it has none in any; None: they
        differ, or nobody knows."""

    def pieces(self) -> Iterator[pa.Table]:
        """The large part piece by piece, all columns."""

    def write_large(self, past: Past, pieces: Iterator[pa.Table]) -> None:
        """Keeps another large part, and no small one."""

    def write_small(self, past: Past, small: pa.Table | None) -> None:
        """Keeps another small part beside the large one."""


class Shelves(Protocol):
    """The shelves of a deployment."""

    def shelf(self, key: str) -> AbstractContextManager[Shelf | None]:
        """The one of a question, for this reader alone; None: somebody else has it."""


class Limits(NamedTuple):
    """How much is kept, and how.

    Attributes:
        lag: Microseconds before the last reading that are read again: a row is written a while after its time.
        least: Rows below which nothing is: reading them all is as quick.
        part: Rows that are read at once.
        share: Of the units of the large part, how many the small one may have at most; beyond, they become one.
        most: Units of the small part at most.
    """

    lag: int = SLACK
    least: int = 50_000
    part: int = 500_000
    share: float = 0.1
    most: int = 200_000


LIMITS = Limits()


def read_again(
    source: Source,
    run: ReleaseRun,
    measures: Sequence[Measure],
    now: int,
    shelves: Shelves | None,
    shared: Shared | None,
    limits: Limits = LIMITS,
) -> tuple[Units, Mapping[str, Column]]:
    """As ``measures.read``, and remembers what it read.

    Args:
        source: Where rows and outcomes are.
        run: The release.
        measures: What is wanted of its units.
        now: Microseconds since 1970 UTC.
        shelves: Where it is kept; None: nowhere, so that everything is read.
        shared: What ties units together by the measures' outcomes (``narrowed.shared_ids``); None: too much, so that
            everything is read.
        limits: How much is kept.
    """
    if shelves is None or shared is None or _size(source, run) < limits.least:
        return read(source, run, measures, now)
    asked = question(source, run, measures, now)
    with shelves.shelf(_key(asked)) as shelf:
        if shelf is None:
            return read(source, run, measures, now)
        reading = _Reading(source, run, asked, outcomes_of(measures), shared, limits)
        reading.renew(shelf, now - limits.lag)
        whole = Whole(shelf)
    return Units.from_table(whole, run, longest_of(measures)), Columns(whole, tuple(measures), asked.covariates)


def _size(source: Source, run: ReleaseRun) -> int:
    """Rows since the release began."""
    asked = 'SELECT count(*) AS n FROM rows WHERE "at" >= to_timestamp($since)'
    return int(source.sql(asked, {"since": (run.started_at - SLACK) / 1e6})["n"][0].as_py())


def _key(asked: Question) -> str:
    """The same for the same question at another moment."""
    fixed = {name: value for name, value in asked.parameters.items() if name != "now"}
    return hashlib.sha256(repr((1, asked.query(), sorted(fixed.items()))).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _Reading:
    source: Source
    run: ReleaseRun
    asked: Question
    outcomes: Sequence[str]
    shared: Shared
    limits: Limits

    def renew(self, shelf: Shelf, until: int) -> None:
        """Brings a shelf to what is known now."""
        past = shelf.past()
        if past is None or past.until > until or self._counted(past.until) != past:
            self._everything(shelf, until)
            return
        new = self._counted(until)
        units = shelf.large(["unit"])["unit"]
        most = min(self.limits.share * len(units), self.limits.most)
        touched = touched_units(self.source, self.run, self.outcomes, past.until, self.shared)
        if len(touched) > most:
            self._everything(shelf, until)
            return
        small = shelf.small()
        if touched:
            small = _beside(small, self._read("unit IN (SELECT unnest($units))", {"units": touched}), touched)
        if small is None or small.num_rows <= most:
            shelf.write_small(new, small)
        else:
            shelf.write_large(new, _folded(shelf, small))

    def _everything(self, shelf: Shelf, until: int) -> None:
        new = self._counted(until)
        parts = max(1, -(-_size(self.source, self.run) // self.limits.part))
        pieces = (self._read(f"hash(unit) % {parts} = {part}", {}) for part in range(parts))
        shelf.write_large(new, pieces)

    def _read(self, chosen: str, parameters: Mapping[str, object]) -> pa.Table:
        """The answer for the units for which ``chosen``, SQL over ``unit``, holds."""
        narrowed = Narrowed(self.source, chosen, parameters, self.shared, outcomes=bool(self.outcomes))
        return _packed(narrowed.sql(self.asked.query(chosen.replace("unit", "units.unit", 1)), self.asked.parameters))

    def _counted(self, until: int) -> Past:
        """How many rows and outcomes there are that had come by a moment."""
        since = self.asked.parameters.get("foretold", self.asked.parameters["since"])
        rows = self.source.sql(
            'SELECT count(*) AS n FROM rows WHERE "at" >= to_timestamp($since) AND epoch_us("at") <= $until',
            {"since": since, "until": until},
        )
        outcomes = self.source.sql(
            "SELECT count(*) AS n FROM all_outcomes "
            "WHERE outcome IN (SELECT unnest($names)) AND epoch_us(received_at) <= $until",
            {"names": list(self.outcomes), "until": until},
        )
        return Past(until=until, rows=rows["n"][0].as_py(), outcomes=outcomes["n"][0].as_py())


def _packed(answer: pa.Table) -> pa.Table:
    """What came late is nearly always nothing: ``x_all`` and ``y_all`` are null where they are ``x`` and ``y``."""
    for place, name in enumerate(answer.column_names):
        if name.endswith(_ALL):
            column, plain = answer[name], answer[name.removesuffix(_ALL)]
            answer = answer.set_column(place, name, pc.if_else(pc.equal(column, plain), None, column))
    return answer


_ALL = "_all"


def _beside(small: pa.Table | None, fresh: pa.Table, touched: Sequence[str]) -> pa.Table:
    """What had changed before and was not touched again, and what changed now."""
    if small is None:
        return fresh
    again = pc.is_in(small["unit"], value_set=pa.array(touched, small["unit"].type))
    return pa.concat_tables([small.filter(pc.invert(again)), fresh.cast(small.schema)])


def _folded(shelf: Shelf, small: pa.Table) -> Iterator[pa.Table]:
    """The large part with the small one in it."""
    for piece in shelf.pieces():
        yield piece.filter(pc.invert(pc.is_in(piece["unit"], value_set=small["unit"].combine_chunks())))
    yield small


class Whole:
    """Both parts of a shelf as one table, in order of exposure; a column is read when it is asked for."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        large, small = shelf.large(["unit", "first_at"]), shelf.small(["unit", "first_at"])
        both = large if small is None else pa.concat_tables([large, small.cast(large.schema)])
        kept = np.arange(both.num_rows)
        if small is not None:
            replaced = pc.is_in(large["unit"], value_set=small["unit"].combine_chunks())
            kept = kept[~np.concatenate([replaced.to_numpy(), np.zeros(small.num_rows, dtype=bool)])]
        self._where = _in_order(kept, both["unit"], both["first_at"].to_numpy())

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        return self._both(name).take(pa.array(self._where))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers; NaN where there is none."""
        value = self._shelf.same(name)
        if value is not None:
            return np.broadcast_to(np.float64(value), len(self._where))
        found: NDArray[np.float64] = self._both(name).cast(pa.float64()).to_numpy()[self._where]
        return found

    def _both(self, name: str) -> pa.ChunkedArray:
        large, small = self._shelf.large([name])[name], self._shelf.small([name])
        return large if small is None else pa.chunked_array([*large.chunks, *small[name].cast(large.type).chunks])


@dataclass(frozen=True, eq=False)
class Columns(Mapping[str, Column]):
    """The columns of measures by name. Each is read when it is asked for, and kept by nobody here."""

    whole: Whole
    measures: Sequence[Measure]
    covariates: Sequence[str]

    def __getitem__(self, name: str) -> Column:
        for index, measure in enumerate(self.measures):
            if measure.name == name:
                return self._column(f"m{index}_", measure)
        raise KeyError(name)

    def _column(self, prefix: str, measure: Measure) -> Column:
        found = {name: self.whole.numbers(f"{prefix}{name}") for name in COLUMNS if not name.endswith(_ALL)}
        for name in ("x", "y"):
            late = self.whole.numbers(f"{prefix}{name}{_ALL}")
            none = late.strides == (0,) and len(late) and np.isnan(late[0])
            found[f"{name}{_ALL}"] = found[name] if none else np.where(np.isnan(late), found[name], late)
        z = measure.covariate
        around = (self.whole.numbers(f"{prefix}{part}") for part in PARTS)
        return Column(
            **found,
            z=None if z is None else self.whole.numbers(f"z{self.covariates.index(z)}"),
            answers=Answers.from_lists(self.whole[f"{prefix}answers"]) if measure.listed else None,
            around=Around(*around) if measure.unfolds else None,
        )

    def __iter__(self) -> Iterator[str]:
        return (measure.name for measure in self.measures)

    def __len__(self) -> int:
        return len(self.measures)


def _in_order(kept: NDArray[np.int64], unit: pa.ChunkedArray, first_at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Positions by exposure, units that came at the same moment by name."""
    order = kept[np.argsort(first_at[kept], kind="stable")]
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
