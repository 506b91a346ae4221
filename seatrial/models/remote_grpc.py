"""Asking by gRPC: one channel of one remote variant. A call holds no thread; its end is told to the event loop."""

import asyncio
from contextlib import suppress
from typing import Any

import grpc

from seatrial.models.remote_address import Address
from seatrial.models.remote_http import LARGEST, asked, tensors_from, wanted_outputs
from seatrial.models.runtimes import RuntimeFailure, Tensors
from seatrial.protocol.asking import Terms, read_answer_message, read_terms_message, write_request_message
from seatrial.protocol.messages import MESSAGES, SERVICE
from seatrial.routing.snapshot import Remote
from seatrial.spec.signature import Signature

OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)
READY_SECONDS = 5.0


class GrpcWire:
    """An Open Inference server over gRPC."""

    def __init__(self, remote: Remote, signature: Signature, address: Address) -> None:
        scheme, _, target = address.url.partition("://")
        if scheme == "grpcs":
            self._channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(), OPTIONS)
        else:
            self._channel = grpc.insecure_channel(target, OPTIONS)
        self._metadata = tuple((name.lower(), value) for name, value in address.headers.items())
        self._calls = {
            name: self._channel.unary_unary(f"/{SERVICE}/{name}")
            for name in ("ServerReady", "ModelReady", "ModelMetadata", "ModelInfer")
        }
        self._remote = remote
        self._signature = signature

    async def ready(self) -> None:
        server = await self._call("ServerReady", MESSAGES["ServerReadyRequest"]().SerializeToString(), READY_SECONDS)
        if not server.ready:
            raise RuntimeFailure("is not ready")
        model = await self._call("ModelReady", self._named("ModelReadyRequest"), READY_SECONDS)
        if not model.ready:
            raise RuntimeFailure("has the model not ready")

    async def terms(self) -> Terms:
        return read_terms_message(await self._call("ModelMetadata", self._named("ModelMetadataRequest"), READY_SECONDS))

    async def answer(self, inputs: Tensors, rows: int, seconds: float) -> dict[str, Any]:
        remote, wanted = self._remote, wanted_outputs(self._remote)
        given = asked(inputs, self._signature)
        body = write_request_message(remote.model, remote.version, given, wanted, int(seconds * 1000) or None)
        answer = await self._call("ModelInfer", body, seconds)
        return tensors_from(read_answer_message(answer, wanted, rows), remote, self._signature, rows)

    async def close(self) -> None:
        self._channel.close()

    def _named(self, message: str) -> bytes:
        made: bytes = MESSAGES[message](name=self._remote.model, version=self._remote.version).SerializeToString()
        return made

    async def _call(self, name: str, body: bytes, seconds: float) -> Any:
        """One call's response. Raises RuntimeFailure, TimeoutError."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def ended(_: Any) -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(lambda: None if over.done() else over.set_result(None))

        call = self._calls[name].future(body, timeout=seconds, metadata=self._metadata)
        call.add_done_callback(ended)
        try:
            await over
        except asyncio.CancelledError:
            call.cancel()
            raise
        if call.cancelled():
            raise RuntimeFailure("was closed")
        if call.code() is not grpc.StatusCode.OK:
            raise _failure(call)
        try:
            return MESSAGES[f"{name}Response"].FromString(call.result())
        except Exception:  # noqa: BLE001 - protobuf has several errors for bytes that are no message
            raise RuntimeFailure("answered with what is no message of the protocol") from None


def _failure(call: Any) -> Exception:
    code, details = call.code(), " ".join(str(call.details() or "").split())[:120]
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return TimeoutError()
    if code is grpc.StatusCode.UNAVAILABLE:
        return RuntimeFailure(f"cannot be reached ({details})")
    return RuntimeFailure(f"answered {code.name}: {details}")
