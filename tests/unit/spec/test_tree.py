"""YAML 1.2 rules, and what of YAML is refused, with lines."""

import math

import pytest

from seatrial.spec.problems import SpecError
from seatrial.spec.tree import lines_of, parse, resolve


@pytest.mark.parametrize(
    "word", ["on", "off", "yes", "no", "NO", "Yes", "y", "n", "2020-01-01", "1_000", "0b11", "017a"]
)
def test_words_of_older_yaml_are_strings(word: str) -> None:
    assert parse(f"a: {word}", "f").plain == {"a": word}


@pytest.mark.parametrize("header", ["", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n"])
def test_a_version_header_changes_nothing(header: str) -> None:
    assert parse(f"{header}a: on\n", "f").plain == {"a": "on"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-12", -12),
        ("+3", 3),
        ("012", 12),
        ("0o17", 15),
        ("0xfF", 255),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("tRue", "tRue"),
        ("1.2.3", "1.2.3"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_core_schema(text: str, value: object) -> None:
    read = resolve(text)
    assert read == value
    assert type(read) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(float(resolve(".nan") or 0))


def test_quotes_make_strings() -> None:
    assert parse("a: '12'\nb: \"true\"\nc: |\n  5\n", "f").plain == {"a": "12", "b": "true", "c": "5\n"}


def test_keys_are_text_as_written() -> None:
    assert parse("1: a\ntrue: b\n'x y': c\n", "f").plain == {"1": "a", "true": "b", "x y": "c"}


def test_lines() -> None:
    text = "a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n"
    assert lines_of(parse(text, "f")) == {
        "": 1, "a": 1, "a.b": 2, "a.c": 3, "a.c[0]": 4, "a.c[1]": 5, "a.c[1].d": 5, "a.c[1].e": 6,
    }  # fmt: skip


def test_aliases_are_written_out() -> None:
    assert parse("a: &x {b: 1}\nc: *x\nd: [*x, *x]\n", "f").plain == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}] * 2}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key `a` stands twice, first in line 1"),
        ("a:\n  b: 1\n  b: 2\n", 3, "stands twice, first in line 2"),
        ("a:\n\tb: 1\n", 2, "a tab indents this line"),
        ("a: 1\n\n  b: 2\n", 3, "colon"),
        ("a: x: y\n", 1, "colon"),
        ("a: [1, 2\n", 2, "not YAML"),
        ("a: 'x\n", 2, "not YAML"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "the tag"),
        ("a: !!str 5\n", 1, "the tag"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge key"),
        ("a: *nothing\n", 1, "alias `\\*nothing`"),
        ("a: &x {b: *x}\n", 1, "alias `\\*x`"),
        ("? [a]\n: 1\n", 1, "a key is a list"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("---\n...\n", 1, "empty"),
        ("a: \x00\n", 1, "not YAML"),
        ("a: 1\nb: \x07\n", 2, "not YAML"),
        ("[" * 100, 1, "deep"),
        ("[" * 100_000, 1, "deep"),
        ("a: " + "x" * 1_000_001, 1, "more than 1000000 characters"),
    ],
)
def test_refused(text: str, line: int, words: str) -> None:
    with pytest.raises(SpecError, match=words) as caught:
        parse(text, "some.yaml")
    assert [problem.line for problem in caught.value.problems] == [line]
    assert str(caught.value).startswith(f"some.yaml, line {line}: ")


def test_aliases_cannot_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(SpecError, match="more than 20000 values"):
        parse("\n".join(lines), "f")


def test_several_problems_are_told_together() -> None:
    with pytest.raises(SpecError) as caught:
        parse("a: 1\na: 2\nb: !x 1\nb: 3\n", "f")
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4]
