"""Literals of CEL as values."""

import re

from seatrial.routing.rules.expression import LARGEST, SMALLEST
from seatrial.routing.rules.kinds import RuleError

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|(.))", re.DOTALL)
_PLAIN = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"} | {c: c for c in "\\?\"'`"}


def read_number(text: str) -> int:
    """A whole number, decimal or hexadecimal. Raises RuleError beyond 64 bits."""
    value = int(text, 16) if "0x" in text else int(text)
    if not SMALLEST <= value <= LARGEST:
        raise RuleError(f"the number {text} does not fit into 64 bits; write it with a decimal point")
    return value


def read_text(literal: str) -> str:
    """A text without its quotes and escapes. Raises RuleError for an escape that CEL does not have."""
    raw = literal[0] in "rR"
    body = literal[1:] if raw else literal
    quotes = 3 if body[:3] in ('"""', "'''") and len(body) >= 6 else 1
    body = body[quotes:-quotes]
    return body if raw else _ESCAPE.sub(_unescape, body)


def _unescape(found: "re.Match[str]") -> str:
    *codes, octal, plain = found.groups()
    code = next((int(digits, 16) for digits in codes if digits), None)
    if octal:
        code = int(octal, 8)
    if code is not None:
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise RuleError(f"the escape {found.group()} is no character")
        return chr(code)
    if plain not in _PLAIN:
        raise RuleError(f"the escape {found.group()} is not known; write a backslash as two")
    return _PLAIN[plain]
