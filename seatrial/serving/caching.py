"""Answers of one variant that are given again to the same inputs, and concurrent equal requests computed once.

The key of an answer is the version's digest, the names of the outputs that are computed (all of the version's: a
request that asks for some is given its part) and the inputs as the model gets them. What is kept are output tensors:
everybody reads his own answer out of them. Texts, lists and objects are kept encoded, so that their bytes count,
whatever they hold, and no reader changes what the next one gets. Only answers are kept, never a failure, a fallback or
another variant's answer. The event loop uses it, and nobody else.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.ledger.counters import CACHE_BYTES
from seatrial.models.runtimes import Tensors
from seatrial.routing.snapshot import Cache, Slot
from seatrial.serving.recording import Recorder

CACHE = "cache_total"
EVICTED = "cache_evicted_total"

_ENTRY_BYTES = 512
_TENSOR_BYTES = 256
"""What an entry and a tensor of it take beside their content: measured in CPython, rounded up."""


class CacheCounts:
    """The counters of one variant's cache."""

    def __init__(self, recorder: Recorder, deployment: str, variant: str) -> None:
        labels = {"deployment": deployment, "variant": variant}
        self.counters = recorder.counters
        self.hit, self.miss, self.shared = (
            recorder.slot(CACHE, **labels, result=result) for result in ("hit", "miss", "shared")
        )
        self.evicted = recorder.slot(EVICTED, **labels)
        self.bytes = recorder.slot(CACHE_BYTES, **labels)

    def add(self, slot: int, n: int = 1) -> None:
        """Add to one of them."""
        self.counters.add(slot, n)


class _Packed(NamedTuple):
    """An output of Python objects, row-major."""

    content: bytes
    shape: tuple[int, ...]


class _Kept(NamedTuple):
    outputs: "Mapping[str, NDArray[Any] | _Packed]"
    size: int
    until: int


class PredictionCache:
    """The least recently used answers go when there is no room, and each goes when its time is over.

    Args:
        slot: Whose answers; its ``cache`` says how many bytes and for how long.
    """

    def __init__(self, slot: Slot, settings: Cache, counts: CacheCounts) -> None:
        self.counts = counts
        self.size = 0
        self.flights: dict[bytes, Flight] = {}
        self._open = True
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        outputs = [tensor.name for tensor in slot.signature.outputs]
        self._salt = hashlib.blake2b(msgspec.msgpack.encode([slot.digest, outputs]), digest_size=32).digest()
        self.limit(settings)

    def __len__(self) -> int:
        return len(self._kept)

    def limit(self, settings: Cache) -> None:
        """Keep to other limits from now on; answers that are there keep the time they were given."""
        self._most = settings.bytes
        self._lifetime = int(settings.ttl * 1e9)
        self._make_room(0)

    def move(self, counts: CacheCounts) -> None:
        """Count with others from now on: its version answers as another variant."""
        self.counts.add(self.counts.bytes, -self.size)
        counts.add(counts.bytes, self.size)
        self.counts = counts

    def open(self) -> None:
        """Keep answers from now on."""
        self._open = True

    def close(self) -> None:
        """Let everything go, and keep nothing more."""
        self._open = False
        self._kept.clear()
        self._grow(-self.size)

    def key(self, tensors: Tensors) -> bytes:
        """What equal inputs have in common, and no others."""
        digest = hashlib.blake2b(self._salt, digest_size=20)
        add_inputs(digest, tensors)
        return digest.digest()

    def get(self, key: bytes, now: int) -> Tensors | None:
        """The outputs kept for a key, or None.

        Args:
            now: Monotonic nanoseconds.
        """
        found = self._kept.get(key)
        if found is None:
            return None
        if now >= found.until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        self.counts.add(self.counts.hit)
        return {name: _unpacked(one) if isinstance(one, _Packed) else one for name, one in found.outputs.items()}

    def keep(self, key: bytes, outputs: Tensors, now: int) -> None:
        """Keep the outputs of a call; not when they alone are over the limit, or hold what nothing encodes."""
        if not self._open or sum(output.nbytes for output in outputs.values()) > self._most:
            return
        try:
            own = {name: _packed(one) if one.dtype == object else _own(one) for name, one in outputs.items()}
        except (TypeError, ValueError, OverflowError, RecursionError):
            return
        size = _ENTRY_BYTES + sum(_TENSOR_BYTES + _size(one) for one in own.values())
        if size > self._most:
            return
        if key in self._kept:
            self._drop(key)
        self._make_room(size)
        self._kept[key] = _Kept(own, size, now + self._lifetime)
        self._grow(size)

    def _make_room(self, size: int) -> None:
        while self._kept and self.size + size > self._most:
            self._drop(next(iter(self._kept)))
            self.counts.add(self.counts.evicted)

    def _drop(self, key: bytes) -> None:
        self._grow(-self._kept.pop(key).size)

    def _grow(self, size: int) -> None:
        self.size += size
        self.counts.add(self.counts.bytes, size)


class Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def add_inputs(digest: Digest, tensors: Tensors) -> None:
    """Take inputs into a digest: those of equal names, types, shapes and values alike, and no others."""
    for name, tensor in tensors.items():
        digest.update(f"{name}\0{tensor.dtype.str}{tensor.shape}".encode())
        digest.update(msgspec.msgpack.encode(tensor.tolist()) if tensor.dtype == object else tensor.tobytes())


class Flight:
    """A computation that several equal requests wait for; given up when the last of them leaves.

    Attributes:
        pilot: The attempt that is computed.
        aboard: Requests that wait.
    """

    __slots__ = ("aboard", "future", "pilot")

    def __init__(self, pilot: Any, future: "Future[None]") -> None:
        self.pilot = pilot
        self.future = future
        self.aboard = 1

    def landing(self) -> "asyncio.Future[None]":
        """Done with the computation; who gives this up gives up nothing for the others."""
        return asyncio.shield(asyncio.wrap_future(self.future))

    def leave(self) -> None:
        """One request waits no longer."""
        self.aboard -= 1
        if not self.aboard:
            self.future.cancel()


def _own(output: NDArray[Any]) -> NDArray[Any]:
    copied = output.copy()
    copied.flags.writeable = False
    return copied


def _packed(output: NDArray[Any]) -> _Packed:
    return _Packed(_encode(output.reshape(-1).tolist()), output.shape)


def _unpacked(kept: _Packed) -> NDArray[Any]:
    values = msgspec.msgpack.decode(kept.content)
    found: NDArray[Any] = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        found[place] = value
    return found.reshape(kept.shape)


def _size(kept: NDArray[Any] | _Packed) -> int:
    return len(kept.content) if isinstance(kept, _Packed) else int(kept.nbytes)


def _plain(value: Any) -> Any:
    """A numpy scalar among objects as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be kept")


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode


class Cached(NamedTuple):
    """A variant as far as its cache goes."""

    engine: object
    settings: Cache
    cache: PredictionCache


def hand_over(old: Mapping[str, Cached], new: Mapping[str, Cached]) -> dict[str, PredictionCache]:
    """The caches of a revision: those of the one before go on where the same loaded model answers.

    A version that is promoted answers as another variant, and what it has kept goes with it.

    Args:
        old, new: The variants with a cache of the revision replaced, and of the one that replaces it.
    """
    before = _predecessors(old, new)
    found = {}
    for name, one in new.items():
        if name in before:
            cache = old[before[name]].cache
            cache.move(one.cache.counts)
            cache.limit(one.settings)
            found[name] = cache
        else:
            found[name] = one.cache
    for name in set(old) - set(before.values()):
        old[name].cache.close()
    for cache in found.values():
        cache.open()
    return found


def _predecessors(old: Mapping[str, Cached], new: Mapping[str, Cached]) -> dict[str, str]:
    """For each variant as which the same model answered: the same one if it may be, and each of them for one only."""
    found = {name: name for name, one in new.items() if name in old and old[name].engine is one.engine}
    for name, one in new.items():
        for other, before in old.items():
            if name not in found and before.engine is one.engine and other not in found.values():
                found[name] = other
    return found
