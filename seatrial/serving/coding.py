"""Content codings of bodies: gzip and deflate (the zlib format), both ways, and never more than a limit comes out."""

import zlib

from seatrial.spec.errors import BadInput, TooLarge

_WINDOW = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
"""zlib's name for each format."""

LEVEL = 1
"""Speed counts: a tensor is read once."""

SMALL_BYTES = 1024
"""A shorter answer is not worth compressing, unless its client names one coding and nothing else."""


def inflate(coding: bytes, body: bytes, limit: int) -> bytes:
    """A body as it was before its content coding.

    Args:
        coding: Value of ``content-encoding``; ``identity`` gives the body back.
        limit: Most bytes that may come out; no more are ever held.

    Raises:
        BadInput: A coding that is not one of gzip, deflate and identity, or bytes that are not in it.
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
    room = limit
    while body:
        part, body = _stream(name, window, body, room, limit)
        parts.append(part)
        room -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _stream(name: str, window: int, body: bytes, room: int, limit: int) -> tuple[bytes, bytes]:
    """One stream (gzip may have several behind each other), and what follows it."""
    decoder = zlib.decompressobj(window)
    try:
        plain = decoder.decompress(body, room + 1)
    except zlib.error as error:
        raise BadInput(f"the body is not {name}: {error}") from None
    if len(plain) > room:
        raise TooLarge(f"the body is over the limit of {limit} bytes once inflated; send several requests")
    if not decoder.eof:
        raise BadInput(f"the body ends in the middle of its {name}")
    if decoder.unused_data and window == _WINDOW[b"deflate"]:
        raise BadInput(f"{len(decoder.unused_data)} bytes follow the end of the body's {name}")
    return plain, decoder.unused_data


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
