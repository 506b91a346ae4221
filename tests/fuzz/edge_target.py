"""One input of the fuzzer, played to the HTTP edge: bytes become reads of a connection, and its promises are checked.

The first byte says how: three bits for the number of cuts, then whether answers come later, whether limits are small,
whether a request was heard before, whether the client is gone before its answers. A byte for each cut says where. The
rest is what the client sends.

Promises, whatever is sent:

- nothing is raised;
- every request heard is answered once and in order, and at most one refusal ends the connection;
- heads known by their bytes change nothing, and neither does where the stream is cut;
- a body is where another parser (h11) finds it, and nothing else is a request: nothing can be smuggled;
- what is held is counted, within its bound, and let go with the connection.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import h11

from seatrial.serving import arriving as module
from seatrial.serving.connection import Connection
from seatrial.serving.edge import Edge
from seatrial.serving.messages import Answer, Request, Response

BEFORE = b"POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
BODY_BYTES, HELD_BYTES = 600, 1000
SMALL_HEADERS = 300
_FINAL = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
STRICTER = ("Missing mandatory Host", "Found multiple Host", "illegal request line", "no request line", "bad Host")
"""What h11 refuses and we hear: hosts mean nothing here, and spaces or empty lines before a request frame nothing."""

_CONTINUE = re.compile(rb"HTTP/1\.1 100 Continue\r\n\r\n")
_LENGTH = re.compile(rb"content-length: (\d+)")


class Heard(NamedTuple):
    """What came of one connection."""

    requests: list[Request]
    statuses: list[int]
    bodies: list[bytes]
    broken: bool


class Loop:
    """Runs tasks when it is told to, and reads no clock."""

    def __init__(self) -> None:
        self.ready: deque[Callable[[], None]] = deque()

    def time(self) -> float:
        return 0.0

    def create_task(self, coming: Coroutine[Any, Any, None]) -> "Task":
        return Task(self, coming)

    def call_soon(self, work: Callable[[], None]) -> None:
        self.ready.append(work)

    def finish(self) -> None:
        while self.ready:
            self.ready.popleft()()


class Task:
    """Takes one step each time that the loop comes to it."""

    def __init__(self, loop: Loop, coming: Coroutine[Any, Any, None]) -> None:
        self._loop = loop
        self._coming = coming
        self._cancelled = False
        loop.call_soon(self._step)

    def cancel(self) -> None:
        self._cancelled = True

    def _step(self) -> None:
        try:
            if self._cancelled:
                self._coming.throw(asyncio.CancelledError())
            else:
                self._coming.send(None)
        except (StopIteration, asyncio.CancelledError):
            return
        self._loop.call_soon(self._step)


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after the end"
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    write_eof = abort = close

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class Pause:
    def __await__(self) -> Iterator[None]:
        yield None


class Echo:
    """Answers each request with its number; every other one later, where answers come later."""

    def __init__(self, *, later: bool) -> None:
        self.later = later
        self.count = 0

    def handle(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        number = self.count
        self.count += 1
        answer = Response(404, b"%d" % number) if number % 3 == 2 else b"%d" % number
        if request.method == b"HEAD":
            return Response(200, b"%d" % number, bare=True)
        return _later(answer) if self.later and number % 2 == 0 else answer


async def _later(answer: Answer) -> Answer:
    await Pause()
    return answer


class Listening(Connection):
    """Keeps every whole request, before anybody looks at it."""

    def __init__(self, edge: Edge) -> None:
        super().__init__(edge)
        self.taken: list[Request] = []

    def _take(self, request: Request) -> None:
        self.taken.append(request)
        super()._take(request)


class Forgetful(dict[bytes, Any]):
    """Heads of an edge that never knows one."""

    def __setitem__(self, *_: Any) -> None: ...


def play(chunks: Sequence[bytes], *, later: bool, forgetful: bool, small: bool = False, lost: bool = False) -> Heard:
    """One connection that reads ``chunks``; checks all promises that one connection can break."""
    limits = {"body_bytes": BODY_BYTES, "held_bytes": HELD_BYTES} if small else {}
    edge = Edge(Echo(later=later), ticks=lambda: 1, **limits)  # type: ignore[arg-type]
    if forgetful:
        edge.heads = Forgetful()
    connection, loop, transport = Listening(edge), Loop(), Transport()
    connection._loop = loop  # type: ignore[assignment]
    connection._transport = transport  # type: ignore[assignment]
    edge.connections.add(connection)
    for chunk in chunks:
        if not connection._deaf:
            connection.data_received(chunk)
        assert edge.held == connection._held + sum(len(t.body) for t in _under_way(connection)), "held is not counted"
        assert edge.held <= edge.held_bytes + len(chunk), "more is held than may be"
        if loop.ready and len(connection.taken) % 2:
            loop.finish()
    if lost:
        transport.closed = True
        connection.connection_lost(None)
        loop.finish()
        assert edge.held == 0, "something is held for a client that is gone"
        return Heard(connection.taken, [], [], connection._broken)
    loop.finish()
    statuses, bodies, heads = replies(b"".join(transport.written), connection.taken)
    refusals = len(statuses) - len(connection.taken)
    assert refusals in (0, 1), f"{len(connection.taken)} requests, {len(statuses)} answers"
    assert not refusals or connection._broken, "a refusal that does not end the connection"
    numbers = [int(body) for body in bodies if body.isdigit()]
    assert numbers == sorted(numbers), "answers out of order"
    assert heads == list(range(len(heads))) or heads == sorted(set(heads)), "an answer twice"
    connection.connection_lost(None)
    assert edge.held == 0, "something is held after the end"
    assert connection not in edge.connections
    return Heard(connection.taken, statuses, bodies, connection._broken)


def _under_way(connection: Listening) -> list[Request]:
    """Requests whose bodies were let go by the connection and not yet by the edge: the one that is being answered."""
    if not connection._answering:
        return []
    waiting = sum(isinstance(one, Request) for one in connection._queue)
    return [connection.taken[-waiting - 1]]


def replies(written: bytes, taken: Sequence[Request]) -> tuple[list[int], list[bytes], list[int]]:
    """Statuses and bodies of the final answers, and their numbers; what was written is nothing else."""
    statuses: list[int] = []
    bodies: list[bytes] = []
    place = 0
    while place < len(written):
        match = _CONTINUE.match(written, place) or _FINAL.match(written, place)
        assert match is not None, f"not an answer: {written[place : place + 60]!r}"
        place = match.end()
        if match.group(0).startswith(b"HTTP/1.1 100"):
            continue
        length = _LENGTH.search(match.group(0))
        assert length is not None
        bare = len(statuses) < len(taken) and taken[len(statuses)].method == b"HEAD"
        size = 0 if bare else int(length.group(1))
        statuses.append(int(match.group(1)))
        bodies.append(written[place : place + size])
        place += size
    assert place == len(written), "an answer is cut short"
    return statuses, bodies, [int(body) for body in bodies if body.isdigit()]


def read_by_h11(stream: bytes) -> tuple[list[tuple[bytes, bytes, bytes]], str]:
    """Method, target and body of every request that another parser finds, and what it says of the rest."""
    found: list[tuple[bytes, bytes, bytes]] = []
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    parser.receive_data(stream)
    method = target = b""
    body: list[bytes] = []
    try:
        while True:
            event = parser.next_event()
            if isinstance(event, h11.Request):
                method, target, body = event.method, event.target, []
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, target, b"".join(body)))
                parser.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                parser.send(h11.EndOfMessage())
                parser.start_next_cycle()
            else:
                return found, ""
    except h11.ProtocolError as error:
        return found, str(error)


@contextmanager
def small_headers() -> Iterator[None]:
    """Limits of headers that an input of the fuzzer can reach."""
    kept = module.MAX_HEADER_BYTES
    module.MAX_HEADER_BYTES = SMALL_HEADERS  # type: ignore[misc]
    try:
        yield
    finally:
        module.MAX_HEADER_BYTES = kept  # type: ignore[misc]


def check(data: bytes) -> None:
    """Play one input every way; AssertionError, or whatever was raised, when a promise does not hold."""
    if not data:
        return
    how, cuts = data[0], data[0] & 7
    stream = data[1 + cuts :]
    if how & 32:
        stream = BEFORE + stream
    places = sorted({0, len(stream), *(cut * len(stream) // 255 for cut in data[1 : 1 + cuts])})
    if how & 32:
        places = sorted({*places, len(BEFORE)})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    later = bool(how & 8)
    if how & 64:
        assert play(chunks, later=later, forgetful=False, lost=True).broken
        return
    if how & 16:
        with small_headers():
            assert play(chunks, later=later, forgetful=False, small=True) == play(
                chunks, later=later, forgetful=True, small=True
            ), "known heads change what is heard"
        return
    known = play(chunks, later=later, forgetful=False)
    assert known == play(chunks, later=later, forgetful=True), "known heads change what is heard"
    whole = play([stream], later=later, forgetful=True)
    assert known.requests == whole.requests, "where the stream is cut changes what is heard"
    others, rest = read_by_h11(stream)
    for ours, theirs in zip(known.requests, others, strict=False):
        assert (ours.method, ours.url, ours.body) == theirs, f"heard {ours!r}, h11 {theirs!r}"
    if len(known.requests) > len(others):
        assert rest.startswith(STRICTER), f"heard {known.requests[len(others)]!r}, h11 says {rest!r}"
