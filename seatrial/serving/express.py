"""The commonest request, straight through: one row of plain numbers for a quick model, answered at once.

Nearly all requests of a small model are alike, and then every object that is not made counts. Whatever is the least bit
different (another body, a model that is slow, a sample of rows) goes the long way through the gateway, from its start:
until the model is asked, nothing here is counted or written. A model that fails or is late is not asked again: the long
way goes on from there. A law in the tests holds both ways to the same answers, rows and counts.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from seatrial.ledger.chunk import Stamp, stamp
from seatrial.ledger.rows import Envelope
from seatrial.models.one_row import OneRow
from seatrial.models.runtimes import OnnxRuntime
from seatrial.protocol.answers import Prediction, UnreadableAnswer
from seatrial.protocol.bodies import read_predict
from seatrial.protocol.features import Row
from seatrial.protocol.inference import read_infer, rows_of
from seatrial.protocol.plain import PlainBodies, PlainTensors, plain_bodies, plain_tensors
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.breaker import Breaker
from seatrial.serving.deployed import Deployed
from seatrial.serving.inference import Shape as InferShape
from seatrial.serving.pace import INLINE_MICROSECONDS, Pace
from seatrial.serving.parts import Part, Pending, Shape
from seatrial.serving.shadowing import BodyRows, Copy
from seatrial.serving.shapes import one
from seatrial.serving.variant import Variant
from seatrial.serving.waiting import keep_time
from seatrial.spec.signature import Signature, Tensor

_encode = msgspec.json.Encoder().encode
_FIRST, _NO_KEY = (0,), (None,)
_LONG_NS = int(INLINE_MICROSECONDS * 1000)
_TASKS = ("classification", "regression")


class _Lane(NamedTuple):
    """All that is known of an answer before the request comes: of one decision, by one variant."""

    variant: Variant
    model: OneRow
    pace: Pace
    breaker: Breaker
    answer: Callable[[Any], tuple[bytes, Prediction]]
    frame: Callable[[bytes, bytes, str | None], bytes]
    append: Callable[..., bool]
    stamp: Stamp
    book: Callable[[int], None]
    cells: memoryview
    cell: int
    timeout: int
    normal: int


class _Asked(NamedTuple):
    """A request whose model was asked, at ticks ``since``."""

    lane: _Lane
    decision: Decision
    request_id: str
    at: int
    started: int
    ran: int
    since: int
    body: bytes


class Speech(Protocol):
    """One of the ways to ask: how its plainest bodies are read, and its answers written."""

    def read(self, body: bytes) -> tuple[tuple[float, ...], str | None, str | None]:
        """Numbers, unit, and what is to be said back; raises whatever it likes where the body is not plain."""

    def row(self, body: bytes) -> Row:
        """The row of a body that was plain."""

    def shape(self, body: bytes) -> Shape:
        """What makes the answer to it in the long way."""

    def frame(self, decision: Decision, variant: Variant, model: OneRow) -> Callable[[bytes, bytes, str | None], bytes]:
        """What writes an answer from the request's identity (JSON), what the variant said (JSON), and what is to be
        said back."""


class ShortSpeech:
    """``POST /v1/deployments/{name}/predict``."""

    def __init__(self, bodies: PlainBodies) -> None:
        self.read = bodies.read

    def row(self, body: bytes) -> Row:
        features = read_predict(body).features
        assert features is not None
        return features

    def shape(self, body: bytes) -> Shape:
        del body
        return one

    def frame(self, decision: Decision, variant: Variant, model: OneRow) -> Callable[[bytes, bytes, str | None], bytes]:
        del model
        decided = _decided(decision, variant)

        def frame(request_id: bytes, inside: bytes, said: str | None) -> bytes:
            del said
            return b'{"request_id":%b,%b%b}' % (request_id, decided, inside)

        return frame


class InferSpeech:
    """``POST /v2/models/{name}/infer``, in JSON."""

    def __init__(self, name: str, signature: Signature, tensors: PlainTensors) -> None:
        self._name = name
        self._signature = signature
        self.read = tensors.read

    def row(self, body: bytes) -> Row:
        return rows_of(read_infer(body), self._signature)[0]

    def shape(self, body: bytes) -> Shape:
        return InferShape(read_infer(body))

    def frame(self, decision: Decision, variant: Variant, model: OneRow) -> Callable[[bytes, bytes, str | None], bytes]:
        begin = _encode({"model_name": self._name, "model_version": variant.version})[:-1] + b',"outputs":['
        tensors = [(_head(tensor, model), model.outputs[tensor.name]) for tensor in variant.slot.signature.outputs]
        decided = _encode({"variant": decision.variant, "reason": decision.reason})[1:-1]
        end = b'],"parameters":{%b,"request_id":%%b,"answered_by":"assigned"}' % decided.replace(b"%", b"%%")

        def frame(request_id: bytes, inside: bytes, said: str | None) -> bytes:
            del inside
            outputs = b",".join([b"%b%b}" % (head, _encode(array.reshape(-1).tolist())) for head, array in tensors])
            last = b"}" if said is None else b',"id":%b}' % _encode(said)
            return begin + outputs + end % request_id + last

        return frame


def _head(tensor: Tensor, model: OneRow) -> bytes:
    """An output as far as it is known before the model is asked."""
    shape = list(model.outputs[tensor.name].shape)
    return _encode({"name": tensor.name, "datatype": tensor.datatype, "shape": shape})[:-1] + b',"data":'


class Express:
    """The quick way into one deployment at one revision; made by `express`, used by the event loop only.

    Args:
        bodies: Puts a row's numbers into the model's memory.
        speech: How it is asked.
        ids: Gives request identities.
        clock: Microseconds since 1970 UTC.
        ticks: Monotonic nanoseconds.
        processor_ticks: Nanoseconds that the calling thread has run.
        resume: Goes on with a request whose attempt has failed: its answer, or itself while that takes a thread.
    """

    __slots__ = (
        "_choose",
        "_clock",
        "_deployed",
        "_has_shadows",
        "_ids",
        "_lanes",
        "_pack_into",
        "_patience",
        "_processor_ticks",
        "_read",
        "_resume",
        "_speech",
        "_ticks",
    )

    def __init__(
        self,
        deployed: Deployed,
        bodies: PlainBodies,
        speech: Speech,
        lanes: dict[int, _Lane],
        ids: Callable[[], str],
        clock: Callable[[], int],
        ticks: Callable[[], int],
        processor_ticks: Callable[[], int],
        resume: Callable[[Pending], Any],
    ) -> None:
        self._pack_into = bodies.pack_into
        self._read = speech.read
        self._speech = speech
        self._choose = deployed.router.decide
        self._deployed = deployed
        self._has_shadows = bool(deployed.lanes)
        self._lanes = lanes
        self._patience = min(lane.timeout for lane in lanes.values())
        self._ids = ids
        self._clock = clock
        self._ticks = ticks
        self._processor_ticks = processor_ticks
        self._resume = resume

    def answer(self, body: bytes, since: int = 0) -> bytes | Pending | None:
        """The answer's JSON; None when the request must go the long way (then nothing has happened).

        Where the model failed or was late, and who answers in its place runs in a thread, the request to `finish`.

        Args:
            since: Ticks since which the request has waited for the event loop; 0: nobody knows.

        Raises:
            Unavailable: The model failed or was late, and nobody answers in its place.
        """
        started = self._ticks()
        if since:
            if started - since > self._patience:
                return None
            started = since
        at = self._clock()
        try:
            loop = asyncio.get_running_loop() if self._has_shadows else None
            values, named, said = self._read(body)
            request_id = self._ids()
            unit = request_id if named is None else named
            decision = self._choose(unit)
            lane = self._lanes[id(decision)]  # a router makes its decisions once
            model, pace = lane.model, lane.pace
            if not pace.inline or lane.breaker.blocked:
                return None
            self._pack_into(model.row, 0, *values)
        except Exception:  # noqa: BLE001 - the long way says what is wrong, to whom, and books it
            return None
        ran, asked = self._processor_ticks(), self._ticks()
        try:
            lane.cells[lane.cell] = 1
            try:
                model.run()
            finally:
                lane.cells[lane.cell] = 0
            answered = self._ticks()
            inside, prediction = lane.answer(model.outputs)
        except Exception as error:  # noqa: BLE001 - a runtime's surprise is that variant's failure, not the request's
            return self._failed(_Asked(lane, decision, request_id, at, started, ran, asked, body), error)
        taken = answered - asked
        if taken > lane.normal:
            if taken > lane.timeout:
                return self._failed(_Asked(lane, decision, request_id, at, started, ran, asked, body), None)
            taken = min(taken, self._processor_ticks() - ran)  # by the wall; the model's own part is its thread's
        pace.note(taken / 1000, 1)
        latency_us = (answered - started) // 1000
        lane.book(latency_us)
        lane.append(lane.stamp, request_id, at, unit, named is not None, latency_us, values, prediction)
        if loop is not None:
            self._offer_copies(loop, decision, request_id, at, unit, named is not None, body)
        return lane.frame(_encode(request_id), inside, said)

    def _failed(self, asked: "_Asked", error: Exception | None) -> bytes | Pending:
        """Go on the long way with a request whose model raised, or (None) was late. Raises as `answer`."""
        lane, deployed = asked.lane, self._deployed
        now = self._ticks()
        lane.pace.note(min(now - asked.since, self._processor_ticks() - asked.ran) / 1000, 1)
        _, unit, _ = self._read(asked.body)
        person, shape = deployed.people.read(unit, None, asked.request_id), self._speech.shape(asked.body)
        part = Part(asked.decision, lane.variant, _FIRST, _NO_KEY, (person,), (self._speech.row(asked.body),))
        if part.attempt.read_rows():
            if isinstance(error, UnreadableAnswer):
                part.attempt.take(lane.model.outputs, 1)  # read with the same care, it says the same
            elif error is not None:
                part.attempt.broke(error)
        keep_time(part, asked.since, now)
        pending = Pending(deployed, asked.request_id, asked.at, asked.started, (part,), shape, len(asked.body))
        step = self._resume(pending)
        return step if isinstance(step, Pending) else _encode(step)

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
            rows = BodyRows(body, self._speech.row)
            copy = Copy(shadow, decision, request_id, at, _FIRST, _NO_KEY, people, rows, True, len(body))
            loop.call_soon(deployed.lanes[shadow.variant].offer, copy)


def express(
    deployed: Deployed,
    ids: Callable[[], str],
    clock: Callable[[], int],
    ticks: Callable[[], int],
    resume: Callable[[Pending], Any],
    processor_ticks: Callable[[], int] = time.thread_time_ns,
) -> tuple[Express | None, Express | None]:
    """The quick ways into a deployment, the short way's and the Open Inference Protocol's; None where its requests are
    not of that kind. Arguments as `Express`."""
    snapshot = deployed.snapshot
    decisions = deployed.router.possible
    if (
        deployed.transform is not None
        or not deployed.router.by_unit
        or snapshot.log.sample < 1.0
        or snapshot.unit_from
        or deployed.people.silent is None
    ):
        return None, None
    variants = [deployed.variants[decision.variant] for decision in decisions]
    signature = variants[0].slot.signature
    bodies = plain_bodies(signature)
    if bodies is None or not all(_alike(variant, variants[0]) for variant in variants):
        return None, None
    models: dict[str, OneRow] = {}
    for variant in dict.fromkeys(variants):
        model = _model(variant, bodies)
        if model is None:
            return None, None
        models[variant.name] = model

    def made(speech: Speech) -> Express:
        lanes = {
            id(decision): _lane(deployed, decision, variant, models[variant.name], speech)
            for decision, variant in zip(decisions, variants, strict=True)
        }
        return Express(deployed, bodies, speech, lanes, ids, clock, ticks, processor_ticks, resume)

    tensors = plain_tensors(signature)
    if tensors is None or any(variant.only_binary for variant in variants):
        return made(ShortSpeech(bodies)), None
    return made(ShortSpeech(bodies)), made(InferSpeech(deployed.name, signature, tensors))


def _alike(variant: Variant, first: Variant) -> bool:
    """Whether one body may be read before it is known which variant it is for."""
    its, other = variant.slot.signature, first.slot.signature
    return its.task in _TASKS and (its.features, its.inputs) == (other.features, other.inputs)


def _model(variant: Variant, bodies: PlainBodies) -> OneRow | None:
    runtime = variant.engine.runtime
    if not isinstance(runtime, OnnxRuntime) or not variant.logs_all_numbers or variant.cache is not None:
        return None
    if variant.engine.lacking:
        return None
    return runtime.one_row(bodies.tensor, np.zeros((1, bodies.width), bodies.dtype))


def _lane(deployed: Deployed, decision: Decision, variant: Variant, model: OneRow, speech: Speech) -> _Lane:
    timeout = int(variant.timeout * 1e9)
    return _Lane(
        variant,
        model,
        variant.engine.pace,
        variant.breaker,
        variant.answers.one,
        speech.frame(decision, variant, model),
        variant.buffer.append_plain,
        _stamp(deployed, decision, variant),
        deployed.counts.counter(variant.name, decision.reason, "assigned", "ok"),
        variant.underway.cells,
        variant.underway.cell,
        timeout,
        min(timeout, _LONG_NS),
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
