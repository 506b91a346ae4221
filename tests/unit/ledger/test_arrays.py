"""Columns built without pyarrow.array equal those built with it."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.ledger import arrays

FLOATS = st.one_of(st.none(), st.floats(allow_nan=False))
INTEGERS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


@given(st.lists(FLOATS))
def test_numbers(values: list[float | None]) -> None:
    assert arrays.numbers(values).equals(pa.array(values, pa.float64()))


@given(st.lists(INTEGERS))
def test_integers(values: list[int | None]) -> None:
    assert arrays.integers(values).equals(pa.array(values, pa.int64()))


@given(st.lists(st.one_of(st.none(), st.booleans())))
def test_booleans(values: list[bool | None]) -> None:
    assert arrays.booleans(values).equals(pa.array(values, pa.bool_()))


@given(st.lists(TEXTS))
def test_strings(values: list[str | None]) -> None:
    assert arrays.strings(values).equals(pa.array(values, pa.string()))


@given(st.lists(st.one_of(st.none(), st.lists(st.floats(allow_nan=False), max_size=5))))
def test_lists(values: list[list[float] | None]) -> None:
    assert arrays.lists(values).equals(pa.array(values, pa.list_(pa.float64())))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), min_size=1), st.data())
def test_repeated(distinct: list[str], data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(0, len(distinct) - 1)))
    made = arrays.repeated(distinct, np.array(codes, np.int32))
    assert made.equals(pa.array([distinct[code] for code in codes], pa.string()))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.string(), 3),
        (pa.string(), b"bytes"),
        (pa.string(), "\ud800"),
        (pa.float64(), "3"),
        (pa.int64(), 3.5),
        (pa.int64(), 2**63),
        (pa.int64(), "3"),
        (pa.bool_(), 1),
        (pa.list_(pa.float64()), [["nested"]]),
    ],
)
def test_a_value_of_another_type_is_refused(kind: pa.DataType, value: object) -> None:
    with pytest.raises(arrays.MISFITS):
        arrays.BUILDERS[kind]([value])


def test_writing_rows_and_outcomes_imports_no_pandas() -> None:
    program = """
import sys
import numpy as np
from seatrial.ledger.chunk import Chunk
from seatrial.ledger.columns import row_schema
from seatrial.ledger.log import PredictionLog
from seatrial.ledger.outcomes import encode
from seatrial.ledger.rows import Envelope, Outcome, RowSchema

schema = RowSchema("d", (("c", "string"),), (("n", "number"),), (0,), ("t",), (0,), ("v",), (("label", "string"),))
chunk = Chunk(schema, 4)
row = Envelope("r", 0, "answer", None, 1, "u", True, *"ervvaaa", 0.5, True, "", 1, 1, "ok", "", 10)
chunk.append(row, ("DE",), np.zeros(1), ["text"], [[1.0]], ("yes",))
chunk.encode(row_schema(schema), {})[0].serialize()
encode([Outcome("o", "i", "", "u", None, None, None, None, 1.0, False, {}, 1, 1)]).serialize()
sys.exit("pandas" in sys.modules or "duckdb" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
