"""The file that `seatrial init` writes is valid as it is, and with every comment taken in."""

import re
from typing import get_args

import pytest

from seatrial.spec.errors import BadInput
from seatrial.spec.read import load_deployment
from seatrial.spec.signature import Task
from seatrial.spec.template import render


@pytest.mark.parametrize("task", [None, *get_args(Task)])
def test_valid_as_it_is(task: Task | None) -> None:
    read = load_deployment(render("iris", task))
    assert read.deployment == "iris"
    assert read.task == task
    assert read.variants["champion"].model == "models:/iris@champion"
    assert read.release is None


@pytest.mark.parametrize("task", [None, *get_args(Task)])
def test_valid_with_every_setting_taken_in(task: Task | None) -> None:
    text = render("iris", task)
    whole = re.sub(r"(?m)^#(?! [^ ])", "", text)
    assert whole != text
    read = load_deployment(whole)
    assert read.release is not None
    assert read.alerts
    assert read.fallback is not None
    assert "conversion" in read.metrics


def test_the_model_may_have_another_name() -> None:
    assert load_deployment(render("shop", model="iris")).variants["champion"].model == "models:/iris@champion"


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="`my shop` is not allowed"):
        render("my shop")
