"""One client of the HTTP edge: its requests are answered in order, and its limits kept.

While an answer is awaited, further requests of the same connection wait in a short queue, and when that is full the
connection is not read. A client that is refused while it still sends is listened to for a while after the refusal:
hanging up at once would reset the connection and take the refusal with it.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

from seatrial.serving.arriving import Arriving
from seatrial.serving.coding import inflate
from seatrial.serving.messages import LATER, Answer, HttpError, Request, Response, full, head, refusal

if TYPE_CHECKING:
    from seatrial.serving.edge import Edge

QUICK_BYTES = 4 << 10
"""A longer compressed body is inflated in a thread."""

MAX_QUEUED = 32
"""Requests of one connection that may wait for an answer under way."""

_REFUSED = 64
"""So many more than may be open are while they are told; what comes beyond is cut off."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)


class Connection(Arriving):
    """One client."""

    __slots__ = (
        "_answering",
        "_broken",
        "_loop",
        "_paused",
        "_queue",
        "_task",
        "_transport",
    )

    def __init__(self, edge: "Edge") -> None:
        super().__init__(edge)
        self._queue: deque[Request | HttpError] = deque()
        self._answering = False
        self._broken = False
        self._paused = False
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)

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
            self._refuse(HttpError(503, f"{self._edge.most} connections are open; come back later", LATER))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._edge.connections.discard(self)
        self._let_go(self._held)
        self._broken = self._deaf = True
        self._queue.clear()
        if self._task is not None:
            self._loop.call_soon(self._task.cancel)  # not before it began: its answer is still to be closed

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

    # A message arrives.

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
        edge, coding, began = self._edge, request.headers[b"content-encoding"], self._edge.ticks()
        if len(request.body) > QUICK_BYTES:
            body = await asyncio.to_thread(inflate, coding, request.body, edge.body_bytes)
        else:
            body = inflate(coding, request.body, edge.body_bytes)
        grown = len(body) - len(request.body)
        if edge.held + grown > edge.held_bytes:
            edge.shed("bytes")
            raise full(edge.held_bytes)
        edge.held += grown
        try:
            since = request.since and request.since + edge.ticks() - began  # what inflating takes is no waiting
            answer = edge.handle(request._replace(body=body, since=since))
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
                self._answer(waiting._replace(since=self._edge.turn or self._edge.begin_turn()))
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
        start = head(response.status, response.content_type)
        body = b"" if response.bare else response.body
        self._transport.write(b"%b%d\r\n%b%b\r\n%b" % (start, len(response.body), lines, closing, body))
        self.deadline = self._edge.now + self._edge.timeouts.idle
        if not keep:
            self.close()

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

    def _go_on(self) -> None:
        if not self._answering:
            self._transport.write(_CONTINUE)
