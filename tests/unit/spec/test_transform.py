"""A transform in the deployment file: what is read, and what is refused in which words."""

import pytest

from seatrial.spec.deployment import GivenFeature
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment

FILE = 'deployment: a\nvariants: {champion: {model: "models:/m/1"}}\ntransform: '


def test_a_function_is_read() -> None:
    text = "{python: shop.features:look_up, trust: python, timeout: 20ms, features: {a: optional string}, gives: [b]}"
    read = load_deployment(FILE + text).transform
    assert read is not None
    assert (read.python, read.model, read.trust, read.timeout) == ("shop.features:look_up", None, "python", 0.02)
    assert (read.features, read.gives) == ({"a": GivenFeature(kind="string", optional=True)}, ("b",))


def test_a_model_is_read() -> None:
    read = load_deployment(FILE + '{model: "models:/prep@best", trust: pickle}').transform
    assert read is not None
    assert (read.model, read.timeout, read.gives) == ("models:/prep@best", 1.0, ())


REFUSED = {
    "{}": "needs exactly one of `model` or `python`",
    "{model: models:/p/1, python: 'a:b', trust: python, gives: [x]}": "keep one of `model` or `python`",
    "{python: 'a:b', gives: [x]}": "`a:b` is code that will run on your servers; write `trust: python` beside it",
    "{python: 'a:b', trust: pickle, gives: [x]}": "`a:b` is code that will run on your servers; write `trust: python`",
    "{python: 'a:b', trust: python}": "nobody knows which features `a:b` gives; add them",
    "{python: 'a/b.py', trust: python, gives: [x]}": "write `package.module:function`",
    "{python: 'a:b', trust: python, gives: [x], features: {y: embedding}}": "`y` cannot be `embedding`",
    "{model: models:/p/1, gives: [x]}": "a registered model says itself what it takes and gives; remove `gives`",
    "{model: models:/p/1, trust: python}": "`trust: python` is for a function, and this transform is a model",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_contradicts_itself_is_refused_in_one_sentence(line: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_deployment(FILE + line + "\n")
    (problem,) = caught.value.problems
    assert REFUSED[line] in problem.message
    assert problem.line == 3
