"""Content codings of bodies: gzip and deflate (the zlib format), both ways, and never more than a limit comes out."""

import zlib

from seatrial.spec.errors import BadInput, TooLarge

_WINDOW = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""zlib's name for each format."""

LEVEL = 1
"""Speed counts: a tensor is read once."""

SMALL_BYTES = 1024
"""A shorter answer is not worth compressing, unless its client names one coding and nothing else."""


MAX_MEMBERS = 16
"""Streams of gzip that a body may have behind each other; who compresses a body makes one."""

PIECE_BYTES = 64 << 10


def inflate(coding: bytes, body: bytes, limit: int) -> bytes:
    """A body as it was before its content coding.

    Args:
        coding: Value of ``content-encoding``; ``identity`` gives the body back.
        limit: Most bytes that may come out; no more are ever held.

    Raises:
        BadInput: A coding that is not one of gzip, deflate and identity, bytes that are not in it, or more than
            ``MAX_MEMBERS`` streams.
        TooLarge: More than ``limit`` bytes would come out.
    """
    coding = coding.strip().lower()
    if coding in (b"", b"identity"):
        return body
    window = _WINDOW.get(coding)
    if window is None:
        shown = coding[:40].decode("latin-1")
        raise BadInput(f"content-encoding {shown!r} is not understood; send gzip, deflate, or the body plain")
    name = coding.decode()
    parts: list[bytes] = []
    given = memoryview(body)
    room, place, members = limit, 0, 0
    while place < len(given):
        members += 1
        if members > MAX_MEMBERS:
            raise BadInput(f"the body is over {MAX_MEMBERS} {name} members behind each other; compress it as one")
        room, place = _member(name, window, given, place, room, limit, parts)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _member(
    name: str, window: int, body: memoryview, place: int, room: int, limit: int, parts: list[bytes]
) -> tuple[int, int]:
    """Read one stream (gzip may have several behind each other) into ``parts``; the room left, and where it ended.

    It is fed in pieces, because the decoder copies what follows the stream out of whatever it was given.
    """
    decoder = zlib.decompressobj(window)
    while not decoder.eof:
        piece = body[place : place + PIECE_BYTES]
        if not piece:
            raise BadInput(f"the body ends in the middle of its {name}")
        try:
            plain = decoder.decompress(piece, room + 1)
        except zlib.error as error:
            raise BadInput(f"the body is not {name}: {error}") from None
        if len(plain) > room:
            raise TooLarge(f"the body is over the limit of {limit} bytes once inflated; send several requests")
        parts.append(plain)
        room -= len(plain)
        place += len(piece)
    place -= len(decoder.unused_data)
    if place < len(body) and window == _WINDOW[b"deflate"]:
        raise BadInput(f"{len(body) - place} bytes follow the end of the body's {name}")
    return room, place


def deflate(coding: bytes, body: bytes) -> bytes:
    """A body in a content coding that `chosen` gave."""
    encoder = zlib.compressobj(LEVEL, zlib.DEFLATED, _WINDOW[coding])
    return encoder.compress(body) + encoder.flush()


def chosen(accepted: bytes, size: int) -> bytes | None:
    """The coding for an answer of ``size`` bytes, or None to send it plain.

    Args:
        accepted: Value of ``accept-encoding``.
    """
    if size < SMALL_BYTES and b"," in accepted:
        return None
    offers = dict(_offer(part) for part in accepted.lower().split(b","))
    best = max((b"gzip", b"deflate"), key=lambda coding: offers.get(coding, 0.0))
    return best if offers.get(best) else None


def _offer(part: bytes) -> tuple[bytes, float]:
    name, _, weight = part.partition(b";")
    given = weight.strip().removeprefix(b"q=")
    try:
        return name.strip(), float(given) if given else 1.0
    except ValueError:
        return name.strip(), 0.0
