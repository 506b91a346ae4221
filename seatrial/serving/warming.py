"""Models that were just loaded are asked until they are warm, and until it is known how quick they are."""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from seatrial.models.manifest import read_samples
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.features import Encoder, Row
from seatrial.routing.snapshot import Slot, Snapshot
from seatrial.serving.batch_check import Outputs, differs
from seatrial.serving.batching import Marked
from seatrial.serving.engine import Engine
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import SeatrialError
from seatrial.spec.signature import NUMERIC_KINDS, TEXT_KINDS, Feature

log = logging.getLogger("seatrial.serving")

WARM_CALLS = 8
MEASURED_CALLS = 64
WARM_SECONDS = 2.0


def warm_up(variant: Variant, now: Callable[[], float] = time.monotonic) -> None:
    """Let a model answer real-shaped rows until it is warm and its pace is known; one that lies ready needs neither.

    One on a device is also asked batches of every size that begins at a power of two: its libraries load what a size
    needs when it first comes (on an H200, 31 ms for the first 64 rows of a model that then took 0.2), and the request
    that is the first should not be late for it.

    Raises:
        SeatrialError: It does not answer its own samples.
    """
    rows = [] if variant.slot.is_ready else samples(variant.slot)
    if not rows:
        return
    deadline = now() + WARM_SECONDS
    singles: list[Outputs] = []
    for call in range(WARM_CALLS + MEASURED_CALLS):
        attempt = Attempt(variant, [rows[call % len(rows)]])
        attempt.run(measured=call >= WARM_CALLS)
        if attempt.outputs is None:
            raise SeatrialError(f"{variant.version} ({variant.name}) does not answer its own sample: {attempt.error}")
        if call < len(rows):
            singles.append(attempt.outputs)
        if now() > deadline:
            break
    attempt = Attempt(variant, rows)
    attempt.run(measured=False)
    if attempt.outputs is None:
        raise SeatrialError(f"{variant.version} ({variant.name}) does not answer a batch of samples: {attempt.error}")
    if len(rows) > 1:
        _see_together(variant, attempt.outputs, singles)
    if variant.slot.device != "cpu" and variant.batching is not None and variant.engine.together is not False:
        _grow(variant, rows, lambda: now() > deadline)


def _grow(variant: Variant, rows: Sequence[Row], enough: Callable[[], bool]) -> None:
    """Ask batches twice as large each time, up to what the file allows or the model answers."""
    assert variant.slot.batch is not None
    most, size = variant.slot.batch.rows, 1
    while size < most and not enough():
        size = min(2 * size, most)
        attempt = Attempt(variant, list(islice(cycle(rows), size)))
        attempt.run(measured=False)
        if attempt.outputs is None:
            log.warning("%s does not answer %d rows at once: %s", variant.version, size, attempt.error)
            return


def _see_together(variant: Variant, together: Outputs, singles: Sequence[Outputs]) -> None:
    """Note whether the model may be given several callers' rows at once."""
    output = differs(together, singles)
    variant.engine.together = output is None
    if output is not None:
        log.warning("calls of %s are not batched: %r changes with the rows beside it", variant.version, output)


def warm_transform(slot: Slot, engine: Engine, underway: Marked, now: Callable[[], float] = time.monotonic) -> None:
    """Let a transform's model compute its own samples until it is warm and its pace is known.

    Args:
        underway: Where it says that it runs, in case that ends the process.

    Raises:
        SeatrialError: It does not.
    """
    rows, encoder = samples(slot), Encoder(slot.signature)
    deadline = now() + WARM_SECONDS
    for call in range(WARM_CALLS + MEASURED_CALLS if rows else 0):
        try:
            tensors = encoder.encode([rows[call % len(rows)]]).tensors
            underway.on()
            try:
                engine.run(tensors, 1) if call >= WARM_CALLS else engine.runtime.run(tensors)
            finally:
                underway.off()
        except SeatrialError as error:
            raise SeatrialError(f"the transform {slot.model_version} does not take its own sample: {error}") from error
        if now() > deadline:
            break


def samples(slot: Slot) -> Sequence[Row]:
    """The version's sample rows; empty when it has none. An ensemble's have what each of its members needs."""
    if slot.ensemble is None:
        return read_samples(Path(slot.path))
    together = zip(*(samples(member) for member in slot.ensemble.members), strict=False)
    return [{name: value for row in reversed(rows) for name, value in row.items()} for rows in together]


def greet(variant: Variant, snapshot: Snapshot) -> None:
    """See that a remote variant is ready, and answers a row and a batch of two; it is another's, so no more is asked.

    Raises:
        SeatrialError: It does not.
    """
    assert variant.engine.remote is not None
    named = f"{variant.version} ({variant.name})"
    try:
        variant.engine.remote.check()
    except RuntimeFailure as error:
        raise SeatrialError(f"{named} cannot be used: {error}") from error
    rows = _rows_like(variant.slot, snapshot)
    for some in (rows[:1], (rows * 2)[:2]):
        attempt = Attempt(variant, some)
        attempt.run(measured=False)
        if attempt.read is None:
            raise SeatrialError(f"{named} does not answer a sample: {attempt.error}")


def _rows_like(slot: Slot, snapshot: Snapshot) -> list[Row]:
    """Sample rows of a version that takes the same features; else one that is made."""
    for other in snapshot.slots:
        if other.path and other.signature.features == slot.signature.features:
            found = read_samples(Path(other.path))
            if found:
                return list(found)
    return [{feature.name: _made(feature) for feature in slot.signature.features}]


def _made(feature: Feature) -> Any:
    if feature.nullable:
        return None
    if feature.kind in NUMERIC_KINDS:
        return False if feature.kind == "boolean" else 0
    if feature.kind in TEXT_KINDS:
        return (feature.categories or ("",))[0]
    return [0.0] * (feature.width or 1)
