"""Laws of rules: two implementations of CEL that we did not write are the oracles, on generated expressions."""

import sys
from collections.abc import Mapping
from typing import Any

import cel
import celpy
import numpy as np
import pytest
from celpy.celtypes import BoolType, DoubleType, IntType, MapType, StringType
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from seatrial.routing.rules import expression as e
from seatrial.routing.rules.compiling import compile_rule
from seatrial.routing.rules.evaluating import Request, RuleFailure, evaluate
from seatrial.routing.rules.parsing import Names, parse_rule
from seatrial.routing.rules.showing import show

KINDS: dict[str, e.Kind] = {
    "d": "double",
    "e": "double",
    "s": "string",
    "t": "string",
    "b": "bool",
    "i": "int",
    "j": "int",
}
NAMES = Names(KINDS, {"c": "string", "k": "int"})
SPACES: dict[str, Mapping[str, e.Kind]] = {"features": KINDS, "context": NAMES.context}

TEXTS = st.text(alphabet="abAB é😀", max_size=3)
INTS = st.integers(-5, 5) | st.sampled_from([e.SMALLEST, e.LARGEST, 2**53 + 1])
DOUBLES = st.sampled_from([0.0, -0.0, 0.5, -1.5, 3.0, 1e308, float(2**53)])

TESTS = ["startsWith", "endsWith", "contains"]


def values(kind: e.Kind) -> st.SearchStrategy[Any]:
    return {"string": TEXTS, "int": INTS, "double": DOUBLES, "bool": st.booleans()}[kind]


def operands(kind: e.Kind) -> st.SearchStrategy[e.Expression]:
    """Values of a kind: literals and attributes."""
    made = [st.builds(e.Constant, values(kind), st.just(kind))]
    for space, kinds in SPACES.items():
        for name, its in kinds.items():
            if its == kind:
                made.append(st.just(e.Attribute(space, name, kind)))  # type: ignore[arg-type]
    if kind == "string":
        made.append(st.just(e.Unit()))
    return st.one_of(made)


def computed(kind: e.Kind) -> st.SearchStrategy[e.Expression]:
    if kind == "string":
        more = st.builds(e.Arithmetic, st.just("+"), operands("string"), operands("string"), st.just(kind))
        return operands(kind) | more
    signs = ["+", "-", "*", "/", "%"] if kind == "int" else ["+", "-", "*", "/"]
    inner = operands(kind)
    if kind == "int":
        inner |= st.builds(e.Size, operands("string"))
    return inner | st.builds(e.Arithmetic, st.sampled_from(signs), inner, inner, st.just(kind))


def comparisons(kind: e.Kind) -> st.SearchStrategy[e.Expression]:
    relations = ["==", "!="] if kind == "bool" else ["==", "!=", "<", "<=", ">", ">="]
    sides = operands(kind) if kind == "bool" else computed(kind)
    return st.builds(e.Compare, st.sampled_from(relations), sides, sides)


