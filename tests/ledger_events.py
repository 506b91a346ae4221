"""Made-up rows and outcomes for the ledger's tests, and a clock that a test moves."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from seatrial.ledger.compactor import Compactor
from seatrial.ledger.log import PredictionLog, RowBuffer, SegmentLimits
from seatrial.ledger.outcomes import OutcomeLog, derive_id
from seatrial.ledger.rows import Envelope, Outcome, RowSchema

START = 1_700_000_000_000_000
"""2023-11-14T22:13:20Z in microseconds."""

SECOND = 1_000_000

SCHEMA = RowSchema(
    deployment="churn",
    context=(("country", "string"), ("visits", "integer")),
    numbers=(("age", "number"), ("orders", "integer"), ("member", "boolean")),
    number_index=(0, 1, 2),
    texts=("city",),
    text_index=(0,),
    vectors=("embedding",),
    prediction=(("label", "string"), ("score", "number")),
)

PLAIN = RowSchema("churn", (), (), (), (), (), (), (("value", "number"),))
"""Rows with an envelope and one answer."""


class Clock:
    """Microseconds or seconds that move only when told."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> Any:
        return self.now


def envelope(number: int = 0, **given: Any) -> Envelope:
    """Row ``number`` of a made-up stream of requests, one a second."""
    base = Envelope(
        request_id=f"request-{number:09d}",
        row=0,
        role="answer",
        key=None,
        at=START + number * SECOND,
        unit=f"unit-{number}",
        unit_named=True,
        entry="everybody",
        reason="split",
        variant="champion",
        assigned_version="churn:7",
        answered_by="assigned",
        answered="champion",
        version="churn:7",
        propensity=0.5,
        contested=True,
        release="release-1",
        phase=1,
        revision=3,
        status="ok",
        error="",
        latency_us=850,
    )
    return base._replace(**given)


def outcome(name: str = "purchase", **given: Any) -> Outcome:
    """An outcome, with a derived id unless one is given."""
    joins = {key: given.get(key) for key in ("unit", "request_id", "row", "key", "item")}
    at = given.get("at", START)
    base: dict[str, Any] = {
        "outcome": name,
        "id": derive_id(outcome=name, deployment=given.get("deployment", ""), at=at, **joins),
        "deployment": "",
        **joins,
        "value": None,
        "withdrawn": False,
        "fields": {},
        "at": at,
        "received_at": at,
    }
    return Outcome(**(base | given))


@contextmanager
def prediction_log(home: Path, worker: str = "w0", **given: Any) -> Iterator[PredictionLog]:
    """A log whose thread sleeps: tests flush by hand."""
    log = PredictionLog(home, worker, clock=Clock(), **({"flush_seconds": 3600.0} | given))
    try:
        yield log
    finally:
        log.close()


def append_plain(buffer: RowBuffer, numbers: range, **given: Any) -> None:
    """Append rows of `PLAIN` with these request numbers; the value is the number."""
    for number in numbers:
        assert buffer.append(envelope(number, **given), (), None, None, None, (float(number),))


def write_rows(home: Path, numbers: range, schema: RowSchema = PLAIN, worker: str = "w0", **given: Any) -> None:
    """Leave rows of `PLAIN` behind in the spool, from a writer that has ended."""
    with prediction_log(home, worker) as log:
        append_plain(log.buffer(schema), numbers, **given)


def write_outcomes(home: Path, *outcomes: Outcome, worker: str = "w0") -> None:
    """Leave outcomes behind in the spool, one call each, from a writer that has ended."""
    log = OutcomeLog(home, worker, clock=Clock())
    try:
        for each in outcomes:
            log.append([each]).result(20)
    finally:
        log.close()


def compacted(home: Path, **given: Any) -> Compactor:
    """Run one round of a compactor whose time stands still."""
    compactor = Compactor(home, **({"monotonic": Clock(0.0), "clock": Clock()} | given))
    compactor.run_once()
    return compactor


SMALL_SEGMENTS = SegmentLimits(bytes=2000, seconds=3600.0)

FEATURES = np.array([41.5, 3.0, 1.0])

fresh = itertools.count()
