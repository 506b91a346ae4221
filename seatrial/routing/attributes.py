"""A request's features as rules read them: as the model reads them, whatever their form in the request."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from seatrial.protocol.instants import read_instant
from seatrial.routing.rules.expression import Expression, asked_of
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Feature

Features = Mapping[str, Any]
NO_FEATURES: Features = {}


class Attributes:
    """What some rules read of a request.

    Args:
        rules: The rules.
        features: What a request may carry.
        needed: Names of those that no request may lack.
        also: Names of features that are read beside those of the rules.

    Attributes:
        features: Names of the features that are read.
        context: Names of the context keys that they speak of.
        required: Those of them that no request may lack.
    """

    __slots__ = ("_mended", "context", "features", "required")

    def __init__(
        self,
        rules: Iterable[Expression],
        features: Iterable[Feature],
        needed: Collection[str] = (),
        also: Collection[str] = (),
    ) -> None:
        rules = tuple(rules)
        self.features = frozenset(name for rule in rules for name in asked_of(rule, "features")).union(also)
        self.context = frozenset(name for rule in rules for name in asked_of(rule, "context"))
        known: dict[str, Feature] = {}
        for feature in features:
            if feature.name in self.features:
                known.setdefault(feature.name, feature)
        self.required = tuple(name for name in known if name in needed)
        self._mended = tuple(
            (name, mend) for name, feature in known.items() if (mend := _MENDS.get(feature.kind)) is not None
        )

    def read(self, features: Features) -> Features:
        """The features that rules read, and perhaps others; times as seconds since 1970 UTC, categories as text."""
        mended: dict[str, Any] | None = None
        for name, mend in self._mended:
            value = features.get(name)
            read = mend(value)
            if read is not value:
                if mended is None:  # a request's features may be many, and rules read few
                    mended = {asked: features[asked] for asked in self.features if asked in features}
                mended[name] = read
        return features if mended is None else mended

    def check(self, features: Features) -> None:
        """Raise BadInput, which names them all, for features that are read, that every version needs, and not there."""
        lacking = [name for name in self.required if features.get(name) is None]
        if not lacking:
            return
        names = " and ".join(map(repr, lacking))
        subject, it = (f"feature {names} is", "it") if len(lacking) == 1 else (f"features {names} are", "them")
        raise BadInput(f"{subject} missing, which every version needs and routing reads; give {it} in `features`")


def _seconds(value: Any) -> Any:
    """An instant as seconds; what is none stays as it is, and is no number to a rule."""
    if not isinstance(value, str):
        return value
    try:
        return read_instant(value, "a feature") / 1e6
    except BadInput:
        return value


def _text(value: Any) -> Any:
    """A category whose values are whole numbers may travel as a number."""
    return str(value) if type(value) is int else value


_MENDS: dict[str, Callable[[Any], Any]] = {"time": _seconds, "category": _text}
