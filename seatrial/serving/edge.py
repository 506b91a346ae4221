"""The HTTP edge: one small protocol class over httptools; it knows bytes, order and limits, not what a path means.

Every answer goes out in the order of its request. While one is awaited, further requests of the same connection wait in
a short queue, and when that is full the connection is not read. A client's requests mostly begin alike to the letter:
a head that the parser has read once, of a request that came whole and by itself, is known from then on. Deadlines are
kept by one sweep a second over all connections, so that a request sets no timer of its own. A client that is refused
while it still sends is listened to for a while after the refusal: hanging up at once would reset the connection and
take the refusal with it.
"""

import asyncio
import hmac
from collections import deque
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, NamedTuple, Protocol, cast

import httptools
import msgspec

from seatrial.serving.coding import inflate
from seatrial.spec.errors import SeatrialError, Unavailable

MAX_HEADER_BYTES = 64 << 10
QUICK_BYTES = 4 << 10
"""A longer compressed body is inflated in a thread."""
FREE_BYTES = 1 << 20
SLOWEST = 64 << 10
"""Bytes a second."""

MAX_CONNECTIONS = 10_000
"""Open connections of one worker; a further one is answered 503 and closed."""

_REFUSED = 64
"""So many more may be open while they are told; what comes beyond is cut off."""

MAX_QUEUED = 32
"""Requests of one connection that may wait for an answer under way."""

_HEADS = 512
_HEAD_BYTES = 2048
"""So many heads are known by their bytes, of so many bytes at most; with one more all are forgotten."""

_KEPT = frozenset(
    (
        b"expect",
        b"authorization",
        b"content-encoding",
        b"inference-header-content-length",
        b"accept-encoding",
        b"traceparent",
        b"tracestate",
    )
)
_NEVER_AGAIN = (b"expect", b"traceparent")
"""Heads with these are not remembered: what they say is said once."""

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_VERSIONS = ("1.1", "1.0")
_JSON = b"application/json"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Request(NamedTuple):
    """A whole request.

    Attributes:
        method, url: As sent; the url is the path and the query.
        headers: The few that matter here, names in lower case.
    """

    method: bytes
    url: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool


