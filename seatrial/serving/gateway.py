"""The gateway: which deployments are served, and the verbs on them.

It knows no HTTP, so that the same engine serves an edge or a program.

A swap is one assignment to ``_deployed``; a request under way keeps what it began with.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.ledger.counters import read_counters
from seatrial.ledger.quarantine import Entries
from seatrial.protocol.bodies import (
    AppPrediction,
    AssignBody,
    Instance,
    PredictBody,
    check_count,
    read_name,
    read_timeout,
)
from seatrial.protocol.features import Row
from seatrial.protocol.inference import BinaryAnswer, InferAnswer, InferBody
from seatrial.protocol.outcomes import OutcomeGiven
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving import assigning, inference, metrics, reporting, shapes
from seatrial.serving.answering import Answering
from seatrial.serving.deployed import SHED, Deployed
from seatrial.serving.express import express
from seatrial.serving.gauges import Gauges
from seatrial.serving.identity import request_ids
from seatrial.serving.lookups import has_answer
from seatrial.serving.parts import Part, Pending, Shape
from seatrial.serving.recording import Recorder
from seatrial.serving.waiting import retry_after, waited_too_long
from seatrial.spec.errors import BadInput, NotFound, Overloaded, Unavailable
from seatrial.spec.signature import Signature

_REMEMBERED = 4
"""Replaced revisions that may still have decided for a row which an application writes back."""


class Limits(NamedTuple):
    """What one request may ask for."""

    rows: int = 10_000
    body_bytes: int = 16 << 20


class _Came(NamedTuple):
    """How an inference request came: ticks at which it did, ticks it waited, bytes, its transport's patience."""

    started: int
    waited: int
    size: int
    seconds: float | None


