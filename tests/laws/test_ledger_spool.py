"""A segment torn at any byte reads back to its last whole message."""

import itertools
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.ledger.spool import read_segment

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.string())])
BATCHES = [
    pa.RecordBatch.from_pydict({"number": [1, 2, 2**63 - 1], "text": ["a", None, "ü" * 9]}, schema=SCHEMA),
    pa.RecordBatch.from_pydict({"number": [4], "text": [""]}, schema=SCHEMA),
    pa.RecordBatch.from_pydict({"number": [5, None], "text": ["x" * 100, "y"]}, schema=SCHEMA),
]
MESSAGES = [SCHEMA.serialize().to_pybytes(), *(batch.serialize().to_pybytes() for batch in BATCHES)]
WHOLE = b"".join(MESSAGES)
ENDS = list(itertools.accumulate(map(len, MESSAGES)))


@pytest.mark.parametrize("mapped", [True, False])
def test_every_length(tmp_path: Path, mapped: bool) -> None:
    path = tmp_path / "segment.arrow"
    for length in range(len(WHOLE) + 1):
        path.write_bytes(WHOLE[:length])
        table = read_segment(path, mapped=mapped)
        whole = sum(end <= length for end in ENDS)
        if whole == 0:
            assert table is None
        else:
            assert table is not None
            assert table.equals(pa.Table.from_batches(BATCHES[: whole - 1], SCHEMA))


@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=64))
def test_what_was_whole_survives_any_bytes_behind_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("segment") / "segment.arrow"
    path.write_bytes(WHOLE[:cut] + noise)
    whole = sum(end <= cut for end in ENDS)
    table = read_segment(path, mapped=False)
    if whole:
        assert table is not None
        expected = pa.Table.from_batches(BATCHES[: whole - 1], SCHEMA)
        assert table.slice(0, expected.num_rows).equals(expected)
