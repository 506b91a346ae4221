"""The runtime of a remote variant: somebody else's server answers, asked from an event loop in a thread of its own.

A call under way holds no thread, so a slow server costs waiting calls and nothing else. Whoever waits sets how long,
and when he gives up, the call is taken back and its connection closed.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol, TypeVar

from numpy.typing import NDArray

from seatrial.models.remote_address import Address, address_of, shown
from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.protocol.answers import UnreadableAnswer
from seatrial.protocol.asking import Terms
from seatrial.protocol.features import Encoder, Row
from seatrial.routing.snapshot import Remote, Slot
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Signature

T = TypeVar("T")

READY_SECONDS = 10.0
"""How long a server may take to say that it is ready."""


class LateAnswer(RuntimeFailure):
    """The server did not answer in time."""


class Wire(Protocol):
    """How one kind of server is asked; errors are RuntimeFailure, whose messages go on after the server's name."""

    async def ready(self) -> None: ...
    async def terms(self) -> Terms: ...
    async def answer(self, inputs: Tensors, rows: int, seconds: float) -> dict[str, NDArray[Any]]: ...
    async def close(self) -> None: ...


class RemoteRuntime:
    """A server of somebody else's.

    A secret that is not set is that server's failure, said by `check` and by every answer, so that the others of a
    deployment are served without it.

    Args:
        slot: The variant; its ``remote`` says where.
        environ: Where secrets are found by name.
        timeout: Seconds that `run` waits; None: the slot's.
    """

    out_of_process = True
    alone = False

    def __init__(self, slot: Slot, environ: Mapping[str, str] = os.environ, *, timeout: float | None = None) -> None:
        assert slot.remote is not None
        self._name = shown(slot.remote)
        self._timeout = timeout or slot.timeout
        self._trouble = ""
        self._address: Address | None = None
        self._wire: Wire | None = None
        try:
            self._address = address_of(slot.remote, environ)
            self._wire = _wire(slot.remote, slot.signature, self._address)
        except (BadInput, ValueError) as error:
            self._trouble = str(error) if isinstance(error, BadInput) else "is no address that can be asked"
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._live, name="seatrial-remote", daemon=True)
        self._thread.start()

    def run(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        return self._now(self.ask(inputs, self._timeout))

    async def ask(self, inputs: Tensors, seconds: float) -> dict[str, NDArray[Any]]:
        """As `run`, on this runtime's event loop (`send` it there). Raises RuntimeFailure, LateAnswer in particular."""
        rows = len(next(iter(inputs.values())))
        found: dict[str, NDArray[Any]] = await self._told(lambda wire: wire.answer(inputs, rows, seconds), seconds)
        return found

    def send(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have ``work`` run on this runtime's event loop; cancelling what comes back takes it back."""
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            given: Future[T] = Future()
            given.cancel()
            return given

    def check(self) -> None:
        """Ask whether the server is ready, where it can be asked. Raises RuntimeFailure."""
        self._now(self._told(lambda wire: wire.ready(), READY_SECONDS))

    def terms(self) -> Terms:
        """What the server says that the model takes and gives. Raises RuntimeFailure."""
        found: Terms = self._now(self._told(lambda wire: wire.terms(), READY_SECONDS))
        return found

    def said(self, inputs: Tensors) -> Sequence[Any]:
        """What a server of any JSON has at the path of the answer. Raises RuntimeFailure."""
        found: Sequence[Any] = self._now(self._told(lambda wire: wire.said(inputs), READY_SECONDS)).answer
        return found

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=10.0)

    async def _told(self, work: Any, seconds: float) -> Any:
        """``work`` with the wire, within a time; every failure is a sentence about the server without a secret."""
        if self._wire is None or self._address is None:
            raise RuntimeFailure(f"{self._name}: {self._trouble}")
        try:
            async with asyncio.timeout(seconds):
                return await work(self._wire)
        except TimeoutError:
            raise LateAnswer(f"{self._name} gave no answer within {seconds * 1000:.4g} ms") from None
        except (RuntimeFailure, UnreadableAnswer, BadInput) as error:
            raise RuntimeFailure(self._address.clean(f"{self._name} {error}")) from None

    def _now(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self.send(work).result()
        except CancelledError:
            raise RuntimeFailure(f"{self._name} was closed") from None

    def _live(self) -> None:
        """Run the event loop until closed, then take back what is under way."""
        loop = self._loop
        loop.run_forever()
        loop.run_until_complete(self._take_back(asyncio.all_tasks(loop)))
        loop.close()

    async def _take_back(self, under_way: "set[asyncio.Task[Any]]") -> None:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._wire is not None:
            await self._wire.close()


def _wire(remote: Remote, signature: Signature, address: Address) -> Wire:
    if remote.protocol == "grpc":
        from seatrial.models.remote_grpc import GrpcWire  # only servers of such variants pay for it

        return GrpcWire(remote, signature, address)
    from seatrial.models.remote_http import InferWire, JsonWire  # likewise

    return JsonWire(remote, signature, address) if remote.protocol == "json" else InferWire(remote, signature, address)


def terms_of(remote: Remote, environ: Mapping[str, str]) -> Terms:
    """What an Open Inference server says of its model. Raises RuntimeFailure."""
    unknown = Signature(task="raw", features=(), inputs=(), outputs=(), answer=Answer(prediction=""))
    runtime = RemoteRuntime(_unregistered(remote, unknown), environ)
    try:
        return runtime.terms()
    finally:
        runtime.close()


def answers_with_scores(remote: Remote, signature: Signature, rows: Sequence[Row], environ: Mapping[str, str]) -> bool:
    """Whether a server of any JSON answers rows with probabilities instead of labels: it is asked.

    Raises:
        RuntimeFailure: It does not answer.
    """
    runtime = RemoteRuntime(_unregistered(remote, signature), environ)
    try:
        values = runtime.said(Encoder(signature).encode(rows).tensors)
    finally:
        runtime.close()
    if not all(type(value) in (int, float) and 0 <= value <= 1 for value in values):
        return False
    return any(0 < value < 1 for value in values)


def _unregistered(remote: Remote, signature: Signature) -> Slot:
    return Slot(
        variant="", model="", version=0, digest="", path="", runtime="remote", signature=signature, remote=remote
    )
