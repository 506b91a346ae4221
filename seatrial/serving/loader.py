"""Snapshots into deployments that are ready to answer: files verified, models loaded and warm; and the way back.

Blocking work, done by the follower's thread, never by the event loop. A model is loaded once however many snapshots
name it, so a swap that only moves weights loads nothing, and a rollback finds the old version where it was.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from seatrial.models.artefact import digest_of
from seatrial.models.manifest import read_manifest
from seatrial.models.runtimes import Runtime, RuntimeFailure, load
from seatrial.protocol.features import Encoder, Row
from seatrial.routing.snapshot import Device, Ensemble, Lookup, Slot, Snapshot, Transform
from seatrial.serving.deployed import Deployed, Feeder
from seatrial.serving.engine import Engine
from seatrial.serving.recording import Recorder
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import BadInput, SeatrialError

WARM_CALLS = 8
MEASURED_CALLS = 64
WARM_SECONDS = 2.0
"""A slow model is warm after fewer calls."""

GRACE_SECONDS = 60.0
"""A replaced revision that is still in use after so long is closed under its users."""


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


class _Retired(NamedTuple):
    deployed: Deployed
    since: float


class Loader:
    """Loads and lets go. One thread uses it.

    Args:
        recorder: Where the rows of what is loaded will go.
        load: Makes a runtime of a slot.
        digest: Digest of an artefact directory.
        monotonic: Seconds.
    """

    def __init__(
        self,
        recorder: Recorder,
        *,
        load: Callable[[Slot], Runtime] = load,
        digest: Callable[[Path], str] = digest_of,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._recorder = recorder
        self._load = load
        self._digest = digest
        self._now = monotonic
        self._engines: dict[_Key, Engine] = {}
        self._users: dict[_Key, int] = {}
        self._keys: dict[int, list[_Key]] = {}
        self._retired: list[_Retired] = []

    def prepare(self, snapshot: Snapshot) -> Deployed:
        """Load and warm up every slot.

        Raises:
            SeatrialError: One of them cannot be loaded or does not answer; the message says which and why. Nothing
                stays loaded that was not before.
        """
        keys: list[_Key] = []
        try:
            engines = {slot.variant: self._engine(slot, keys) for slot in snapshot.slots}
            deployed = Deployed(snapshot, engines, self._recorder, self._transform(snapshot, keys))
            for variant in deployed.variants.values():
                if not variant.engine.warm:
                    warm_up(variant, self._now)
                    variant.engine.warm = True
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
            overdue = self._now() - retired.since > GRACE_SECONDS
            if not retired.deployed.idle and not overdue:
                waiting.append(retired)
                continue
            for lane in retired.deployed.lanes.values():
                lane.abandon()
            self._release(self._keys.pop(id(retired.deployed), []))
        self._retired = waiting

    @property
    def loaded(self) -> int:
        """Models in memory."""
        return len(self._engines)

    def _engine(self, slot: Slot, keys: list[_Key]) -> Engine:
        slot = _rooted(slot, self._recorder.home.parent)
        timeout = None if slot.runtime == "onnx" or slot.lookup is not None else slot.timeout
        version = "" if slot.lookup is None else slot.model_version
        key = _Key(slot.digest, slot.path, slot.runtime, slot.trust, timeout, slot.device, slot.lookup, version)
        engine = self._engines.get(key)
        if engine is None:
            engine = self._engines[key] = Engine(self._loaded(slot, keys))
        elif slot.ensemble is not None and slot.lookup is None:
            self._members(slot.ensemble, keys)
        self._users[key] = self._users.get(key, 0) + 1
        keys.append(key)
        return engine

    def _members(self, ensemble: Ensemble, keys: list[_Key]) -> list[Runtime]:
        """An ensemble's members, each loaded once with the variant that serves it alone."""
        return [self._engine(member, keys).runtime for member in ensemble.members]

    def _transform(self, snapshot: Snapshot, keys: list[_Key]) -> Feeder | None:
        """What the snapshot's requests go through first, loaded and warm."""
        given = snapshot.transform
        if given is None:
            return None
        from seatrial.serving.transforming import Transforming  # only servers of such deployments pay for it

        engine = self._function(given, keys) if given.slot is None else self._engine(given.slot, keys)
        if not engine.warm and given.slot is not None:
            warm_transform(given.slot, engine, self._now)
        engine.warm = True
        return Transforming(snapshot, engine, self._recorder)

    def _function(self, given: Transform, keys: list[_Key]) -> Engine:
        from seatrial.models.function_runtime import FunctionRuntime  # likewise

        key = _Key(f"function {given.python}", "", "function", "python", given.timeout, "cpu", None, "")
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

    def _loaded(self, slot: Slot, keys: list[_Key]) -> Runtime:
        if slot.ensemble is not None and slot.lookup is None:
            from seatrial.models.ensemble_runtime import EnsembleRuntime  # only servers of such variants pay for it

            return EnsembleRuntime(slot, self._members(slot.ensemble, keys), owned=False)
        directory = Path(slot.path)
        try:
            if slot.ensemble is not None:
                return self._load(slot)
            found = self._digest(directory)
            if found != slot.digest:
                raise BadInput(f"its files in {directory} have digest {found[:12]}…, expected {slot.digest[:12]}…")
            return self._load(slot)
        except (SeatrialError, OSError, msgspec.MsgspecError) as error:
            raise SeatrialError(f"{slot.model_version} ({slot.variant}) cannot be loaded: {error}") from error

    def _release(self, keys: Sequence[_Key]) -> None:
        for key in keys:
            self._users[key] -= 1
            if self._users[key] == 0:
                del self._users[key]
                self._engines.pop(key).close()


