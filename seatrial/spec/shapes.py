"""The shapes that parts of a file can have; each reads a node and describes itself as JSON Schema.

One grammar of shapes (``spec.grammar``) is the reader, the schema and the reference tables at once, so they agree by
construction. A shape that refuses a node notes why and gives ``BAD``; reading goes on, so that all problems are told.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from seatrial.spec.errors import BadInput
from seatrial.spec.problems import Findings, did_you_mean, nearest
from seatrial.spec.tree import Node, join
from seatrial.spec.units import show

Schema = dict[str, Any]


class _Bad:
    """The type of ``BAD``."""

    def __repr__(self) -> str:
        return "BAD"


BAD: Final = _Bad()
"""Stands where a value was refused; checks across the file pass over it."""


class Shape(Protocol):
    """What a part of a file can be."""

    def read(self, node: Node, path: str, found: Findings) -> Any:
        """The value of the node, or ``BAD`` after noting what is wrong with it."""

    def schema(self) -> Schema:
        """The same as JSON Schema."""


def anchored(pattern: str) -> str:
    """A pattern that must match the whole string, in Python's and in JavaScript's dialect alike."""
    return rf"^(?:{pattern})$(?!\n)"


@dataclass(frozen=True)
class Text:
    """A string of a pattern, as it is.

    Attributes:
        forms: What to write, for the error message.
    """

    pattern: str
    forms: str

    def read(self, node: Node, path: str, found: Findings) -> Any:
        if node.kind == "scalar" and isinstance(node.value, str) and re.fullmatch(self.pattern, node.value):
            return node.value
        found.add(path, node.plain, f"{shown(node)} is not allowed as `{last(path)}`: {self.forms}")
        return BAD

    def schema(self) -> Schema:
        return {"type": "string", "pattern": anchored(self.pattern)}


@dataclass(frozen=True)
class Unit:
    """A string that ``spec.units`` reads.

    Attributes:
        zero: Whether zero is allowed.
    """

    parse: Callable[[object], float]
    pattern: str
    zero: bool = True

    def read(self, node: Node, path: str, found: Findings) -> Any:
        try:
            value = self.parse(node.plain)
        except BadInput as error:
            found.add(path, node.plain, f"`{last(path)}`: {error}")
            return BAD
        if value or self.zero:
            return value
        found.add(path, node.plain, f"`{last(path)}` is {shown(node)} but must be more than zero")
        return BAD

    def schema(self) -> Schema:
        refuse_zero = "" if self.zero else r"(?![0.]+[%a-z])"
        return {"type": "string", "pattern": anchored(refuse_zero + self.pattern)}


@dataclass(frozen=True)
class Number:
    """A number between bounds; ``above`` is exclusive."""

    above: float | None = None
    minimum: float | None = None
    maximum: float = 1e15
    whole: bool = False

    def read(self, node: Node, path: str, found: Findings) -> Any:
        value = node.value
        if isinstance(value, int | float) and not isinstance(value, bool) and self._holds(value):
            return int(value) if self.whole else float(value)
        found.add(path, node.plain, f"`{last(path)}` is {shown(node)} but must be {self.says}")
        return BAD

    @property
    def says(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low = f" of at least {self.minimum:g}" if self.minimum is not None else ""
        low = f" above {self.above:g}" if self.above is not None else low
        return kind + low + (f" and at most {self.maximum:g}" if self.maximum < 1e15 else "")

    def _holds(self, value: float) -> bool:
        return not (
            (isinstance(value, float) and not math.isfinite(value))
            or (self.whole and value != int(value))
            or (self.above is not None and value <= self.above)
            or (self.minimum is not None and value < self.minimum)
            or value > self.maximum
        )

    def schema(self) -> Schema:
        schema: Schema = {"type": "integer" if self.whole else "number", "maximum": self.maximum}
        if self.above is not None:
            schema["exclusiveMinimum"] = self.above
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        return schema


@dataclass(frozen=True)
class Boolean:
    """``true`` or ``false``."""

    def read(self, node: Node, path: str, found: Findings) -> Any:
        if isinstance(node.value, bool):
            return node.value
        found.add(path, node.plain, f"`{last(path)}` is {shown(node)} but must be `true` or `false`")
        return BAD

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One of some words.

    Attributes:
        later: Words whose meaning is not built yet, with what to do instead.
    """

    words: tuple[str, ...]
    later: Mapping[str, str] = field(default_factory=dict)

    def read(self, node: Node, path: str, found: Findings) -> Any:
        word = node.value
        if node.kind == "scalar" and isinstance(word, str) and word in self.words:
            return word
        if isinstance(word, str) and word in self.later:
            found.add(path, word, f"`{last(path)}: {word}` is not built yet: {self.later[word]}")
        else:
            mend = did_you_mean(str(node.plain), self.words)
            found.add(path, node.plain, f"`{last(path)}` cannot be {shown(node)}; {mend}")
        return BAD

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Listed:
    """A list of one shape."""

    item: Shape
    least: int = 0

    def read(self, node: Node, path: str, found: Findings) -> Any:
        if node.kind != "list":
            found.add(
                path, node.plain, f"`{last(path)}` is {shown(node)} but must be a list: `[...]` or lines with `- `"
            )
            return BAD
        if 0 < len(node.items) < self.least:
            found.add(path, len(node.items), f"`{last(path)}` has {len(node.items)} and needs at least {self.least}")
            return BAD
        if len(node.items) < self.least:
            found.add(path, "[]", f"`{last(path)}` is an empty list; put something in, or leave the key out")
            return BAD
        return [self.item.read(item, f"{path}[{position}]", found) for position, item in enumerate(node.items)]

    def schema(self) -> Schema:
        return {"type": "array", "items": self.item.schema(), "minItems": self.least}


