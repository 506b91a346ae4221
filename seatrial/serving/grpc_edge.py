"""The gRPC edge: the six calls of ``inference.GRPCInferenceService`` over the same gateway as the HTTP edge.

Messages are read here and not by grpc, so that bytes which are no message are the caller's fault and not ours, and a
call is known from its headers on: to grpc a call is one with a stream of messages, of which one is read, when there is
a place for it (`receiving`). A call that its client gives up goes on to its end, so that its rows are written and
counted like any others.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from seatrial.protocol.calls import in_bytes, read_call, read_message, write_call, write_metadata
from seatrial.protocol.inference import InferBody
from seatrial.protocol.messages import CALLS, MESSAGES, SERVICE
from seatrial.serving.gateway import Gateway
from seatrial.serving.inference import EXTENSIONS
from seatrial.serving.receiving import Receiving
from seatrial.spec.errors import CAUSES, BadInput, Overloaded, SeatrialError, Unavailable
from seatrial.version import __version__

LARGE_BYTES = 256 << 10
"""A bigger message is read in a thread, so that the event loop goes on."""

HELD_BYTES = 256 << 20
"""Most that the messages of all calls under way may have together, and those that arrive."""

_OPEN = frozenset(("ServerLive", "ServerReady"))
"""Calls that need no key, as HTTP's health needs none, and whose messages are empty: they wait for nothing."""

_ROOM = 64 << 10
"""What a message may have beside its tensors."""

OPEN_CONNECTIONS = 1_000
"""Open connections of a worker; whoever comes beyond is disconnected."""

T = TypeVar("T")
Context = Any
Call = Callable[[Any, Context], Awaitable[Any]]
Handle = Callable[[Any, Context], Awaitable[bytes]]
Wrap = Callable[[Handle], Handle]


_CONNECTIONS = (
    ("grpc.max_concurrent_streams", 256),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.max_connection_age_ms", 900_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
    ("grpc.http2.bdp_probe", 0),
)
"""A connection carries so many calls at once, is given up when its other end is gone or it is idle, and is asked to
begin anew now and then. Of a call that is not read yet it takes 64 KiB; with probes that would be some MiB."""