def wall_clock() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Gateway:
    """Serves deployments.

    Args:
        recorder: Where rows, outcomes and counts go.
        clock: Microseconds since 1970 UTC.
        ids: Gives request identities; None: UUIDv7.
        limits: What one request may ask for.
        ticks: Monotonic nanoseconds.
        watch: Told of every request; with one, there is no quick way.

    Attributes:
        ready: Whether requests should be sent here.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        clock: Callable[[], int] = wall_clock,
        ids: Callable[[], str] | None = None,
        limits: Limits = Limits(),
        ticks: Callable[[], int] = time.perf_counter_ns,
        watch: Callable[[Pending], None] | None = None,
    ) -> None:
        self.recorder = recorder
        self.limits = limits
        self.ready = False
        self._clock = clock
        self._ids = ids or request_ids(clock)
        self._ticks = ticks
        self._watched = watch is not None
        self._answering = Answering(ticks, watch)
        self._deployed: Mapping[str, Deployed] = {}
        self._missing: dict[str, str] = {}
        self._quarantine: Entries = ()
        self._recent: dict[str, deque[Deployed]] = {}
        self._gauges = Gauges(recorder)
        self._outcomes_slot = recorder.slot("outcomes_total")

    # Which deployments are served.

    @property
    def deployments(self) -> Mapping[str, Deployed]:
        """What is served now, by name."""
        return self._deployed

    def prepare(self, deployed: Deployed) -> Deployed:
        """Make ready what `activate` shall serve; it runs the models, so the event loop is no place for it."""
        if not self._watched:
            deployed.quick, deployed.quick_infer = express(deployed, self._ids, self._clock, self._ticks, self._resume)
        return deployed

    def activate(self, deployed: Deployed) -> Deployed | None:
        """Serve a revision from now on; gives back the one it replaces."""
        old = self._deployed.get(deployed.name)
        deployed.enter(old)
        deployed.obey(self._quarantine)
        self._deployed = {**self._deployed, deployed.name: deployed}
        self._missing.pop(deployed.name, None)
        if old is not None:
            self._recent.setdefault(deployed.name, deque(maxlen=_REMEMBERED)).appendleft(old)
        return old

    def remove(self, name: str) -> Deployed | None:
        """Serve a deployment no longer; gives back what was served."""
        old = self._deployed.get(name)
        if old is not None:
            old.leave()
        self._missing.pop(name, None)
        self._deployed = {other: deployed for other, deployed in self._deployed.items() if other != name}
        return old

    def miss(self, name: str, reason: str) -> None:
        """Say of a deployment that ought to be served why it is not; an older revision goes on if there is one."""
        self._missing[name] = reason

    def obey(self, quarantine: Entries) -> None:
        """Ask the versions in quarantine nothing from now on, and the others again."""
        self._quarantine = quarantine
        for deployed in self._deployed.values():
            deployed.obey(quarantine)

    async def drain(self, seconds: float) -> None:
        """Wait until no request is under way and the shadows have taken their copies; at most so many seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(deployed.idle for deployed in self._deployed.values()):
            await asyncio.sleep(0.01)
        for deployed in self._deployed.values():
            for lane in deployed.lanes.values():
                lane.abandon()

    def find(self, name: str) -> Deployed:
        """The deployment of a name. Raises NotFound, or Unavailable when it could not be loaded here."""
        found = self._deployed.get(name)
        if found is None:
            if name in self._missing:
                raise Unavailable(f"deployment {name!r} cannot be served now: {self._missing[name]}", retry_after=5)
            known = ", ".join(sorted(self._deployed)) or "none is active yet"
            raise NotFound(f"no deployment is called {name[:100]!r}; there are: {known}")
        return found

    def _find_for(self, name: str, waited: int) -> Deployed:
        """As `find`, for a request that waited so many nanoseconds. Raises Overloaded: longer than anybody may take."""
        deployed = self.find(name)
        if waited > deployed.patience:
            self.shed("loop")
            raise Overloaded(waited_too_long(waited / 1e9), retry_after=retry_after(waited / 1e9))
        return deployed

    # Predictions.

    async def predict(
        self,
        deployment: str,
        features: Row | None = None,
        *,
        instances: Sequence[Mapping[str, Any]] | None = None,
        unit: str | int | None = None,
        context: Mapping[str, Any] | None = None,
        variant: str | None = None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Answer one row of ``features``, or several ``instances`` (``{"features", "key"?, "unit"?, "context"?}``).

        Args:
            unit: Who the request is for.
            context: Declared context.
            variant: Ask for this variant (an override).
            request_id: The caller's identity for the request.

        Returns:
            The answer as the short way's JSON has it.

        Raises:
            BadInput: Something in the request is wrong; NotFound, TooLarge likewise.
            Unavailable: No variant answered and there is no fallback.
        """
        body = PredictBody(
            features=None if features is None else dict(features),
            instances=None if instances is None else [Instance(**instance) for instance in instances],
            unit=unit,
            context=None if context is None else dict(context),
            variant=variant,
            request_id=request_id,
        )
        step = self.begin(deployment, body)
        return await self.finish(step) if isinstance(step, Pending) else step

    def waited(self, since: int) -> int:
        """Nanoseconds from ``since`` (ticks; 0: nobody knows) until now."""
        return self._ticks() - since if since else 0

    def answer_plain(self, deployment: str, body: bytes, since: int = 0) -> bytes | Pending | None:
        """The JSON that answers a body of the commonest kind, at once; None: nothing happened, so `begin` with it.

        A model that failed is not asked again: what `finish` awaits then is whoever stands in for it. Raises as
        `predict`.

        Args:
            since: Ticks since which the request has waited for the event loop; 0: nobody knows.
        """
        deployed = self._deployed.get(deployment)
        return None if deployed is None or deployed.quick is None else deployed.quick.answer(body, since)

    def infer_plain(self, deployment: str, body: bytes, since: int = 0) -> bytes | Pending | None:
        """As `answer_plain`, of the Open Inference Protocol in JSON; None: `begin_infer` with it."""
        deployed = self._deployed.get(deployment)
        if deployed is None or deployed.quick_infer is None:
            return None
        answer: bytes | Pending | None = deployed.quick_infer.answer(body, since)
        return answer

    def _resume(self, pending: Pending) -> Any:
        try:
            return self._answering.resume(pending)
        except BadInput:
            pending.deployed.counts.add(pending.deployed.counts.refused, 1)
            raise

    def begin(self, deployment: str, body: PredictBody, size: int = 0, waited: int = 0) -> dict[str, Any] | Pending:
        """Answer at once where the models are quick; else give back what `finish` awaits. Raises as `predict`.

        Args:
            size: Bytes in which the body came; they bound what a shadow may have waiting.
            waited: Nanoseconds that the request waited for the event loop before anybody read it; its caller has
                waited them too. Raises Overloaded when nobody can answer in time any more.
        """
        started = self._ticks() - waited
        deployed = self._find_for(deployment, waited)
        try:
            request_id = read_name(body.request_id, "request_id") or self._ids()
            parts, shape = self._parts(deployed, body, request_id)
            for part in parts:
                part.waited = waited
            if body.timeout_ms is not None:
                deadline = _deadline(started, read_timeout(body.timeout_ms, "`timeout_ms`"))
                for part in parts:
                    part.deadline = deadline
            pending = Pending(deployed, request_id, self._clock(), started, parts, shape, size)
            answer: dict[str, Any] | Pending = self._answering.begin(pending)
        except BadInput:
            deployed.counts.add(deployed.counts.refused, 1)
            raise
        return answer

    async def finish(self, pending: Pending) -> Any:
        """Await the models that run in threads, then answer. Raises as `predict`."""
        try:
            return await self._answering.finish(pending)
        except BadInput:
            counts = pending.deployed.counts
            counts.add(counts.refused, 1)
            raise

    # The Open Inference way.

    def begin_infer(
        self,
        deployment: str,
        body: InferBody,
        version: str | None = None,
        size: int = 0,
        *,
        seconds: float | None = None,
        waited: int = 0,
    ) -> InferAnswer | BinaryAnswer | Pending:
        """Answer an inference request at once where the models are quick; else give back what `finish` awaits.

        Args:
            version: A version that the caller addresses himself (an ``override``, never evidence).
            size, waited: As for `begin`.
            seconds: How long the caller's transport waits; None: for ever. The body's ``timeout_ms`` may be shorter.

        Raises:
            BadInput: Something in the request is wrong; NotFound, TooLarge likewise.
            Unavailable: No variant answered and there is no fallback.
        """
        came = _Came(self._ticks() - waited, waited, size, seconds)
        deployed = self._find_for(deployment, waited)
        try:
            asked = self._asked(deployed, body, version)
            return self._begin_infer(asked, asked.rows(), came)
        except BadInput:
            deployed.counts.add(deployed.counts.refused, 1)
            raise

    async def infer_large(
        self,
        deployment: str,
        body: InferBody,
        version: str | None = None,
        size: int = 0,
        *,
        seconds: float | None = None,
        waited: int = 0,
    ) -> InferAnswer | BinaryAnswer:
        """Answer an inference request whose rows a thread makes, because they are many. As `begin_infer`."""
        came = _Came(self._ticks() - waited, waited, size, seconds)
        deployed = self._find_for(deployment, waited)
        deployed.pending += 1
        try:
            asked = self._asked(deployed, body, version)
            step = self._begin_infer(asked, await asyncio.to_thread(asked.rows), came)
        except BadInput:
            deployed.counts.add(deployed.counts.refused, 1)
            raise
        finally:
            deployed.pending -= 1
        return await self.finish(step) if isinstance(step, Pending) else step

    def _asked(self, deployed: Deployed, body: InferBody, version: str | None) -> inference.Asked:
        request_id = inference.given_request_id(body) or self._ids()
        return inference.Asked(deployed, body, version, request_id, self.limits.rows)

    def _begin_infer(
        self, asked: inference.Asked, rows: list[Row], came: "_Came"
    ) -> InferAnswer | BinaryAnswer | Pending:
        part, body = asked.part(rows), asked.body
        part.waited = came.waited
        if came.seconds is not None or body.parameters is not None:
            part.deadline = _deadline(came.started, came.seconds, inference.timeout_of(body))
        deployed, request_id = asked.deployed, asked.request_id
        pending = Pending(deployed, request_id, self._clock(), came.started, (part,), asked.shape, came.size)
        answer: InferAnswer | BinaryAnswer | Pending = self._answering.begin(pending)
        return answer

    async def infer(
        self,
        deployment: str,
        body: InferBody,
        version: str | None = None,
        size: int = 0,
        *,
        seconds: float | None = None,
    ) -> InferAnswer | BinaryAnswer:
        """Answer an inference request. Arguments and errors as `begin_infer`."""
        step = self.begin_infer(deployment, body, version, size, seconds=seconds)
        return await self.finish(step) if isinstance(step, Pending) else step

    def signature(self, deployment: str, version: str | None = None) -> Signature:
        """What the default variant, or the version named, takes and gives. Raises NotFound, Unavailable."""
        deployed = self.find(deployment)
        variant = deployed.default if version is None else inference.find_version(deployed, version)
        return deployed.asked(variant)

    def only_binary(self, deployment: str) -> bool:
        """Whether some variant has an output without a form in JSON. Raises NotFound, Unavailable."""
        return any(variant.only_binary for variant in self.find(deployment).variants.values())

    def model_index(self) -> list[dict[str, str]]:
        """Every deployment with its versions, as the repository extension lists models."""
        served = [
            {"name": name, "version": version, "state": "READY", "reason": ""}
            for name, deployed in sorted(self._deployed.items())
            for version in inference.versions(deployed)
        ]
        missing = [
            {"name": name, "version": "", "state": "UNAVAILABLE", "reason": reason}
            for name, reason in sorted(self._missing.items())
            if name not in self._deployed
        ]
        return served + missing

    def model_metadata(self, deployment: str, version: str | None = None) -> dict[str, Any]:
        """What a deployment takes and gives, by the version named or the default one. Raises NotFound."""
        return inference.metadata(self.find(deployment), version)

    # Decisions for applications with servers of their own.

    def assign(self, deployment: str, body: AssignBody) -> dict[str, Any]:
        """Decide and answer nothing else. Raises BadInput, NotFound."""
        deployed = self.find(deployment)
        try:
            assignment = assigning.assign(deployed, body, self._ids)
        except BadInput:
            deployed.counts.add(deployed.counts.refused, 1)
            raise
        deployed.counts.add(deployed.counts.assigned, 1)
        return assignment

    def log_predictions(self, given: Sequence[AppPrediction]) -> int:
        """Write the rows that applications computed: all of them, or none and an error. Gives back how many.

        Raises:
            BadInput: One of them is wrong; the message says which.
        """
        check_count(len(given), self.limits.rows)
        now = self._clock()
        ready = [self._ready(index, one, len(given) > 1, now) for index, one in enumerate(given)]
        for one, row in zip(given, ready, strict=True):
            counts = self.find(one.deployment).counts
            counts.add(counts.served_app, 1)
            assigning.write(row)
        return len(ready)

    def _ready(self, index: int, given: AppPrediction, many: bool, now: int) -> assigning.Ready:
        try:
            deployed = self.find(given.deployment)
            return assigning.check(given, deployed, self._recent.get(given.deployment, ()), now)
        except BadInput as error:
            raise type(error)(f"prediction {index}: {error}" if many else str(error)) from None

    # Outcomes.

    async def outcomes(self, given: Sequence[OutcomeGiven]) -> list[str]:
        """Keep outcomes; comes back when they are durable, with their identities.

        Raises:
            BadInput: One is declared by nobody, or there are too many.
            Unavailable: The disk refuses them, so they are not kept; send them again.
        """
        check_count(len(given), self.limits.rows)
        rows = reporting.stored(given, self.find, self._deployed.values(), self._clock())
        kept = asyncio.wrap_future(self.recorder.outcomes.append(rows))
        kept.add_done_callback(lambda done: self._count_outcomes(done, len(rows)))
        await asyncio.shield(kept)  # they are kept, whether or not the caller stays to hear it
        return [row.id for row in rows]

    def _count_outcomes(self, kept: "asyncio.Future[Any]", rows: int) -> None:
        if not kept.cancelled() and kept.exception() is None:
            self.recorder.counters.add(self._outcomes_slot, rows)

    # How it goes.

    def metrics(self) -> str:
        """Counters of all workers in Prometheus' text; reads files."""
        self.note_gauges()
        return metrics.exposition(read_counters(self.recorder.directory), self._clock())

    def note_gauges(self) -> None:
        """Write down what waits here now, for whoever asks a worker for the metrics of all; any thread may."""
        self._gauges.note(self._deployed)

    def shed(self, reason: str) -> None:
        """Count a request that an edge turned away before anybody read it; called on the event loop."""
        self.recorder.counters.add(self.recorder.slot(SHED, reason=reason))

    def selfcheck(self) -> dict[str, Any]:
        """Whether every row that was served is accounted for, over all workers; reads files."""
        return metrics.selfcheck(read_counters(self.recorder.directory))

    def _parts(self, deployed: Deployed, body: PredictBody, request_id: str) -> tuple[Sequence[Part], Shape]:
        features, instances = body.features, body.instances
        if features is not None:
            if instances is not None:
                raise BadInput("the request has both `features` and `instances`; send one of them")
            person = deployed.people.read(body.unit, body.context, request_id)
            decision = _decide(deployed, body, person, features)
            part = Part(decision, deployed.variants[decision.variant], (0,), (None,), (person,), (features,))
            return (part,), shapes.one
        if instances is None:
            raise BadInput("the request has no `features` (one row) and no `instances` (several)")
        check_count(len(instances), self.limits.rows)
        keys = [read_name(instance.key, "key") for instance in instances]
        by_row = body.variant is None and deployed.router.attributes.features
        if by_row or any(instance.unit is not None or instance.context is not None for instance in instances):
            return _one_by_one(deployed, body, instances, keys, request_id), shapes.each
        person = deployed.people.read(body.unit, body.context, request_id)
        decision = _decide(deployed, body, person, instances[0].features)
        rows = [instance.features for instance in instances]
        variant = deployed.variants[decision.variant]
        return (Part(decision, variant, range(len(rows)), keys, [person] * len(rows), rows),), shapes.several


def _deadline(started: int, *seconds: float | None) -> int | None:
    """The earliest of several limits, in ticks."""
    known = [limit for limit in seconds if limit is not None]
    return started + int(min(known) * 1e9) if known else None


def _decide(deployed: Deployed, body: PredictBody, person: Person, row: Row) -> Decision:
    if body.variant is None:
        return deployed.router.decide(person.unit, person.context, row)
    return deployed.router.force(body.variant)


def _one_by_one(
    deployed: Deployed,
    body: PredictBody,
    instances: Sequence[Instance],
    keys: Sequence[str | None],
    request_id: str,
) -> Sequence[Part]:
    """Parts by decision: instances with a unit or context of their own, and those that rules read, are routed by
    themselves."""
    places: dict[tuple[Decision, bool], list[int]] = {}
    people = []
    for index, instance in enumerate(instances):
        unit = body.unit if instance.unit is None else instance.unit
        context = body.context if instance.context is None else instance.context
        try:
            person = deployed.people.read(unit, context, request_id)
        except BadInput as error:
            raise BadInput(f"instance {index}: {error}") from None
        people.append(person)
        decision = _decide(deployed, body, person, instances[index].features)
        held = has_answer(deployed.variants[decision.variant], keys[index], person)
        places.setdefault((decision, held), []).append(index)
    return [
        Part(
            decision,
            deployed.variants[decision.variant],
            indices,
            [keys[index] for index in indices],
            [people[index] for index in indices],
            [instances[index].features for index in indices],
            indices,
        )
        for (decision, _), indices in places.items()
    ]
