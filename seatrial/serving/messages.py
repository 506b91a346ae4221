"""Requests and answers of the HTTP edge, its refusals, and the head of an answer as bytes."""

from collections.abc import Callable, Coroutine
from email.utils import formatdate
from typing import Any, NamedTuple

import msgspec

from seatrial.spec.errors import SeatrialError, Unavailable

PHRASES = {
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
_JSON = b"application/json"

LATER = ((b"retry-after", b"1"),)


class Request(NamedTuple):
    """A whole request.

    Attributes:
        method, url: As sent; the url is the path and the query.
        headers: The few that matter here, names in lower case.
        since: Ticks since which it has waited for the event loop, at least; 0: nobody knows.
    """

    method: bytes
    url: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool
    since: int = 0


class Response(NamedTuple):
    """An answer that is not plain JSON with 200."""

    status: int
    body: bytes
    content_type: bytes = _JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    bare: bool = False
    """Send no body, only its length: the answer to HEAD."""


Answer = bytes | Response
Handler = Callable[[Request], Answer | Coroutine[Any, Any, Answer]]


class HttpError(Exception):
    """A refusal of the edge's own."""

    def __init__(self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def full(held_bytes: int) -> HttpError:
    """What is said where there is no room for one more request."""
    return HttpError(503, f"requests of {held_bytes} bytes are under way; send this one again", LATER)


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


def head(status: int, content_type: bytes = _JSON) -> bytes:
    """The start of a response, up to the value of its content-length."""
    phrase = PHRASES.get(status, "Unknown")
    date = formatdate(usegmt=True)
    start = f"HTTP/1.1 {status} {phrase}\r\ndate: {date}\r\ncontent-type: ".encode()
    return start + content_type + b"\r\ncontent-length: "
