"""What is wrong with a file a user wrote: every problem with its line, collected and told together."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from seatrial.spec.errors import BadInput


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        line: Line of the file, from 1.
        path: Where it stands, like ``metrics.conversion.within`` or ``routing[0].split``; "" for the whole file.
        value: The offending value as written (shortened), or "".
        message: One sentence: what is wrong and the mend.
    """

    line: int
    path: str
    value: str
    message: str


class SpecError(BadInput):
    """A file cannot be read as what it should be.

    Attributes:
        source: Name of the file.
        problems: All that is wrong with it, in order of lines; never empty.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__("\n".join(f"{source}, line {p.line}: {p.message}" for p in self.problems))


class Findings:
    """Problems while they are being collected; knows the line of every path.

    Attributes:
        lines: Line of each path of the file.
        problems: What was found so far.
    """

    def __init__(self, lines: dict[str, int]) -> None:
        self.lines = lines
        self.problems: list[Problem] = []

    def add(self, path: str, value: object, message: str) -> None:
        """Notes a problem at ``path``, or at its nearest parent that stands in the file."""
        shown = "" if value is None else " ".join(str(value).split())[:200]
        self.problems.append(Problem(self._line(path), path, shown, message))

    def _line(self, path: str) -> int:
        while path not in self.lines and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: the nearest known one, or all of them."""
    names = sorted(known)
    near = nearest(word, names)
    if near:
        return f"did you mean `{near}`?"
    if not names:
        return "there is none to choose from"
    *others, final = (f"`{name}`" for name in names)
    return f"it can be {', '.join(others)} or {final}" if others else f"it can be {final}"