@dataclass(frozen=True)
class Named:
    """A mapping from names that the user chooses to one shape; a refused value stands in the result as ``BAD``."""

    key: Text
    item: Shape
    least: int = 0

    def read(self, node: Node, path: str, found: Findings) -> Any:
        if node.kind != "mapping":
            found.add(
                path, node.plain, f"`{last(path)}` is {shown(node)} but must be a mapping of names: `{{name: ...}}`"
            )
            return BAD
        if len(node.keys) < self.least:
            found.add(path, "{}", f"`{last(path)}` is empty; put something in")
            return BAD
        values: dict[str, Any] = {}
        for name, (_, child) in node.keys.items():
            below = join(path, name)
            if not re.fullmatch(self.key.pattern, name):
                found.add(below, name, f"{show(name)} is not allowed as a name in `{last(path)}`: {self.key.forms}")
            values[name] = self.item.read(child, below, found)
        return values

    def schema(self) -> Schema:
        return {
            "type": "object",
            "propertyNames": {"pattern": anchored(self.key.pattern)},
            "additionalProperties": self.item.schema(),
            "minProperties": self.least,
        }


@dataclass(frozen=True)
class Key:
    """One key of a record.

    Attributes:
        doc: One sentence for the reference and for editors.
        default: The default as a user would write it; None when there is none or it needs words (then ``doc`` says it).
    """

    shape: Shape
    doc: str
    required: bool = False
    default: str | None = None


