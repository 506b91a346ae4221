"""What a bandit that chooses by context sees of a request: values of context keys, then of features."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.routing.snapshot import Entry

_EXACT = 2**53
FEATURE = "features."
"""Before the name of a feature, where a bandit chooses by it as by a context key."""


class Seen:
    """The values that entries choose by, in order; immutable.

    Args:
        entries: Whose.
        keys: The declared context keys, in the order of a context's values.

    Attributes:
        names: Of the values: the context keys, then the features with ``features.`` before their names.
        features: Names of the features.
    """

    __slots__ = ("_lacking", "_readers", "features", "names")

    def __init__(self, entries: Sequence[Entry], keys: Sequence[str]) -> None:
        asked: dict[str, str] = {}
        for entry in entries:
            for column in entry.by_context.columns if entry.by_context is not None else ():
                if column.key.startswith(FEATURE):
                    asked.setdefault(column.key, column.kind)
        self.names = (*keys, *asked)
        self.features = frozenset(key.removeprefix(FEATURE) for key in asked)
        self._readers = tuple((key.removeprefix(FEATURE), _READERS[kind]) for key, kind in asked.items())
        self._lacking = (None,) * len(keys)

    def values(self, context: Sequence[Any], features: Mapping[str, Any]) -> Sequence[Any]:
        """Of one request. A feature that is not of its kind counts as missing: the model will refuse the request."""
        if not self._readers:
            return context
        return (*(context or self._lacking), *(read(features.get(name)) for name, read in self._readers))


def _number(value: Any) -> float | None:
    """A finite number, and of whole ones such as a float holds exactly: JSON may carry one of any length."""
    if type(value) is int:
        return value if -_EXACT <= value <= _EXACT else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _boolean(value: Any) -> bool | None:
    return value if type(value) is bool else None


def _text(value: Any) -> str | None:
    return value if type(value) is str else None


_READERS: dict[str, Callable[[Any], Any]] = {"number": _number, "boolean": _boolean, "category": _text}
