"""Snapshots into deployments that are ready to answer: files verified, models loaded and warm; and the way back.

Blocking work, done by the follower's thread, never by the event loop. A model is loaded once however many snapshots
name it, so a swap that only moves weights loads nothing, and a rollback finds the old version where it was.
"""

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from numpy.typing import NDArray

from seatrial.ledger.quarantine import Entries, held_by, read_quarantine
from seatrial.models.artefact import digest_of
from seatrial.models.runtimes import Runtime, RuntimeFailure, Tensors, load
from seatrial.releases.popular_files import popular_file
from seatrial.routing.snapshot import Device, Ensemble, Lookup, Slot, Snapshot, Transform
from seatrial.serving.deployed import Deployed, Feeder
from seatrial.serving.engine import Engine
from seatrial.serving.popularity import PopularRuntime
from seatrial.serving.recording import Recorder
from seatrial.serving.variant import Variant
from seatrial.serving.warming import greet, warm_transform, warm_up
from seatrial.spec.errors import BadInput, SeatrialError

log = logging.getLogger("seatrial.serving")

GRACE_SECONDS = 60.0
"""A replaced revision that is still in use after so long, and after its longest request, is closed under its users."""


class _Key(NamedTuple):
    """What makes two slots the same loaded model."""

    digest: str
    path: str
    runtime: str
    trust: str
    timeout: float | None
    device: Device
    lookup: Lookup | None
    version: str
    """Whose answers a lookup finds; "" where the model itself is loaded."""
    withheld: bool
    """It is in quarantine, and not loaded at all."""


class _Retired(NamedTuple):
    deployed: Deployed
    since: float


