"""The commonest request, straight through: one row of plain numbers for a quick model, answered at once.

Nearly all requests of a small model are alike, and then every object that is not made counts. Whatever is the least bit
different (another body, a model that is slow or fails, a sample of rows) goes the long way through the
gateway, from its start: until the model has answered, nothing here is counted or written. A law in the tests holds both
ways to the same answers, rows and counts.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from seatrial.ledger.chunk import Stamp, stamp
from seatrial.ledger.rows import Envelope
from seatrial.models.one_row import OneRow
from seatrial.models.runtimes import OnnxRuntime
from seatrial.protocol.answers import Prediction
from seatrial.protocol.plain import PlainBodies, plain_bodies
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.breaker import Breaker
from seatrial.serving.deployed import Deployed
from seatrial.serving.pace import INLINE_MICROSECONDS, Pace
from seatrial.serving.shadowing import BodyRows, Copy
from seatrial.serving.variant import Variant

_encode = msgspec.json.Encoder().encode
_FIRST, _NO_KEY = (0,), (None,)
_LONG_NS = int(INLINE_MICROSECONDS * 1000)
_TASKS = ("classification", "regression")


class _Lane(NamedTuple):
    """All that is known of an answer before the request comes: of one decision, by one variant."""

    model: OneRow
    pace: Pace
    breaker: Breaker
    answer: Callable[[Any], tuple[bytes, Prediction]]
    append: Callable[..., bool]
    stamp: Stamp
    decided: bytes
    book: Callable[[int], None]
    cells: memoryview
    cell: int


class Express:
    """The quick way into one deployment at one revision; made by `express`, used by the event loop only.

    Args:
        ids: Gives request identities.
        clock: Microseconds since 1970 UTC.
        ticks: Monotonic nanoseconds.
        processor_ticks: Nanoseconds that the calling thread has run.
    """

    __slots__ = (
        "_bodies",
        "_choose",
        "_clock",
        "_deployed",
        "_has_shadows",
        "_ids",
        "_lanes",
        "_processor_ticks",
        "_ticks",
    )

    def __init__(
        self,
        deployed: Deployed,
        bodies: PlainBodies,
        lanes: dict[int, _Lane],
        ids: Callable[[], str],
        clock: Callable[[], int],
        ticks: Callable[[], int],
        processor_ticks: Callable[[], int],
    ) -> None:
        self._bodies = bodies
        self._choose = deployed.router.decide
        self._deployed = deployed
        self._has_shadows = bool(deployed.lanes)
        self._lanes = lanes
        self._ids = ids
        self._clock = clock
        self._ticks = ticks
        self._processor_ticks = processor_ticks

    def answer(self, body: bytes) -> bytes | None:
        """The answer's JSON; None when the request must go the long way (then nothing has happened)."""
        started = self._ticks()
        at = self._clock()
        try:
            loop = asyncio.get_running_loop() if self._has_shadows else None
            values, named = self._bodies.read(body)
            request_id = self._ids()
            unit = request_id if named is None else named
            decision = self._choose(unit)
            lane = self._lanes[id(decision)]  # a router makes its decisions once
            model, pace = lane.model, lane.pace
            if not pace.inline or lane.breaker.blocked:
                return None
            self._bodies.pack_into(model.row, 0, *values)
            ran, asked = self._processor_ticks(), self._ticks()
            lane.cells[lane.cell] = 1
            try:
                model.run()
            finally:
                lane.cells[lane.cell] = 0
            answered = self._ticks()
            inside, prediction = lane.answer(model.outputs)
        except Exception:  # noqa: BLE001 - the long way says what is wrong, to whom, and books it
            return None
        taken = answered - asked
        if taken > _LONG_NS:  # by the wall; the model's own part of it is its thread's
            taken = min(taken, self._processor_ticks() - ran)
        pace.note(taken / 1000, 1)
        latency_us = (answered - started) // 1000
        lane.book(latency_us)
        lane.append(lane.stamp, request_id, at, unit, named is not None, latency_us, values, prediction)
        if loop is not None:
            self._offer_copies(loop, decision, request_id, at, unit, named is not None, body)
        return b'{"request_id":%b,%b%b}' % (_encode(request_id), lane.decided, inside)

    def _offer_copies(
        self,
        loop: asyncio.AbstractEventLoop,
        decision: Decision,
        request_id: str,
        at: int,
        unit: str,
        is_named: bool,
        body: bytes,
    ) -> None:
        """As `Answering` does, but for the body, which the shadow's own thread reads."""
        deployed = self._deployed
        for shadow in deployed.router.shadows(decision, request_id):
            people = (Person(unit, is_named, deployed.people.silent or ()),)
            rows = BodyRows(body)
            copy = Copy(shadow, decision, request_id, at, _FIRST, _NO_KEY, people, rows, True, len(body))
            loop.call_soon(deployed.lanes[shadow.variant].offer, copy)