class Response(NamedTuple):
    """An answer that is not plain JSON with 200."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    bare: bool = False
    """Send no body, only its length: the answer to HEAD."""


class Head(NamedTuple):
    """A head that was read before, and how long its body is; the rest as in `Request`."""

    length: int
    method: bytes
    url: bytes
    headers: dict[bytes, bytes]
    keep_alive: bool


Answer = bytes | Response
Handler = Callable[[Request], Answer | Coroutine[Any, Any, Answer]]


class HttpError(Exception):
    """A refusal of the edge's own."""

    def __init__(self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Routes(Protocol):
    """What the edge asks of the routes."""

    def handle(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        """Answer at once, or give a coroutine that will."""
        ...


class Timeouts(NamedTuple):
    """Seconds; ``body`` is for the first `FREE_BYTES` of a body, and what is longer must come at `SLOWEST` at least."""

    headers: float = 10.0
    body: float = 30.0
    idle: float = 75.0
    write: float = 30.0
    linger: float = 5.0


class Edge:
    """All connections of one worker.

    Args:
        routes: What answers.
        key: The bearer key every request must carry, but for health; None: no key.
        body_bytes: Most that a body may have.
        held_bytes: Most that the bodies of all connections may have together: those that arrive, wait, or are answered.
        timeouts: How long a client may take.
        most: Connections that may be open.
        shed: Called with the reason when a request is turned away for want of room: ``bytes`` or ``connections``.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        key: str | None = None,
        body_bytes: int = 16 << 20,
        held_bytes: int = 256 << 20,
        timeouts: Timeouts = Timeouts(),
        most: int = MAX_CONNECTIONS,
        shed: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self.handle = routes.handle
        self.key = None if key is None else key.encode()
        self.body_bytes = body_bytes
        self.held_bytes = held_bytes
        self.held = 0
        self.timeouts = timeouts
        self.most = most
        self.shed = shed
        self.connections: set[Connection] = set()
        self.draining = False
        self.now = 0.0
        self.head = _head(200)
        self.heads: dict[bytes, Head] = {}
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, **where: Any) -> asyncio.Server:
        """Accept connections; arguments as ``loop.create_server`` (``sock=``, or ``host=`` and ``port=``)."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), **where)
        self._sweep()
        return self._server

    @property
    def busy(self) -> int:
        """Connections with a request under way."""
        return sum(connection.busy for connection in self.connections)

    async def drain(self, seconds: float) -> None:
        """Accept no more, let what is under way be answered, then close; at most so many seconds."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        deadline = asyncio.get_running_loop().time() + seconds
        while self.busy and asyncio.get_running_loop().time() < deadline:
            for connection in [c for c in self.connections if not c.busy]:
                connection.close()
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.close()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def allowed(self, request: Request) -> bool:
        """Whether the request carries the key, or needs none."""
        if self.key is None or request.url.startswith(b"/v2/health/"):
            return True
        given = request.headers.get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self.key)

    def remember(self, data: bytes, request: Request) -> None:
        """Know the head of ``data`` from now on, when that is one whole request and nothing else."""
        end = data.find(b"\r\n\r\n") + 4
        if (
            not 4 <= end <= _HEAD_BYTES
            or len(data) - end != len(request.body)
            or any(name in request.headers for name in _NEVER_AGAIN)
        ):
            return
        if len(self.heads) >= _HEADS:
            self.heads.clear()
        method, url, headers, body, keep_alive = request
        self.heads[data[:end]] = Head(len(body), method, url, headers, keep_alive)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self.head = _head(200)
        for connection in list(self.connections):
            if connection.deadline < self.now:
                connection.expire()
        self._sweeper = loop.call_later(1.0, self._sweep)


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_answering",
        "_between",
        "_body",
        "_body_due",
        "_broken",
        "_chunked",
        "_deaf",
        "_edge",
        "_fed",
        "_headers",
        "_held",
        "_in_headers",
        "_loop",
        "_parser",
        "_paused",
        "_queue",
        "_quiet",
        "_size",
        "_task",
        "_transport",
        "_unread",
        "_url",
        "deadline",
    )

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request | HttpError] = deque()
        self._answering = False
        self._broken = False
        self._deaf = False
        self._paused = False
        self._in_headers = False
        self._between = True
        self._chunked = False
        self._unread: bytes | None = None
        self._fed = 0
        self._quiet = 0
        self._body_due = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._held = 0
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.deadline = 0.0

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._edge.connections.add(self)
        self.deadline = self._loop.time() + self._edge.timeouts.headers
        over = len(self._edge.connections) - self._edge.most
        if over > 0:
            self._edge.shed("connections")
        if over > _REFUSED:
            self._transport.abort()
        elif over > 0:
            self._refuse(HttpError(503, f"{self._edge.most} connections are open; come back later", _LATER))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._edge.connections.discard(self)
        self._let_go(self._held)
        self._broken = self._deaf = True
        self._queue.clear()
        if self._task is not None:
            self._loop.call_soon(self._task.cancel)  # not before it began: its answer is still to be closed

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._between and self._is_known(data):
            return
        self._unread = data if self._between else None
        size = self._size
        if self._in_headers or not self._url:
            self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except HttpError as error:
            self._refuse(error)
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, HttpError) else HttpError(400, "the request cannot be read"))
        except httptools.HttpParserError as error:
            self._refuse(HttpError(400, f"this is not HTTP: {error}"))
        else:
            # Framing and trailers are bounded like headers: so much may come without a byte of the body.
            self._quiet = 0 if self._in_headers or self._between or self._size != size else self._quiet + len(data)
            if (self._in_headers and self._fed > MAX_HEADER_BYTES) or self._quiet > MAX_HEADER_BYTES:
                self._refuse(HttpError(431, f"the headers are over {MAX_HEADER_BYTES} bytes"))

    def _is_known(self, data: bytes) -> bool:
        """Take a whole request whose head was read before; False when the parser must read it."""
        edge = self._edge
        end = data.find(b"\r\n\r\n", 0, _HEAD_BYTES) + 4
        known = edge.heads.get(data[:end])
        if known is None:
            return False
        length, method, url, headers, keep_alive = known
        if len(data) - end != length or edge.held + length > edge.held_bytes:
            return False
        self._held += length
        edge.held += length
        self._take(Request(method, url, headers, data[end:], keep_alive))
        return True

    def eof_received(self) -> bool:
        """Keep the connection while an answer is under way: the client has said all, and still listens."""
        self._deaf = True
        return self._answering

    def pause_writing(self) -> None:
        self._paused = True
        self._transport.pause_reading()
        self.deadline = self._loop.time() + self._edge.timeouts.write

    def resume_writing(self) -> None:
        self._paused = False
        self.deadline = self._loop.time() + self._edge.timeouts.idle
        if len(self._queue) < MAX_QUEUED:
            self._transport.resume_reading()

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._in_headers = True
        self._between = False
        self._chunked = False
        self._headers = {}
        self._url = b""
        self._body = []
        self._size = 0
        self.deadline = self._edge.now + self._edge.timeouts.headers + 1

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _KEPT:
            self._headers[name] = value
        elif name == b"transfer-encoding":
            # Whoever reads another coding, or the same one twice, elsewhere ends the body elsewhere.
            if self._chunked or value.lower() != b"chunked":
                raise HttpError(400, "the only transfer coding that is read here is `chunked`, once")
            self._chunked = True
        elif name == b"content-length" and value.isdigit() and int(value) > self._edge.body_bytes:
            raise self._too_large()

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._fed = 0
        if self._parser.get_http_version() not in _VERSIONS:
            raise HttpError(400, "this address speaks HTTP/1.1 and HTTP/1.0")
        if self._parser.should_upgrade():
            raise HttpError(400, "another protocol was asked for; this address speaks HTTP/1.1")
        self.deadline = self._body_due = self._edge.now + self._edge.timeouts.body + 1
        if self._headers:
            self._look_at_headers()

    def on_body(self, body: bytes) -> None:
        edge, size = self._edge, len(body)
        self._size += size
        self._held += size
        edge.held += size
        if self._size > edge.body_bytes:
            raise self._too_large()
        if edge.held > edge.held_bytes:
            edge.shed("bytes")
            raise _full(edge.held_bytes)
        self._body.append(body)
        if self._size > FREE_BYTES:
            self.deadline = self._body_due + (self._size - FREE_BYTES) / SLOWEST

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        parts = self._body
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        request = Request(self._parser.get_method(), self._url, self._headers, body, self._parser.should_keep_alive())
        self._url = b""
        self._body = []
        self._size = 0
        self._between = True
        if self._unread is not None:
            self._edge.remember(self._unread, request)
            self._unread = None
        self._take(request)

    def _take(self, request: Request) -> None:
        if self._answering:
            self._queue.append(request)
            if len(self._queue) >= MAX_QUEUED:
                self._transport.pause_reading()
        else:
            self._answer(request)

    # The edge calls these.

    @property
    def busy(self) -> bool:
        """A request is under way, or arriving."""
        return self._answering or bool(self._url) or self._in_headers

    def expire(self) -> None:
        """The deadline has passed."""
        if self._answering and not self._paused:
            return
        if self.busy and not self._paused and not self._deaf:
            self._refuse(HttpError(408, "the request took too long to arrive"))
        elif self._paused:
            self._transport.abort()
        else:
            self.close()

    def close(self) -> None:
        """Close once everything written is out."""
        self._broken = self._deaf = True
        self._transport.close()

    # Answering.

    def _answer(self, request: Request) -> None:
        edge, size = self._edge, len(request.body)
        try:
            if edge.key is not None and not edge.allowed(request):
                raise HttpError(401, "the key is missing or wrong; send `Authorization: Bearer …`", _CHALLENGE)
            coded = b"content-encoding" in request.headers
            answer = self._inflated(request) if coded else edge.handle(request)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client gets an answer
            answer = refusal(error)._replace(bare=request.method == b"HEAD")
        self._held -= size
        if type(answer) is bytes:
            edge.held -= size
            self._send(answer, request.keep_alive)
        elif isinstance(answer, Response):
            edge.held -= size
            self._send_response(answer, request.keep_alive)
        else:
            self._answering = True
            bare = request.method == b"HEAD"
            coming = self._answer_later(answer, request.keep_alive, size, bare)  # type: ignore[arg-type]
            self._task = self._loop.create_task(coming)

    async def _inflated(self, request: Request) -> Answer:
        """Answer a compressed request; inflate in a thread where that may take long: 4 KiB can become 4 MiB."""
        edge, coding = self._edge, request.headers[b"content-encoding"]
        if len(request.body) > QUICK_BYTES:
            body = await asyncio.to_thread(inflate, coding, request.body, edge.body_bytes)
        else:
            body = inflate(coding, request.body, edge.body_bytes)
        grown = len(body) - len(request.body)
        if edge.held + grown > edge.held_bytes:
            edge.shed("bytes")
            raise _full(edge.held_bytes)
        edge.held += grown
        try:
            answer = edge.handle(request._replace(body=body))
            return await answer if asyncio.iscoroutine(answer) else answer
        finally:
            edge.held -= grown

    async def _answer_later(self, coming: Coroutine[Any, Any, Answer], keep_alive: bool, size: int, bare: bool) -> None:
        try:
            answer = await coming
        except Exception as error:  # noqa: BLE001 - as above
            answer = refusal(error)._replace(bare=bare)
        finally:
            self._edge.held -= size
        self._answering = False
        self._task = None
        if isinstance(answer, Response):
            self._send_response(answer, keep_alive)
        else:
            self._send(answer, keep_alive)
        while self._queue and not self._answering and not self._broken:
            waiting = self._queue.popleft()
            if isinstance(waiting, HttpError):
                self._hang_up(waiting)
            else:
                self._answer(waiting)
        if not self._broken and not self._paused and len(self._queue) < MAX_QUEUED:
            self._transport.resume_reading()

    def _send(self, body: bytes, keep_alive: bool) -> None:
        if self._broken:
            return
        edge = self._edge
        if keep_alive and not edge.draining:
            self._transport.write(b"%b%d\r\n\r\n%b" % (edge.head, len(body), body))
            self.deadline = edge.now + edge.timeouts.idle
        else:
            self._transport.write(b"%b%d\r\nconnection: close\r\n\r\n%b" % (edge.head, len(body), body))
            self.close()

    def _send_response(self, response: Response, keep_alive: bool) -> None:
        if self._broken:
            return
        keep = keep_alive and not self._edge.draining
        last = not keep or self._deaf
        lines = b"".join(b"%b: %b\r\n" % header for header in response.headers)
        closing = b"connection: close\r\n" if last else b""
        head = _head(response.status, response.content_type)
        body = b"" if response.bare else response.body
        self._transport.write(b"%b%d\r\n%b%b\r\n%b" % (head, len(response.body), lines, closing, body))
        self.deadline = self._edge.now + self._edge.timeouts.idle
        if not keep:
            self.close()

    def _look_at_headers(self) -> None:
        expected = self._headers.get(b"expect")
        if expected is not None:
            if expected.lower() != b"100-continue":
                raise HttpError(417, f"the expectation {expected[:40].decode('latin-1')!r} cannot be met")
            if not self._answering:
                self._transport.write(_CONTINUE)

    def _too_large(self) -> HttpError:
        return HttpError(413, f"the body is over the limit of {self._edge.body_bytes} bytes; send several requests")

    def _refuse(self, error: HttpError) -> None:
        """Answer what cannot be read any further, in its turn, and listen no more."""
        self._deaf = True
        self._body = []
        self._let_go(self._size)
        self._size = 0
        if self._answering:
            self._queue.append(error)
        else:
            self._hang_up(error)

    def _let_go(self, size: int) -> None:
        self._held -= size
        self._edge.held -= size

    def _hang_up(self, error: HttpError) -> None:
        self._send_response(refusal(error), True)
        self._broken = True
        self.deadline = self._edge.now + self._edge.timeouts.linger
        self._transport.write_eof()


_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
_LATER = ((b"retry-after", b"1"),)


def _full(held_bytes: int) -> HttpError:
    return HttpError(503, f"requests of {held_bytes} bytes are under way; send this one again", _LATER)


def refusal(error: BaseException) -> Response:
    """The answer to an error: its status, and one sentence under ``error``."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(error, HttpError):
        status, message, headers = error.status, str(error), error.headers
    elif isinstance(error, SeatrialError):
        status, message = error.status, str(error)
        if isinstance(error, Unavailable):
            headers = ((b"retry-after", str(error.retry_after).encode()),)
    else:
        status, message = 500, f"an error of the server's own: {type(error).__name__}: {str(error)[:200]}"
    return Response(status, msgspec.json.encode({"error": message}), headers=headers)


def _head(status: int, content_type: bytes = _JSON) -> bytes:
    """The start of a response, up to the value of its content-length."""
    phrase = _PHRASES.get(status, "Unknown")
    date = formatdate(usegmt=True)
    start = f"HTTP/1.1 {status} {phrase}\r\ndate: {date}\r\ncontent-type: ".encode()
    return start + content_type + b"\r\ncontent-length: "