class Loader:
    """Loads and lets go. One thread uses it.

    Args:
        recorder: Where the rows of what is loaded will go.
        load: Makes a runtime of a slot.
        digest: Digest of an artefact directory.
        abreast: Batches of one model that run at once: the cores that this process has.
        monotonic: Seconds.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        load: Callable[[Slot], Runtime] = load,
        digest: Callable[[Path], str] = digest_of,
        abreast: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._load = load
        self._digest = digest
        self._abreast = abreast
        self._now = monotonic
        self._engines: dict[_Key, Engine] = {}
        self._users: dict[_Key, int] = {}
        self._keys: dict[int, list[_Key]] = {}
        self._retired: list[_Retired] = []

    def prepare(self, snapshot: Snapshot, *, active: bool = False) -> Deployed:
        """Load and warm up every slot.

        Args:
            active: It is served already, by other workers or before this one began. Then the default variant must be
                ready, which answers for the others; another one that cannot be loaded is left alone (`Deployed.lacking`
                says why), and a remote one need not answer: it may be away for a while.

        Raises:
            SeatrialError: One of them cannot be loaded or does not answer; the message says which and why. Nothing
                stays loaded that was not before.
        """
        keys: list[_Key] = []
        try:
            quarantine = read_quarantine(self._recorder.home)
            engines: dict[str, Engine] = {}
            for slot in snapshot.slots:
                dispensable = active and slot.variant != snapshot.default
                given = self._engine_or_none if dispensable else self._engine
                engines[slot.variant] = given(slot, snapshot, quarantine, keys)
            deployed = Deployed(snapshot, engines, self._recorder, self._transform(snapshot, quarantine, keys))
            for variant in deployed.variants.values():
                self._warm(variant, snapshot, active)
        except BaseException:
            self._release(keys)
            raise
        self._keys[id(deployed)] = keys
        return deployed

    def retire(self, deployed: Deployed | None) -> None:
        """Close a deployment that is served no longer, once nobody uses it; `sweep` does it."""
        if deployed is not None:
            self._retired.append(_Retired(deployed, self._now()))

    def sweep(self) -> None:
        """Close what was retired and is idle, or was given long enough."""
        waiting: list[_Retired] = []
        for retired in self._retired:
            overdue = self._now() - retired.since > max(GRACE_SECONDS, retired.deployed.longest)
            if not retired.deployed.idle and not overdue:
                waiting.append(retired)
                continue
            for lane in retired.deployed.lanes.values():
                lane.abandon()
            self._release(self._keys.pop(id(retired.deployed), []))
        self._retired = waiting

    def withholds(self, loaded: Variant | Feeder) -> bool:
        """Whether a variant, or a transform, was not loaded, because it was in quarantine."""
        return isinstance(loaded.engine.runtime, Withheld)

    @property
    def loaded(self) -> int:
        """Models in memory."""
        return len(self._engines)

    def _engine(self, slot: Slot, snapshot: Snapshot, quarantine: Entries, keys: list[_Key]) -> Engine:
        withheld = held_by(quarantine, snapshot.deployment, slot) is not None
        slot = _rooted(slot, self._recorder.home.parent)
        timeout = None if slot.runtime == "onnx" or slot.is_ready else slot.timeout
        version = "" if slot.lookup is None else slot.model_version
        key = _Key(
            slot.digest, slot.path, slot.runtime, slot.trust, timeout, slot.device, slot.lookup, version, withheld
        )
        engine = self._engines.get(key)
        if engine is None:
            runtime = (
                Withheld("The version is in quarantine and was not loaded.")
                if withheld
                else self._loaded(slot, snapshot, quarantine, keys)
            )
            engine = self._engines[key] = Engine(runtime, abreast=self._abreast)
            engine.warm = withheld
        elif slot.ensemble is not None and slot.lookup is None and not withheld:
            self._members(slot.ensemble, snapshot, quarantine, keys)
        self._users[key] = self._users.get(key, 0) + 1
        keys.append(key)
        return engine

    def _engine_or_none(self, slot: Slot, snapshot: Snapshot, quarantine: Entries, keys: list[_Key]) -> Engine:
        """As `_engine`; where that fails, one that says why and answers nothing."""
        own: list[_Key] = []
        try:
            engine = self._engine(slot, snapshot, quarantine, own)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are served
            self._release(own)
            engine = Engine(Withheld(f"The version is not loaded: {error}"))
            engine.warm, engine.lacking = True, _said(error)
            return engine
        keys += own
        return engine

    def _warm(self, variant: Variant, snapshot: Snapshot, active: bool) -> None:
        """Have a variant answer its samples. Raises SeatrialError, where it must answer, and does not."""
        engine = variant.engine
        if engine.warm or (engine.remote is not None and active):
            engine.warm = True
            return
        try:
            if engine.remote is None:
                warm_up(variant, self._now)
            else:
                greet(variant, snapshot)
        except Exception as error:
            if not active or variant.name == snapshot.default:
                raise
            engine.lacking = _said(error)
            return
        engine.warm, engine.lacking = True, ""

    def _members(self, ensemble: Ensemble, snapshot: Snapshot, quarantine: Entries, keys: list[_Key]) -> list[Runtime]:
        """An ensemble's members, each loaded once with the variant that serves it alone."""
        return [self._engine(member, snapshot, quarantine, keys).runtime for member in ensemble.members]

    def _transform(self, snapshot: Snapshot, quarantine: Entries, keys: list[_Key]) -> Feeder | None:
        """What the snapshot's requests go through first, loaded and warm."""
        given = snapshot.transform
        if given is None:
            return None
        from seatrial.serving.transforming import Transforming  # only servers of such deployments pay for it

        if given.slot is None:
            engine = self._function(given, keys)
        else:
            engine = self._engine(given.slot, snapshot, quarantine, keys)
        if not engine.warm and given.slot is not None:
            mark = self._recorder.underway.mark(snapshot.deployment, given.slot.variant, given.slot.digest)
            warm_transform(given.slot, engine, mark, self._now)
        engine.warm = True
        return Transforming(snapshot, engine, self._recorder)

    def _function(self, given: Transform, keys: list[_Key]) -> Engine:
        from seatrial.models.function_runtime import FunctionRuntime  # likewise

        key = _Key(f"function {given.python}", "", "function", "python", given.timeout, "cpu", None, "", False)
        engine = self._engines.get(key)
        if engine is None:
            try:
                runtime = FunctionRuntime(given.python, timeout=given.timeout)
            except RuntimeFailure as error:
                raise SeatrialError(f"the transform cannot be loaded: {error}") from error
            engine = self._engines[key] = Engine(runtime)
        self._users[key] = self._users.get(key, 0) + 1
        keys.append(key)
        return engine

    def _loaded(self, slot: Slot, snapshot: Snapshot, quarantine: Entries, keys: list[_Key]) -> Runtime:
        if slot.ensemble is not None and slot.lookup is None:
            from seatrial.models.ensemble_runtime import EnsembleRuntime  # only servers of such variants pay for it

            return EnsembleRuntime(slot, self._members(slot.ensemble, snapshot, quarantine, keys), owned=False)
        if slot.popular is not None:
            return PopularRuntime(slot, popular_file(self._recorder.home, slot.popular.file))
        is_default = slot.variant == snapshot.default
        mark = self._recorder.underway.mark(snapshot.deployment, slot.variant, slot.digest, default=is_default)
        mark.on()  # a file may be such that loading it ends the process
        try:
            if slot.remote is None and slot.ensemble is None:
                self._verify(slot)
            return self._load(slot)
        except (SeatrialError, OSError, msgspec.MsgspecError) as error:
            raise SeatrialError(f"{slot.model_version} ({slot.variant}) cannot be loaded: {error}") from error
        finally:
            mark.off()

    def _verify(self, slot: Slot) -> None:
        directory = Path(slot.path)
        found = self._digest(directory)
        if found != slot.digest:
            raise BadInput(f"its files in {directory} have digest {found[:12]}…, expected {slot.digest[:12]}…")

    def _release(self, keys: Sequence[_Key]) -> None:
        for key in keys:
            self._users[key] -= 1
            if self._users[key] == 0:
                del self._users[key]
                self._engines.pop(key).close()


class Withheld:
    """Stands where a version would be that is not loaded; its breaker is locked, so nobody asks it.

    Args:
        why: A sentence, for who asks it nevertheless.
    """

    out_of_process = False
    alone = False

    def __init__(self, why: str) -> None:
        self._why = why

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        raise RuntimeFailure(self._why)

    def close(self) -> None:
        """There is nothing to let go."""


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def cores_each(processes: int) -> int:
    """Cores for each of so many serving processes, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // processes)


def _rooted(slot: Slot, root: Path) -> Slot:
    """The slot with a relative path of scores made whole."""
    if slot.lookup is None:
        return slot
    lookup = msgspec.structs.replace(slot.lookup, scores=str(root / slot.lookup.scores))
    return msgspec.structs.replace(slot, lookup=lookup)
