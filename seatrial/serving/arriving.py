"""Bytes of a connection into requests: one parser, and what bounds a message while it arrives.

Whoever is connected says what becomes of a request that is whole, and of one that is refused (`connection`).
"""

import asyncio
from typing import TYPE_CHECKING

import httptools

from seatrial.serving.heads import HEAD_BYTES, remember
from seatrial.serving.messages import HttpError, Request, full

if TYPE_CHECKING:
    from seatrial.serving.edge import Edge

MAX_HEADER_BYTES = 64 << 10
FREE_BYTES = 1 << 20
SLOWEST = 64 << 10
"""Bytes a second."""

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
_VERSIONS = ("1.1", "1.0")


class Arriving(asyncio.Protocol):
    """The requests of one client, as they come.

    Attributes:
        deadline: Time of the event loop by which something must have come, or been taken.
    """

    __slots__ = (
        "_between",
        "_body",
        "_body_due",
        "_chunked",
        "_deaf",
        "_edge",
        "_fed",
        "_headers",
        "_held",
        "_in_headers",
        "_parser",
        "_quiet",
        "_size",
        "_unread",
        "_url",
        "deadline",
    )

    def __init__(self, edge: "Edge") -> None:
        self._edge = edge
        self._parser = httptools.HttpRequestParser(self)
        self._deaf = False
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
        self.deadline = 0.0

    # Whoever is connected has these.

    def _take(self, request: Request) -> None:
        """A request is whole."""
        raise NotImplementedError

    def _refuse(self, error: HttpError) -> None:
        """What comes cannot be read any further."""
        raise NotImplementedError

    def _go_on(self) -> None:
        """The client waits for leave to send its body."""
        raise NotImplementedError

    # asyncio calls this.

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
        end = data.find(b"\r\n\r\n", 0, HEAD_BYTES) + 4
        known = edge.heads.get(data[:end])
        if known is None:
            return False
        length, method, url, headers, keep_alive = known
        if len(data) - end != length or edge.held + length > edge.held_bytes:
            return False
        self._held += length
        edge.held += length
        self._take(Request(method, url, headers, data[end:], keep_alive, edge.turn or edge.begin_turn()))
        return True

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
            raise full(edge.held_bytes)
        self._body.append(body)
        if self._size > FREE_BYTES:
            self.deadline = self._body_due + (self._size - FREE_BYTES) / SLOWEST

    def on_message_complete(self) -> None:
        if self._deaf:
            return
        parts = self._body
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        edge, parser = self._edge, self._parser
        since = edge.turn or edge.begin_turn()
        request = Request(parser.get_method(), self._url, self._headers, body, parser.should_keep_alive(), since)
        self._url = b""
        self._body = []
        self._size = 0
        self._between = True
        if self._unread is not None:
            remember(edge.heads, self._unread, request)
            self._unread = None
        self._take(request)

    def _look_at_headers(self) -> None:
        expected = self._headers.get(b"expect")
        if expected is not None:
            if expected.lower() != b"100-continue":
                raise HttpError(417, f"the expectation {expected[:40].decode('latin-1')!r} cannot be met")
            self._go_on()

    def _too_large(self) -> HttpError:
        return HttpError(413, f"the body is over the limit of {self._edge.body_bytes} bytes; send several requests")
