"""Which path means which verb of the gateway: the data plane's addresses, as a table."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec

from seatrial.protocol.binary_bodies import raw_infer, read_binary_infer, read_length, write_binary
from seatrial.protocol.bodies import check_brackets, read_assign, read_predict, read_predictions
from seatrial.protocol.inference import BinaryAnswer, InferAnswer, InferBody, check_texts, read_index, read_infer
from seatrial.protocol.outcomes import read_outcomes
from seatrial.serving.deflating import deflated
from seatrial.serving.gateway import Gateway
from seatrial.serving.inference import EXTENSIONS
from seatrial.serving.messages import Answer, HttpError, Request, Response, refusal
from seatrial.serving.parts import Pending
from seatrial.spec.errors import Unavailable
from seatrial.version import __version__

_encode = msgspec.json.Encoder().encode

Coming = Coroutine[Any, Any, Answer]
Verb = Callable[..., Answer | Coming]
Reader = Callable[[bytes], InferBody]
T = TypeVar("T")

LARGE_BYTES = 256 << 10
"""A bigger body is looked over first and decoded in a thread. Decoding keeps the interpreter, so what keeps the event
loop going is the bound on what is decoded; the thread only lets others in before and after."""

_REMEMBERED = 1024
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_BYTES = b"application/octet-stream"
_JSON_LENGTH = b"inference-header-content-length"
_AWAY = "this worker is loading or stopping; ask again in a second"


class Routes:
    """Answers requests from a gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        get, post = b"GET", b"POST"
        self._table: tuple[tuple[bytes, tuple[str, ...], Verb], ...] = (
            (post, ("v1", "deployments", "{}", "predict"), self._predict),
            (post, ("v1", "deployments", "{}", "assign"), self._assign),
            (get, ("v1", "deployments"), self._deployments),
            (post, ("v1", "predictions"), self._predictions),
            (post, ("v1", "outcomes"), self._outcomes),
            (get, ("v1", "selfcheck"), self._selfcheck),
            (get, ("metrics",), self._metrics),
            (get, ("v2",), self._server),
            (get, ("v2", "health", "live"), self._live),
            (get, ("v2", "health", "ready"), self._ready),
            (get, ("v2", "models", "{}"), self._model),
            (get, ("v2", "models", "{}", "ready"), self._model_ready),
            (get, ("v2", "models", "{}", "versions", "{}"), self._model),
            (get, ("v2", "models", "{}", "versions", "{}", "ready"), self._model_ready),
            (post, ("v2", "models", "{}", "infer"), self._infer),
            (post, ("v2", "models", "{}", "versions", "{}", "infer"), self._infer),
            (post, ("v2", "repository", "index"), self._index),
            (post, ("v2", "repository", "models", "{}", "load"), self._applied),
            (post, ("v2", "repository", "models", "{}", "unload"), self._applied),
        )
        self._known: dict[tuple[bytes, bytes], tuple[Verb, tuple[str, ...]]] = {}

    def handle(self, request: Request) -> Answer | Coming:
        """Answer at once, or give a coroutine that will; raises what the verb raises."""
        found = self._known.get((request.method, request.url))
        verb, names = found or self._find(request)
        return verb(request, *names)

    def _find(self, request: Request) -> tuple[Verb, tuple[str, ...]]:
        path = request.url.partition(b"?")[0]
        steps = [unquote_to_bytes(step) for step in path.strip(b"/").split(b"/")]
        allowed = []
        for method, pattern, verb in self._table:
            names = _match(pattern, steps)
            if names is None:
                continue
            if request.method == b"HEAD" and method == b"GET":
                verb, method = _without_body(verb), request.method
            if method == request.method:
                if len(self._known) < _REMEMBERED and len(request.url) < 200:
                    self._known[request.method, request.url] = verb, names
                return verb, names
            allowed.append(method)
        shown = path[:100].decode("latin-1")
        if allowed:
            allow = b", ".join(allowed)
            raise HttpError(405, f"{shown} takes {allow.decode()} only", ((b"allow", allow),))
        raise HttpError(404, f"there is nothing at {shown}")

    # The short way.

    def _predict(self, request: Request, name: str) -> Answer | Coming:
        if len(request.body) > LARGE_BYTES:
            return self._predict_large(request, name)
        answer = self._gateway.answer_plain(name, request.body, request.since)
        if answer is not None:
            return self._finish(answer) if type(answer) is Pending else answer  # type: ignore[return-value]
        waited = self._gateway.waited(request.since)
        step = self._gateway.begin(name, read_predict(request.body), len(request.body), waited)
        return self._finish(step) if type(step) is Pending else _encode(step)

    async def _predict_large(self, request: Request, name: str) -> Answer:
        waited = self._gateway.waited(request.since)  # before it is decoded, which is no waiting
        body = await self._read(read_predict, request.body)
        step = self._gateway.begin(name, body, len(request.body), waited)
        return await self._finish(step) if isinstance(step, Pending) else _encode(step)

    async def _finish(self, pending: Pending) -> bytes:
        answer = await self._gateway.finish(pending)
        return _encode(answer)

    def _assign(self, request: Request, name: str) -> bytes:
        return _encode(self._gateway.assign(name, read_assign(request.body)))

    def _deployments(self, _: Request) -> bytes:
        return _encode({"deployments": sorted(self._gateway.deployments)})

    async def _predictions(self, request: Request) -> bytes:
        given = await self._read(read_predictions, request.body)
        return _encode({"written": self._gateway.log_predictions(given)})

    async def _outcomes(self, request: Request) -> bytes:
        given = await self._read(read_outcomes, request.body)
        ids = await self._gateway.outcomes(given)
        return _encode({"stored": len(ids), "ids": ids})

    async def _read(self, reader: Callable[[bytes], T], body: bytes) -> T:
        return await asyncio.to_thread(self._read_large, reader, body) if len(body) > LARGE_BYTES else reader(body)

    def _read_large(self, reader: Callable[[bytes], T], body: bytes) -> T:
        check_brackets(body, self._gateway.limits.rows)
        return reader(body)

    # How it goes.

    async def _selfcheck(self, _: Request) -> bytes:
        return _encode(await asyncio.to_thread(self._gateway.selfcheck))

    async def _metrics(self, _: Request) -> Response:
        return Response(200, (await asyncio.to_thread(self._gateway.metrics)).encode(), _TEXT)

    # The Open Inference Protocol.

    def _server(self, _: Request) -> bytes:
        return _encode({"name": "seatrial", "version": __version__, "extensions": EXTENSIONS})

    def _live(self, _: Request) -> bytes:
        return b'{"live":true}'

    def _ready(self, _: Request) -> Answer:
        return _readiness({"ready": True, "live": True}, None if self._gateway.ready else _AWAY)

    def _model(self, _: Request, name: str, version: str | None = None) -> bytes:
        return _encode(self._gateway.model_metadata(name, version))

    def _model_ready(self, _: Request, name: str, version: str | None = None) -> Answer:
        try:
            self._gateway.signature(name, version)
        except Unavailable as error:
            return _readiness({"name": name, "ready": True}, str(error))
        return _readiness({"name": name, "ready": True}, None if self._gateway.ready else _AWAY)

    def _infer(self, request: Request, name: str, version: str | None = None) -> Answer | Coming:
        answer = self._infer_plain(request, name, version)
        accepted = request.headers.get(b"accept-encoding")
        return answer if accepted is None else deflated(answer, accepted)

    def _infer_plain(self, request: Request, name: str, version: str | None) -> Answer | Coming:
        if _JSON_LENGTH in request.headers:
            return self._infer_binary(request, name, version)
        if len(request.body) > LARGE_BYTES:
            return self._infer_later(lambda body: self._read_large(read_infer, body), request, name, version)
        if version is None:
            quick = self._gateway.infer_plain(name, request.body, request.since)
            if quick is not None:
                return self._finish_infer(quick) if type(quick) is Pending else quick  # type: ignore[return-value]
        return self._begin_infer(read_infer, request, name, version)

    def _infer_binary(self, request: Request, name: str, version: str | None) -> Answer | Coming:
        length = read_length(request.headers[_JSON_LENGTH], request.body)
        if length == 0:
            signature = self._gateway.signature(name, version)
            reader: Reader = lambda body: raw_infer(body, signature)  # noqa: E731
        else:
            check_brackets(request.body[:length], self._gateway.limits.rows)
            reader = lambda body: read_binary_infer(body, length)  # noqa: E731
        if len(request.body) > LARGE_BYTES:
            return self._infer_later(reader, request, name, version)
        return self._begin_infer(reader, request, name, version)

    def _begin_infer(self, reader: Reader, request: Request, name: str, version: str | None) -> Answer | Coming:
        waited, size = self._gateway.waited(request.since), len(request.body)
        step = self._gateway.begin_infer(name, reader(request.body), version, size, waited=waited)
        return self._finish_infer(step) if type(step) is Pending else _inferred(step)  # type: ignore[arg-type]

    async def _infer_later(self, reader: Reader, request: Request, name: str, version: str | None) -> Answer:
        waited, size = self._gateway.waited(request.since), len(request.body)
        body = await asyncio.to_thread(reader, request.body)
        return _inferred(await self._gateway.infer_large(name, body, version, size, waited=waited))

    async def _finish_infer(self, pending: Pending) -> Answer:
        return _inferred(await self._gateway.finish(pending))

    # Its repository extension.

    def _index(self, request: Request) -> bytes:
        only_ready = bool(request.body.strip()) and read_index(request.body).ready
        return _encode([one for one in self._gateway.model_index() if not only_ready or one["state"] == "READY"])

    def _applied(self, _: Request, name: str) -> Answer:
        raise HttpError(501, f"{name[:100]!r} is not loaded or unloaded by hand; `seatrial apply` says what is served")


