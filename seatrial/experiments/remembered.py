"""Reading a release again costs what is new: the numbers of every unit are kept, and only touched units are read anew.

A unit is *touched* when a row of it, or an outcome that may concern it, has come since. What is kept and what is read
anew are the same columns of the same question, so a judgement made of both is the one that reading everything gives
(``tests/laws/test_reading_again.py``). That holds as long as nothing older is added or taken away, which is counted:
where the rows and outcomes up to the last reading are not as many as they were (a late file, a unit that was forgotten,
retention), everything is read again. Who several names are is kept too: a name that turns out to be somebody else's
touches both. The first reading goes through the units in parts, in order of exposure, so that
its memory is bounded however many there are.

Units are kept in pieces, and beside each piece its sums (``kept_sums``). A metric that can be told from sums asks for
no column of units then but those of pieces in which something has changed or matured.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import pyarrow as pa

from seatrial.experiments.census import Census, take_census
from seatrial.experiments.kept_sums import Asked, Totals, totals_of
from seatrial.experiments.kept_units import AllPieces, Columns
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.narrowed import Narrowed, Shared, touched_units
from seatrial.experiments.persons import NOBODY, renamed_units
from seatrial.experiments.pieces import MARK, changes_of, cut
from seatrial.experiments.question import Question, longest_of, outcomes_of, question, read
from seatrial.experiments.shelf import Past, Shelf, Shelves
from seatrial.experiments.source import Source
from seatrial.experiments.sums import Sums
from seatrial.experiments.units import DRAWN, SLACK, Units, parameters
from seatrial.releases.run import ReleaseRun


class Limits(NamedTuple):
    """How much is kept, and how.

    Attributes:
        lag: Microseconds before the last reading that are read again: a row is written a while after its time.
        least: Rows below which nothing is: reading them all is as quick.
        part: Rows that are read at once, about.
        piece: Units of a piece.
        share: Of the units, how many may be touched; beyond, everything is read.
        most: How many may be touched at most.
    """

    lag: int = SLACK
    least: int = 50_000
    part: int = 400_000
    piece: int = 50_000
    share: float = 0.1
    most: int = 200_000


LIMITS = Limits()


class Known(Protocol):
    """What is known of a release's units.

    Attributes:
        census: All of them, counted.
        sums: Of metrics that can be told from them, by name; none where nothing was kept.
        units: One by one, in order of exposure.
        columns: The metrics' numbers in the same order.
    """

    @property
    def census(self) -> Census: ...

    @property
    def sums(self) -> Mapping[str, Sums]: ...

    @property
    def units(self) -> Units: ...

    @property
    def columns(self) -> Mapping[str, Column]: ...


@dataclass(frozen=True, eq=False)
class JustRead:
    """All that was read now."""

    units: Units
    columns: Mapping[str, Column]

    @cached_property
    def census(self) -> Census:
        return take_census(self.units)

    @property
    def sums(self) -> Mapping[str, Sums]:
        return {}


@dataclass(frozen=True, eq=False)
class Kept:
    """What a shelf has; units and columns are read there when they are asked for."""

    shelf: Shelf
    asked: Asked
    totals: Totals

    @property
    def census(self) -> Census:
        return self.totals.census

    @property
    def sums(self) -> Mapping[str, Sums]:
        return self.totals.sums

    @cached_property
    def units(self) -> Units:
        longest = longest_of(self.asked.measures)
        return Units.from_table(self._rows, self.asked.run, longest, self.asked.drawn_as)

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        return Columns(self._rows, self.asked.measures, self.asked.covariates)

    @cached_property
    def _rows(self) -> AllPieces:
        return AllPieces(self.shelf)


def read_again(
    source: Source,
    run: ReleaseRun,
    measures: Sequence[Measure],
    now: int,
    shelves: Shelves | None,
    shared: Shared | None,
    summed: Collection[str] = (),
    limits: Limits = LIMITS,
) -> Known:
    """As ``question.read``, and remembers what it read.

    Args:
        source: Where rows and outcomes are.
        run: The release.
        measures: What is wanted of its units.
        now: Microseconds since 1970 UTC.
        shelves: Where it is kept; None: nowhere, so that everything is read.
        shared: What ties units together by the measures' outcomes (``narrowed.shared_ids``); None: too much, so that
            everything is read.
        summed: Names of the measures of which sums are enough (``sums.is_summed``).
        limits: How much is kept.
    """
    if shelves is None or shared is None or _size(source, run) < limits.least:
        return JustRead(*read(source, run, measures, now))
    asked = question(source, run, measures, now)
    with shelves.shelf(_key(asked)) as shelf:
        if shelf is None:
            return JustRead(*read(source, run, measures, now))
        reading = _Reading(source, run, asked, outcomes_of(measures), shared, limits)
        reading.renew(shelf, now - limits.lag)
        sums = Asked(run, tuple(measures), asked.covariates, frozenset(summed), now, asked.drawn_as)
        return Kept(shelf, sums, totals_of(shelf, sums))


def _size(source: Source, run: ReleaseRun) -> int:
    """Rows since the release began."""
    asked = 'SELECT count(*) AS n FROM rows WHERE "at" >= to_timestamp($since)'
    return int(source.sql(asked, {"since": (run.started_at - SLACK) / 1e6})["n"][0].as_py())


def _key(asked: Question) -> str:
    """The same for the same question at another moment."""
    fixed = {name: value for name, value in asked.parameters.items() if name != "now"}
    return hashlib.sha256(repr((3, asked.query(), sorted(fixed.items()))).encode()).hexdigest()[:32]


_NAMES = f"""SELECT unit FROM (
  SELECT unit, min(epoch_us("at")) AS first_at FROM rows WHERE {DRAWN} GROUP BY unit) ORDER BY first_at, unit"""

_THEIRS = "unit IN (SELECT unnest($units::VARCHAR[]))"
_TIMES = f"""SELECT min(epoch_us("at")) AS earliest, max(epoch_us("at")) AS latest FROM rows WHERE {_THEIRS}"""
_THEN = '"at" BETWEEN make_timestamptz($earliest) AND make_timestamptz($latest)'
"""Says nothing more of rows of those units, and spares reading files of other days."""


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
        if past is None or past.until > until:
            self._everything(shelf, until)
            return
        before, new = self._counted(past.until, until)
        if before != past:
            self._everything(shelf, until)
            return
        persons = self._persons()
        renamed = renamed_units(shelf.persons(), persons)
        touched = touched_units(self.source, self.run, self.outcomes, past.until, self.shared)
        touched = [*touched, *sorted(renamed.difference(touched))]
        if len(touched) > min(self.limits.share * sum(piece.units for piece in shelf.pieces()), self.limits.most):
            self._everything(shelf, until)
        elif touched:
            changes = changes_of(shelf, self._read(touched), past.until, self.limits.piece, renamed)
            shelf.change(new, changes, persons if renamed else None)
        else:
            shelf.change(new, iter(()))

    def _everything(self, shelf: Shelf, until: int) -> None:
        (new,) = self._counted(until)
        now = self.asked.parameters["now"]
        assert isinstance(now, int)
        names = self.source.sql(_NAMES, parameters(self.run, now))["unit"]
        parts = max(1, -(-_size(self.source, self.run) // self.limits.part))
        units = max(1, -(-len(names) // parts))
        shelf.begin(new, cut(self._parts(names, units), self.limits.piece), self._persons())

    def _persons(self) -> pa.Table:
        if self.asked.drawn_as == "unit":
            return NOBODY
        return self.source.sql("SELECT alias, unit FROM persons", {})

    def _parts(self, names: pa.ChunkedArray, units: int) -> Iterator[pa.Table]:
        """The answer for all units, so many at once."""
        for start in range(0, max(len(names), 1), units):
            yield self._read(names.slice(start, units).to_pylist())

    def _read(self, units: Sequence[str]) -> pa.Table:
        """The answer for some units."""
        given: dict[str, object] = {"units": units}
        times = self.source.sql(_TIMES, given)
        given |= {name: times[name][0].as_py() for name in ("earliest", "latest")}
        narrowed = Narrowed(self.source, _THEIRS, given, self.shared, outcomes=bool(self.outcomes), then=_THEN)
        query = self.asked.marked(_THEIRS.replace("unit", "units.unit", 1), MARK)
        return narrowed.sql(query, self.asked.parameters)

    def _counted(self, *moments: int) -> tuple[Past, ...]:
        """How many rows and outcomes there are that had come by each of some moments."""
        since = self.asked.parameters.get("foretold", self.asked.parameters["since"])
        times = {f"t{index}": moment for index, moment in enumerate(moments)}
        # Rows lie in order of time: those that came later are found without reading the others.
        later = ", ".join(f'(SELECT count(*) FROM rows WHERE epoch_us("at") > ${name}) AS {name}' for name in times)
        rows = self.source.sql(
            f'SELECT (SELECT count(*) FROM rows WHERE "at" >= to_timestamp($since)) AS n, {later}',
            {"since": since, **times},
        ).to_pylist()[0]
        by_then = ", ".join(f"count(*) FILTER (epoch_us(received_at) <= ${name}) AS {name}" for name in times)
        outcomes = self.source.sql(
            f"SELECT {by_then} FROM all_outcomes WHERE outcome IN (SELECT unnest($names))",
            {"names": list(self.outcomes), **times},
        ).to_pylist()[0]
        return tuple(
            Past(until=moment, rows=rows["n"] - rows[name], outcomes=outcomes[name]) for name, moment in times.items()
        )