LEAVES = st.one_of(
    *(comparisons(kind) for kind in ("int", "double", "string", "bool")),
    st.builds(e.Among, operands("string"), st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
    st.builds(e.Among, operands("int"), st.lists(INTS, min_size=1, max_size=3).map(tuple)),
    st.builds(
        e.Tested, st.sampled_from(["startsWith", "endsWith", "contains"]), operands("string"), operands("string")
    ),
    st.builds(lambda name: e.Has("features", name), st.sampled_from(sorted(KINDS))),
    st.just(e.Attribute("features", "b", "bool")),
    st.booleans().map(lambda value: e.Constant(value, "bool")),
)


def _joined(inner: st.SearchStrategy[e.Expression]) -> st.SearchStrategy[e.Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return several.map(_all) | several.map(_any) | st.builds(e.Not, inner)


def _all(operands: tuple[e.Expression, ...]) -> e.Expression:
    flat = [part for operand in operands for part in (operand.operands if isinstance(operand, e.AllOf) else (operand,))]
    return e.AllOf(tuple(flat))


def _any(operands: tuple[e.Expression, ...]) -> e.Expression:
    flat = [part for operand in operands for part in (operand.operands if isinstance(operand, e.AnyOf) else (operand,))]
    return e.AnyOf(tuple(flat))


CONDITIONS = st.recursive(LEAVES, _joined, max_leaves=6)

REQUESTS = st.builds(
    Request,
    st.fixed_dictionaries({}, optional={name: values(kind) for name, kind in KINDS.items()}),
    st.fixed_dictionaries({}, optional={name: values(kind) for name, kind in NAMES.context.items()}),
    TEXTS,
)


def ours(node: e.Expression, request: Request) -> bool | None:
    """True, false, or None for a failure."""
    try:
        return bool(evaluate(node, request))
    except RuleFailure:
        return None


def by_celpy(text: str, request: Request) -> bool | None:
    limit = sys.getrecursionlimit()
    environment = celpy.Environment()
    program = environment.program(environment.compile(text))
    wrap = {str: StringType, bool: BoolType, int: IntType, float: DoubleType}

    def mapped(values: Mapping[str, Any]) -> MapType:
        return MapType({StringType(name): wrap[type(value)](value) for name, value in values.items()})

    activation = {
        "features": mapped(request.features), "context": mapped(request.context), "unit": StringType(request.unit)
    }  # fmt: skip
    try:
        return bool(program.evaluate(activation))
    except celpy.CELEvalError:
        return None
    finally:
        sys.setrecursionlimit(limit)  # it raises the limit, and leaves it so


def by_cel(text: str, request: Request) -> bool | None:
    activation = {"features": dict(request.features), "context": dict(request.context), "unit": request.unit}
    try:
        return bool(cel.evaluate(text, activation))
    except (KeyError, OverflowError, RuntimeError, TypeError, ValueError):
        return None


def divides_by_nothing(node: Any, request: Request) -> bool:
    """Whether a double is divided by zero in it: there the one orders no NaN and the other forgets the sign of zero."""
    if isinstance(node, e.Arithmetic) and node.operation == "/" and node.kind == "double":
        try:
            return evaluate(node.right, request) == 0
        except RuleFailure:
            return False
    if isinstance(node, e.Compare):
        return divides_by_nothing(node.left, request) or divides_by_nothing(node.right, request)
    if isinstance(node, e.Not):
        return divides_by_nothing(node.operand, request)
    return isinstance(node, e.AllOf | e.AnyOf) and any(divides_by_nothing(o, request) for o in node.operands)


@settings(max_examples=300, deadline=None)
@given(CONDITIONS, REQUESTS)
def test_two_other_implementations_of_cel_say_the_same(node: e.Expression, request: Request) -> None:
    assume(not divides_by_nothing(node, request))
    text = show(node)
    assert ours(node, request) == by_cel(text, request), text
    assert ours(node, request) == by_celpy(text, request), text


@given(
    st.sampled_from(["+", "-", "*", "/"]),
    st.sampled_from(["<", "<=", "==", "!=", ">", ">="]),
    DOUBLES,
    DOUBLES,
    DOUBLES,
)
def test_doubles_are_those_of_ieee_754(sign: str, relation: str, left: float, right: float, beside: float) -> None:
    wanted = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}[sign]
    with np.errstate(all="ignore"):
        compared = {
            "<": np.less, "<=": np.less_equal, "==": np.equal, "!=": np.not_equal, ">": np.greater,
            ">=": np.greater_equal,
        }[relation](wanted(left, right), beside)  # fmt: skip
    made = e.Arithmetic(sign, e.Constant(left, "double"), e.Constant(right, "double"), "double")  # type: ignore[arg-type]
    node = e.Compare(relation, made, e.Constant(beside, "double"))  # type: ignore[arg-type]
    assert ours(node, Request({}, {}, "")) is bool(compared)


WHOLE_ZERO = e.Constant(0, "int")


@settings(max_examples=1_000, deadline=None)
@given(CONDITIONS, REQUESTS)
@example(e.Compare("==", WHOLE_ZERO, e.Arithmetic("/", WHOLE_ZERO, WHOLE_ZERO, "int")), Request({}, {}, ""))
def test_a_compiled_rule_says_what_the_plain_evaluation_says(node: e.Expression, request: Request) -> None:
    rule, expected = compile_rule(node), ours(node, request)
    assert rule.holds(*request) is (expected is True)
    if expected is not True:
        assert rule.fails(*request) is (expected is None)


@settings(max_examples=300, deadline=None)
@given(CONDITIONS)
def test_what_is_shown_is_read_as_the_same(node: e.Expression) -> None:
    read = parse_rule(show(node), NAMES)
    assert show(read) == show(node)


STRANGE = [None, True, 0, 2**70, 1.5, float("nan"), float("inf"), "x", [], {}, ["a"]]


@settings(max_examples=500, deadline=None)
@given(CONDITIONS, st.dictionaries(st.sampled_from(sorted(KINDS)), st.sampled_from(STRANGE)), TEXTS)
def test_values_of_the_wrong_kind_are_failures_and_never_exceptions(
    node: e.Expression, features: dict[str, Any], unit: str
) -> None:
    request = Request(features, {"c": 3, "k": "x"}, unit)
    rule, expected = compile_rule(node), ours(node, request)
    assert rule.holds(*request) is (expected is True)
    if expected is not True:
        assert rule.fails(*request) is (expected is None)


@pytest.mark.parametrize(
    ("text", "features", "expected"),
    [
        ("features.d > 1.0", {}, None),
        ("!(features.d > 1.0)", {}, None),
        ("features.d > 1.0 && false", {}, False),
        ("features.d > 1.0 || true", {}, True),
        ("features.d > 1.0 || features.i == 2", {"i": 2}, True),
        ("features.d > 1.0 || features.i == 2", {"i": 3}, None),
        ("has(features.d) && features.d > 1.0", {}, False),
        ("features.i / features.j == 1", {"i": 1, "j": 0}, None),
        ("features.i / features.j == -2", {"i": -7, "j": 3}, True),
        ("features.i % features.j == -1", {"i": -7, "j": 3}, True),
        ("features.d / 0.0 > 1.0", {"d": 1.0}, True),
        ("features.d == 3", {"d": 3}, True),
        ("features.i + 1 > 0", {"i": 2**63 - 1}, None),
    ],
)
def test_three_values(text: str, features: dict[str, Any], expected: bool | None) -> None:
    node = parse_rule(text, NAMES)
    assert ours(node, Request(features, {}, "u")) is expected
