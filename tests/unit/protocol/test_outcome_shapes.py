"""An outcome that does not fit what is declared is refused: kept, it would count for nothing."""

from typing import Any

import msgspec
import pytest

from seatrial.protocol.outcome_shapes import check_shape, label_kinds
from seatrial.protocol.outcomes import read_outcomes
from seatrial.spec.errors import BadInput
from seatrial.spec.outcome_shapes import Kind, OutcomeField, OutcomeShape
from tests.gateways import BINARY

FIELDS = (
    OutcomeField("amount", "number"),
    OutcomeField("visits", "integer"),
    OutcomeField("note", "string"),
    OutcomeField("gift", "boolean"),
)
FOLLOWED = OutcomeShape(name="followed", fields=FIELDS)
CLICKED = OutcomeShape(name="clicked")


def label(*kinds: Kind) -> OutcomeShape:
    return OutcomeShape(name="churned", label=True, kinds=kinds)


def check(shape: OutcomeShape, **said: Any) -> None:
    (given,) = read_outcomes(msgspec.json.encode({"outcome": shape.name, "unit": "u", **said}))
    check_shape(given, shape)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (FOLLOWED, {"fields": {"amount": 7, "visits": 3.0, "note": "x", "gift": True}}),
        (FOLLOWED, {"fields": {"amount": None}}),
        (FOLLOWED, {}),
        (FOLLOWED, {"value": None}),
        (CLICKED, {}),
        (CLICKED, {"value": "gold"}),
        (CLICKED, {"value": 1.5}),
        (label("number"), {"value": 7}),
        (label("number"), {"value": None}),
        (label("string"), {"value": "a class that no version knows"}),
        (label("boolean"), {"value": False}),
        (label("number", "string"), {"value": "x"}),
        (label(), {"value": True}),
    ],
)
def test_what_fits_is_taken(shape: OutcomeShape, said: dict[str, Any]) -> None:
    check(shape, **said)


@pytest.mark.parametrize(
    ("shape", "said", "words"),
    [
        (FOLLOWED, {"fields": {"visist": 7}}, "'visist' is not a field of 'followed'; did you mean 'visits'"),
        (FOLLOWED, {"fields": {"q": 7}}, "its fields are 'amount', 'visits', 'note', 'gift'"),
        (FOLLOWED, {"value": None, "fields": {"q": 7}}, "'q' is not a field"),
        (
            FOLLOWED,
            {"fields": {"amount": "7"}},
            "field 'amount' of 'followed': expected a number, got the string",
        ),
        (FOLLOWED, {"fields": {"amount": True}}, "expected a number, got true"),
        (FOLLOWED, {"fields": {"visits": 1.5}}, "field 'visits' of 'followed': expected a whole number, got 1.5"),
        (FOLLOWED, {"fields": {"note": 3}}, "expected a string, got 3"),
        (FOLLOWED, {"fields": {"gift": 1}}, "expected true or false, got 1"),
        (FOLLOWED, {"value": 7}, "'followed' has fields and no plain value, got 7"),
        (CLICKED, {"fields": {"amount": 7}}, "'amount' is not a field of 'clicked'; it has none"),
        (label("number"), {}, "'churned' is a label and says no truth; send it as `value`"),
        (label("number"), {"value": True}, "label 'churned': expected a number, as the model answers, got true"),
        (label("string"), {"value": 1}, "expected a string, as the model answers, got 1"),
        (label("number", "string"), {"value": True}, "expected a number or a string, as the model answers, got true"),
        (OutcomeShape(name="churned", label=True, fields=FIELDS), {}, "send its `fields`"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(shape: OutcomeShape, said: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        check(shape, **said)


def test_the_truth_has_the_kind_of_what_the_versions_answer() -> None:
    def classes(*found: str | int | bool) -> tuple[Kind, ...]:
        answer = msgspec.structs.replace(BINARY.answer, classes=found)
        return label_kinds([msgspec.structs.replace(BINARY, answer=answer)])

    assert classes(0, 1) == ("number",)
    assert classes("no", "yes") == ("string",)
    assert classes(False, True) == ("boolean",)
    assert classes() == ()
    assert label_kinds([msgspec.structs.replace(BINARY, task="regression"), BINARY]) == ("number",)
    assert label_kinds([msgspec.structs.replace(BINARY, task="raw")]) == ()
