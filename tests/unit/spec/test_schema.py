# ruff: noqa: E501
"""The JSON Schema accepts exactly the shapes that the reader accepts."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from seatrial.spec.features import FEATURES_FILE
from seatrial.spec.features import json_schema as features_schema
from seatrial.spec.grammar.whole import DEPLOYMENT
from seatrial.spec.problems import Findings, Problem, SpecError
from seatrial.spec.read import load_deployment
from seatrial.spec.schema import json_schema
from seatrial.spec.shapes import Record
from seatrial.spec.tree import lines_of, parse

SCHEMA = Draft202012Validator(json_schema())

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 5.0, 0.5, 1e16, "", "x", "5%", "0%", "100%", "101%", "0.0%", "50ms", "0s", "7d", "all", "none",
    "off", "context.a", "models:/m/1", "models:/m@a", "json://h/x", "features.e", "string", "optional string", [], ["x"], [1],
    {}, {"relative": "2%"}, {"absolute": 0.5}, {"absolute": "5ms"}, {"x": {}}, {"prediction": 1}, "a b", "a\n", "ü", "1",
    {"label": True}, {"shadow": {}}, [{"shadow": {}}], [{"test": {}}], "shadow", "mean", {"name": "a", "to": "b"},
]  # fmt: skip


def shape_is_accepted(record: Record, text: str) -> bool:
    root = parse(text, "f")
    found = Findings(lines_of(root))
    record.read(root, "", found)
    return not found.problems


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        load_deployment(text)
    except SpecError as error:
        return error.problems
    return ()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())
    Draft202012Validator.check_schema(features_schema())


def test_every_key_is_described() -> None:
    def described(schema: dict[str, Any]) -> Iterator[bool]:
        for value in schema.get("properties", {}).values():
            yield bool(value.get("description"))
            yield from described(value)

    assert all(described(json_schema()))


def test_full_file_validates(full_text: str) -> None:
    assert not list(SCHEMA.iter_errors(parse(full_text, "f").plain))


def paths(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a plain tree."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(items):
        yield value, key
        yield from paths(child)


@pytest.fixture(scope="module")
def full_tree(full_text: str) -> Any:
    return parse(full_text, "f").plain


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_schema_and_reader_agree_on_edited_files(full_tree: Any, data: st.DataObject) -> None:
    tree = copy.deepcopy(full_tree)
    for _ in range(data.draw(st.integers(1, 2))):
        places = list(paths(tree))
        container, key = places[data.draw(st.integers(0, len(places) - 1))]
        edit = data.draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if edit == "replace":
            container[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        elif edit == "remove":
            del container[key]
        elif isinstance(container, dict):
            container[data.draw(st.sampled_from(["x", "when", "a b", "name", "relative", "absolute", "to"]))] = "5%"
    text = json.dumps(tree, ensure_ascii=False)
    assert parse(text, "f").plain == tree
    assert shape_is_accepted(DEPLOYMENT, text) == SCHEMA.is_valid(tree), text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_edits_of_the_text_raise_nothing_but_spec_errors(full_text: str, data: st.DataObject) -> None:
    text = full_text
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        odd = st.sampled_from(
            ["\t", "\n", ": ", "- ", "{", "}", "[", "]", "&a ", "*a", "!", "|", ">", "'", '"', "#", "%", "<<: ", "? "]
        )
        text = text[:start] + data.draw(odd | st.text(max_size=4)) + text[end:]
    problems = problems_of(text)
    assert all(1 <= problem.line <= text.count("\n") + 2 and problem.message for problem in problems)
    if not problems:
        assert SCHEMA.is_valid(parse(text, "f").plain)


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_any_text_raises_nothing_but_spec_errors(text: str) -> None:
    with pytest.raises(SpecError):
        load_deployment(text)


@settings(max_examples=150, deadline=None)
@given(
    features=st.dictionaries(
        st.sampled_from(["a", "b c", "", "x" * 201]),
        st.sampled_from(["number", "numbr", None, {}, {"kind": "category"}, {"categories": [1, "a", True]}])
        | st.fixed_dictionaries(
            {}, optional={k: st.sampled_from(ODD) for k in ("kind", "nullable", "categories", "width", "odd")}
        ),
        max_size=2,
    )
)
def test_features_schema_and_reader_agree(features: dict[str, Any]) -> None:
    tree = {"features": features}
    assert shape_is_accepted(FEATURES_FILE, json.dumps(tree)) == Draft202012Validator(features_schema()).is_valid(tree)


def test_numbers_that_json_cannot_write_are_refused(full_text: str) -> None:
    for odd in (".inf", "-.inf", ".nan"):
        with pytest.raises(SpecError):
            load_deployment(full_text.replace("cap: 5000", f"cap: {odd}"))
    assert math.isinf(float(parse("a: .inf", "f").plain["a"]))
