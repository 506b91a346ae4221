"""Exposures and outcomes as DuckDB reads them: files or tables of anybody's, with their columns checked and named.

A file of exposures has a row an exposure (``unit``, ``variant``, ``at``), or, where no outcomes stand beside it, a row
a unit with its totals as columns. A file of outcomes has a row each: ``unit``, ``outcome``, ``at``, ``value``, and its
fields as columns. Nothing is loaded whole: DuckDB streams the files, and spills most of what does not fit its share of
memory.
"""

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa

from seatrial.ledger.sql import literal, quoted
from seatrial.spec.errors import BadInput, NoData, Unavailable
from seatrial.spec.problems import did_you_mean, nearest

Data: TypeAlias = str | Path | pa.Table | pd.DataFrame
"""A ``.parquet`` or ``.csv`` file, a pattern of several (``day-*.parquet``), or a table in memory."""

Found = TypeVar("Found")

MEMORY = "1500MB"
"""What DuckDB may hold before it spills to the disk."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_NUMERIC = (*_NUMBERS, "UHUGEINT", "FLOAT", "DOUBLE", "BOOLEAN", "DECIMAL")


_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")

_BATCH = 200_000


class Columns(NamedTuple):
    """What a file calls the columns that every experiment has; ``id`` of outcomes only, where they have one."""

    unit: str = "unit"
    variant: str = "variant"
    at: str = "at"
    id: str = "id"


class Files:
    """An experiment's files, open.

    Args:
        exposures: Who was exposed to what.
        outcomes: What happened afterwards; None: the exposures are a file of units with totals.
        columns: What they are called.

    Raises:
        BadInput: A file is not there or cannot be read, lacks a column, or has rows of a bandit.
    """

    def __init__(self, exposures: Data, outcomes: Data | None = None, columns: Columns = Columns()) -> None:
        self._spill = TemporaryDirectory(prefix="seatrial-judge-")
        config: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        self._connection = duckdb.connect(config=config)
        self._connection.execute(f"SET TimeZone = 'UTC'; SET memory_limit = '{MEMORY}'")
        self._connection.execute(
            f"SET python_enable_replacements = false; SET temp_directory = {literal(self._spill.name)}"
        )
        self.columns = columns
        self.names = {"exposures": _called(exposures, "exposures")}
        self._given = {"exposures": exposures} | ({} if outcomes is None else {"outcomes": outcomes})
        try:
            self._kinds = {"exposures": self._open("exposures", exposures)}
            if outcomes is not None:
                self.names["outcomes"] = _called(outcomes, "outcomes")
                self._kinds["outcomes"] = self._open("outcomes", outcomes)
            self._need("exposures", columns.unit, columns.variant)
            self._refuse_learned()
            if outcomes is not None:
                self._need("outcomes", columns.unit)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the files and of what was spilled."""
        self._connection.close()
        self._spill.cleanup()

    @property
    def with_outcomes(self) -> bool:
        """Whether outcomes have a file of their own."""
        return "outcomes" in self._kinds

    @property
    def timed(self) -> bool:
        """Whether the exposures have times."""
        return self.has("exposures", self.columns.at)

    def has(self, table: str, column: str) -> bool:
        """Whether ``exposures`` or ``outcomes`` has the column."""
        return column in self._kinds[table]

    def named(self, table: str) -> tuple[str, ...]:
        """Every column of ``exposures`` or ``outcomes``, as its file calls them."""
        return tuple(self._kinds[table])

    def number(self, table: str, column: str) -> str:
        """SQL of a column as a number; a name before it is the caller's to write.

        Raises:
            BadInput: There is no such column, or it holds no numbers; the first row that does not is named.
        """
        self._need(table, column)
        kind = self._kinds[table][column]
        if not kind.startswith(_NUMERIC):
            self._no_number(table, column, kind)
        if kind == "BOOLEAN":  # a cast is done by the reader of .csv files, to which `true` is no number
            return f"CASE WHEN {quoted(column)} THEN 1.0::DOUBLE WHEN NOT {quoted(column)} THEN 0.0::DOUBLE END"
        return f"CAST({quoted(column)} AS DOUBLE)"

    def kind(self, table: str, column: str) -> str:
        """A column's type, as DuckDB calls it."""
        return self._kinds[table][column]

    def reopen_as_text(self, table: str, column: str) -> bool:
        """Reads a column of a .csv file as it stands there, if the table is such a file; else nothing changes."""
        data = self._given[table]
        if not isinstance(data, str | Path) or str(data).endswith(".parquet"):
            return False
        self._kinds[table] = self._open(table, data, texts=(column,))
        return True

    def as_written(self, table: str, column: str) -> str | None:
        """SQL of a source in which a time of a .csv file stands as it is written there; None of other data."""
        data = self._given[table]
        if not isinstance(data, str | Path) or str(data).endswith(".parquet"):
            return None
        return _reader(data, (column,))

    def has_local_part(self, table: str, column: str) -> bool:
        """Whether one of several .parquet files has times without a zone in a column, read together with a zone."""
        data = self._given[table]
        if not isinstance(data, str | Path) or not str(data).endswith(".parquet"):
            return False
        (row,) = self.query(
            f"SELECT count(*) AS n FROM parquet_schema({literal(str(data))}) WHERE name = {literal(column)} "
            "AND CAST(logical_type AS VARCHAR) LIKE '%isAdjustedToUTC=0%'"
        ).to_pylist()
        return bool(row["n"])

    def whole(self, table: str, column: str) -> bool:
        """Whether a column holds whole numbers of at most 64 bits."""
        return self._kinds[table][column] in _WHOLE

    def text(self, table: str, column: str) -> str:
        """SQL of a column as text."""
        self._need(table, column)
        return f"CAST({quoted(column)} AS VARCHAR)"

    def moment(self, table: str) -> str | None:
        """SQL of the table's times; None where it has none."""
        column = self.columns.at
        kind = self._kinds[table].get(column)
        if kind is None:
            return None
        if kind.startswith(_NUMERIC):
            raise BadInput(
                f"{self.names[table]} has numbers ({kind}) in {column!r}, not times; write timestamps, or RFC 3339"
            )
        return f"CAST({quoted(column)} AS TIMESTAMPTZ)"

    def query(self, sql: str, parameters: Mapping[str, object] | Sequence[object] | None = None) -> pa.Table:
        """Runs a query over ``exposures`` and ``outcomes``.

        Raises:
            BadInput: A value cannot be read as what its column is.
            Unavailable: It needs more memory than there is for it.
        """
        return self._within_memory(lambda: self._connection.sql(sql, params=parameters).to_arrow_table())

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """The same of a query without parameters, batch by batch: nothing is held whole."""
        yield from self._connection.sql(sql).to_arrow_reader(_BATCH)

    def run(self, sql: str) -> None:
        """Runs a statement; raises as ``query``."""
        self._within_memory(lambda: self._connection.execute(sql))

    def _within_memory(self, work: Callable[[], Found]) -> Found:
        """Each thread holds a table of groups of its own, so what does not fit is tried once more on one thread."""
        try:
            return self._read(work)
        except duckdb.OutOfMemoryException:
            self._connection.execute("SET threads = 1")
        try:
            return self._read(work)
        except duckdb.OutOfMemoryException:
            raise Unavailable(
                f"these files need more than the {MEMORY} that judging may hold; judge fewer metrics at a time, or "
                "fewer units"
            ) from None

    def _read(self, work: Callable[[], Found]) -> Found:
        try:
            return work()
        except (duckdb.ConversionException, duckdb.InvalidInputException) as error:
            raise BadInput(f"a value cannot be read: {_first_line(error)}; mend the file") from None

    def first_row(self, table: str, condition: str, shown: str) -> tuple[int, object] | None:
        """The first row, from 1, that meets a condition, and what stands there."""
        numbered = f"SELECT row_number() OVER () AS seatrial_row, * FROM {table}"
        found = self.query(
            f"SELECT seatrial_row, {shown} AS shown FROM ({numbered}) WHERE {condition} ORDER BY seatrial_row LIMIT 1"
        ).to_pylist()
        return (found[0]["seatrial_row"], found[0]["shown"]) if found else None

    def _open(self, table: str, data: Data, texts: Sequence[str] = ()) -> dict[str, str]:
        if isinstance(data, pd.DataFrame):
            data = pa.Table.from_pandas(data, preserve_index=False)
        try:
            if isinstance(data, pa.Table):
                self._connection.register(f"given_{table}", data)
                source = f"given_{table}"
            else:
                source = _reader(data, texts)
            self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM {source}")
            described = self._connection.execute(f"DESCRIBE {table}").fetchall()
        except duckdb.Error as error:
            raise BadInput(f"{self.names[table]} cannot be read ({_first_line(error)}); mend it") from None
        return {str(row[0]): str(row[1]) for row in described}

    def _refuse_learned(self) -> None:
        """Rows of ours say how their variant came about; earlier results decided what a bandit gave."""
        if not self.has("exposures", "reason"):
            return
        found = self.first_row("exposures", "CAST(reason AS VARCHAR) = 'bandit'", "''")
        if found is not None:
            raise BadInput(
                f"row {found[0]} of {self.names['exposures']} was drawn by a bandit (its `reason`), whose chances "
                "followed from earlier results, so that a plain comparison is wrong; ask `seatrial bandit evaluate`, "
                "or leave such rows out"
            )

    def _need(self, table: str, *columns: str) -> None:
        known = self._kinds[table]
        for column in columns:
            if column not in known:
                near = nearest(column, known)
                raise BadInput(
                    f"{self.names[table]} has no column {column!r}, only {', '.join(known)}"
                    f"{f'; did you mean {near!r}?' if near else ': rename or add it, or say what it is called'}"
                )

    def _no_number(self, table: str, column: str, kind: str) -> None:
        name = quoted(column)
        (row,) = self.query(f"SELECT count({name}) AS n FROM {table}").to_pylist()
        if not row["n"]:  # a .csv file of which nothing is known but the column's name
            return
        bad = self.first_row(table, f"{name} IS NOT NULL AND TRY_CAST({name} AS DOUBLE) IS NULL", f"{name}::VARCHAR")
        where = f"; row {bad[0]} has {bad[1]!r}" if bad else ""
        raise BadInput(f"{self.names[table]} holds {kind} in {column!r}, not numbers{where}")

    def outcomes_held(
        self, wanted: Sequence[str], counted: Sequence[str] = (), column: str = "outcome"
    ) -> list[dict[str, Any]]:
        """Every outcome of the file of outcomes: its ``name``, ``n`` rows, and the ``counted`` expressions.

        Raises:
            BadInput: One that is ``wanted`` is not among them.
        """
        self._need("outcomes", column)
        select = ", ".join([f"CAST({quoted(column)} AS VARCHAR) AS name", "count(*) AS n", *counted])
        rows: list[dict[str, Any]] = self.query(f"SELECT {select} FROM outcomes GROUP BY 1").to_pylist()
        found = [str(row["name"]) for row in rows]
        for name in wanted:
            if name not in found:
                raise BadInput(f"{self.names['outcomes']} has no outcome {name!r}; {did_you_mean(name, found)}")
        return rows


def _called(data: Data, otherwise: str) -> str:
    return str(data) if isinstance(data, str | Path) else otherwise


def _reader(data: str | Path, texts: Sequence[str]) -> str:
    path = str(data)
    suffix = next((s for s in (".parquet", ".csv", ".csv.gz") if path.endswith(s)), None)
    if suffix is None:
        raise BadInput(f"{path!r} is neither .parquet nor .csv: convert it to one of them")
    if not (Path(path).is_file() or glob.glob(path)):
        raise BadInput(f"there is no file {path!r}")
    if Path(path).is_file() and not Path(path).stat().st_size:
        raise NoData(f"{path} is empty; there is nobody to judge yet")
    if suffix == ".parquet":
        return f"read_parquet({literal(path)}, union_by_name = true)"
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in texts)
    typed = f", types = {{{types}}}" if texts else ""
    return f"read_csv({literal(path)}, header = true, sample_size = 100000{typed})"


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
