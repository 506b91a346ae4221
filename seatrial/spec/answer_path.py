"""Where in a JSON document an answer stands: a small part of JSONPath (RFC 9535) without filters or searches.

``$.predictions[0].label``, ``$['churn score']``, ``$``; and ``[*]`` once, for one value a row (``$.rows[*].score``).
"""

import re
from typing import Any

from seatrial.spec.errors import BadInput
from seatrial.spec.units import show

EACH = "*"
"""The step of every element of a list; a tuple around it keeps it apart from a key of that name."""

Step = str | int | tuple[str]
Path = tuple[Step, ...]

FORMS = "write `$.name`, `$['a name']`, `[0]`, and `[*]` once for one value a row"
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_-]*)|\['([^'\n]+)'\]|\[(0|[1-9][0-9]{0,5})\]|(\[\*\])")


class NotThere(Exception):
    """A document has nothing at a path; the message says what is there instead."""


def parse_path(text: str) -> Path:
    """The steps of a path. Raises BadInput."""
    if not text.startswith("$"):
        raise BadInput(f"{show(text)} is not a path into the answer: {FORMS}")
    steps: list[Step] = []
    position = 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise BadInput(f"{show(text)} cannot be read from {show(text[position:])} on: {FORMS}")
        name, quoted, index, each = found.groups()
        steps.append((EACH,) if each else int(index) if index is not None else name or quoted)
        position = found.end()
    if steps.count((EACH,)) > 1:
        raise BadInput(f"{show(text)} has `[*]` more than once; it stands for the rows, so it stands once")
    return tuple(steps)


def of_each_row(path: Path) -> bool:
    """Whether a path leads to one value a row."""
    return (EACH,) in path


def find(document: Any, path: Path) -> Any:
    """What stands at a path; a list of one value a row where it has ``[*]``. Raises NotThere."""
    here = document
    for position, step in enumerate(path):
        if isinstance(step, tuple):
            if not isinstance(here, list):
                raise NotThere(f"{_kind(here)} where a list of rows is expected")
            return [find(item, path[position + 1 :]) for item in here]
        if isinstance(step, int):
            if not isinstance(here, list) or step >= len(here):
                raise NotThere(f"no element {step} in {_kind(here)}")
            here = here[step]
        else:
            if not isinstance(here, dict) or step not in here:
                raise NotThere(f"no {show(step)} in {_kind(here)}")
            here = here[step]
    return here


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object of {', '.join(map(show, list(value)[:5])) or 'nothing'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return show(value) if not isinstance(value, str) else f"a string of {len(value)}"
