"""Every claim of the prover, tried on all requests of a small world."""

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from seatrial.proofs.check import check_rules
from seatrial.proofs.findings import Entry, RuleSet
from seatrial.proofs.prover import equivalent
from seatrial.proofs.simplify import simplified
from seatrial.routing.rules import expression as e
from seatrial.routing.rules.evaluating import Request, RuleFailure, evaluate

NUMBER = e.Attribute("features", "n", "double")
WHOLE = e.Attribute("features", "i", "int")
TEXT = e.Attribute("context", "t", "string")
FLAG = e.Attribute("features", "b", "bool")

WORLD = [
    Request(
        {name: value for name, value in (("n", n), ("i", i), ("b", b)) if value is not None},
        {} if t is None else {"t": t},
        "u",
    )
    for n, i, b, t in itertools.product(
        (None, -1.0, 0.0, 0.5, 1.0, 1.5, 2.0), (None, -1, 0, 1, 2), (None, True, False), (None, "", "a", "ab", "b", "x")
    )
]


def comparisons(side: e.Expression, values: st.SearchStrategy[Any], kind: e.Kind) -> st.SearchStrategy[e.Expression]:
    relations = ["==", "!="] if kind == "string" else ["==", "!=", "<", "<=", ">", ">="]
    return st.builds(
        lambda relation, value: e.Compare(relation, side, e.Constant(value, kind)), st.sampled_from(relations), values
    )


NUMBERS = st.sampled_from([0.0, 1.0])
LEAVES = st.one_of(
    comparisons(NUMBER, NUMBERS, "double"),
    comparisons(WHOLE, st.integers(0, 1), "int"),
    comparisons(WHOLE, NUMBERS, "double"),
    comparisons(e.Arithmetic("/", e.Constant(2, "int"), WHOLE, "int"), st.integers(0, 2), "int"),
    comparisons(e.Arithmetic("+", NUMBER, e.Constant(1.0, "double"), "double"), NUMBERS, "double"),
    comparisons(TEXT, st.sampled_from(["a", "b"]), "string"),
    comparisons(e.Size(TEXT), st.integers(0, 2), "int"),
    st.builds(e.Tested, st.just("startsWith"), st.just(TEXT), st.just(e.Constant("a", "string"))),
    st.builds(e.Tested, st.just("matches"), st.just(TEXT), st.just(e.Constant("^a", "string"))),
    st.builds(e.Among, st.just(TEXT), st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2).map(tuple)),
    st.just(FLAG),
    st.just(e.Has("features", "n")),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3)
        .map(tuple)
        .flatmap(lambda parts: st.sampled_from([e.AllOf(parts), e.AnyOf(parts)]))
        | st.builds(e.Not, inner)
    ),
    max_leaves=4,
)


def rule_set(rules: list[tuple[e.Expression, str]], catch_all: str | None) -> RuleSet:
    entries = [Entry(f"r{at}", rule, target) for at, (rule, target) in enumerate(rules)]
    if catch_all is not None:
        entries.append(Entry("rest", None, catch_all))
    return RuleSet(tuple(entries), "x")


SETS = st.builds(
    rule_set,
    st.lists(st.tuples(RULES, st.sampled_from(["x", "y"])), min_size=1, max_size=5),
    st.sampled_from([None, "x", "y"]),
)


def takes(entry: Entry, request: Any) -> bool:
    try:
        return entry.when is None or evaluate(entry.when, Request(*request)) is True
    except RuleFailure:
        return False


def first(rules: RuleSet, request: Any) -> Entry | None:
    return next((entry for entry in rules.entries if takes(entry, request)), None)


def target(rules: RuleSet, request: Any) -> str:
    entry = first(rules, request)
    return rules.default if entry is None else entry.target


def without(rules: RuleSet, name: str) -> RuleSet:
    return rules._replace(entries=tuple(entry for entry in rules.entries if entry.name != name))


@settings(max_examples=25, deadline=None)
@given(SETS)
def test_every_claim_holds_in_a_small_world(rules: RuleSet) -> None:
    found = check_rules(rules)
    doubt = " ".join(undecided.question for undecided in found.undecided)
    decided = {entry.name for request in WORLD if (entry := first(rules, request)) is not None}
    assert decided.isdisjoint(never.entry for never in found.never)
    for never in found.never:
        dead = next(entry for entry in rules.entries if entry.name == never.entry)
        for request in WORLD:
            if takes(dead, request):
                assert any(takes(entry, request) for entry in rules.entries if entry.name in never.by)
    for name, witness in found.fires.items():
        assert getattr(first(rules, witness), "name", None) == name
    said = {(overlap.first, overlap.second) for overlap in found.overlaps}
    for overlap in found.overlaps:
        one, other = (next(x for x in rules.entries if x.name == name) for name in (overlap.first, overlap.second))
        assert first(rules, overlap.witness) == one
        assert takes(other, overlap.witness)
        assert one.target != other.target
    for request in WORLD:
        one = first(rules, request)
        if one is None:
            assert found.falls is not None or "no entry" in doubt
            continue
        for other in rules.entries[rules.entries.index(one) + 1 :]:
            if None not in (one.when, other.when) and one.target != other.target and takes(other, request):
                assert (one.name, other.name) in said or f"`{one.name}` and `{other.name}`" in doubt
    if found.falls is not None:
        assert first(rules, found.falls) is None
    for name in found.droppable:
        less = without(rules, name)
        assert all(target(rules, request) == target(less, request) for request in WORLD)


@settings(max_examples=20, deadline=None)
@given(SETS)
def test_the_shorter_set_decides_every_request_alike(rules: RuleSet) -> None:
    shorter = simplified(rules)
    assert len(shorter.entries) <= len(rules.entries)
    assert all(target(rules, request) == target(shorter, request) for request in WORLD)


@settings(max_examples=20, deadline=None)
@given(SETS, SETS)
def test_sets_that_are_said_to_be_equivalent_are(one: RuleSet, other: RuleSet) -> None:
    if equivalent(one, other):
        assert all(target(one, request) == target(other, request) for request in WORLD)
    assert equivalent(one, one) is not False
