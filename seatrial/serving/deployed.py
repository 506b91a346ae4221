"""A deployment at one revision, ready to answer: what a swap puts in place in one assignment."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from seatrial.ledger.counters import Histogram
from seatrial.ledger.rows import AnsweredBy, Status
from seatrial.protocol.answers import Prediction
from seatrial.routing.people import People
from seatrial.routing.router import Router
from seatrial.routing.snapshot import Snapshot
from seatrial.serving.engine import Engine
from seatrial.serving.recording import Recorder
from seatrial.serving.shadowing import ShadowLane
from seatrial.serving.variant import Variant
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Signature

ANSWERS = "requests_total"
LATENCY = "request_latency_us"


class QuickWay(Protocol):
    """What answers the commonest requests of a deployment at once."""

    def answer(self, body: bytes) -> bytes | None:
        """The answer's JSON; None: nothing happened, and the request goes the long way."""
        ...


class Feeder(Protocol):
    """What every request goes through once before its variants (``serving.transforming``)."""

    def asked(self, signature: Signature) -> Signature:
        """A variant's signature with what a request carries for it."""
        ...

    def now(self, pending: Any) -> bool:
        """Feed a request if that takes no thread; False when it does. Raises BadInput."""
        ...

    async def later(self, pending: Any, left: Callable[[int, float], float]) -> None:
        """Feed a request in a thread, and wait for it. Raises BadInput."""
        ...


class Deployed:
    """One snapshot and its loaded models.

    Args:
        snapshot: What to serve.
        engines: The loaded model of every slot, by variant.
        recorder: Where rows and counts go.
        transform: The snapshot's, loaded; None where it has none.

    Attributes:
        quick: The quick way into it, where there is one; the gateway prepares it.
        pending: Requests that still run in threads under this revision; the event loop counts them.

    Raises:
        BadInput: The snapshot contradicts itself.
    """

    def __init__(
        self, snapshot: Snapshot, engines: Mapping[str, Engine], recorder: Recorder, transform: Feeder | None = None
    ) -> None:
        self.transform = transform
        self.snapshot = snapshot
        self.name = snapshot.deployment
        self.revision = snapshot.revision
        self.router = Router(snapshot)
        self.people = People(snapshot)
        self.engines = dict(engines)
        self.variants = {
            slot.variant: Variant(slot, snapshot, engines[slot.variant], recorder) for slot in snapshot.slots
        }
        if snapshot.default not in self.variants:
            raise BadInput(f"the default variant {snapshot.default!r} of {self.name!r} is not declared")
        self.default = self.variants[snapshot.default]
        self.fallback: dict[str, Any] | None = (
            None if snapshot.fallback is None else msgspec.json.decode(snapshot.fallback)
        )
        self.fallback_predictions: dict[str, Prediction | None] = (
            {} if self.fallback is None else {v.name: v.answers.keep(self.fallback) for v in self.variants.values()}
        )
        self.counts = Counts(self.name, recorder)
        self.lanes = {
            shadow.variant: ShadowLane(self.variants[shadow.variant], self.name, self.revision, recorder)
            for shadow in snapshot.shadows
        }
        self.quick: QuickWay | None = None
        self.pending = 0

    def asked(self, variant: Variant) -> Signature:
        """What a request carries for a variant, and what that answers."""
        signature = variant.slot.signature
        return signature if self.transform is None else self.transform.asked(signature)

    @property
    def idle(self) -> bool:
        """No request and no shadow copy uses this revision any more (once it is replaced)."""
        return self.pending == 0 and all(lane.idle for lane in self.lanes.values())


class Counts:
    """The counters of one deployment, their slots found once; only the event loop adds."""

    def __init__(self, deployment: str, recorder: Recorder) -> None:
        self._deployment = deployment
        self._recorder = recorder
        self._answers: dict[tuple[str, AnsweredBy, Status], int] = {}
        self._latency: dict[str, Histogram] = {}
        self.add = recorder.counters.add
        self.served = recorder.served_slot(deployment, "answer")
        self.served_app = recorder.served_slot(deployment, "app")
        self.refused = recorder.slot("requests_refused_total", deployment=deployment)
        self.assigned = recorder.slot("assignments_total", deployment=deployment)
        self.unseen = recorder.slot("unseen_categories_total", deployment=deployment)
        self.extra = recorder.slot("extra_features_total", deployment=deployment)

    def answered(self, variant: str, by: AnsweredBy, status: Status, latency_us: int) -> None:
        """Count one request's part: the variant assigned, how it was answered, how its own attempt went."""
        slot = self._answers.get((variant, by, status)) or self._answer_slot(variant, by, status)
        self.add(slot, 1)
        self._latency[variant].observe(latency_us)

    def counter(self, variant: str, by: AnsweredBy, status: Status) -> Callable[[int], None]:
        """A function that counts one row served, and its request answered, given the latency in microseconds."""
        add, served, answered = self.add, self.served, self._answer_slot(variant, by, status)
        observe = self._latency[variant].observe

        def count(latency_us: int) -> None:
            add(served, 1)
            add(answered, 1)
            observe(latency_us)

        return count

    def _answer_slot(self, variant: str, by: AnsweredBy, status: Status) -> int:
        slot = self._answers[variant, by, status] = self._recorder.slot(
            ANSWERS, deployment=self._deployment, variant=variant, answered_by=by, status=status
        )
        labels = {"deployment": self._deployment, "variant": variant}
        self._latency[variant] = Histogram(self._recorder.counters, LATENCY, labels)
        return slot
