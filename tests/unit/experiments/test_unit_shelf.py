"""Shelves on disk: what is kept is there as a whole or not at all, and a judgement never depends on it."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.experiments.measures import Column, declared_measures, error_measures, outcomes_of, read
from seatrial.experiments.narrowed import shared_ids
from seatrial.experiments.remembered import Limits, Past, read_again
from seatrial.experiments.source import Source, TableSource
from seatrial.experiments.unit_shelf import MOST, DiskShelf, DiskShelves
from seatrial.experiments.units import Units
from seatrial.spec.errors import Unavailable
from tests import worlds

SECOND = worlds.SECOND
KEY = "0" * 32
PAST = Past(until=1, rows=2, outcomes=3)
LARGE = pa.table({"unit": ["a", "b"], "x": [1.0, 2.0]})
LIMITS = Limits(lag=0, least=0, part=100, share=0.5, most=1000)
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


def reading_again(
    source: Source, now: int, shelves: DiskShelves, limits: Limits = LIMITS
) -> tuple[Units, Mapping[str, Column]]:
    return read_again(source, RUN, MEASURES, now, shelves, shared_ids(source, outcomes_of(MEASURES)), limits)


def kept(folder: Path) -> None:
    with DiskShelves(folder).shelf(KEY) as shelf:
        assert shelf is not None
        assert shelf.past() is None
        shelf.write_large(PAST, iter([LARGE]))


def taken(folder: Path) -> DiskShelf:
    with DiskShelves(folder, wait=0.0).shelf(KEY) as shelf:
        assert shelf is not None
        return shelf


def test_what_was_written_is_read_by_the_next(tmp_path: Path) -> None:
    kept(tmp_path)
    shelf = taken(tmp_path)
    assert shelf.past() == PAST
    assert shelf.large().equals(LARGE)
    assert shelf.large(["x"]).column_names == ["x"]
    assert shelf.small() is None
    small = pa.table({"unit": ["b", "c"], "x": [5.0, 6.0]})
    shelf.write_small(Past(until=4, rows=5, outcomes=6), small)
    again = taken(tmp_path)
    assert again.past() == Past(until=4, rows=5, outcomes=6)
    assert (again.large(), again.small(["x"])) == (LARGE, small.select(["x"]))
    assert len(list((tmp_path / KEY).glob("*.parquet"))) == 2


def test_an_open_shelf_stays_readable_when_another_writes(tmp_path: Path) -> None:
    kept(tmp_path)
    before = taken(tmp_path)
    taken(tmp_path).write_large(PAST, iter([pa.table({"unit": ["z"], "x": [9.0]})]))
    assert before.large(["unit"])["unit"].to_pylist() == ["a", "b"]
    assert taken(tmp_path).large()["unit"].to_pylist() == ["z"]


@pytest.mark.parametrize("broken", ["nothing", "garbage", "no large part", "torn"])
def test_what_was_torn_is_not_there(tmp_path: Path, broken: str) -> None:
    kept(tmp_path)
    (file,) = (tmp_path / KEY).glob("*.parquet")
    if broken == "nothing":
        (tmp_path / KEY / "past.json").unlink()
    elif broken == "garbage":
        (tmp_path / KEY / "past.json").write_bytes(b"{")
    elif broken == "no large part":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-20])
    assert taken(tmp_path).past() is None


@pytest.mark.parametrize("column", ["unit", "first_at"])
def test_a_page_whose_bytes_changed_is_not_believed_and_is_dropped(tmp_path: Path, column: str) -> None:
    source, now = traffic(200, 50, bought=True), worlds.START + 100 * SECOND
    reading_again(source, now, DiskShelves(tmp_path))
    (file,) = tmp_path.glob("*/*.parquet")
    spoil(file, column)
    with pytest.raises(Unavailable, match="is damaged, and is dropped; judge again"):
        reading_again(source, now + SECOND, DiskShelves(tmp_path))
    units, columns = reading_again(source, now + SECOND, DiskShelves(tmp_path))
    plain, wanted = read(source, RUN, MEASURES, now + SECOND)
    assert units.unit.to_pylist() == plain.unit.to_pylist()
    assert columns["revenue"].x.tolist() == wanted["revenue"].x.tolist()


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
    units, _ = reading_again(source, now, DiskShelves(folder))
    assert len(units.first_at) == 50


def test_a_folder_taken_away_while_it_is_written_fails_by_name(tmp_path: Path) -> None:
    kept(tmp_path)
    shelf = taken(tmp_path)
    for path in (tmp_path / KEY).iterdir():
        path.unlink()
    (tmp_path / KEY).rmdir()
    with pytest.raises(Unavailable, match="was deleted while a judgement was kept there; judge again"):
        shelf.write_large(PAST, iter([LARGE]))


def test_only_the_questions_asked_last_are_kept(tmp_path: Path) -> None:
    shelves = DiskShelves(tmp_path)
    for number in range(MOST + 3):
        with shelves.shelf(f"{number:032}") as shelf:
            assert shelf is not None
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) <= MOST


class Listening:
    """A source that notes which units it was narrowed to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.units: list[list[str]] = []
        self.parts = 0

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        if "units" in parameters:
            self.units.append(sorted(parameters["units"]))  # type: ignore[call-overload]
        self.parts += "hash(units.unit)" in query
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
        units, columns = reading_again(source, worlds.START + second * SECOND, shelves)
        return source, len(units.first_at), float(columns["revenue"].x_all.sum())

    source, units, bought = look(90)
    assert (source.parts, source.units, units, bought) == (10, [], 46, 0.0)
    source, units, bought = look(94)
    assert (source.parts, units, bought) == (0, 48, 1.0)
    assert set(itertools.chain(*source.units)) == {"unit-3", "unit-45", "unit-46", "unit-47", "unit-48", "unit-49"}
    source, units, bought = look(300)
    assert (source.parts, units, bought) == (0, 50, 1.0)
    source, units, bought = look(301)
    assert (source.parts, source.units, units, bought) == (0, [], 50, 1.0)


def test_a_late_row_has_everything_read_again(tmp_path: Path) -> None:
    now = worlds.START + 200 * SECOND
    shelves = DiskShelves(tmp_path)
    reading_again(traffic(1000, 50), now, shelves)
    late = Listening(traffic(1000, 50, late=True))
    units, _ = reading_again(late, now + SECOND, shelves)
    assert late.parts == 11
    assert "unit-late" in units.unit.to_pylist()


def test_few_rows_are_kept_nowhere(tmp_path: Path) -> None:
    now = worlds.START + 90 * SECOND
    reading_again(traffic(100, 50), now, DiskShelves(tmp_path), Limits())
    assert list(tmp_path.iterdir()) == []


def test_the_one_value_of_a_column_is_known_of_both_parts(tmp_path: Path) -> None:
    nulls = pa.nulls(2, pa.float64())
    large = pa.table({"a": [1.0, 1.0], "l": [[1], [2]], "b": [1.0, 2.0], "c": nulls, "d": [1.0, None]})
    with DiskShelves(tmp_path).shelf(KEY) as shelf:
        assert shelf is not None
        shelf.write_large(PAST, iter([large, large]))
    found = {name: taken(tmp_path).same(name) for name in "abcd"}
    assert (found["a"], found["b"], found["d"]) == (1.0, None, None)
    assert found["c"] is not None
    assert np.isnan(found["c"])
    taken(tmp_path).write_small(PAST, large.set_column(0, "a", pa.array([2.0, 2.0])))
    assert taken(tmp_path).same("a") is None
    assert taken(tmp_path).same("c") is not None
