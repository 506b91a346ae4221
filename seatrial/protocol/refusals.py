"""Why a body cannot be read, in one sentence of the caller's words: the field, what was expected, what came, the mend.

Only what is refused comes here, so it may take its time; but it looks at a bounded part of a body and no further.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import inspect

from seatrial.spec.problems import did_you_mean

_LOOKED_AT = 64 << 10
"""Bytes of a body in which the culprit is searched."""

_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_AT = re.compile(r"(?s)(.*?)(?: - at `\$(.*)`)?")
_EXPECTED = re.compile(r"Expected `([^`]*)`(?:, got `([^`]*)`| (>=|<=) (\S+))")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_MALFORMED = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|-?\d[\d.eE+-]*')
_LAST_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:[^"{}:]*$')
_NO_NUMBER = re.compile(rb"-?(?:NaN|nan|Infinity|inf)")


def explain(error: Exception, body: bytes, kind: Any) -> str:
    """The sentence.

    Args:
        error: What the decoder said.
        body: What it read.
        kind: What it should have been: the decoder's type.
    """
    if isinstance(error, UnicodeDecodeError):
        return f"the body is not UTF-8 text: {error.reason}; encode it as UTF-8"
    if isinstance(error, RecursionError):
        return "the body is nested too deeply to be read; send plain rows"
    if isinstance(error, msgspec.ValidationError):
        return _misfit(str(error), body, kind)
    return _broken(str(error), body)


def _misfit(said: str, body: bytes, kind: Any) -> str:
    told = _AT.fullmatch(said)
    what, path = (told[1], (told[2] or "").removeprefix(".")) if told else (said, "")
    if found := _UNKNOWN.fullmatch(what):
        known = _known(kind, path)
        return f"{path or 'the body'} has an unknown field `{found[1][:100]}`; {did_you_mean(found[1], known)}"
    if found := _MISSING.fullmatch(what):
        return f"{path or 'the body'} lacks its field `{found[1]}`; add it"
    if what == "Number out of range":
        name, number = _too_large(body)
        return f"{_named(path, name)} is {number}, more than a number can hold; send a smaller one"
    if found := _EXPECTED.fullmatch(what):
        return _expected(found, path, kind)
    return f"the body does not fit: {said[:300]}"


def _expected(found: re.Match[str], path: str, kind: Any) -> str:
    expected, got, sign, bound = found.groups()
    wanted = _wanted(expected.split(" | "))
    if sign:
        return f"{path}: expected {wanted} of at {'least' if sign == '>=' else 'most'} {bound}"
    came = "a number with a fraction" if got == "float" else _WORDS.get(got, got)
    several = not path and got == "array" and "instances" in _known(kind, "")
    mend = '; send several rows as {"instances": [{"features": {…}}]}' if several else ""
    return f"{path or 'the body'}: expected {wanted}, got {came}{mend}"


def _wanted(names: list[str]) -> str:
    """In words; null goes without saying, and a number may be whole."""
    left = [name for name in names if name != "null" and not (name == "int" and "float" in names)]
    *others, last = [_WORDS.get(name, name) for name in left or names]
    return f"{', '.join(others)} or {last}" if others else last


def _broken(said: str, body: bytes) -> str:
    found = _MALFORMED.fullmatch(said)
    if found is None:
        return f"the body is not JSON: it ends too early, after {len(body)} bytes; send the whole of it"
    at = int(found[2])
    bare = _NO_NUMBER.match(body, max(0, at - 1)) or _NO_NUMBER.match(body, at)
    if bare is None:
        return f"the body is not JSON: {found[1]} at byte {at}"
    key = _LAST_KEY.search(body[max(0, at - 1000) : bare.start()])
    name = _text(key[1]) if key else "a value"
    # A value of null would withdraw an outcome.
    mend = "leave the outcome out" if name == "value" else "write null where it is missing"
    return f"{name} is {bare[0].decode()}, which is no number of JSON; {mend}"


def _too_large(body: bytes) -> tuple[str, str]:
    """The name and the text of the first number that no float can hold."""
    name = ""
    for token in _TOKEN.finditer(body, 0, _LOOKED_AT):
        if token[2] is not None:
            name = _text(token[1])
        elif token[1] is None and _overflows(token[0]):
            return name, f"{token[0][:20].decode()}{'…' if len(token[0]) > 20 else ''}"
    return "", "too large"


def _overflows(number: bytes) -> bool:
    try:
        return float(number) in (float("inf"), float("-inf"))
    except ValueError:
        return False


def _named(path: str, name: str) -> str:
    """A path whose last step is a name that the decoder does not tell."""
    if path.endswith("[...]") and name:
        return f"{path.removesuffix('[...]')}.{name}"
    return path or "the body"


def _text(raw: bytes) -> str:
    return raw[:100].decode("utf-8", "replace")


def _known(kind: Any, path: str) -> list[str]:
    """The fields that an object at a path may have."""
    types = list(_plain([inspect.type_info(kind)]))
    for step in _STEP.finditer(path if path.startswith("[") else f".{path}" if path else ""):
        types = list(_plain(_inside(types, step[1])))
    return [field.encode_name for t in types if isinstance(t, inspect.StructType) for field in t.fields]


def _inside(types: Iterable[inspect.Type], name: str | None) -> Iterator[inspect.Type]:
    for found in types:
        if name is None and isinstance(found, inspect.ListType):
            yield found.item_type
        elif name is None and isinstance(found, inspect.DictType):
            yield found.value_type
        elif isinstance(found, inspect.StructType):
            yield from (field.type for field in found.fields if field.encode_name == name)


def _plain(types: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    for found in types:
        if isinstance(found, inspect.UnionType):
            yield from _plain(found.types)
        else:
            yield found
