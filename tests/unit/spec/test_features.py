"""Corrections of features: what is read, and what is refused."""

import pytest

from seatrial.spec.features import load_features
from seatrial.spec.problems import SpecError


def test_read() -> None:
    text = """\
features:
  tenure: integer
  country: {kind: category, categories: [US, NO, 3, true], nullable: true}
  "with space": {nullable: false}
  picture: {kind: embedding, width: 512}
"""
    assert load_features(text) == {
        "tenure": {"kind": "integer"},
        "country": {"kind": "category", "categories": ("US", "NO", "3", "true"), "nullable": True},
        "with space": {"nullable": False},
        "picture": {"kind": "embedding", "width": 512},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("features: {a: nubmer}", "did you mean `number`"),
        ("features: {a: {kind: number, categories: [x]}}", "`a` is a number and has no `categories`"),
        ("features: {a: {kind: number, width: 3}}", "`a` is a number and has no `width`"),
        ("features: {a: {kind: number, zone: Europe/Paris}}", "`a` is a number and has no `zone`"),
        ("features: {a: {kind: time, zone: Europe/Pariss}}", "`Europe/Pariss` is not a known zone"),
        ("features: {a: {kind: category, categories: [x, x]}}", "the category `x` twice"),
        ("features: {a: {kind: category, categories: [1.5]}}", "`1.5` is not a category"),
        ("features: {a: {nulable: true}}", "did you mean `nullable`"),
        ("features: {}", "empty"),
        ("a: number", "is not a key of a features file"),
        ("- a", "write `features: {tenure: integer}`"),
    ],
)
def test_refused(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_features(text)
