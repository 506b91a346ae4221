"""YAML text into a plain tree that knows its lines.

YAML 1.2 core rules: ``on``, ``off``, ``yes``, ``NO`` and dates are strings. A key given twice, an explicit tag, a merge
key, a tab in the indentation and an alias that contains itself are refused; aliases are expanded up to a limit.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, NoReturn

from seatrial.spec.problems import Problem, SpecError
from seatrial.spec.units import show

Scalar = str | int | float | bool | None

LIMIT_CHARACTERS = 1_000_000
LIMIT_NODES = 20_000
LIMIT_DEPTH = 30

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)")


class Node(NamedTuple):
    """One value of the file: a mapping (``keys``), a list (``items``) or a scalar (``value``)."""

    kind: Literal["mapping", "list", "scalar"]
    line: int
    value: Scalar = None
    items: "tuple[Node, ...]" = ()
    keys: "dict[str, tuple[int, Node]]" = {}  # noqa: RUF012 (never changed after it was made)

    @property
    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if self.kind == "mapping":
            return {key: node.plain for key, (_, node) in self.keys.items()}
        return [node.plain for node in self.items] if self.kind == "list" else self.value


def parse(text: str, source: str, least: str = "one key") -> Node:
    """Reads one YAML document.

    Args:
        text: The file.
        source: Its name, for messages.
        least: What a file must have, for the message about an empty one.

    Raises:
        SpecError: It is not YAML, or not the part of YAML that we read; with the line.
    """
    if len(text) > LIMIT_CHARACTERS:
        raise SpecError(
            source, [Problem(1, "", "", f"the file has more than {LIMIT_CHARACTERS} characters; shorten it")]
        )
    try:
        return _Builder(text, source, least).document()
    except SpecError:
        raise
    except Exception as error:  # noqa: BLE001 (the parser is not ours: what it raises on a text is the text's fault)
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        message = f"this is not YAML ({' '.join(str(error).split())[:100]}); mend the text"
        raise SpecError(source, [Problem(line, "", "", message)]) from None


def lines_of(root: Node) -> dict[str, int]:
    """The line of every path; a mapping's entry stands where its key stands."""
    lines = {"": root.line}

    def walk(node: Node, path: str) -> None:
        for key, (line, child) in node.keys.items():
            below = join(path, key)
            lines[below] = line
            walk(child, below)
        for position, child in enumerate(node.items):
            lines[f"{path}[{position}]"] = child.line
            walk(child, f"{path}[{position}]")

    walk(root, "")
    return lines


def join(path: str, key: str) -> str:
    """The path of a key below a path."""
    return f"{path}.{key}" if path else key


def resolve(text: str) -> Scalar:
    """A plain (unquoted) scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _BASED.fullmatch(text):
            return int(text, 0)
    except ValueError:  # more digits than Python turns into a number
        return text
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    return math.nan if text in (".nan", ".NaN", ".NAN") else text


class _Builder:
    """Builds the tree from the parser's events and notes what we do not read."""

    def __init__(self, text: str, source: str, least: str) -> None:
        from ruamel.yaml import YAML  # slow to import, and only files need it

        self._text = text
        self._source = source
        self._least = least
        self._events = iter(YAML(typ="safe", pure=True).parse(text))
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._made = 0
        self._problems: list[Problem] = []

    def document(self) -> Node:
        """The one document of the text."""
        root: Node | None = None
        while (event := self._next()) is not None:
            if type(event).__name__ in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent"):
                continue
            if type(event).__name__ == "DocumentStartEvent":
                if root is not None:
                    self._stop(_line(event), "---", "a second document starts here; put it into a file of its own")
                continue
            root = self._node(event, 0)
        if root is None or (root.kind == "scalar" and root.value is None):
            self._stop(1, "", f"the file is empty; write at least {self._least}")
        if self._problems:
            raise SpecError(self._source, self._problems)
        return root

    def _next(self) -> Any:
        from ruamel.yaml.error import MarkedYAMLError

        try:
            return next(self._events, None)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            self._stop(line, "", _syntax(error.problem or "", self._text, line))

    def _node(self, event: Any, depth: int) -> Node:
        line, name = _line(event), type(event).__name__
        self._made += 1
        if self._made > LIMIT_NODES:
            self._stop(line, "", f"the file holds more than {LIMIT_NODES} values (aliases written out); shorten it")
        if depth > LIMIT_DEPTH:
            self._stop(line, "", f"the file is nested more than {LIMIT_DEPTH} deep; flatten it")
        if name == "AliasEvent":
            return self._alias(event, line)
        before = self._made
        if event.tag is not None:
            self._refuse(line, str(event.tag), f"the tag `{event.tag}` is not read; write the plain value")
        if name == "ScalarEvent":
            node = Node("scalar", line, value=event.value if event.style else resolve(event.value))
        elif name == "SequenceStartEvent":
            node = Node("list", line, items=tuple(self._items(depth)))
        else:
            node = Node("mapping", line, keys=self._keys(depth))
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._made - before + 1)
        return node

    def _items(self, depth: int) -> Iterator[Node]:
        while type(event := self._next()).__name__ != "SequenceEndEvent":
            yield self._node(event, depth + 1)

    def _keys(self, depth: int) -> dict[str, tuple[int, Node]]:
        keys: dict[str, tuple[int, Node]] = {}
        while type(event := self._next()).__name__ != "MappingEndEvent":
            key = event.value if type(event).__name__ == "ScalarEvent" else None
            self._node(event, depth + 1)
            value = self._node(self._next(), depth + 1)
            line = _line(event)
            if key is None:
                self._refuse(line, "", "a key is a list, a mapping or an alias; write a plain word")
            elif key == "<<" and not event.style:
                self._refuse(line, "<<", "the merge key `<<` is not part of YAML 1.2; write the keys out")
            elif key in keys:
                self._refuse(line, key, f"the key {show(key)} stands twice, first in line {keys[key][0]}; keep one")
            else:
                keys[key] = (line, value)
        return keys

    def _alias(self, event: Any, line: int) -> Node:
        if event.anchor not in self._anchors:
            self._refuse(
                line, event.anchor, f"the alias `*{event.anchor}` stands for nothing written above; write it out"
            )
            return Node("scalar", line)
        node, size = self._anchors[event.anchor]
        self._made += size
        return node

    def _refuse(self, line: int, value: str, message: str) -> None:
        self._problems.append(Problem(line, "", value, message))

    def _stop(self, line: int, value: str, message: str) -> NoReturn:
        raise SpecError(self._source, [*self._problems, Problem(line, "", value, message)])


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _syntax(problem: str, text: str, line: int) -> str:
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return "a tab indents this line; YAML is indented with spaces only"
    if "mapping values are not allowed" in problem:
        return "a colon stands where none may; put the value in quotes, or mend the indentation"
    return f"this is not YAML ({problem}); mend the indentation, quotes or brackets here or just above"
