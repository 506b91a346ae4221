"""What every request goes through once before its variants: a model or a function that gives features.

Rows that do not fit what it takes are the caller's fault, and refused. When it fails itself, or is late, every variant
fails alike: none is asked, the fallback answers or nobody does, and the rows say why. What it gives is not the caller's
doing either, so a variant that cannot read it has failed, and refuses nobody.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from numpy.typing import NDArray

from seatrial.ledger.quarantine import Entries, held_by
from seatrial.ledger.rows import Status
from seatrial.models.feeding import Feeding
from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.protocol.features import Row
from seatrial.routing.snapshot import Snapshot
from seatrial.serving.engine import Engine
from seatrial.serving.parts import Part, Pending
from seatrial.serving.recording import Recorder
from seatrial.serving.threads import Shed
from seatrial.serving.waiting import FEW_ROWS, caller_left, retry_after
from seatrial.spec.signature import Signature

TRANSFORMS = "transforms_total"
TRANSFORM = "transform"
"""What its model is called where variants are named."""


class Transforming:
    """A deployment's transform, loaded.

    Args:
        snapshot: The deployment; it has a transform.
        engine: The model, or the function's process.
        recorder: Where its counts go.

    Attributes:
        signature: What a request carries.
    """

    def __init__(self, snapshot: Snapshot, engine: Engine, recorder: Recorder) -> None:
        given = snapshot.transform
        assert given is not None
        self.signature = given.signature
        self.locked = ""
        self.engine = engine
        self._timeout = given.timeout
        self._feeding = Feeding(snapshot, given, engine.runtime, self._run)
        self._slot = given.slot
        digest = given.slot.digest if given.slot is not None else ""
        self._underway = recorder.underway.mark(snapshot.deployment, TRANSFORM, digest)
        results: tuple[Status, ...] = ("ok", "error", "timeout", "shed", "quarantine")
        labels = {"deployment": snapshot.deployment}
        self._counted = {result: recorder.slot(TRANSFORMS, **labels, result=result) for result in results}
        self._add = recorder.counters.add

    def obey(self, quarantine: Entries, deployment: str) -> None:
        """Ask a model in quarantine nothing, and one that is in it no more again."""
        held = None if self._slot is None else held_by(quarantine, deployment, self._slot)
        self.locked = "" if held is None else f"it is in quarantine: {held.why}"

    def asked(self, signature: Signature) -> Signature:
        """A variant's signature with what a request carries for it."""
        return msgspec.structs.replace(signature, features=self.signature.features, inputs=self.signature.inputs)

    def now(self, pending: Pending, ticks: Callable[[], int]) -> bool:
        """Transform a request if that takes no thread; False when it does. It has no more time than in one.

        Args:
            ticks: Monotonic nanoseconds.

        Raises:
            BadInput: The rows do not fit.
        """
        if self.locked:
            self._fail(pending, "quarantine", self.locked)
            return True
        rows = sum(len(part.rows) for part in pending.parts)
        if rows > FEW_ROWS or not self.engine.fits(rows):
            return False
        began, deadline = ticks(), pending.parts[0].deadline
        seconds = self._timeout if deadline is None else min(self._timeout, (deadline - began) / 1e9)
        if seconds <= 0:
            self._late(pending, 0.0)
            return True
        try:
            fed = self.rows(pending.parts)
        except RuntimeFailure as error:
            self._fail(pending, "error", str(error))
            return True
        if (ticks() - began) / 1e9 > seconds:
            self._late(pending, seconds)
        else:
            self._feed(pending, fed)
        return True

    async def later(self, pending: Pending, left: Callable[[int, float], float]) -> None:
        """Transform a request in a thread, and wait for it.

        Args:
            left: Seconds left until a deadline in ticks, at most the second argument.

        Raises:
            BadInput: The rows do not fit.
        """
        if self.locked:
            self._fail(pending, "quarantine", self.locked)
            return
        deadline = pending.parts[0].deadline
        seconds = self._timeout if deadline is None else left(deadline, self._timeout)
        try:
            future = self.engine.submit(lambda: self.rows(pending.parts), seconds)
        except Shed as error:
            self._fail(pending, "shed", str(error))
            pending.deployed.counts.shed(TRANSFORM, error.reason)
            for part in pending.parts:
                part.attempt.retry_after = retry_after(error.seconds)
            return
        try:
            self._feed(pending, await asyncio.wait_for(asyncio.wrap_future(future), seconds))
        except TimeoutError:
            self._late(pending, seconds)
        except asyncio.CancelledError:
            if not future.cancelled() or caller_left():
                raise
            self._fail(pending, "shed", "it is being closed")
        except RuntimeFailure as error:
            self._fail(pending, "error", str(error))

    def rows(self, parts: Sequence[Part]) -> Sequence[Sequence[Row]]:
        """The rows of each part as the variants take them; all of them in one call.

        Raises:
            BadInput: A row does not fit.
            RuntimeFailure: The model or the function failed, or gave something else than was declared.
        """
        rows = [row for part in parts for row in part.rows]
        places = [index for part in parts for index in part.indices] if len(rows) > 1 else None
        people = [person for part in parts for person in part.people]
        fed = iter(self._feeding.rows(rows, people, places))
        return [[next(fed) for _ in part.rows] for part in parts]

    def _run(self, tensors: Tensors, rows: int) -> Mapping[str, NDArray[Any]]:
        self._underway.on()
        try:
            return self.engine.run(tensors, rows)
        finally:
            self._underway.off()

    def _feed(self, pending: Pending, rows: Sequence[Sequence[Row]]) -> None:
        for part, fed in zip(pending.parts, rows, strict=True):
            part.feed(fed)
        pending.fed = True
        self._add(self._counted["ok"], 1)

    def _late(self, pending: Pending, seconds: float) -> None:
        for part in pending.parts:
            part.overdue = seconds < self._timeout
        self._fail(pending, "timeout", f"it gave nothing within {seconds * 1000:.4g} ms")

    def _fail(self, pending: Pending, status: Status, why: str) -> None:
        by = "none" if pending.deployed.fallback is None else "fallback"
        for part in pending.parts:
            part.give_up(status, f"the transform failed: {why}")
            part.by = by  # type: ignore[assignment]
        self._add(self._counted[status], 1)