def express(
    deployed: Deployed,
    ids: Callable[[], str],
    clock: Callable[[], int],
    ticks: Callable[[], int],
    processor_ticks: Callable[[], int] = time.thread_time_ns,
) -> Express | None:
    """The quick way into a deployment, or None where its requests are not of that kind."""
    snapshot = deployed.snapshot
    decisions = deployed.router.possible
    if (
        deployed.transform is not None
        or not deployed.router.by_unit
        or snapshot.log.sample < 1.0
        or snapshot.unit_from
        or deployed.people.silent is None
    ):
        return None
    variants = [deployed.variants[decision.variant] for decision in decisions]
    bodies = plain_bodies(variants[0].slot.signature)
    if bodies is None or not all(_alike(variant, variants[0]) for variant in variants):
        return None
    models: dict[str, OneRow] = {}
    for variant in dict.fromkeys(variants):
        model = _model(variant, bodies)
        if model is None:
            return None
        models[variant.name] = model
    lanes = {
        id(decision): _lane(deployed, decision, variant, models[variant.name])
        for decision, variant in zip(decisions, variants, strict=True)
    }
    return Express(deployed, bodies, lanes, ids, clock, ticks, processor_ticks)


def _alike(variant: Variant, first: Variant) -> bool:
    """Whether one body may be read before it is known which variant it is for."""
    one, other = variant.slot.signature, first.slot.signature
    return one.task in _TASKS and (one.features, one.inputs) == (other.features, other.inputs)


def _model(variant: Variant, bodies: PlainBodies) -> OneRow | None:
    runtime = variant.engine.runtime
    if not isinstance(runtime, OnnxRuntime) or not variant.logs_all_numbers or variant.cache is not None:
        return None
    return runtime.one_row(bodies.tensor, np.zeros((1, bodies.width), bodies.dtype))


def _lane(deployed: Deployed, decision: Decision, variant: Variant, model: OneRow) -> _Lane:
    return _Lane(
        model,
        variant.engine.pace,
        variant.breaker,
        variant.answers.one,
        variant.buffer.append_plain,
        _stamp(deployed, decision, variant),
        _decided(decision, variant),
        deployed.counts.counter(variant.name, decision.reason, "assigned", "ok"),
        variant.underway.cells,
        variant.underway.cell,
    )


def _decided(decision: Decision, variant: Variant) -> bytes:
    """The part of the answer that is known before the request: as `shapes` writes it."""
    decided = {
        "variant": decision.variant,
        "model_version": variant.version,
        "reason": decision.reason,
        "answered_by": "assigned",
    }
    return _encode(decided)[1:-1] + b","


def _stamp(deployed: Deployed, decision: Decision, variant: Variant) -> Stamp:
    envelope = Envelope(
        request_id="",
        row=0,
        role="answer",
        key=None,
        at=0,
        unit="",
        unit_named=True,
        entry=decision.entry,
        reason=decision.reason,
        variant=decision.variant,
        assigned_version=variant.version,
        answered_by="assigned",
        answered=variant.name,
        version=variant.version,
        propensity=decision.propensity,
        contested=decision.contested,
        release=decision.release,
        phase=decision.phase,
        revision=deployed.revision,
        status="ok",
        error="",
        latency_us=0,
    )
    return stamp(envelope, deployed.people.silent or ())
