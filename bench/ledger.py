"""The ledger's times: appending, writing, compacting, querying, importing.

    python -m bench.ledger --rows 1000000

Rows have 30 numeric features, two predictions and a named unit; a fifth as many outcomes are imported from Parquet.
Everything is measured in one process on whatever cores it gets; what is printed is a Markdown table row by row.
"""

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.envelope import ENVELOPE
from seatrial.ledger.compactor import Compactor
from seatrial.ledger.importing import Columns, import_outcomes
from seatrial.ledger.log import PredictionLog, RowBuffer
from seatrial.ledger.reader import Reader
from seatrial.ledger.rows import Envelope, RowSchema

START = 1_700_000_000_000_000
FEATURES = 30
SCHEMA = RowSchema(
    deployment="bench",
    context=(),
    numbers=tuple((f"f{number}", "number") for number in range(FEATURES)),
    number_index=tuple(range(FEATURES)),
    texts=(),
    text_index=(),
    vectors=(),
    prediction=(("label", "string"), ("score", "number")),
)
BLOCK = 2000

BY_VARIANT = 'SELECT variant, count(*), avg(latency_us), avg("prediction.score") FROM rows GROUP BY 1'
FIRST_EXPOSURES = 'SELECT count(*) FROM (SELECT unit, min("at"), arg_min(variant, "at") FROM rows GROUP BY unit)'
JOINED = """
WITH exposed AS (SELECT unit, arg_min(variant, "at") AS variant, min("at") AS first FROM rows GROUP BY unit)
SELECT e.variant, count(*), sum(o.value_number) FROM exposed e
JOIN outcomes o ON o.unit = e.unit AND o.at >= e.first AND o.at < e.first + INTERVAL 7 DAY GROUP BY 1
"""


def envelopes(first: int, count: int) -> list[Envelope]:
    """Rows of a million units and two variants, a millisecond apart."""
    return [
        ENVELOPE._replace(
            request_id=f"{START // 1000 + number:012x}7{number % 65536:04x}8000",
            at=START + number * 1000,
            unit=f"customer-{number % 1_000_000}",
            variant="champion" if number % 2 else "challenger",
        )
        for number in range(first, first + count)
    ]


def append_block(
    buffer: RowBuffer, rows: list[Envelope], features: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]"
) -> float:
    """Append rows; gives seconds."""
    append = buffer.append
    started = time.perf_counter()
    for envelope, numbers in zip(rows, features, strict=True):
        append(envelope, (), numbers, None, None, ("yes", 0.25))
    return time.perf_counter() - started


def write(home: Path, rows: int) -> tuple[list[float], float]:
    """Fill the spool; gives microseconds a row of each block's appends, and seconds of writing."""
    log = PredictionLog(home, "bench", clock=lambda: START, byte_limit=1 << 30, flush_seconds=3600.0)
    buffer = log.buffer(SCHEMA)
    draw = np.random.default_rng(0)
    appends, flushing = [], 0.0
    for first in range(0, rows, BLOCK):
        features = draw.normal(size=(BLOCK, FEATURES))
        appends.append(append_block(buffer, envelopes(first, BLOCK), features) / BLOCK * 1e6)
        started = time.perf_counter()
        log.flush()
        flushing += time.perf_counter() - started
    log.close()
    assert log.logged == rows, log.dropped
    return appends, flushing


def outcomes_file(home: Path, rows: int) -> Path:
    """Outcomes of a fifth of the units, as a Parquet file."""
    count = max(1, rows // 5)
    table = pa.table(
        {
            "customer": [f"customer-{number * 5 % 1_000_000}" for number in range(count)],
            "at": pa.array(START + np.arange(count) * 1000 + 3_600_000_000, pa.int64()).cast(pa.timestamp("us", "UTC")),
            "value": np.random.default_rng(1).normal(size=count),
        }
    )
    path = home / "outcomes.parquet"
    pq.write_table(table, path)
    return path


def timed(work: Callable[[], object]) -> float:
    """Seconds that ``work`` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def query(home: Path, sql: str) -> tuple[float, float]:
    """Seconds to open a view, and to run a query on it."""
    started = time.perf_counter()
    with Reader(home).open("bench") as view:
        opened = time.perf_counter()
        view.sql(sql)
        return opened - started, time.perf_counter() - opened


def measure(home: Path, rows: int) -> list[tuple[str, str]]:
    """Run everything once at this size; gives names and figures."""
    appends, flushing = write(home, rows)
    found = [
        ("append, µs a row, median of blocks (least)", f"{np.median(appends):.2f} ({min(appends):.2f})"),
        ("encode and write to the spool, rows/s", f"{rows / flushing:,.0f}"),
    ]
    spool = sum(path.stat().st_size for path in home.rglob("*.arrow"))
    found.append(("spool, bytes a row", f"{spool / rows:,.0f}"))
    found.append(
        ("query by variant over the spool alone, s (open + run)", "{:.2f} + {:.2f}".format(*query(home, BY_VARIANT)))
    )
    compacting = timed(lambda: Compactor(home, clock=lambda: START, grace=0.0).run_once())
    found.append(("compaction, s", f"{compacting:.1f} ({rows / compacting:,.0f} rows/s)"))
    table = sum(path.stat().st_size for path in home.rglob("*.parquet"))
    found.append(("table, bytes a row", f"{table / rows:,.0f}"))
    file = outcomes_file(home, rows)
    columns = Columns(unit="customer", at="at", value="value")
    importing = timed(lambda: import_outcomes(home, file, "purchase", columns, now=START + 10**10))
    found.append((f"import of {rows // 5:,} outcomes, s", f"{importing:.1f}"))
    for name, sql in (
        ("by variant", BY_VARIANT),
        ("first exposures", FIRST_EXPOSURES),
        ("joined with outcomes", JOINED),
    ):
        found.append((f"query {name}, s (open + run)", "{:.2f} + {:.2f}".format(*query(home, sql))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found.append(("most memory, MiB", f"{peak:,.0f}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help=f"a multiple of {BLOCK}")
    rows = parser.parse_args().rows
    home = Path(tempfile.mkdtemp(prefix="seatrial-bench-"))
    try:
        print(f"| {rows:,} rows | |\n|---|---|")
        for name, figure in measure(home, rows):
            print(f"| {name} | {figure} |", flush=True)
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
