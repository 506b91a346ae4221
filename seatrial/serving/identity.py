"""Identities of requests: UUIDs of version 7 (RFC 9562) in hex, so that sorting by identity is sorting by time."""

import os
from collections.abc import Callable

_BLOCK = 4096
_DIGITS = 19
"""Hexadecimal digits of randomness behind the time and the version."""

_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def request_ids(clock: Callable[[], int], entropy: Callable[[int], bytes] = os.urandom) -> Callable[[], str]:
    """A source of identities.

    Args:
        clock: Microseconds since 1970 UTC.
        entropy: Gives n random bytes; asked for a block at a time, because a system call costs more than the rest.

    Returns:
        A function that gives 32 hexadecimal digits: 48 bits of milliseconds, 74 random ones.
    """
    block = ""
    at = 0

    def next_id() -> str:
        nonlocal block, at
        end = at + _DIGITS
        if end > len(block):
            block, at, end = entropy(_BLOCK).hex(), 0, _DIGITS
        random = block[at:end]
        at = end
        return f"{clock() // 1000:012x}7{random[:3]}{_VARIANTS[random[3]]}{random[4:]}"

    return next_id
