"""Anybody's tables as a source."""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from seatrial.experiments.source import ROW_DEFAULTS, TableSource
from seatrial.ledger.rows import Envelope
from seatrial.spec.errors import BadInput

UNITS = pa.table({"unit": ["a", "b"], "variant": ["champion", "challenger"], "at": ["2026-01-01T00:00:00Z"] * 2})


def test_columns_that_a_table_lacks_get_their_defaults() -> None:
    table = TableSource(UNITS).sql("SELECT * FROM rows ORDER BY unit", {})
    assert set(Envelope._fields) <= set(table.column_names)
    assert table["reason"].to_pylist() == ["split", "split"]
    assert table["request_id"].to_pylist() == ["row-1", "row-2"]


def test_defaults_cover_the_whole_envelope() -> None:
    assert set(ROW_DEFAULTS) | {"unit", "variant", "at"} >= set(Envelope._fields)


def test_without_outcomes_nothing_happened() -> None:
    assert TableSource(UNITS).sql("SELECT outcome, value_number, received_at FROM outcomes", {}).num_rows == 0


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"it's{suffix}"
    if suffix == ".parquet":
        pyarrow.parquet.write_table(UNITS, path)
    else:
        pyarrow.csv.write_csv(UNITS, path)
    source = TableSource(path, path_of_outcomes(tmp_path))
    assert source.sql("SELECT unit FROM rows WHERE variant = $v", {"v": "challenger"})["unit"].to_pylist() == ["b"]
    outcome = source.sql('SELECT outcome, epoch_us(received_at) - epoch_us("at") AS delay FROM outcomes', {})
    assert outcome.to_pylist() == [{"outcome": "click", "delay": 0}]
    source.close()


def path_of_outcomes(directory: Path) -> Path:
    path = directory / "outcomes.csv"
    path.write_text("outcome,at,unit\nclick,2026-01-01T00:00:01Z,a\n")
    return path


def test_a_missing_column_is_named() -> None:
    with pytest.raises(BadInput, match="'variant'"):
        TableSource(UNITS.drop_columns(["variant"]))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"neither \.parquet nor \.csv"):
        TableSource(tmp_path / "units.xlsx")
