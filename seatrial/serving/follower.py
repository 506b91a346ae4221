"""Follows what is published: prepares, swaps, withdraws; in a thread of its own, beside the event loop.

Only the swap itself happens on the event loop, as one call that does one assignment.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

import msgspec

from seatrial.ledger.quarantine import QuarantineWatch
from seatrial.releases.subscription import Change
from seatrial.routing.snapshot import Snapshot
from seatrial.serving.deployed import Deployed, Feeder
from seatrial.serving.gateway import Gateway
from seatrial.serving.loader import Loader
from seatrial.serving.variant import Variant

POLL_SECONDS = 0.05
RETRY_SECONDS = 5.0
LACKING_RETRY_SECONDS = 30.0
"""What is tried again then is one version of several, whose share is answered meanwhile."""
NOTE_SECONDS = 1.0

log = logging.getLogger("seatrial.serving")
T = TypeVar("T")


class Published(Protocol):
    """What the follower asks of ``releases.subscription.Subscription``."""

    def active(self) -> dict[str, Snapshot]: ...
    def poll(self) -> tuple[Change, ...]: ...
    def acknowledge(self, deployment: str, revision: int, error: str | None = None) -> None: ...
    def activated(self, deployment: str, revision: int) -> None: ...


class Follower:
    """Keeps a gateway at what is published.

    Args:
        gateway: What is swapped.
        loader: What loads.
        published: What to follow; joined already.
        loop: The event loop on which the gateway answers; None: it does not run yet, so swaps happen right here.
    """

    def __init__(
        self,
        gateway: Gateway,
        loader: Loader,
        published: Published,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._loader = loader
        self._published = published
        self._now = monotonic
        self._loop: asyncio.AbstractEventLoop | None = None
        self._prepared: dict[tuple[str, int], Deployed] = {}
        self._failed: dict[str, tuple[Snapshot, float]] = {}
        self._lacking: dict[str, tuple[Deployed, frozenset[str], float]] = {}
        self._quarantine = QuarantineWatch(gateway.recorder.home)
        self._note_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def load_active(self) -> None:
        """Load and serve what is active now; what does not load is said, answered with 503, and tried again later."""
        self._obey()
        for snapshot in self._published.active().values():
            self._serve(snapshot)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Follow from now on, swapping on ``loop``."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Follow no more; waits so long for a load under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def step(self) -> None:
        """One look at what is published, and at what is in quarantine."""
        self._obey()
        for change in self._published.poll():
            _STEPS[change.kind](self, change)
        for snapshot, tried in list(self._failed.values()):
            if self._now() - tried >= RETRY_SECONDS:
                self._serve(snapshot)
        for deployed, lacking, tried in list(self._lacking.values()):
            if deployed.name not in self._failed and self._now() - tried >= LACKING_RETRY_SECONDS:
                self._try_again(deployed, lacking)
        self._loader.sweep()
        self._note()

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                self.step()
            except Exception:
                log.exception("following what is published failed; going on with what is served")

    def _note(self) -> None:
        if self._now() >= self._note_at:
            self._note_at = self._now() + NOTE_SECONDS
            self._gateway.note_gauges()
            for deployed in list(self._gateway.deployments.values()):
                deployed.look()

    def _obey(self) -> None:
        """Obey the quarantine file; what was lifted and is not loaded here is loaded now."""
        try:
            entries = self._quarantine.changed()
        except (OSError, msgspec.MsgspecError) as error:
            log.error("the quarantine file cannot be read, so it stays as it was known: %s", error)
            return
        if entries is None:
            return
        self._on_loop(lambda: self._gateway.obey(entries))
        for deployed in list(self._gateway.deployments.values()):
            transform = deployed.transform
            lifted: list[Variant | Feeder] = [v for v in deployed.variants.values() if not v.breaker.locked]
            if transform is not None and not transform.locked:
                lifted.append(transform)
            if any(self._loader.withholds(loaded) for loaded in lifted):
                self._serve(deployed.snapshot)

    def _prepare(self, change: Change) -> None:
        snapshot = change.snapshot
        try:
            deployed = self._gateway.prepare(self._loader.prepare(snapshot))
        except Exception as error:  # noqa: BLE001 - whatever it is, the publisher must hear of it
            told = (snapshot.deployment, snapshot.revision, error)
            log.warning("%s revision %d cannot be prepared: %s", *told, extra=_of(snapshot))
            self._published.acknowledge(snapshot.deployment, snapshot.revision, str(error) or type(error).__name__)
            return
        self._prepared[snapshot.deployment, snapshot.revision] = deployed
        self._published.acknowledge(snapshot.deployment, snapshot.revision)

    def _activate(self, change: Change) -> None:
        snapshot = change.snapshot
        deployed = self._prepared.pop((snapshot.deployment, snapshot.revision), None)
        if deployed is None:
            self._serve(snapshot)
        else:
            self._swap(deployed)

    def _withdraw(self, change: Change) -> None:
        self._loader.retire(self._prepared.pop((change.snapshot.deployment, change.snapshot.revision), None))

    def _remove(self, change: Change) -> None:
        self._failed.pop(change.deployment, None)
        self._lacking.pop(change.deployment, None)
        self._loader.retire(self._on_loop(lambda: self._gateway.remove(change.deployment)))

    def _serve(self, snapshot: Snapshot) -> None:
        """Load and swap in one go."""
        name = snapshot.deployment
        try:
            deployed = self._gateway.prepare(self._loader.prepare(snapshot, active=True))
        except Exception as error:  # noqa: BLE001 - a deployment that does not load must not keep the others away
            log.error("%s revision %d cannot be served: %s", name, snapshot.revision, error, extra=_of(snapshot))
            self._failed[name] = snapshot, self._now()
            self._published.acknowledge(name, snapshot.revision, str(error) or type(error).__name__)
            reason = str(error)
            self._on_loop(lambda: self._gateway.miss(name, reason))
            return
        self._published.acknowledge(name, snapshot.revision)
        self._swap(deployed)

    def _try_again(self, served: Deployed, lacking: frozenset[str]) -> None:
        """Load what is served once more, and swap it in if less is lacking then."""
        self._lacking[served.name] = served, lacking, self._now()
        try:
            deployed = self._gateway.prepare(self._loader.prepare(served.snapshot, active=True))
        except Exception as error:  # noqa: BLE001 - what is served goes on
            log.warning("%s cannot be loaded again: %s", served.name, error, extra=_of(served.snapshot))
            return
        if deployed.lacking.keys() < lacking:
            self._swap(deployed)
        else:
            self._loader.retire(deployed)

    def _note_lacking(self, deployed: Deployed) -> None:
        """Say which variants are served without, and remember to try them again."""
        for name, why in deployed.lacking.items():
            told = (deployed.name, deployed.revision, name, why)
            log.error("%s revision %d is served without %s: %s", *told, extra=_of(deployed.snapshot))
        self._lacking.pop(deployed.name, None)
        if deployed.lacking:
            self._lacking[deployed.name] = deployed, frozenset(deployed.lacking), self._now()

    def _swap(self, deployed: Deployed) -> None:
        old = self._on_loop(lambda: self._gateway.activate(deployed))
        self._note_lacking(deployed)
        self._failed.pop(deployed.name, None)
        self._published.activated(deployed.name, deployed.revision)
        self._loader.retire(old)
        log.info("%s revision %d is served", deployed.name, deployed.revision, extra=_of(deployed.snapshot))

    def _on_loop(self, do: Callable[[], T]) -> T:
        if self._loop is None:
            return do()
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(do())
            except Exception as error:  # noqa: BLE001 - raised again where it is awaited
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(timeout=30)


def _of(snapshot: Snapshot) -> dict[str, object]:
    """What a line about a snapshot has beside its words."""
    return {"deployment": snapshot.deployment, "revision": snapshot.revision}


_STEPS: dict[str, Callable[[Follower, Change], None]] = {
    "prepare": Follower._prepare,
    "activate": Follower._activate,
    "withdraw": Follower._withdraw,
    "remove": Follower._remove,
}
