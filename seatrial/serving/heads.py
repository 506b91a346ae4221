"""Heads of requests that are known by their bytes: a client's requests mostly begin alike to the letter.

A head that the parser has read once, of a request that came whole and by itself, is not read again.
"""

from typing import NamedTuple

from seatrial.serving.messages import Request

_HEADS = 512
HEAD_BYTES = 2048
"""So many heads are known, of so many bytes at most; with one more all are forgotten."""

_NEVER_AGAIN = (b"expect", b"traceparent")
"""Heads with these are not remembered: what they say is said once."""


class Head(NamedTuple):
    """A head that was read before, and how long its body is; the rest as in `Request`."""

    length: int
    method: bytes
    url: bytes
    headers: dict[bytes, bytes]
    keep_alive: bool


def remember(heads: dict[bytes, Head], data: bytes, request: Request) -> None:
    """Know the head of ``data`` from now on, when that is one whole request and nothing else."""
    end = data.find(b"\r\n\r\n") + 4
    if (
        not 4 <= end <= HEAD_BYTES
        or len(data) - end != len(request.body)
        or any(name in request.headers for name in _NEVER_AGAIN)
    ):
        return
    if len(heads) >= _HEADS:
        heads.clear()
    method, url, headers, body, keep_alive, _ = request
    heads[data[:end]] = Head(len(body), method, url, headers, keep_alive)