def _rooted(slot: Slot, root: Path) -> Slot:
    """The slot with a relative path of scores made whole."""
    if slot.lookup is None:
        return slot
    lookup = msgspec.structs.replace(slot.lookup, scores=str(root / slot.lookup.scores))
    return msgspec.structs.replace(slot, lookup=lookup)


def warm_up(variant: Variant, now: Callable[[], float] = time.monotonic) -> None:
    """Let a model answer real-shaped rows until it is warm and its pace is known; a lookup needs neither.

    Raises:
        SeatrialError: It does not answer its own samples.
    """
    rows = samples(variant.slot) if variant.slot.lookup is None else []
    if not rows:
        return
    deadline = now() + WARM_SECONDS
    for call in range(WARM_CALLS + MEASURED_CALLS):
        attempt = Attempt(variant, [rows[call % len(rows)]])
        attempt.run(measured=call >= WARM_CALLS)
        if attempt.read is None:
            raise SeatrialError(f"{variant.version} ({variant.name}) does not answer its own sample: {attempt.error}")
        if now() > deadline:
            break
    attempt = Attempt(variant, rows)
    attempt.run(measured=False)
    if attempt.read is None:
        raise SeatrialError(f"{variant.version} ({variant.name}) does not answer a batch of samples: {attempt.error}")


def warm_transform(slot: Slot, engine: Engine, now: Callable[[], float] = time.monotonic) -> None:
    """Let a transform's model compute its own samples until it is warm and its pace is known.

    Raises:
        SeatrialError: It does not.
    """
    rows, encoder = samples(slot), Encoder(slot.signature)
    deadline = now() + WARM_SECONDS
    for call in range(WARM_CALLS + MEASURED_CALLS if rows else 0):
        try:
            tensors = encoder.encode([rows[call % len(rows)]]).tensors
            engine.run(tensors, 1) if call >= WARM_CALLS else engine.runtime.run(tensors)
        except SeatrialError as error:
            raise SeatrialError(f"the transform {slot.model_version} does not take its own sample: {error}") from error
        if now() > deadline:
            break


def samples(slot: Slot) -> Sequence[Row]:
    """The version's sample rows; empty when it has none. An ensemble's have what each of its members needs."""
    if slot.ensemble is not None:
        together = zip(*(samples(member) for member in slot.ensemble.members), strict=False)
        return [{name: value for row in reversed(rows) for name, value in row.items()} for rows in together]
    directory = Path(slot.path)
    try:
        name = read_manifest(str(directory)).samples
        if name is None:
            return []
        found: list[dict[str, Any]] = msgspec.json.decode((directory / name).read_bytes(), type=list[dict[str, Any]])
    except FileNotFoundError:
        return []
    return found
