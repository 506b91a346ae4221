"""The ledger's share of a request: appending a row, and writing a flush of 1 000 rows, as the event loop feels it.

``append`` is what the loop pays a row; ``write`` is the processor's time a row of the thread that encodes and writes
1 000 rows. The longest hold of the interpreter by a flush is what a thread that wants it sees: it spins, noting how
long it was kept from running, with a switch interval of a microsecond, so that nothing but a hold (or another process
on this core) can keep it waiting. Of a gap only that counts in which the flushing thread used the processor.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bench import results
from bench.bars.arguments import parser
from bench.envelope import ENVELOPE
from bench.model import NAMES
from seatrial.ledger.chunk import stamp
from seatrial.ledger.log import PredictionLog, RowBuffer
from seatrial.ledger.rows import RowSchema

ROWS = 1000
SCHEMA = RowSchema(
    deployment="bench",
    context=(),
    numbers=tuple((name, "number") for name in NAMES),
    number_index=tuple(range(len(NAMES))),
    texts=(),
    text_index=(),
    vectors=(),
    prediction=(("label", "integer"), ("score", "number")),
)
NUMBERS = tuple(float(i) for i in range(len(NAMES)))


def measure(flushes: int) -> dict[str, Any]:
    """Microseconds a row of appending and of writing, and the longest hold of each flush."""
    found: dict[str, Any] = {"machine": results.machine(), "append_us": [], "write_us": [], "hold_us": []}
    usual = sys.getswitchinterval()
    with tempfile.TemporaryDirectory() as folder:
        # Its own thread never looks: every flush is ours.
        log = PredictionLog(Path(folder), "w0", clock=lambda: 0, flush_seconds=3600.0)
        buffer = log.buffer(SCHEMA)
        try:
            for number in range(flushes + 3):
                append = _append(buffer, number)
                write, hold = _flush(log, usual)
                if number >= 3:  # the first ones open files and load code
                    found["append_us"].append(append)
                    found["write_us"].append(write)
                    found["hold_us"].append(hold)
        finally:
            sys.setswitchinterval(usual)
            log.close()
    return found


def _append(buffer: RowBuffer, number: int) -> float:
    known, ids = stamp(ENVELOPE, ()), [f"{number:020x}{row:012x}" for row in range(ROWS)]
    append = buffer.append_plain
    started = time.perf_counter_ns()
    for request_id in ids:
        append(known, request_id, 0, "customer-17", True, 40, NUMBERS, (1, 0.75))
    return (time.perf_counter_ns() - started) / 1000 / ROWS


def _flush(log: PredictionLog, usual: float) -> tuple[float, float]:
    """Processor microseconds a row of one flush in a thread, and the longest it kept this one from running."""
    used: list[int] = []
    clock = _ThreadClock()

    def write() -> None:
        clock.open()
        before = time.thread_time_ns()
        log.flush()
        used.append(time.thread_time_ns() - before)

    thread = threading.Thread(target=write)
    sys.setswitchinterval(1e-6)
    thread.start()
    longest, last, last_ran = 0, time.perf_counter_ns(), clock.ran()
    while not used:
        now, ran = time.perf_counter_ns(), clock.ran()
        longest = max(longest, min(now - last, ran - last_ran))
        last, last_ran = now, ran
    thread.join()
    sys.setswitchinterval(usual)
    return used[0] / 1000 / ROWS, longest / 1000


class _ThreadClock:
    """How long another thread has run, nanoseconds."""

    def __init__(self) -> None:
        self._id: int | None = None

    def open(self) -> None:
        self._id = time.pthread_getcpuclockid(threading.get_ident())

    def ran(self) -> int:
        try:
            return 0 if self._id is None else time.clock_gettime_ns(self._id)
        except OSError:
            return 0  # it has ended


def render(found: dict[str, Any]) -> str:
    flushes = len(found["hold_us"])
    lines = [
        ["append, µs a row (the event loop's)", results.spread(found["append_us"])],
        ["encode and write, CPU µs a row (a thread's)", results.spread(found["write_us"])],
        ["longest hold of the interpreter, µs a flush", results.spread(found["hold_us"], ".0f")],
        ["the 99th percentile of these holds, µs", f"{_p99(found['hold_us']):.0f}"],
    ]
    return results.rows([f"{flushes} flushes of {ROWS:,} rows", "least, **median**, most"], lines)


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[-1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    given = parser("flush", __doc__, pairs=300).parse_args()
    results.run("flush", given, lambda: measure(given.pairs), render)
