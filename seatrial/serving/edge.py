"""The HTTP edge: all connections of one worker; it knows bytes, order and limits, not what a path means.

A small protocol class over httptools (`connection`). Deadlines are kept by one sweep a second over all connections, so
that a request sets no timer of its own.
"""

import asyncio
import hmac
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from seatrial.serving.connection import Connection
from seatrial.serving.heads import Head
from seatrial.serving.messages import Answer, Request, head

MAX_CONNECTIONS = 10_000
"""Open connections of one worker; a further one is answered 503 and closed."""


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
        ticks: Monotonic nanoseconds; those of the gateway.

    Attributes:
        turn: Ticks at which the event loop came to the first message of its turn; 0 until there is one. All messages
            of a turn are there when it begins, so the later ones have waited since.
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
        ticks: Callable[[], int] = time.perf_counter_ns,
    ) -> None:
        self.handle = routes.handle
        self.key = None if key is None else key.encode()
        self.body_bytes = body_bytes
        self.held_bytes = held_bytes
        self.held = 0
        self.timeouts = timeouts
        self.most = most
        self.shed = shed
        self.ticks = ticks
        self.turn = 0
        self.connections: set[Connection] = set()
        self.draining = False
        self.now = 0.0
        self.head = head(200)
        self.heads: dict[bytes, Head] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, **where: Any) -> asyncio.Server:
        """Accept connections; arguments as ``loop.create_server`` (``sock=``, or ``host=`` and ``port=``)."""
        self._loop = loop = asyncio.get_running_loop()
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

    def begin_turn(self) -> int:
        """This is the first message of the event loop's turn; gives back the ticks that `turn` is now."""
        now = self.ticks()
        if self._loop is not None:
            self.turn = now
            self._loop.call_soon(self._end_turn)
        return now

    def _end_turn(self) -> None:
        self.turn = 0

    def allowed(self, request: Request) -> bool:
        """Whether the request carries the key, or needs none."""
        if self.key is None or request.url.startswith(b"/v2/health/"):
            return True
        given = request.headers.get(b"authorization", b"")
        scheme, _, key = given.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(), self.key)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self.head = head(200)
        for connection in list(self.connections):
            if connection.deadline < self.now:
                connection.expire()
        self._sweeper = loop.call_later(1.0, self._sweep)
