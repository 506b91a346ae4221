"""Shelves on disk: what is kept is there as a whole or not at all, and a judgement never depends on it."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.experiments.answer_measures import error_measures
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.kept_units import OnePiece
from seatrial.experiments.narrowed import shared_ids
from seatrial.experiments.persons import NOBODY
from seatrial.experiments.question import outcomes_of, read
from seatrial.experiments.remembered import Known, Limits, read_again
from seatrial.experiments.shelf import Change, Past, Piece
from seatrial.experiments.source import Source, TableSource
from seatrial.experiments.unit_shelf import MOST, DiskShelf, DiskShelves
from seatrial.spec.errors import Unavailable
from tests import worlds

SECOND = worlds.SECOND
KEY = "0" * 32
PAST = Past(until=1, rows=2, outcomes=3)
TABLE = pa.table({"unit": ["a", "b"], "first_at": [5, 3], "x": [1.0, 2.0]})
OTHER = pa.table({"unit": ["b", "c"], "first_at": [3, 7], "x": [5.0, 6.0]})
LIMITS = Limits(lag=0, least=0, part=100, piece=20, share=0.5, most=1000)
DEPLOYMENT = worlds.deployment(
    outcomes={"buy": {}},
    metrics={"revenue": {"kind": "mean", "outcome": "buy", "within": 20.0, "grace": 5.0}},
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.1}},
    },
)
RUN = worlds.release((0.5, 0.0))
MEASURES = (*declared_measures(DEPLOYMENT, RUN), *error_measures(DEPLOYMENT))
SUMMED = [measure.name for measure in MEASURES]


def reading_again(source: Source, now: int, shelves: DiskShelves, limits: Limits = LIMITS) -> Known:
    shared = shared_ids(source, outcomes_of(MEASURES))
    return read_again(source, RUN, MEASURES, now, shelves, shared, SUMMED, limits)


def kept(folder: Path) -> None:
    with DiskShelves(folder).shelf(KEY) as shelf:
        assert shelf is not None
        assert shelf.past() is None
        shelf.begin(PAST, iter([TABLE]), NOBODY)


def taken(folder: Path) -> DiskShelf:
    with DiskShelves(folder, wait=0.0).shelf(KEY) as shelf:
        assert shelf is not None
        return shelf


def test_what_was_written_is_read_by_the_next(tmp_path: Path) -> None:
    kept(tmp_path)
    shelf = taken(tmp_path)
    assert shelf.past() == PAST
    (piece,) = shelf.pieces()
    assert piece == Piece(name="piece-0", units=2, first=3, last=5)
    assert shelf.read(piece).equals(TABLE)
    assert shelf.read(piece, ["x"]).column_names == ["x"]
    assert shelf.sums() == b""
    shelf.write_sums(b"some")
    shelf.change(Past(until=4, rows=5, outcomes=6), iter([Change(None, OTHER), Change(piece, TABLE.slice(1))]))
    again = taken(tmp_path)
    assert again.past() == Past(until=4, rows=5, outcomes=6)
    assert [again.read(each) for each in again.pieces()] == [TABLE.slice(1), OTHER]
    assert [each.name for each in again.pieces()] == ["piece-2", "piece-1"]
    assert again.sums() == b"some"
    assert len(list((tmp_path / KEY).glob("*.parquet"))) == 2


def test_an_open_shelf_stays_readable_when_another_writes(tmp_path: Path) -> None:
    kept(tmp_path)
    before, later = taken(tmp_path), taken(tmp_path)
    (tmp_path / KEY / "past.json").unlink()
    anew = taken(tmp_path)  # its first piece has the name that the other's had
    anew.begin(PAST, iter([OTHER]), NOBODY)
    assert later.read(later.pieces()[0]).equals(TABLE)
    anew.begin(PAST, iter([OTHER]), NOBODY)
    assert before.read(before.pieces()[0]).equals(TABLE)
    assert [taken(tmp_path).read(piece) for piece in taken(tmp_path).pieces()] == [OTHER]


def test_what_is_no_column_of_numbers_with_one_value_is_not_told_as_one(tmp_path: Path) -> None:
    nulls = pa.nulls(2, pa.float64())
    columns = {"a": [1.0, 1.0], "b": [1.0, 2.0], "c": nulls, "d": [1.0, None], "e": ["one", "one"], "f": [[1], [1]]}
    with DiskShelves(tmp_path).shelf(KEY) as shelf:
        assert shelf is not None
        shelf.begin(PAST, iter([pa.table({"first_at": [1, 2], **columns})]), NOBODY)
        (piece,) = shelf.pieces()
        found = dict(shelf.same(piece))
    assert np.isnan(found.pop("c"))
    assert found == {"a": 1.0}


def test_a_hole_among_equal_numbers_is_kept_and_hides_behind_none_of_them(tmp_path: Path) -> None:
    nan = float("nan")
    columns = {"a": [0.0, nan], "b": [nan, nan], "c": pa.chunked_array([[0.0], [0.0]]), "d": [nan, 1.0]}
    with DiskShelves(tmp_path).shelf(KEY) as shelf:
        assert shelf is not None
        shelf.begin(PAST, iter([pa.table({"first_at": [1, 2], "unit": ["a", "b"], **columns})]), NOBODY)
        (piece,) = shelf.pieces()
        found = dict(shelf.same(piece))
        rows = OnePiece(shelf, piece, list("abcd"))
    assert np.isnan(found.pop("b"))
    assert found == {"c": 0.0}
    for name, values in (("a", [0.0, nan]), ("b", [nan, nan]), ("c", [0.0, 0.0]), ("d", [nan, 1.0])):
        assert np.array_equal(rows.numbers(name), values, equal_nan=True), name


def test_sums_whose_bytes_changed_are_not_there(tmp_path: Path) -> None:
    kept(tmp_path)
    taken(tmp_path).write_sums(b"some")
    assert taken(tmp_path).sums() == b"some"
    (tmp_path / KEY / "sums.msgpack").write_bytes(b"same")
    assert taken(tmp_path).sums() == b""


@pytest.mark.parametrize("broken", ["nothing", "garbage", "no piece", "torn"])
def test_what_was_torn_is_not_there(tmp_path: Path, broken: str) -> None:
    kept(tmp_path)
    (file,) = (tmp_path / KEY).glob("*.parquet")
    if broken == "nothing":
        (tmp_path / KEY / "past.json").unlink()
    elif broken == "garbage":
        (tmp_path / KEY / "past.json").write_bytes(b"{")
    elif broken == "no piece":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20])
    assert taken(tmp_path).past() is None


@pytest.mark.parametrize("column", ["unit", "first_at"])
def test_a_page_whose_bytes_changed_is_not_believed_and_is_dropped(tmp_path: Path, column: str) -> None:
    source, now = traffic(200, 50, bought=True), worlds.START + 100 * SECOND
    reading_again(source, now, DiskShelves(tmp_path))
    spoil(min(tmp_path.glob("*/*.parquet")), column)
    with pytest.raises(Unavailable, match="is damaged, and is dropped; judge again"):
        reading_again(source, now + SECOND, DiskShelves(tmp_path)).columns["revenue"]
    known = reading_again(source, now + SECOND, DiskShelves(tmp_path))
    plain, wanted = read(source, RUN, MEASURES, now + SECOND)
    assert known.units.unit.to_pylist() == plain.unit.to_pylist()
    assert known.columns["revenue"].x.tolist() == wanted["revenue"].x.tolist()


def spoil(file: Path, column: str) -> None:
    """Change a byte of a column's pages; the file's end, which says where they are, stays as it is."""
    facts = pq.ParquetFile(file).metadata.row_group(0)
    (chunk,) = (c for c in map(facts.column, range(facts.num_columns)) if c.path_in_schema == column)
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    whole = bytearray(file.read_bytes())
    whole[begin + chunk.total_compressed_size - 3] ^= 0xFF
    file.write_bytes(whole)


def test_a_shelf_that_is_taken_is_not_waited_for_longer_than_was_said(tmp_path: Path) -> None:
    shelves = DiskShelves(tmp_path, wait=0.0)
    with shelves.shelf(KEY) as mine, shelves.shelf(KEY) as another:
        assert mine is not None
        assert another is None


def test_where_nothing_can_be_written_everything_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "judged"
    folder.write_text("a file, not a folder")
    source, now = traffic(200, 50), worlds.START + 100 * SECOND
    assert reading_again(source, now, DiskShelves(folder)).census.n == 50


def test_a_folder_taken_away_while_it_is_written_fails_by_name(tmp_path: Path) -> None:
    kept(tmp_path)
    shelf = taken(tmp_path)
    for path in (tmp_path / KEY).iterdir():
        path.unlink()
    (tmp_path / KEY).rmdir()
    with pytest.raises(Unavailable, match="was deleted while a judgement was kept there; judge again"):
        shelf.begin(PAST, iter([TABLE]), NOBODY)


def test_only_the_questions_asked_last_are_kept(tmp_path: Path) -> None:
    shelves = DiskShelves(tmp_path)
    for number in range(MOST + 3):
        with shelves.shelf(f"{number:032}") as shelf:
            assert shelf is not None
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) <= MOST


class Listening:
    """A source that notes which units it was narrowed to, at each reading."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.units: list[list[str]] = []

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        if "units" in parameters and query.startswith("WITH"):
            self.units.append(sorted(parameters["units"]))  # type: ignore[call-overload]
        return self._source.sql(query, parameters)


