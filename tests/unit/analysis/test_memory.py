"""Files that do not fit: once more on one thread, and then one sentence."""

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest

from seatrial.analysis.files import Files
from seatrial.spec.errors import Unavailable

UNITS = pa.table({"unit": [1, 2], "variant": ["a", "b"], "x": [1.0, 2.0]})


def too_large(times: int, asked: list[int]) -> Callable[[], int]:
    """Fails so many times for want of memory."""

    def work() -> int:
        asked.append(1)
        if len(asked) <= times:
            raise duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block")
        return 7

    return work


def test_what_does_not_fit_is_asked_once_more_on_one_thread() -> None:
    with Files(UNITS) as files:
        asked: list[int] = []
        assert files._within_memory(too_large(1, asked)) == 7
        assert len(asked) == 2
        assert files.query("SELECT current_setting('threads') AS n").to_pylist() == [{"n": 1}]


def test_what_never_fits_is_one_sentence() -> None:
    with (
        Files(UNITS) as files,
        pytest.raises(Unavailable, match="need more than the 1500MB that judging may hold"),
    ):
        files._within_memory(too_large(2, []))


def test_a_query_that_needs_more_than_there_is_says_so() -> None:
    """The database's own refusal, not a made-up one."""
    with Files(UNITS) as files:
        files.run("SET memory_limit = '8MB'")
        with pytest.raises(Unavailable, match="judge fewer metrics"):
            files.query("SELECT list(range % 7) OVER (ORDER BY range) AS x FROM range(3_000_000)")
