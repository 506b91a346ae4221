"""By which features a bandit may choose, and of which kind they are."""

import pytest

from seatrial.control.chosen_by import check_chosen_by, declared
from seatrial.control.contextual import as_declared
from seatrial.releases.records import BanditRun
from seatrial.routing.snapshot import Slot
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment
from seatrial.spec.signature import Feature
from tests.harbour import signature

FILE = """\
deployment: churn
context: {country: optional string}
variants:
  champion: {model: "models:/churn/1"}
  challenger: {model: "models:/churn/2"}
outcomes: {purchase: {}}
routing:
  - name: everybody
    bandit: {arms: [champion, challenger], policy: squarecb, context: [country, KEYS],
             reward: {outcome: purchase, within: 1h}}
"""
MORE = (
    Feature(name="months", kind="integer"),
    Feature(name="plan", kind="category", categories=("s", "l")),
    Feature(name="member", kind="boolean", nullable=True),
)


def slots(*, same: bool = True) -> tuple[Slot, ...]:
    return tuple(
        Slot(
            variant=name,
            model="churn",
            version=1,
            digest="d",
            path="/p",
            runtime="onnx",
            signature=signature("classification", *(MORE if same or name == "champion" else ())),
        )
        for name in ("champion", "challenger")
    )


def file(keys: str, more: str = "") -> str:
    return FILE.replace("KEYS", keys) + more


def test_a_feature_has_the_kind_that_lines_are_learned_of() -> None:
    spec = load_deployment(file("features.months, features.plan, features.member"))
    check_chosen_by(spec, slots())
    keys = ("country", "features.months", "features.plan", "features.member")
    assert [declared(spec, slots(), key) for key in keys] == [
        "optional string",
        "integer",
        "string",
        "optional boolean",
    ]


def test_a_feature_that_some_version_does_not_take_may_be_missing() -> None:
    spec = load_deployment(file("features.months"))
    assert declared(spec, slots(same=False), "features.months") == "optional integer"
    assert declared(spec, (), "features.months") == "optional number", "no version takes it any more"
    assert declared(spec, (), "features.plan", "string") == "optional string", "the ledger still holds texts"


@pytest.mark.parametrize(
    ("keys", "more", "words"),
    [
        ("features.month", "", "no version takes such a feature; did you mean `months`?"),
        ("features.note", "", "it is of the kind text"),
        ("features.plan", "log: {redact: [features.plan]}\n", r"it is logged as a hash \(`log.redact`\)"),
        ("features.plan", "log: {features: none}\n", "it is not logged"),
        ("features.plan", "log: {features: [months]}\n", "it is not logged"),
        ("features.plan", "log: {sample: 50%}\n", "only a sample of rows"),
        ("features.plan", 'transform: {model: "models:/prepare/1"}\n', "the transform changes features"),
    ],
)
def test_what_nothing_can_be_learned_by_is_refused_in_words(keys: str, more: str, words: str) -> None:
    with pytest.raises(BadInput, match=f"the bandit of `everybody` cannot choose by `{keys}`: {words}"):
        check_chosen_by(load_deployment(file(keys, more)), slots())


def test_a_key_that_is_neither_context_nor_feature_is_refused() -> None:
    with pytest.raises(SpecError, match=r"`months` is not a declared context key; .* or write `features.months`"):
        load_deployment(file("months"))


def test_values_of_another_kind_teach_nothing_of_a_column() -> None:
    run = BanditRun(
        epoch=1,
        started_at=0,
        since=0,
        together=0,
        versions={},
        weights={},
        context={"features.months": "optional number", "features.plan": "string", "member": "boolean"},
    )
    logged = [("s", 3, 1), (None, None, None), (3, "s", True), (True, "l", False), (5.0, "s", "no")]
    assert as_declared(run.context, logged) == [
        (None, None, None),
        (None, None, None),
        (3, "s", True),
        (None, "l", False),
        (5.0, "s", None),
    ]
