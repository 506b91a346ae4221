"""Whether an outcome fits what its deployment declares.

The gateway and the import hold outcomes to it, because what does not fit would be kept and count for nothing.
"""

from collections.abc import Sequence

from seatrial.protocol.features import describe
from seatrial.protocol.outcomes import OutcomeGiven
from seatrial.spec.errors import BadInput
from seatrial.spec.outcome_shapes import Kind, OutcomeShape
from seatrial.spec.signature import Signature

EXPECTED = {"number": "a number", "integer": "a whole number", "string": "a string", "boolean": "true or false"}


def label_kinds(signatures: Sequence[Signature]) -> tuple[Kind, ...]:
    """What the truth of what these versions predict may be; none: anything."""
    found: dict[Kind, None] = {}
    for signature in signatures:
        if signature.task == "regression":
            found["number"] = None
        elif signature.task == "classification":
            found |= {_kind_of(label): None for label in signature.answer.classes}
    return tuple(found)


def _kind_of(label: str | int | bool) -> Kind:
    if isinstance(label, bool):
        return "boolean"
    return "string" if isinstance(label, str) else "number"


def check_shape(given: OutcomeGiven, shape: OutcomeShape) -> None:
    """Hold an outcome to what is declared; a label's value may be a class that no version knows.

    Raises:
        BadInput: A field that is not declared or of another kind, a value where there are fields, a label without its
            value or of another kind.
    """
    for name, value in given.fields.items():
        kind = shape.kind(name)
        if value is not None and not _fits(value, kind):
            expected = EXPECTED[kind]
            raise BadInput(f"field {name!r} of {shape.name!r}: expected {expected}, got {describe(value)}")
    if given.withdrawn:
        return
    if shape.fields:
        _check_fields(given, shape)
    elif shape.label:
        _check_label(given, shape)


def _check_fields(given: OutcomeGiven, shape: OutcomeShape) -> None:
    if given.value is not None:
        first = shape.fields[0].name
        raise BadInput(
            f"{shape.name!r} has fields and no plain value, got {describe(given.value)}; send it as `fields`, "
            f'like {{"{first}": …}}'
        )
    if shape.label and not given.fields:
        raise BadInput(f"{shape.name!r} is a label and says no truth; send its `fields`")


def _check_label(given: OutcomeGiven, shape: OutcomeShape) -> None:
    if given.value is None:
        raise BadInput(f"{shape.name!r} is a label and says no truth; send it as `value`, or null to withdraw it")
    if shape.kinds and not any(_fits(given.value, kind) for kind in shape.kinds):
        expected = " or ".join(EXPECTED[kind] for kind in shape.kinds)
        raise BadInput(f"label {shape.name!r}: expected {expected}, as the model answers, got {describe(given.value)}")


def _fits(value: float | int | bool | str, kind: Kind) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, str):
        return kind == "string"
    return kind == "number" or (kind == "integer" and float(value).is_integer())
