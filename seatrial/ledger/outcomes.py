"""The outcome log: an outcome is acknowledged when it is on the disk, and refused when it cannot be.

One thread writes: it takes everything that waits, writes it as one batch and syncs once for all (group commit), then
resolves the futures. Ids are counted at reading, so a repeat is harmless.
"""

import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from seatrial.ledger import arrays, layout
from seatrial.ledger.columns import OUTCOME, TIME
from seatrial.ledger.rows import Outcome
from seatrial.ledger.spool import Session, StreamWriter
from seatrial.spec.errors import BadInput, Unavailable

PENDING_LIMIT = 200_000
"""Outcomes that may wait for the disk at once."""

STALLED_SECONDS = 5.0
"""When a write has taken longer than this the disk is stalled, and further outcomes are refused at once."""


def derive_id(
    *,
    outcome: str,
    deployment: str = "",
    unit: str | None = None,
    request_id: str | None = None,
    row: int | None = None,
    key: str | None = None,
    item: str | None = None,
    at: int | None = None,
    token: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> str:
    """The identity of an outcome that came without one.

    With an event time, the same outcome of the same deployment, joined in the same way, about the same item and at the
    same time is the same outcome, whatever its value: a second post revises the first. Without one each post is new.

    Args:
        at: Event time as the caller gave it, microseconds since 1970 UTC; None when he gave none.
        token: Draws an identity for an outcome without event time.

    Returns:
        32 hexadecimal digits.
    """
    if at is None:
        return token()
    parts = (outcome, deployment, unit, request_id, row, key, item, at)
    written = "".join("-" if part is None else f"{len(str(part))}:{part}" for part in parts)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class StoredValue(NamedTuple):
    """A value as its columns.

    Attributes:
        kind: ``number``, ``boolean``, ``string`` or ``none``.
        number: The number; 0 or 1 for a boolean; None for strings.
        text: The string; ``true`` or ``false``; a whole number without a point, any other in its shortest form. So a
            label compares equal to ``CAST(prediction AS VARCHAR)`` whichever way it was sent.
    """

    kind: str
    number: float | None
    text: str | None


def stored_value(value: float | bool | str | None) -> StoredValue:
    """How an outcome's value is stored."""
    if value is None:
        return StoredValue("none", None, None)
    if isinstance(value, bool):
        return StoredValue("boolean", float(value), "true" if value else "false")
    if isinstance(value, str):
        return StoredValue("string", None, value)
    number = float(value)
    whole = number.is_integer() and abs(number) < 2.0**63
    return StoredValue("number", number, str(int(value)) if whole else repr(number))


class _Waiting(NamedTuple):
    outcomes: Sequence[Outcome]
    done: "Future[None]"


class OutcomeLog:
    """Outcomes of one process on their way to the disk.

    Args:
        home: Home directory of the machine.
        worker: Name of this process.
        clock: Microseconds since 1970 UTC.
        acknowledge: ``disk``, the only one there is yet.
        segment_bytes, segment_seconds: When a segment is closed.

    Raises:
        BadInput: ``acknowledge`` is something else.
    """

    def __init__(
        self,
        home: Path,
        worker: str,
        *,
        clock: Callable[[], int],
        acknowledge: str = "disk",
        segment_bytes: int = 16 << 20,
        segment_seconds: float = 10.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if acknowledge != "disk":
            raise BadInput(f"acknowledge: {acknowledge} is not built yet; use disk")
        self._clock = clock
        self._monotonic = monotonic
        self._session = Session(home, worker)
        self._writer = StreamWriter(
            self._session.directory / layout.OUTCOMES,
            OUTCOME,
            durable=True,
            segment_bytes=segment_bytes,
            segment_seconds=segment_seconds,
            monotonic=monotonic,
        )
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._pending = 0
        self._writing_since: float | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="outcome-log", daemon=True)
        self._thread.start()

    def append(self, outcomes: Sequence[Outcome]) -> "Future[None]":
        """Store outcomes; never blocks.

        Returns:
            Done when all of them are on the disk. Fails with `Unavailable` when the disk refuses them, is stalled, or
            too many wait already; none of this call's outcomes counts as stored then, and sending them again is right.
        """
        done: Future[None] = Future()
        with self._condition:
            refusal = self._refusal(len(outcomes))
            if refusal is not None:
                done.set_exception(refusal)
            elif not outcomes:
                done.set_result(None)
            else:
                self._waiting.append(_Waiting(outcomes, done))
                self._pending += len(outcomes)
                self._condition.notify()
        return done

    def _refusal(self, arriving: int) -> Unavailable | None:
        if self._closed:
            return Unavailable("outcomes are not taken any more because this process is stopping; send them again")
        if self._writing_since is not None and self._monotonic() - self._writing_since > STALLED_SECONDS:
            return Unavailable("the disk under the ledger has stalled; send the outcomes again later", retry_after=5)
        if self._pending and self._pending + arriving > PENDING_LIMIT:
            return Unavailable(f"{self._pending} outcomes wait for the disk already; send these again later")
        return None

    def close(self) -> None:
        """Store what waits, then end the session."""
        with self._condition:
            if self._closed:
                return
            self._closed = True
            self._condition.notify()
        self._thread.join()
        self._writer.close()
        self._session.close()

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._waiting and not self._closed:
                    self._condition.wait(timeout=1.0)
                group, self._waiting = self._waiting, []
                self._writing_since = self._monotonic()
                if not group and self._closed:
                    return
            self._store(group)
            with self._condition:
                self._pending -= sum(len(waiting.outcomes) for waiting in group)
                self._writing_since = None

    def _store(self, group: list[_Waiting]) -> None:
        """Write a group as one batch; a call whose outcomes cannot be encoded fails alone."""
        batches, waiting = [], []
        for entry in group:
            try:
                batches.append(encode(entry.outcomes))
                waiting.append(entry)
            except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
                entry.done.set_exception(BadInput(f"an outcome cannot be stored: {error}"))
        refusal = self._write(batches)
        for entry in waiting:
            if refusal is None:
                entry.done.set_result(None)
            else:
                entry.done.set_exception(refusal)

    def _write(self, batches: list[pa.RecordBatch]) -> Unavailable | None:
        try:
            if batches:
                self._writer.write(pa.concat_batches(batches))
            else:
                self._writer.rotate()
        except OSError as error:
            return Unavailable(
                f"the disk under the ledger refuses outcomes ({error.strerror}); send them again later", 5
            )
        return None


def encode(outcomes: Sequence[Outcome]) -> pa.RecordBatch:
    """Outcomes as one record batch of `columns.OUTCOME`.

    Revisions of one outcome in one call arrive a microsecond apart, so that the last of them counts.
    """
    values = [stored_value(outcome.value) for outcome in outcomes]
    later = _revisions_before(outcomes)
    text = ("outcome", "id", "deployment", "unit", "request_id", "key", "item")
    columns = {name: arrays.strings([getattr(outcome, name) for outcome in outcomes]) for name in text}
    columns["row"] = arrays.integers([outcome.row for outcome in outcomes]).cast(pa.int32())
    columns["withdrawn"] = arrays.booleans([outcome.withdrawn for outcome in outcomes])
    columns["value_kind"] = arrays.strings([value.kind for value in values])
    columns["value_number"] = arrays.numbers([value.number for value in values])
    columns["value_text"] = arrays.strings([value.text for value in values])
    columns["fields"] = arrays.strings([_json(outcome.fields) for outcome in outcomes])
    arrived = [outcome.received_at + later[i] for i, outcome in enumerate(outcomes)]
    at = [arrived[i] if o.at == o.received_at else o.at for i, o in enumerate(outcomes)]
    columns["at"] = arrays.integers(at).view(TIME)
    columns["received_at"] = arrays.integers(arrived).view(TIME)
    return pa.RecordBatch.from_arrays([columns[field.name] for field in OUTCOME], schema=OUTCOME)


def _revisions_before(outcomes: Sequence[Outcome]) -> list[int]:
    """For each outcome, how many earlier ones of the same call have its identity."""
    seen: dict[tuple[str, str, str], int] = {}
    before = []
    for outcome in outcomes:
        identity = (outcome.outcome, outcome.deployment, outcome.id)
        before.append(seen.get(identity, 0))
        seen[identity] = before[-1] + 1
    return before


def _json(fields: dict[str, float | int | bool | str | None]) -> str | None:
    """Fields in one spelling, so that equal fields are equal text."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if fields else None
