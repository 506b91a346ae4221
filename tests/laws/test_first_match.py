"""The index finds what the plain walk finds, and counts the failures that it counts, whatever rules and request are."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.routing.first_match import MANY, FirstMatch
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.evaluating import Request, RuleFailure, evaluate
from seatrial.routing.rules.guards import guards
from seatrial.routing.rules.index import build, candidates

NUMBER = e.Attribute("features", "n", "double")
WHOLE = e.Attribute("features", "i", "int")
TEXT = e.Attribute("context", "t", "string")
FLAG = e.Attribute("features", "b", "bool")
NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, 1.5, 2.0, 3.0])
TEXTS = st.sampled_from(["", "a", "b", "c", "d"])
RELATIONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def constant(value: Any, kind: e.Kind) -> e.Expression:
    return e.Constant(value, kind)


def compared(side: e.Expression, values: st.SearchStrategy[Any], kind: e.Kind) -> st.SearchStrategy[e.Expression]:
    return st.builds(
        lambda relation, value, turned: (
            e.Compare(relation, constant(value, kind), side)
            if turned
            else e.Compare(relation, side, constant(value, kind))
        ),
        RELATIONS,
        values,
        st.booleans(),
    )


LEAVES = st.one_of(
    compared(NUMBER, NUMBERS, "double"),
    compared(WHOLE, st.integers(-1, 3), "int"),
    compared(WHOLE, NUMBERS, "double"),
    compared(TEXT, TEXTS, "string"),
    compared(e.Unit(), TEXTS, "string"),
    st.builds(e.Among, st.just(TEXT), st.lists(TEXTS, min_size=1, max_size=3).map(tuple)),
    st.builds(e.Among, st.just(NUMBER), st.lists(NUMBERS, min_size=1, max_size=3).map(tuple)),
    st.just(FLAG),
    st.just(e.Has("features", "n")),
    st.just(e.Not(FLAG)),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3)
        .map(tuple)
        .flatmap(lambda parts: st.sampled_from([e.AllOf(parts), e.AnyOf(parts)]))
        | st.builds(e.Not, inner)
    ),
    max_leaves=5,
)
ODD = st.sampled_from([None, [], {}, "x", True, float("nan"), 2**80])
REQUESTS = st.builds(
    Request,
    st.fixed_dictionaries({}, optional={"n": NUMBERS | ODD, "i": st.integers(-1, 3) | ODD, "b": st.booleans() | ODD}),
    st.fixed_dictionaries({}, optional={"t": TEXTS | ODD}),
    TEXTS,
)


def holds(rule: e.Expression, request: Request) -> bool:
    try:
        return evaluate(rule, request) is True
    except RuleFailure:
        return False


def fails(rule: e.Expression, request: Request) -> bool:
    try:
        evaluate(rule, request)
    except RuleFailure:
        return True
    return False


def plain(rules: list[e.Expression], request: Request) -> int:
    return next((at for at, rule in enumerate(rules) if holds(rule, request)), len(rules))


@settings(max_examples=200, deadline=None)
@given(st.lists(RULES, min_size=MANY, max_size=3 * MANY), st.lists(REQUESTS, min_size=5, max_size=20))
def test_the_index_finds_and_counts_what_the_plain_walk_does(
    rules: list[e.Expression], requests: list[Request]
) -> None:
    told: list[int] = []
    indexed = FirstMatch([(str(at), rule, None) for at, rule in enumerate(rules)], lambda name: told.append(int(name)))
    for request in requests:
        told.clear()
        first = indexed.find(*request)
        assert first == plain(rules, request)
        assert told == [at for at in range(first) if fails(rules[at], request)]


@settings(max_examples=200, deadline=None)
@given(st.lists(RULES, min_size=7, max_size=60), REQUESTS)
def test_candidates_come_in_order_once_and_leave_out_none_that_holds(
    rules: list[e.Expression], request: Request
) -> None:
    found = list(candidates(build(rules), *request))
    assert found == sorted(set(found))
    assert {at for at, rule in enumerate(rules) if holds(rule, request)} <= set(found)


@settings(max_examples=500, deadline=None)
@given(RULES, REQUESTS)
def test_a_rule_that_holds_keeps_its_guards(rule: e.Expression, request: Request) -> None:
    if not holds(rule, request):
        return
    for where, guard in guards(rule).items():
        value = request.unit if where.space is None else request.space(where.space)[where.name]
        if hasattr(guard, "values"):
            assert value in guard.values
        else:
            assert guard.low <= value <= guard.high  # type: ignore[union-attr]


def test_a_thousand_rules_leave_few_to_ask() -> None:
    """Also of a request without country: those that its number excludes are false, the others fail."""
    rules: list[e.Expression] = []
    for country in range(50):
        for step in range(20):
            low = e.Compare(">=", NUMBER, e.Constant(float(step), "double"))
            high = e.Compare("<", NUMBER, e.Constant(float(step + 1), "double"))
            rules.append(e.AllOf((e.Compare("==", TEXT, e.Constant(f"c{country}", "string")), low, high)))
    found = candidates(build(rules), {"n": 7.5}, {"t": "c31"}, "u")
    assert list(found) == [31 * 20 + 7]
    assert list(candidates(build(rules), {"n": 7.5}, {}, "u")) == [country * 20 + 7 for country in range(50)]


def test_nested_intervals_are_not_written_out() -> None:
    rules = [e.Compare("<", NUMBER, e.Constant(float(n), "double")) for n in range(2000)]
    tree = build(rules)
    assert plain(rules[:50], Request({"n": 17.5}, {}, "u")) == 18
    assert len(str(tree)) < 2_000_000
