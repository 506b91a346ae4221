"""What an ensemble takes and gives, and how its runtime treats members that differ, fail, or lie."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.models.combining import majority, mean
from seatrial.models.ensemble import ensemble_digest, ensemble_signature
from seatrial.models.ensemble_runtime import EnsembleRuntime
from seatrial.models.runtimes import RuntimeFailure
from seatrial.protocol.answers import Answers
from seatrial.protocol.features import Encoder
from seatrial.routing.snapshot import Combine, Ensemble, Slot
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature, Tensor

AGE = Feature(name="age", kind="number")
PLAN = Feature(name="plan", kind="category", categories=("a", "b"))
LABELS: tuple[Any, ...] = ("no", "yes")


def signature(*inputs: Tensor, features: tuple[Feature, ...] = (AGE,), **answer: Any) -> Signature:
    given = {"prediction": "label", "scores": "p", "classes": LABELS, **answer}
    return Signature(
        task="classification" if given["classes"] else "regression",
        features=features,
        inputs=inputs or (Tensor(name="X", datatype="FP32", shape=(-1, 1), features=("age",)),),
        outputs=(Tensor(name="label", datatype="BYTES", shape=(-1,)),),
        answer=Answer(**given),
    )


def member(name: str, of: Signature, version: int = 1) -> Slot:
    return Slot(variant=name, model=name, version=version, digest=name, path="/x", runtime="onnx", signature=of)


def ensemble(*members: Slot, combine: Combine = "mean", weights: tuple[float, ...] = ()) -> Slot:
    return Slot(
        variant="both",
        model="both",
        version=0,
        digest="d",
        path="",
        runtime="ensemble",
        signature=ensemble_signature("both", members, combine),
        ensemble=Ensemble(members=members, combine=combine, weights=weights),
    )


class Member:
    """A model that gives what it was made with and remembers what it was asked."""

    def __init__(self, outputs: dict[str, Any], *, out_of_process: bool = False) -> None:
        self.outputs = outputs
        self.out_of_process = out_of_process
        self.alone = False
        self.asked: dict[str, Any] = {}
        self.failure: Exception | None = None
        self.closed = False

    def run(self, inputs: Any) -> dict[str, Any]:
        self.asked = dict(inputs)
        if self.failure is not None:
            raise self.failure
        return {name: np.array(value) for name, value in self.outputs.items()}

    def close(self) -> None:
        self.closed = True


def test_members_share_tensors_that_are_alike_and_get_their_own_where_they_differ() -> None:
    wide = Tensor(name="X", datatype="FP64", shape=(-1, 2), features=("age", "plan"))
    one, other = member("one", signature()), member("other", signature(wide, features=(AGE, PLAN)))
    slot = ensemble(one, member("twin", signature()), other)
    assert [tensor.name for tensor in slot.signature.inputs] == ["X", "X.3"]
    assert [feature.name for feature in slot.signature.features] == ["age", "plan"]
    scores = {"label": ["no"], "p": [[0.75, 0.25]]}
    models = [Member(scores), Member(scores), Member({"label": ["yes"], "p": [[0.0, 1.0]]})]
    runtime = EnsembleRuntime(slot, models)
    outputs = runtime.run(Encoder(slot.signature).encode([{"age": 2.0, "plan": "b"}]).tensors)
    assert models[0].asked["X"].tolist() == models[1].asked["X"].tolist() == [[2.0]]
    assert models[2].asked["X"].tolist() == [[2.0, 1.0]]
    assert Answers(slot.signature).read(outputs, 1).answers == [{"prediction": "no", "score": 0.5}]
    runtime.close()
    assert all(model.closed for model in models)


def test_scores_and_labels_of_members_with_another_order_of_classes_are_turned() -> None:
    turned = member("turned", signature(classes=("yes", "no"), prediction_is_index=True))
    slots = member("plain", signature()), turned
    models = [Member({"label": ["no"], "p": [[0.6, 0.4]]}), Member({"label": [0], "p": [[0.9, 0.1]]})]
    slot = ensemble(*slots)
    outputs = EnsembleRuntime(slot, models).run({"X": np.zeros((1, 1))})
    assert outputs["p"].tolist() == [[0.35, 0.65]]
    assert outputs["label"].tolist() == ["yes"]
    assert EnsembleRuntime(ensemble(*slots, combine="vote"), models).run({"X": 0})["label"].tolist() == ["no"]


@pytest.mark.parametrize(
    ("classes", "labels", "read"),
    [((0, 1), [1.0], 1), ((False, True), [1], True), (("a", "b"), ["b"], "b"), ((0, "b"), ["b"], "b")],
)
def test_labels_of_every_kind_are_counted_and_answered(classes: Any, labels: Any, read: Any) -> None:
    slots = [member(name, signature(classes=classes, scores=None)) for name in ("a", "b")]
    slot = ensemble(*slots, combine="vote")
    outputs = EnsembleRuntime(slot, [Member({"label": labels}), Member({"label": labels})]).run({"X": 0})
    assert Answers(slot.signature).read(outputs, 1).answers == [{"prediction": read}]


def test_a_member_that_fails_fails_the_ensemble_and_is_named() -> None:
    models = [Member({"label": ["no"], "p": [[1.0, 0.0]]}, out_of_process=True) for _ in range(2)]
    runtime = EnsembleRuntime(ensemble(member("one", signature()), member("two", signature(), 4)), models)
    assert runtime.out_of_process
    assert runtime.run({"X": 0})["p"].tolist() == [[1.0, 0.0]]
    models[1].failure = RuntimeFailure("out of order")
    with pytest.raises(RuntimeFailure, match=r"member `two` \(two:4\): out of order"):
        runtime.run({"X": 0})
    runtime.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        runtime.run({"X": 0})


@pytest.mark.parametrize("scores", [[[0.5, float("nan")]], [[-0.1, 1.1]]])
def test_a_member_that_gives_no_probability_fails_the_ensemble(scores: Any) -> None:
    good = Member({"label": ["no"], "p": [[1.0, 0.0]]})
    runtime = EnsembleRuntime(
        ensemble(member("one", signature()), member("two", signature())), [good, Member({"label": ["no"], "p": scores})]
    )
    with pytest.raises(RuntimeFailure, match=r"member `two`.*probability that is none"):
        runtime.run({"X": 0})


def test_a_label_that_is_no_class_fails_the_vote() -> None:
    slots = member("one", signature()), member("two", signature())
    models = [Member({"label": ["no"]}), Member({"label": ["perhaps"]})]
    with pytest.raises(RuntimeFailure, match=r"member `two`.*label 'perhaps'"):
        EnsembleRuntime(ensemble(*slots, combine="vote"), models).run({"X": 0})


REFUSED: list[tuple[Signature, Combine, str]] = [
    (signature(classes=(), scores=None), "mean", r"`a` \(a:1\), of task classification, with `b` \(b:1\), of task reg"),
    (signature(classes=("no", "maybe")), "mean", "members of an ensemble have the same classes"),
    (signature(scores=None), "mean", r"`b` \(b:1\) gives none; write `combine: vote`"),
    (signature(features=(Feature(name="age", kind="boolean"),)), "mean", "it is a number to .* and a boolean to"),
]


@pytest.mark.parametrize(("other", "combine", "words"), REFUSED)
def test_members_that_do_not_go_together_are_refused(other: Signature, combine: Combine, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        ensemble_signature("both", [member("a", signature()), member("b", other)], combine)


def test_a_vote_of_numbers_is_refused() -> None:
    numbers = signature(classes=(), scores=None)
    with pytest.raises(BadInput, match="votes on numbers"):
        ensemble_signature("both", [member("a", numbers), member("b", numbers)], "vote")


def test_categories_that_have_other_codes_are_refused_and_those_by_name_are_joined() -> None:
    other = Feature(name="plan", kind="category", categories=("b", "c"))
    coded = Tensor(name="X", datatype="FP32", shape=(-1, 1), features=("plan",))
    named = Tensor(name="X", datatype="BYTES", shape=(-1, 1), features=("plan",))
    with pytest.raises(BadInput, match="'plan' have other codes"):
        ensemble_signature(
            "both",
            [member("a", signature(coded, features=(PLAN,))), member("b", signature(coded, features=(other,)))],
            "mean",
        )
    found = ensemble_signature(
        "both",
        [member("a", signature(named, features=(PLAN,))), member("b", signature(named, features=(other,)))],
        "mean",
    )
    assert found.features[0].categories == ("a", "b", "c")
    mixed = ensemble_signature(
        "both",
        [member("a", signature(named, features=(other,))), member("b", signature(coded, features=(PLAN,)))],
        "mean",
    )
    assert mixed.features[0].categories == ("a", "b")


def test_the_features_are_as_strict_as_the_strictest_member() -> None:
    loose = Feature(name="age", kind="number", nullable=True)
    whole = Feature(name="age", kind="integer")
    found = ensemble_signature(
        "both", [member("a", signature(features=(loose,))), member("b", signature(features=(whole,)))], "mean"
    )
    assert found.features == (whole,)


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=2, max_size=6))
def test_a_majority_is_the_most_frequent_label_and_of_several_the_first_members(votes: list[list[int]]) -> None:
    found = majority([np.array(vote) for vote in votes], 4).tolist()
    for row, column in enumerate(zip(*votes, strict=True)):
        most = max(column.count(label) for label in column)
        assert found[row] == next(label for label in column if column.count(label) == most)


def test_the_mean_is_weighted_as_said_and_the_digest_knows_it() -> None:
    values = [np.array([1.0, 2.0]), np.array([3.0, 6.0])]
    assert mean(values).tolist() == [2.0, 4.0]
    assert mean(values, (0.75, 0.25)).tolist() == [1.5, 3.0]
    slots = [member("a", signature()), member("b", signature())]
    digests = {
        ensemble_digest(slots, "mean", ()),
        ensemble_digest(slots, "vote", ()),
        ensemble_digest(slots[::-1], "mean", ()),
        ensemble_digest(slots, "weights", (0.5, 0.5)),
        ensemble_digest(slots, "weights", (0.4, 0.6)),
    }
    assert len(digests) == 5