def _inferred(answer: InferAnswer | BinaryAnswer) -> Answer:
    """The response. Raises BadInput where an output has no form in JSON."""
    if type(answer) is InferAnswer:
        check_texts(answer.outputs)
        return _encode(answer)
    check_texts(answer.answer.outputs)  # type: ignore[union-attr]
    body, length = write_binary(answer)  # type: ignore[arg-type]
    return Response(200, body, _BYTES, ((_JSON_LENGTH, str(length).encode()),))


def _readiness(ready: dict[str, Any], why_not: str | None) -> Answer:
    """What clients read either way: 200 and true, or 503, false and the reason."""
    if why_not is None:
        return _encode(ready)
    return Response(503, _encode({**ready, "ready": False, "error": why_not}))


def _without_body(verb: Verb) -> Verb:
    """The verb that answers HEAD as another answers GET."""

    async def later(coming: Coming) -> Response:
        try:
            return bare(await coming)
        except Exception as error:  # noqa: BLE001 - a refusal has no body either
            return bare(refusal(error))

    def bare(answer: Answer) -> Response:
        whole = answer if isinstance(answer, Response) else Response(200, answer)
        return whole._replace(bare=True)

    def answer(request: Request, *names: str) -> Answer | Coming:
        found = verb(request, *names)
        return bare(found) if isinstance(found, bytes | Response) else later(found)

    return answer


def _match(pattern: tuple[str, ...], steps: list[bytes]) -> tuple[str, ...] | None:
    """The names in the path's variable places, or None when it is another path."""
    if len(pattern) != len(steps):
        return None
    names = []
    for expected, step in zip(pattern, steps, strict=True):
        if expected == "{}":
            names.append(step.decode("utf-8", "replace"))
        elif expected.encode() != step:
            return None
    return tuple(names)
