"""A transform is pinned like a variant, and feeds what the versions take; what nobody takes is refused."""

import msgspec
import pytest

from seatrial.control.perform import Who, promote, rollback, unload_previous
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature, Tensor
from tests.harbour import PLAIN, RELEASE, Harbour, signature

FUNCTION = "transform: {python: 'shop:look_up', trust: python, features: {shop: string}, gives: [tenure]}\n"
MODEL = 'transform: {model: "models:/prep@best"}\n'


def prep(*outputs: Tensor, takes: str = "joined") -> Signature:
    return Signature(
        task="raw",
        features=(Feature(name=takes, kind="number"),),
        inputs=(Tensor(name="raw", datatype="FP32", shape=(-1, 1), features=(takes,)),),
        outputs=outputs or (Tensor(name="tenure", datatype="FP32", shape=(-1, 1)),),
        answer=Answer(prediction="tenure"),
    )


@pytest.fixture
def fleet(harbour: Harbour) -> Harbour:
    for version in (8, 9):
        harbour.registry.add("prep", version, signature=prep())
    harbour.registry.named["prep"] = {"best": 8}
    return harbour


def carried(harbour: Harbour) -> list[str]:
    transform = harbour.serving.transform
    assert transform is not None
    return [feature.name for feature in transform.signature.features]


def test_a_model_is_pinned_and_requests_carry_what_it_takes_and_what_it_does_not_give(fleet: Harbour) -> None:
    applied = fleet.apply(PLAIN + MODEL)
    transform = fleet.serving.transform
    assert transform is not None
    assert transform.slot is not None
    assert transform.slot.model_version == "prep:8"
    assert (transform.takes, transform.gives) == (("joined",), {"tenure": ("tenure",)})
    assert carried(fleet) == ["joined", "note"]
    assert [tensor.name for tensor in transform.signature.inputs] == ["raw", "note"]
    assert applied.published
    fleet.registry.named["prep"]["best"] = 9
    assert fleet.apply(PLAIN + MODEL).changes == ()
    assert (
        "`transform.model`: models:/prep@best → models:/prep/9."
        in fleet.apply(PLAIN + MODEL.replace("@best", "/9")).changes
    )
    assert "`transform` is removed" in str(fleet.apply(PLAIN).changes)
    assert fleet.serving.transform is None


def test_a_transform_stays_through_a_promotion(fleet: Harbour) -> None:
    fleet.apply(RELEASE + MODEL)
    promote(fleet.site, "churn", Who("ada", "because"))
    transform = fleet.serving.transform
    assert transform is not None
    assert transform.slot is not None
    assert transform.slot.model_version == "prep:8"


def test_a_function_gives_what_the_file_says(harbour: Harbour) -> None:
    harbour.apply(PLAIN + FUNCTION)
    transform = harbour.serving.transform
    assert transform is not None
    assert (transform.slot, transform.python, transform.takes) == (None, "shop:look_up", ("shop",))
    assert transform.gives == {"tenure": ("tenure",)}
    assert carried(harbour) == ["shop", "note"]


def test_what_no_version_takes_is_refused(fleet: Harbour) -> None:
    with pytest.raises(
        BadInput, match=r"`transform.gives` names 'age', which no version takes; the features are tenure"
    ):
        fleet.apply(PLAIN + FUNCTION.replace("[tenure]", "[age]"))
    fleet.registry.add("prep", 8, signature=prep(Tensor(name="out", datatype="FP32", shape=(-1, 2))))
    with pytest.raises(BadInput, match="the transform prep:8 gives out, and no version takes a feature or a tensor"):
        fleet.apply(PLAIN + MODEL)


def test_an_output_fills_the_tensor_of_its_name(fleet: Harbour) -> None:
    fleet.registry.add("prep", 8, signature=prep(Tensor(name="in", datatype="FP32", shape=(-1, 1))))
    fleet.apply(PLAIN + MODEL)
    assert fleet.serving.transform is not None
    assert fleet.serving.transform.gives == {"in": ("tenure",)}