class GrpcEdge:
    """The gRPC listener of one worker.

    Args:
        gateway: What answers.
        key: The bearer key that every call must carry as ``authorization`` metadata, but for health; None: no key.
        traced: Puts a span around the receiving and answering of inferences; None: no traces.
        most: Connections that may be open at once.

    Attributes:
        receiving: Whose messages arrive.
    """

    def __init__(
        self, gateway: Gateway, *, key: str | None = None, traced: Wrap | None = None, most: int = OPEN_CONNECTIONS
    ) -> None:
        self._gateway = gateway
        self._most = most
        self._key = None if key is None else key.encode()
        self._traced = traced
        self._server: Any = None
        self._held = 0
        self._limit = gateway.limits.body_bytes + _ROOM
        self.receiving = Receiving(max(1, HELD_BYTES // self._limit))
        calls: tuple[Call, ...] = (
            self._server_live,
            self._server_ready,
            self._model_ready,
            self._server_metadata,
            self._model_metadata,
            self._model_infer,
        )
        self._calls = dict(zip(CALLS, calls, strict=True))

    async def listen(self, address: str) -> int:
        """Accept calls on ``host:port``, beside the other workers; gives back the port.

        Raises:
            Unavailable: The address cannot be had.
        """
        options = (
            ("grpc.so_reuseport", 1),
            ("grpc.max_receive_message_length", self._limit),
            ("grpc.max_allowed_incoming_connections", self._most),
            *_CONNECTIONS,
        )
        self._server = grpc.aio.server(options=options)
        handlers = {name: grpc.stream_unary_rpc_method_handler(self._handler(name)) for name in CALLS}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        try:
            port = int(self._server.add_insecure_port(address))
        except RuntimeError as error:
            raise Unavailable(f"cannot listen for gRPC on {address}: {error}; change `grpc`") from None
        await self._server.start()
        return port

    async def drain(self, seconds: float) -> None:
        """Accept no more and let what is under way be answered; at most so many seconds."""
        if self._server is not None:
            await self._server.stop(seconds)

    def _handler(self, name: str) -> Handle:
        call = self._calls[name]
        request, is_open = f"{name}Request", name in _OPEN
        checked = self._key is not None and not is_open

        async def handle(_: Any, context: Context) -> bytes:
            try:
                if checked and not self._allowed(context):
                    await context.abort(_code("no key"), "the key is missing or wrong; send `authorization: Bearer …`")
                body = b"" if is_open else await self._receive(context)
                self._hold(len(body))
                try:
                    message = await _read(lambda: read_message(request, body), len(body))
                    answer: bytes = (await call(message, context)).SerializeToString()
                finally:
                    self._held -= len(body)
            except SeatrialError as error:
                await context.abort(_code(error.cause), str(error))
            except grpc.aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever happens, the client gets a sentence
                told = f"an error of the server's own: {type(error).__name__}: {str(error)[:200]}"
                await context.abort(_code("bug"), told)
            return answer

        return handle if self._traced is None or name != "ModelInfer" else self._traced(handle)

    async def _receive(self, context: Context) -> bytes:
        """The message of a call. Raises Overloaded: there was no place for it; BadInput: there is none."""
        try:
            body = await self.receiving.receive(context.read)
        except Overloaded:
            self._gateway.shed("bytes")
            raise
        if body is grpc.aio.EOF:
            raise BadInput("the call ended without a message")
        return bytes(body)

    def _hold(self, size: int) -> None:
        """Count a message among those under way; it is let go whatever comes. Raises Overloaded."""
        self._held += size
        if self._held > HELD_BYTES:
            self._held -= size
            self._gateway.shed("bytes")
            raise Overloaded(f"calls of {HELD_BYTES} bytes are under way; send this one again")

    def _allowed(self, context: Context) -> bool:
        for name, value in context.invocation_metadata() or ():
            if name == "authorization":
                scheme, _, key = (value if isinstance(value, bytes) else value.encode()).partition(b" ")
                return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self._key or b"")
        return False

    async def _server_live(self, _: Any, __: Context) -> Any:
        return MESSAGES["ServerLiveResponse"](live=True)

    async def _server_ready(self, _: Any, __: Context) -> Any:
        return MESSAGES["ServerReadyResponse"](ready=self._gateway.ready)

    async def _model_ready(self, message: Any, _: Context) -> Any:
        try:
            self._gateway.signature(message.name, message.version or None)
        except Unavailable:
            return MESSAGES["ModelReadyResponse"](ready=False)
        return MESSAGES["ModelReadyResponse"](ready=self._gateway.ready)

    async def _server_metadata(self, _: Any, __: Context) -> Any:
        return MESSAGES["ServerMetadataResponse"](name="seatrial", version=__version__, extensions=EXTENSIONS)

    async def _model_metadata(self, message: Any, _: Context) -> Any:
        return write_metadata(self._gateway.model_metadata(message.name, message.version or None))

    async def _model_infer(self, message: Any, context: Context) -> Any:
        body = await _read(lambda: read_call(message), message.ByteSize())
        infer = asyncio.ensure_future(self._infer(message, body, context.time_remaining()))
        infer.add_done_callback(_look)
        try:
            return await asyncio.shield(infer)
        except asyncio.CancelledError:
            infer.cancel()  # the caller left; his rows are still written
            raise

    async def _infer(self, message: Any, body: InferBody, seconds: float | None) -> Any:
        name, version = message.model_name, message.model_version or None
        if self._gateway.only_binary(name):
            body = in_bytes(body)
        size = message.ByteSize()
        infer = self._gateway.infer_large if size > LARGE_BYTES else self._gateway.infer
        return write_call(await infer(name, body, version, size, seconds=seconds))


async def _read(reader: Callable[[], T], size: int) -> T:
    return await asyncio.to_thread(reader) if size > LARGE_BYTES else reader()


def _look(done: "asyncio.Future[Any]") -> None:
    """Take note of an error that nobody waits for any more."""
    if not done.cancelled():
        done.exception()


def _code(cause: str) -> Any:
    return getattr(grpc.StatusCode, CAUSES[cause].code or "UNKNOWN")
