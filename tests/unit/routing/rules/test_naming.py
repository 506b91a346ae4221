"""What rules may speak of: from a model, or guessed from the rules themselves."""

import msgspec
import pytest

from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.conditions import check_conditions, check_typed, conditions, load_checked
from seatrial.routing.rules.evaluating import Request, RuleFailure, evaluate
from seatrial.routing.rules.expression import Expression
from seatrial.routing.rules.naming import guessed_names, names_of
from seatrial.routing.rules.showing import show
from seatrial.spec.deployment import ContextField
from seatrial.spec.errors import BadInput
from seatrial.spec.problems import SpecError
from seatrial.spec.signature import Feature

CONTEXT = {"country": ContextField(kind="string"), "age": ContextField(kind="integer")}


def test_kinds_of_a_model() -> None:
    kinds = {"number": "double", "integer": "int", "boolean": "bool", "time": "double", "category": "string"}
    features = [Feature(name=kind, kind=kind) for kind in kinds]  # type: ignore[arg-type]
    names = names_of([*features, Feature(name="list", kind="embedding")], CONTEXT)
    assert names.features == kinds
    assert names.unreadable == {"list"}
    assert names.context == {"country": "string", "age": "int"}


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (["features.x > 3"], "double"),
        (['features.x == "a"'], "string"),
        (['features.x in ["a"]'], "string"),
        (["features.x in [1, 2]"], "double"),
        (["features.x"], "bool"),
        (["!features.x && true"], "bool"),
        (["features.x == true"], "bool"),
        (["features.x % 2 == 0"], "int"),
        (["-features.x < 1.0"], "double"),
        (['features.x + "b" == "ab"'], "string"),
        (["size(features.x) > 3"], "string"),
        (['features.x.startsWith("a")'], "string"),
        (["has(features.x)"], "double"),
        (["features.x == context.country"], "string"),
        (["features.x == features.y", 'features.y == "a"'], "string"),
    ],
)
def test_kinds_guessed_from_the_rules(rules: list[str], kind: str) -> None:
    assert dict(guessed_names(rules, CONTEXT).features or {})["x"] == kind


FILE = """\
deployment: churn
context: {country: string}
variants: {champion: {model: "models:/churn@champion"}}
routing:
  - name: us
    when: %s
    to: champion
  - {name: everybody, to: champion}
"""


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ('context.city == "X"', "`context.city` is no declared context key; there are: country"),
        ("context.country > 3", "they cannot be compared"),
        ("features.x ==", "cannot be read from `==` on (line 1, column 12)"),
        ('features.x == "a" && features.x > 3', "they cannot be compared"),
        ('features.x.matches("(")', "is none that RE2 takes"),
        ('features.x.matches("a(?=b)")', "is none that RE2 takes"),
    ],
)
def test_what_no_model_could_mend_is_refused_with_its_line(rule: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        load_checked(FILE % repr(rule), "f.yaml")
    assert message in str(raised.value)
    assert str(raised.value).startswith("f.yaml, line 6: `us`: ")


def test_a_rule_of_100_kilobytes_is_refused() -> None:
    rule = "'" + " || ".join(["features.x > 1"] * 6000) + "'"
    with pytest.raises(SpecError, match="at most 10000 characters") as raised:
        load_checked(FILE % rule, "f.yaml")
    assert len(str(raised.value)) < 300


def test_rules_are_read_where_the_versions_are_known() -> None:
    spec = load_checked(FILE % "'features.x > 3'")
    assert list(conditions(spec, names_of([Feature(name="x", kind="integer")], spec.context))) == ["us"]
    check_typed(conditions(spec, names_of([Feature(name="x", kind="integer")], spec.context)))
    with pytest.raises(BadInput, match=r"routing entry `us`: `features.x` is no feature; there are: y"):
        check_typed(conditions(spec, names_of([Feature(name="y", kind="integer")], spec.context)))
    with pytest.raises(BadInput, match=r"routing entry `us`: .* cannot be compared"):
        check_typed(conditions(spec, names_of([Feature(name="x", kind="category")], spec.context)))


def test_a_rule_that_goes_with_no_version_always_fails() -> None:
    spec = load_checked(FILE % "'features.x > 3 || unit == \"ann\"'")
    node = conditions(spec, names_of([Feature(name="y", kind="integer")], spec.context))["us"]
    rule = compile_rule(node)
    for features in ({}, {"x": 9}, {"y": 9}):
        assert not rule.holds(features, {}, "ann")
        assert rule.fails(features, {}, "ann")
        with pytest.raises(RuleFailure, match=r"`features.x` is no feature"):
            evaluate(node, Request(features, {}, "ann"))
    assert msgspec.json.decode(msgspec.json.encode(node), type=Expression) == node
    assert show(node) == 'features.x > 3 || unit == "ann"'


def test_a_file_without_rules_needs_no_parser() -> None:
    text = 'deployment: churn\nvariants: {champion: {model: "models:/churn@champion"}}\n'
    check_conditions(load_checked(text), text, "f.yaml")