def traffic(rows: int, units: int, *, late: bool = False, bought: bool = False) -> TableSource:
    """A row every tenth of a second, all of a unit's after another.

    ``late``: one more of its own unit, at the beginning. ``bought``: by unit-3 at 8 s, told at 92 s, when it had
    matured.
    """
    names = [f"unit-{i * units // rows}" for i in range(rows)]
    at = worlds.START + np.arange(rows) * SECOND // 10
    if late:
        names, at = [*names, "unit-late"], np.append(at, worlds.START + 1)
    moments = np.array([8 * SECOND + worlds.START])
    happened = worlds.outcomes("buy", moments, received_at=moments + 84 * SECOND, unit=["unit-3"])
    return worlds.source([worlds.rows(RUN, names, at)], [happened] if bought else [])


def test_only_touched_units_are_read_again(tmp_path: Path) -> None:
    shelves = DiskShelves(tmp_path)

    def look(second: int) -> tuple[Listening, int, float]:
        source = Listening(traffic(1000, 50, bought=second > 92))
        known = reading_again(source, worlds.START + second * SECOND, shelves)
        return source, known.census.n, float(known.columns["revenue"].x_all.sum())

    source, units, bought = look(90)
    assert (len(source.units), units, bought) == (10, 46, 0.0)
    source, units, bought = look(94)
    assert (units, bought) == (48, 1.0)
    assert set(itertools.chain(*source.units)) == {"unit-3", "unit-45", "unit-46", "unit-47", "unit-48", "unit-49"}
    source, units, bought = look(300)
    assert (len(source.units), units, bought) == (1, 50, 1.0)
    source, units, bought = look(301)
    assert (source.units, units, bought) == ([], 50, 1.0)


