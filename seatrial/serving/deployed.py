"""A deployment at one revision, ready to answer: what a swap puts in place in one assignment."""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, get_args

import msgspec

from seatrial.ledger.counters import BREAKERS_OPEN, Histogram
from seatrial.ledger.quarantine import Entries, held_by
from seatrial.ledger.rows import AnsweredBy, Status
from seatrial.protocol.answers import Prediction
from seatrial.releases.crowd_files import CrowdFiles
from seatrial.routing.decision import Reason
from seatrial.routing.people import People
from seatrial.routing.router import Router, carried
from seatrial.routing.snapshot import Snapshot
from seatrial.serving.breaker import Turn
from seatrial.serving.caching import Cached, hand_over
from seatrial.serving.engine import Engine
from seatrial.serving.popularity import PopularRuntime
from seatrial.serving.recording import Recorder
from seatrial.serving.shadowing import ShadowLane
from seatrial.serving.variant import Variant
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature, Signature

ANSWERS = "requests_total"
LATENCY = "request_latency_us"
SHED = "shed_total"
RULES = "rule_failures_total"


class QuickWay(Protocol):
    """What answers the commonest requests of a deployment at once."""

    def answer(self, body: bytes, since: int = 0) -> Any:
        """The answer's JSON; None: nothing happened, and the request goes the long way; else it is to be finished."""
        ...


class Feeder(Protocol):
    """What every request goes through once before its variants (``serving.transforming``)."""

    engine: Engine
    locked: str
    """Why it is asked nothing; "": it is asked."""

    def asked(self, signature: Signature) -> Signature:
        """A variant's signature with what a request carries for it."""
        ...

    def obey(self, quarantine: Entries, deployment: str) -> None:
        """Ask a model in quarantine nothing, and one that is in it no more again."""
        ...

    def now(self, pending: Any, ticks: Callable[[], int]) -> bool:
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
        beside: By variant, what a request may carry for the others beside; nothing where no rule reads features,
            because then nothing but the unit tells whom a request is for.
        quick, quick_infer: The quick ways into it, by the short way and by the Open Inference Protocol, where there are
            any; the gateway prepares them.
        pending: Requests that still run in threads under this revision; the event loop counts them.
        patience: Nanoseconds; whoever has waited longer for the event loop can be answered by nobody in time.

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
        timeout = max(variant.timeout for variant in self.variants.values())
        self.patience = int(timeout * 1e9) if self.fallback is None else sys.maxsize
        self.counts = Counts(self.name, recorder)
        self.crowds = CrowdFiles(recorder.home, snapshot)
        self.router = Router(snapshot, self.counts.rule_failed, self.crowds.asks)
        self.beside = {name: self._beside(variant) for name, variant in self.variants.items()}
        for variant in self.variants.values():
            variant.breaker.told = self.counts.breaker_turns(variant.name)
        self.lanes = {
            shadow.variant: ShadowLane(self.variants[shadow.variant], self.name, self.revision, recorder)
            for shadow in snapshot.shadows
        }
        self.quick: QuickWay | None = None
        self.quick_infer: QuickWay | None = None
        self.pending = 0

    def enter(self, old: "Deployed | None") -> None:
        """Take the place of another revision: breakers and cached answers of versions that stay go on as they are."""
        for name, before in old.variants.items() if old is not None else ():
            now = self.variants.get(name)
            if now is not None and (now.slot.digest, now.slot.breaker) == (before.slot.digest, before.slot.breaker):
                now.breaker.adopt(before.breaker)
            else:
                before.breaker.retire()
        for name, cache in hand_over({} if old is None else old.cached, self.cached).items():
            self.variants[name].cache = cache

    def look(self) -> None:
        """Take up the files that control has replaced since; called by a thread that may wait for a disk."""
        self.crowds.look()
        for engine in self.engines.values():
            if isinstance(engine.runtime, PopularRuntime):
                engine.runtime.look()

    def obey(self, quarantine: Entries) -> None:
        """Ask nothing of versions in quarantine, and of those not loaded here; let the others be asked again."""
        for variant in self.variants.values():
            held = held_by(quarantine, self.name, variant.slot)
            if held is not None:
                variant.breaker.lock(f"it is in quarantine: {held.why}")
            elif variant.engine.lacking:
                variant.breaker.lock(variant.engine.lacking, "error")
            else:
                variant.breaker.unlock()
        if self.transform is not None:
            self.transform.obey(quarantine, self.name)

    def leave(self) -> None:
        """It is served no more, by no revision."""
        for variant in self.variants.values():
            variant.breaker.retire()
        hand_over(self.cached, {})

    @property
    def lacking(self) -> dict[str, str]:
        """The variants that are not ready in this process though they ought to be, and why."""
        return {name: engine.lacking for name, engine in self.engines.items() if engine.lacking}

    @property
    def cached(self) -> dict[str, Cached]:
        """The variants that keep their answers."""
        return {
            name: Cached(variant.engine, variant.slot.cache, variant.cache)
            for name, variant in self.variants.items()
            if variant.cache is not None and variant.slot.cache is not None
        }

    def asked(self, variant: Variant) -> Signature:
        """What a request carries for a variant, and what that answers."""
        signature = variant.slot.signature
        return signature if self.transform is None else self.transform.asked(signature)

    def _beside(self, variant: Variant) -> tuple[Feature, ...]:
        if not self.router.attributes.features:
            return ()
        own = {feature.name for feature in self.asked(variant).features}
        others = {feature.name: feature for feature in reversed(carried(self.snapshot)) if feature.name not in own}
        return tuple(reversed(others.values()))

    @property
    def longest(self) -> float:
        """Seconds that a request may take: its transform, then a variant, then the default variant in its place."""
        transform = self.snapshot.transform
        before = 0.0 if transform is None else transform.timeout
        return before + max(variant.timeout for variant in self.variants.values()) + self.default.timeout

    @property
    def idle(self) -> bool:
        """No request and no shadow copy uses this revision any more (once it is replaced)."""
        return self.pending == 0 and all(lane.idle for lane in self.lanes.values())


