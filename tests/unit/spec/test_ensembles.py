"""Ensembles in the deployment file: what is read, and what is refused in which words."""

import pytest

from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment

FILE = """\
deployment: a
variants:
  champion: {model: "models:/m/1"}
  trees: {model: "models:/t/1"}
  night: {model: "models:/m/1", lookup: {scores: s}}
  far: {remote: {url: "http://h/s", answer: $.a}}
"""


def refusal(line: str, more: str = "") -> str:
    with pytest.raises(SpecError) as caught:
        load_deployment(FILE + f"  both: {line}\n" + more)
    (problem,) = caught.value.problems
    assert problem.line >= 6
    return problem.message


def test_an_ensemble_is_read() -> None:
    text = "  both: {ensemble: [champion, trees], combine: weights, weights: {champion: 70%, trees: 30%}}\n"
    read = load_deployment(FILE + text).variants["both"]
    assert (read.model, read.ensemble, read.combine) == (None, ("champion", "trees"), "weights")
    assert read.weights == {"champion": 0.7, "trees": 0.3}
    assert load_deployment(FILE + "  both: {ensemble: [champion, trees]}\n").variants["both"].combine == "mean"


REFUSED = {
    "{}": "needs exactly one of `model` or `remote` or `popular` or `ensemble`",
    '{model: "models:/m/1", ensemble: [champion, trees]}': "keep one of `model`",
    "{ensemble: [champion]}": "at least 2",
    "{ensemble: [champion, treees]}": "`treees` is not a declared variant; did you mean `trees`",
    "{ensemble: [champion, champion]}": "`champion` is a member of `both` twice",
    "{ensemble: [champion, both]}": "`both` is an ensemble, and members are models",
    "{ensemble: [champion, night]}": "`night` looks its answers up, and members compute theirs",
    "{ensemble: [champion, far]}": "`far` is a server of its own, and members are models",
    "{ensemble: [champion, trees], combine: median}": "`combine` cannot be `median`",
    "{ensemble: [champion, trees], combine: weights}": "`combine: weights` needs `weights`",
    "{ensemble: [champion, trees], weights: {champion: 50%, trees: 50%}}": "write `combine: weights`",
    "{ensemble: [champion, trees], combine: weights, weights: {champion: 70%, trees: 20%}}": "add up to 90%",
    "{ensemble: [champion, trees], combine: weights, weights: {champion: 100%}}": "the member `trees` has no weight",
    "{ensemble: [champion, trees], runtime: onnx}": "whose members have runtimes of their own",
    '{model: "models:/m/1", combine: vote}': "`combine` is of an ensemble, and `both` is one model",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_contradicts_itself_is_refused_in_one_sentence(line: str) -> None:
    assert REFUSED[line] in refusal(line)


def test_a_vote_of_numbers_is_refused() -> None:
    assert "a vote is of labels" in refusal("{ensemble: [champion, trees], combine: vote}", "task: regression\n")


def test_a_weight_of_nobody_is_refused() -> None:
    line = "{ensemble: [champion, trees], combine: weights, weights: {champion: 50%, tree: 20%, trees: 30%}}"
    assert "`tree` has a weight and is no member; did you mean `trees`" in refusal(line)
