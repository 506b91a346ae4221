from typing import Any

import numpy as np
import pytest

from seatrial.protocol.answers import Answers, UnreadableAnswer
from seatrial.spec.signature import Answer, Label, Signature, Task, Tensor


def signature(task: Task, answer: Answer, *outputs: tuple[str, Any]) -> Signature:
    tensors = tuple(Tensor(name=name, datatype=datatype, shape=(-1,)) for name, datatype in outputs)
    return Signature(task=task, features=(), inputs=(), outputs=tensors, answer=answer)


def classifier(*classes: Label, index: bool = False, scores: str | None = "p", datatype: str = "INT64") -> Answers:
    answer = Answer(prediction="y", scores=scores, classes=classes, prediction_is_index=index)
    return Answers(signature("classification", answer, ("y", datatype), ("p", "FP32")))


def test_two_classes_score_the_second() -> None:
    answers = classifier(0, 1)
    read = answers.read({"y": np.array([1, 0]), "p": np.array([[0.25, 0.75], [0.5, 0.5]])}, 2)
    assert read.answers == [{"prediction": 1, "score": 0.75}, {"prediction": 0, "score": 0.5}]
    assert read.predictions == [(1, 0.75), (0, 0.5)]
    assert answers.columns == (("label", "integer"), ("score", "number"))


def test_many_classes_score_each() -> None:
    answers = classifier("a", "b", "c", index=True)
    read = answers.read({"y": np.array([[2]]), "p": np.array([[0.25, 0.25, 0.5]])}, 1)
    assert read.answers == [{"prediction": "c", "scores": {"a": 0.25, "b": 0.25, "c": 0.5}}]
    assert read.predictions == [("c", 0.25, 0.25, 0.5)]
    assert [name for name, _ in answers.columns] == ["label", "score.a", "score.b", "score.c"]


def test_more_than_a_hundred_classes_are_logged_by_label_only() -> None:
    answers = classifier(*range(101))
    read = answers.read({"y": np.array([7]), "p": np.full((1, 101), 1 / 101)}, 1)
    assert answers.columns == (("label", "integer"),)
    assert read.predictions == [(7,)]
    assert len(read.answers[0]["scores"]) == 101


@pytest.mark.parametrize(
    ("classes", "datatype", "raw", "label", "column"),
    [
        ((False, True), "INT64", np.array([1]), True, "boolean"),
        ((False, True), "BOOL", np.array([True]), True, "boolean"),
        (("no", "yes"), "BYTES", np.array(["yes"], dtype=object), "yes", "string"),
        ((0, 1), "FP32", np.array([1.0]), 1, "integer"),
        ((0, "x"), "BYTES", np.array([0], dtype=object), "0", "string"),
        ((), "BYTES", np.array(["z"], dtype=object), "z", "string"),
    ],
)
def test_labels_come_as_they_were_learned(
    classes: tuple[Label, ...], datatype: str, raw: Any, label: Label, column: str
) -> None:
    answers = classifier(*classes, scores=None, datatype=datatype)
    (answer,) = answers.read({"y": raw}, 1).answers
    assert answer == {"prediction": label}
    assert type(answer["prediction"]) is type(label)
    assert answers.columns == (("label", column),)


def test_regression_flat_or_as_a_column() -> None:
    answers = Answers(signature("regression", Answer(prediction="y"), ("y", "FP32")))
    for values in (np.array([1.5, -2.0]), np.array([[1.5], [-2.0]])):
        read = answers.read({"y": values}, 2)
        assert read.answers == [{"prediction": 1.5}, {"prediction": -2.0}]
        assert read.predictions == [(1.5,), (-2.0,)]


def test_ranking_best_first() -> None:
    named = Answers(signature("ranking", Answer(prediction="i", scores="s"), ("i", "BYTES"), ("s", "FP32")))
    outputs = {"i": np.array([["a", "b"]], dtype=object), "s": np.array([[0.5, 0.75]])}
    assert named.read(outputs, 1).answers == [
        {"prediction": [{"item": "b", "score": 0.75}, {"item": "a", "score": 0.5}]}
    ]
    fixed = Answers(signature("ranking", Answer(prediction="s", classes=("a", "b")), ("s", "FP32")))
    read = fixed.read({"s": np.array([[0.5, 0.75]])}, 1)
    assert read.answers[0]["prediction"][0] == {"item": "b", "score": 0.75}
    assert read.predictions == [('[{"item":"b","score":0.75},{"item":"a","score":0.5}]',)]


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_ranking_with_a_score_that_is_no_number_is_no_answer(score: float) -> None:
    answers = Answers(signature("ranking", Answer(prediction="i", scores="s"), ("i", "BYTES"), ("s", "FP32")))
    with pytest.raises(UnreadableAnswer, match="a score that is not a number"):
        answers.read({"i": np.array([["a", "b"]], dtype=object), "s": np.array([[0.5, score]])}, 1)


def test_raw_as_the_model_gave_it() -> None:
    one = Answers(signature("raw", Answer(prediction=""), ("o", "FP32")))
    assert one.read({"o": np.array([[1.0, 2.0]])}, 1).answers == [{"prediction": [1.0, 2.0]}]
    two = Answers(signature("raw", Answer(prediction=""), ("o", "FP32"), ("q", "INT64")))
    read = two.read({"o": np.array([[1.0]]), "q": np.array([3])}, 1)
    assert read.answers == [{"prediction": {"o": [1.0], "q": 3}}]


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"y": np.array([0, 1]), "p": np.array([[0.5, 0.5]])},
        {"y": np.array([0]), "p": np.array([[0.5, 0.25, 0.25]])},
        {"y": np.array([0]), "p": np.array([[np.nan, np.nan]])},
        {"y": np.array([0]), "p": np.array([[-0.5, 1.5]])},
        {"y": np.array(0), "p": np.array(0.5)},
    ],
)
def test_outputs_that_are_no_answer(outputs: dict[str, Any]) -> None:
    with pytest.raises(UnreadableAnswer):
        classifier(0, 1).read(outputs, 1)


def test_a_position_outside_the_classes_and_a_number_that_is_none() -> None:
    with pytest.raises(UnreadableAnswer, match="position"):
        classifier("a", "b", index=True, scores=None).read({"y": np.array([-1])}, 1)
    answers = Answers(signature("regression", Answer(prediction="y"), ("y", "FP32")))
    with pytest.raises(UnreadableAnswer, match="inf"):
        answers.read({"y": np.array([np.inf])}, 1)


def test_keep_what_fits_the_columns() -> None:
    two = classifier(0, 1)
    assert two.keep({"prediction": 0, "score": 0.25}) == (0, 0.25)
    assert two.keep({"prediction": 0}) == (0, None)
    assert two.keep({"prediction": "zero"}) is None
    assert two.keep({"prediction": 0, "score": "high"}) is None
    three = classifier("a", "b", "c")
    assert three.keep({"prediction": "a", "scores": {"a": 1.0}}) == ("a", 1.0, None, None)
    raw = Answers(signature("raw", Answer(prediction=""), ("o", "FP32")))
    assert raw.keep({"prediction": [1, 2]}) == ("[1,2]",)
