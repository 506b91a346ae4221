"""Identities that sort by time: UUIDs of version 7 (RFC 9562) in hex. With them a repeat is known as one."""

import os


def new_id(now: int) -> str:
    """A fresh identity; ``now`` is microseconds since 1970 UTC."""
    random = int.from_bytes(os.urandom(10), "big")
    high = ((now // 1000) & 0xFFFFFFFFFFFF) << 80
    return f"{high | 0x7 << 76 | (random >> 62 & 0xFFF) << 64 | 0x2 << 62 | random & 0x3FFFFFFFFFFFFFFF:032x}"