def test_an_output_of_several_columns_is_no_single_number(fleet: Harbour) -> None:
    fleet.registry.add("prep", 8, signature=prep(Tensor(name="tenure", datatype="FP32", shape=(-1, 4))))
    with pytest.raises(BadInput, match="gives 'tenure' in 4 columns, and the versions take a number"):
        fleet.apply(PLAIN + MODEL)


def test_a_feature_of_two_forms_is_refused(fleet: Harbour) -> None:
    fleet.registry.add("prep", 8, signature=prep(takes="note"))
    with pytest.raises(BadInput, match="'note' is a number to the transform and a text to `champion`"):
        fleet.apply(PLAIN + MODEL)


def test_a_feature_that_both_take_is_as_strict_as_both(fleet: Harbour) -> None:
    fleet.registry.add("churn", 1, signature=signature("classification", Feature(name="shop", kind="text")))
    fleet.apply(PLAIN + FUNCTION.replace("shop: string", "shop: optional string"))
    transform = fleet.serving.transform
    assert transform is not None
    assert {f.name: f.nullable for f in transform.signature.features} == {"shop": False, "note": True}


def test_a_pickle_needs_trust(fleet: Harbour) -> None:
    fleet.registry.add("prep", 8, signature=prep(), trust="pickle", runtime="python", format="joblib")
    with pytest.raises(BadInput, match="write `trust: pickle` at variant `transform`"):
        fleet.apply(PLAIN + MODEL)
    fleet.apply(PLAIN + MODEL.replace("}", ", trust: pickle}"))
    with pytest.raises(BadInput, match="write `trust: pickle` at variant `transform`"):
        fleet.apply(PLAIN + MODEL)


AGE = Feature(name="age", kind="number", nullable=True)


@pytest.fixture
def newer(fleet: Harbour) -> Harbour:
    """Only the challenger takes `age`."""
    fleet.registry.add("churn", 2, signature=signature("classification", AGE))
    return fleet


def test_a_model_that_gives_what_only_the_version_rolled_back_took_gives_in_vain(newer: Harbour) -> None:
    newer.registry.add("prep", 8, signature=prep(Tensor(name="age", datatype="FP32", shape=(-1, 1))))
    newer.apply(RELEASE + MODEL)
    assert newer.serving.transform is not None
    assert newer.serving.transform.gives == {"age": ("age",)}
    rollback(newer.site, "churn", Who("ada", "it is worse"))
    assert newer.serving.transform is not None
    assert newer.serving.transform.gives == {}
    assert carried(newer) == ["joined", "tenure", "note"]


def test_a_log_that_names_what_only_the_version_rolled_back_took_hinders_no_rollback(newer: Harbour) -> None:
    newer.apply(RELEASE + "log: {features: [features.tenure, features.age], redact: [features.age]}\n")
    assert (newer.serving.log.features, newer.serving.log.redact) == (("tenure", "age"), ("age",))
    rollback(newer.site, "churn", Who("ada", "it is worse"))
    assert (newer.serving.log.features, newer.serving.log.redact) == (("tenure",), ())
    assert (
        newer.apply(RELEASE + "log: {features: [features.tenure, features.age], redact: [features.age]}\n").changes
        == ()
    )


def test_a_feature_that_a_challenger_takes_in_another_form_is_refused_before_it_can_take_command(
    fleet: Harbour,
) -> None:
    note = Feature(name="joined", kind="text", nullable=True)
    fleet.registry.add("churn", 2, signature=signature("classification", note))
    with pytest.raises(BadInput, match="'joined' is a number to the transform and a text to `challenger`"):
        fleet.apply(RELEASE + MODEL)


def test_a_transform_whose_last_taker_was_forgotten_hinders_nobody(fleet: Harbour) -> None:
    """`tenure` is what the old champion alone took; a day after the promotion it is not loaded any more."""
    bare = msgspec.structs.replace(signature(), features=signature().features[1:], inputs=())
    fleet.registry.add("churn", 2, signature=bare)
    fleet.apply(RELEASE + MODEL)
    promote(fleet.site, "churn", Who("ada", "because"))
    fleet.clock.forward(days=2)
    unload_previous(fleet.site, "churn", Who("seatrial", "the rollback window is over"))
    assert fleet.serving.transform is not None
    assert fleet.serving.transform.gives == {}