class Counts:
    """The counters of one deployment, their slots found once; only the event loop adds."""

    def __init__(self, deployment: str, recorder: Recorder) -> None:
        self._deployment = deployment
        self._recorder = recorder
        self._answers: dict[tuple[str, Reason, AnsweredBy, Status], int] = {}
        self._itself: dict[str, list[int]] = {}
        self._rules: dict[str, int] = {}
        self._latency: dict[tuple[str, Reason], Histogram] = {}
        self.add = recorder.counters.add
        self.served = recorder.served_slot(deployment, "answer")
        self.served_app = recorder.served_slot(deployment, "app")
        self.refused = recorder.slot("requests_refused_total", deployment=deployment)
        self.assigned = recorder.slot("assignments_total", deployment=deployment)
        self.unseen = recorder.slot("unseen_categories_total", deployment=deployment)
        self.extra = recorder.slot("extra_features_total", deployment=deployment)

    def answered(self, variant: str, reason: Reason, by: AnsweredBy, status: Status, latency_us: int) -> None:
        """Count one request's part: the variant assigned, why, how it was answered, how its own attempt went."""
        slot = self._answers.get((variant, reason, by, status)) or self._answer_slot(variant, reason, by, status)
        self.add(slot, 1)
        self._latency[variant, reason].observe(latency_us)

    def answered_itself(self, variant: str) -> int:
        """Calls that a variant answered as the one assigned, since its counters began."""
        slots = self._itself.get(variant)
        if slots is None:
            # All reasons at once: one that came later might bring what an earlier process of this name had counted.
            slots = [self._requests_slot(variant, reason, "assigned", "ok") for reason in get_args(Reason)]
            self._itself[variant] = slots
        return sum(map(self._recorder.counters.value, slots))

    def shed(self, variant: str, reason: str) -> None:
        """Count a call that was not taken, because too many or too much waits."""
        self.add(self._recorder.slot(SHED, deployment=self._deployment, variant=variant, reason=reason))

    def rule_failed(self, entry: str) -> None:
        """Count a rule that could not be said to hold or not to, at a request that went on without it."""
        slot = self._rules.get(entry)
        if slot is None:
            slot = self._rules[entry] = self._recorder.slot(RULES, deployment=self._deployment, entry=entry)
        self.add(slot, 1)

    def breaker_turns(self, variant: str) -> Callable[[Turn], None]:
        """A function that counts how a version's breaker turns."""
        labels = {"deployment": self._deployment, "variant": variant}

        def turned(turn: Turn) -> None:
            self.add(self._recorder.slot(BREAKERS_OPEN, **labels), 1 if turn == "opened" else -1)
            if turn == "opened":
                self.add(self._recorder.slot("breaker_opened_total", **labels))

        return turned

    def counter(self, variant: str, reason: Reason, by: AnsweredBy, status: Status) -> Callable[[int], None]:
        """A function that counts one row served, and its request answered, given the latency in microseconds."""
        add, served, answered = self.add, self.served, self._answer_slot(variant, reason, by, status)
        observe = self._latency[variant, reason].observe

        def count(latency_us: int) -> None:
            add(served, 1)
            add(answered, 1)
            observe(latency_us)

        return count

    def _answer_slot(self, variant: str, reason: Reason, by: AnsweredBy, status: Status) -> int:
        slot = self._answers[variant, reason, by, status] = self._requests_slot(variant, reason, by, status)
        labels = {"deployment": self._deployment, "variant": variant, "reason": reason}
        self._latency[variant, reason] = Histogram(self._recorder.counters, LATENCY, labels)
        return slot

    def _requests_slot(self, variant: str, reason: Reason, by: AnsweredBy, status: Status) -> int:
        labels = {"deployment": self._deployment, "variant": variant, "reason": reason}
        return self._recorder.slot(ANSWERS, **labels, answered_by=by, status=status)
