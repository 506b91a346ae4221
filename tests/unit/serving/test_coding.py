import gzip
import random
import zlib

import pytest

from seatrial.serving.coding import PIECE_BYTES, chosen, deflate, inflate
from seatrial.spec.errors import BadInput, TooLarge

BODY = b"to and fro " * 100


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
def test_there_and_back(coding: bytes) -> None:
    assert inflate(coding, deflate(coding, BODY), 10_000) == BODY
    assert inflate(coding, deflate(coding, b""), 10_000) == b""


def test_what_others_wrote() -> None:
    assert inflate(b" GZIP", gzip.compress(BODY, mtime=0) + gzip.compress(b"more", mtime=0), 10_000) == BODY + b"more"
    assert inflate(b"deflate", zlib.compress(BODY, 9), 10_000) == BODY
    assert inflate(b"identity", BODY, 1) == BODY


def test_a_bomb_is_stopped_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    with pytest.raises(TooLarge, match="over the limit of 1048576 bytes once inflated"):
        inflate(b"gzip", bomb, 1 << 20)
    with pytest.raises(TooLarge):
        inflate(b"gzip", gzip.compress(bytes(1 << 19)) * 3, 1 << 20)
    assert len(inflate(b"gzip", gzip.compress(bytes(1 << 20)), 1 << 20)) == 1 << 20


def test_a_body_of_many_empty_members_is_refused_at_the_seventeenth() -> None:
    """Each would cost a decoder, and a copy of what follows it."""
    empty = gzip.compress(b"", mtime=0)
    assert inflate(b"gzip", empty * 16, 10) == b""
    assert inflate(b"gzip", empty * 15 + gzip.compress(BODY, mtime=0), 10_000) == BODY
    for members in (17, 100_000):
        with pytest.raises(BadInput, match="over 16 gzip members behind each other; compress it as one"):
            inflate(b"gzip", empty * members, 10)


def test_members_may_begin_and_end_anywhere_in_what_is_read_at_once() -> None:
    noise = random.Random(7).randbytes(3 * PIECE_BYTES)
    for size in (PIECE_BYTES - 30, PIECE_BYTES - 23, PIECE_BYTES - 18, PIECE_BYTES, 3 * PIECE_BYTES):
        members = [noise[:size], b"", noise[size:], BODY]
        body = b"".join(gzip.compress(member, mtime=0) for member in members)
        assert inflate(b"gzip", body, 1 << 20) == noise + BODY
        with pytest.raises(BadInput, match="ends in the middle"):
            inflate(b"gzip", body[:-1], 1 << 20)


@pytest.mark.parametrize(
    ("coding", "body", "message"),
    [
        (b"br", BODY, "content-encoding 'br' is not understood; send gzip, deflate"),
        (b"gzip, gzip", BODY, "is not understood"),
        (b"gzip", BODY, "the body is not gzip"),
        (b"gzip", gzip.compress(BODY, mtime=0)[:-9], "ends in the middle of its gzip"),
        (b"gzip", gzip.compress(BODY, mtime=0) + b"rubbish", "the body is not gzip"),
        (b"deflate", zlib.compress(BODY)[:-1], "ends in the middle"),
        (b"deflate", zlib.compress(BODY) + b"xy", "2 bytes follow the end"),
        (b"deflate", zlib.compress(BODY, wbits=-15), "the body is not deflate"),
    ],
)
def test_refused_in_words(coding: bytes, body: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        inflate(coding, body, 10_000)


@pytest.mark.parametrize(
    ("accepted", "size", "coding"),
    [
        (b"gzip", 10, b"gzip"),
        (b"deflate", 10, b"deflate"),
        (b"gzip, deflate, br", 10, None),
        (b"gzip, deflate, br", 5000, b"gzip"),
        (b"deflate;q=1, gzip;q=0.5", 5000, b"deflate"),
        (b"gzip;q=0, deflate", 5000, b"deflate"),
        (b"gzip;q=0", 5000, None),
        (b"gzip;q=high", 5000, None),
        (b"identity", 5000, None),
        (b"br", 5000, None),
    ],
)
def test_chosen(accepted: bytes, size: int, coding: bytes | None) -> None:
    assert chosen(accepted, size) == coding