@dataclass(frozen=True)
class Record:
    """A mapping with known keys; keys that do not stand in the file are absent from the result.

    Attributes:
        what: Its name in sentences, with an article: ``a metric``.
        one_of: Exactly one of these keys must stand.
        later: Keys whose meaning is not built yet, with what to do instead.
        forms: What to write, when it is no mapping at all.
    """

    what: str
    keys: Mapping[str, Key]
    one_of: tuple[str, ...] = ()
    later: Mapping[str, str] = field(default_factory=dict)
    forms: str = ""

    def read(self, node: Node, path: str, found: Findings) -> Any:
        if node.kind != "mapping":
            found.add(path, node.plain, f"{shown(node)} is not {self.what}: {self.forms or self._keys()}")
            return BAD
        values: dict[str, Any] = {}
        for name, (_, child) in node.keys.items():
            below = join(path, name)
            if name in self.keys:
                values[name] = self.keys[name].shape.read(child, below, found)
                continue
            values[name] = BAD
            if name in self.later:
                found.add(below, name, f"`{name}` in {self.what} is not built yet: {self.later[name]}")
            else:
                found.add(below, name, f"{show(name)} is not a key of {self.what}; {did_you_mean(name, self.keys)}")
        self._presence(node, path, found)
        return values

    def _presence(self, node: Node, path: str, found: Findings) -> None:
        """Notes what is missing, unless a key that was just refused was probably meant for it."""
        meant = {nearest(name, self.keys) for name in node.keys if name not in self.keys}
        later = any(name in self.later for name in node.keys)
        for name, key in self.keys.items():
            if key.required and name not in node.keys and name not in meant and not later:
                found.add(path, None, f"{self._here(path)} needs `{name}`; add it: {_lowered(key.doc)}")
        given = [name for name in self.one_of if name in node.keys]
        choices = " or ".join(f"`{name}`" for name in self.one_of)
        if len(given) > 1:
            found.add(
                path, None, f"{self._here(path)} has {' and '.join(f'`{n}`' for n in given)}; keep one of {choices}"
            )
        elif self.one_of and not given and not later and not meant & set(self.one_of):
            found.add(path, None, f"{self._here(path)} needs exactly one of {choices}")

    @property
    def least(self) -> str:
        """The keys that cannot be left out, for a message."""
        return " and ".join(f"`{name}:`" for name, key in self.keys.items() if key.required)

    def _here(self, path: str) -> str:
        return f"{self.what} (`{path}`)" if path else self.what

    def _keys(self) -> str:
        return "write a mapping with " + ", ".join(f"`{name}`" for name in self.keys)

    def schema(self) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": False, "properties": {}}
        for name, key in self.keys.items():
            schema["properties"][name] = {**key.shape.schema(), "description": key.doc}
        required = [name for name, key in self.keys.items() if key.required]
        if required:
            schema["required"] = required
        if self.one_of:
            schema["oneOf"] = [{"required": [name]} for name in self.one_of]
        return schema


@dataclass(frozen=True)
class Either:
    """A word where the node is a scalar, else the other shape."""

    word: Choice
    other: Shape

    def read(self, node: Node, path: str, found: Findings) -> Any:
        return (self.word if node.kind == "scalar" else self.other).read(node, path, found)

    def schema(self) -> Schema:
        return {"anyOf": [self.word.schema(), self.other.schema()]}


@dataclass(frozen=True)
class OneOrMore:
    """One of a shape, or a list of them; read as a list."""

    item: Shape

    def read(self, node: Node, path: str, found: Findings) -> Any:
        if node.kind == "list":
            return Listed(self.item, least=1).read(node, path, found)
        read = self.item.read(node, path, found)
        return BAD if read is BAD else [read]

    def schema(self) -> Schema:
        return {"anyOf": [self.item.schema(), Listed(self.item, least=1).schema()]}


@dataclass(frozen=True)
class Parsed:
    """Whatever ``parse`` reads, with the schema given."""

    parse: Callable[[object], Any]
    described: Schema

    def read(self, node: Node, path: str, found: Findings) -> Any:
        try:
            return self.parse(node.plain)
        except BadInput as error:
            found.add(path, node.plain, f"`{last(path)}`: {error}")
            return BAD

    def schema(self) -> Schema:
        return dict(self.described)


def shown(node: Node) -> str:
    """A node as a message quotes it."""
    if node.kind == "scalar":
        return "nothing" if node.value is None else show(node.value)
    return "a mapping" if node.kind == "mapping" else "a list"


def last(path: str) -> str:
    """The last key of a path."""
    return path[path.rfind(".") + 1 :] or "the file"


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
