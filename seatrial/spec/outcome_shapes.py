"""What an outcome may carry, as a deployment declares it: its fields and their kinds, or the truth of a label."""

from typing import Literal

import msgspec

from seatrial.spec.errors import BadInput
from seatrial.spec.problems import nearest

Kind = Literal["number", "integer", "string", "boolean"]


class OutcomeField(msgspec.Struct, frozen=True):
    name: str
    kind: Kind


class OutcomeShape(msgspec.Struct, frozen=True, kw_only=True):
    """One declared outcome.

    Attributes:
        fields: The fields it may carry; none: one plain value.
        label: Its value is the truth that the model predicts.
        kinds: Of a label without fields, what its value may be; none: anything.
    """

    name: str
    fields: tuple[OutcomeField, ...] = ()
    label: bool = False
    kinds: tuple[Kind, ...] = ()

    def kind(self, field: str) -> Kind:
        """The kind of a field.

        Raises:
            BadInput: The outcome has no such field.
        """
        for known in self.fields:
            if known.name == field:
                return known.kind
        raise BadInput(f"{field[:60]!r} is not a field of {self.name!r}; {self._instead(field)}")

    def _instead(self, field: str) -> str:
        names = [known.name for known in self.fields]
        near = nearest(field, names)
        if near is not None:
            return f"did you mean {near!r}?"
        return f"its fields are {', '.join(map(repr, names))}" if names else "it has none, so send one plain `value`"
