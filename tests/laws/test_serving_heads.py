"""A head that is known by its bytes means what the parser would have made of it, whatever surrounds it."""

import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from seatrial.serving.connection import Connection
from seatrial.serving.edge import Edge
from seatrial.serving.messages import Answer, Request
from tests.edges import request

BODIES = (b"", b"{}", b'{"a": 1}', b"\r\n\r\n", b"0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n")
HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"authorization": "Bearer k"},
    {"connection": "close"},
    {"accept": "application/json"},
    {"x-trace": "1"},
)
CHUNKED = b"POST /c HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
BARE = b"POST /a HTTP/1.1\r\nhost: x\r\n\r\n"
messages = st.sampled_from(
    [
        *(request("POST", "/a", body, **headers) for body, headers in itertools.product(BODIES, HEADERS)),
        request("GET", "/b"),
        b"\r\n" + request("GET", "/b"),
        b"GET /b HTTP/1.0\r\n\r\n",
        CHUNKED,
        BARE,
    ]
)


class Transport:
    """Takes what is written; nothing is lost by closing."""

    def write(self, _: bytes) -> None: ...
    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def write_eof(self) -> None: ...


class Heard:
    """Keeps every request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        return b"{}"


class Forgetful(dict[bytes, Any]):
    """Heads of an edge that never knows one."""

    def __setitem__(self, *_: Any) -> None: ...


def heard(chunks: Sequence[bytes], *, forgetful: bool) -> list[Request]:
    """What an edge hears on one connection after another, each chunk being one read."""
    routes = Heard()
    edge = Edge(routes, ticks=lambda: 1)
    if forgetful:
        edge.heads = Forgetful()
    connection = None
    for chunk in chunks:
        if connection is None or connection._broken:
            connection = Connection(edge)
            connection._transport = Transport()  # type: ignore[assignment]
        connection.data_received(chunk)
    assert connection is None or connection._broken or edge.held == connection._held
    return routes.requests


@given(st.lists(messages, min_size=1, max_size=6), st.data())
def test_known_heads_change_nothing_that_is_heard(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(sent + sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=4))
    whole = list(itertools.accumulate(map(len, sent + sent)))
    places = sorted({0, len(stream), *cuts, *data.draw(st.lists(st.sampled_from(whole), max_size=12))})
    chunks = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert heard(chunks, forgetful=False) == heard(chunks, forgetful=True)


def test_a_head_is_known_from_its_second_request_on() -> None:
    routes = Heard()
    edge = Edge(routes)
    connection = Connection(edge)
    connection._transport = Transport()  # type: ignore[assignment]
    connection.data_received(request("POST", "/a", b"{}"))
    connection._parser = None  # the second request must not ask it
    connection.data_received(request("POST", "/a", b"[]"))
    assert [r.body for r in routes.requests] == [b"{}", b"[]"]
    assert [r.url for r in routes.requests] == [b"/a", b"/a"]


def test_heads_are_bounded() -> None:
    routes = Heard()
    edge = Edge(routes)
    connection = Connection(edge)
    connection._transport = Transport()  # type: ignore[assignment]
    for number in range(2000):
        connection.data_received(request("POST", "/a", b"{}", x_trace=str(number)))
    connection.data_received(request("POST", "/a", b"{}", x_long="y" * 4000))
    assert len(edge.heads) <= 512
    assert all(len(head) <= 2048 for head in edge.heads)