def test_a_late_row_has_everything_read_again(tmp_path: Path) -> None:
    now = worlds.START + 200 * SECOND
    shelves = DiskShelves(tmp_path)
    reading_again(traffic(1000, 50), now, shelves)
    late = Listening(traffic(1000, 50, late=True))
    known = reading_again(late, now + SECOND, shelves)
    assert len(late.units) == 11
    assert "unit-late" in known.units.unit.to_pylist()


def test_few_rows_are_kept_nowhere(tmp_path: Path) -> None:
    now = worlds.START + 90 * SECOND
    reading_again(traffic(100, 50), now, DiskShelves(tmp_path), Limits())
    assert list(tmp_path.iterdir()) == []


def test_persons_are_kept_with_the_pieces_until_others_or_none_are(tmp_path: Path) -> None:
    known = pa.table({"alias": ["cookie"], "unit": ["ann"]})
    kept(tmp_path)
    shelf = taken(tmp_path)
    assert shelf.persons() == NOBODY
    shelf.change(PAST, iter(()), known)
    shelf.change(PAST, iter([Change(None, OTHER)]))
    again = taken(tmp_path)
    assert again.persons() == known
    assert [again.read(piece) for piece in again.pieces()] == [TABLE, OTHER]
    again.begin(PAST, iter([TABLE]), NOBODY)
    assert taken(tmp_path).persons() == NOBODY
    assert len(list((tmp_path / KEY).glob("*.parquet"))) == 1


def test_a_torn_file_of_persons_is_as_if_nothing_were_kept(tmp_path: Path) -> None:
    kept(tmp_path)
    taken(tmp_path).change(PAST, iter(()), pa.table({"alias": ["cookie"], "unit": ["ann"]}))
    (written,) = (tmp_path / KEY).glob("persons-*.parquet")
    written.write_bytes(written.read_bytes()[:-1])
    assert taken(tmp_path).past() is None
