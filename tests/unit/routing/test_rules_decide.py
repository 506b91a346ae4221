"""Entries with conditions: the first that matches decides, and a rule that fails never does."""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from seatrial.routing.attributes import Attributes
from seatrial.routing.router import Router
from seatrial.routing.rules.naming import names_of
from seatrial.routing.rules.parsing import parse_rule
from seatrial.routing.snapshot import Arm, ContextKey, Crowd, Entry, Lookup, Slot, Snapshot
from seatrial.spec.deployment import ContextField
from seatrial.spec.errors import BadInput
from seatrial.spec.signature import Answer, Feature, Signature

FEATURES = (
    Feature(name="tenure", kind="number"),
    Feature(name="plan", kind="category", nullable=True, categories=("1", "2")),
    Feature(name="since", kind="time", nullable=True),
    Feature(name="vip", kind="boolean", nullable=True),
)
SIGNATURE = Signature(task="regression", features=FEATURES, inputs=(), outputs=(), answer=Answer(prediction="y"))
CONTEXT = {"country": ContextField(kind="string", optional=True), "age": ContextField(kind="integer", optional=True)}
NAMES = names_of(FEATURES, CONTEXT)


def entry(name: str, when: str | None, to: str) -> Entry:
    return Entry(name=name, when=None if when is None else parse_rule(when, NAMES), to=to)


def snapshot(*entries: Entry) -> Snapshot:
    slots = tuple(
        Slot(variant=name, model="m", version=1, digest="d", path="/p", runtime="onnx", signature=SIGNATURE)
        for name in ("champion", "challenger", "third")
    )
    return Snapshot(
        deployment="churn",
        revision=3,
        task="regression",
        unit_name="customer",
        context=(ContextKey("country", "string", True), ContextKey("age", "integer", True)),
        slots=slots,
        default="champion",
        entries=entries,
    )


RULES = (
    entry("us", 'context.country == "US" && features.tenure > 24', "challenger"),
    entry("divides", "100 / context.age > 3", "third"),
    entry("plans", 'features.plan == "1"', "challenger"),
    entry("old", "features.since < 1000000000.0", "third"),
    entry("mine", 'unit.startsWith("m-")', "challenger"),
)


@pytest.mark.parametrize(
    ("context", "features", "unit", "expected", "failed"),
    [
        (("US", None), {"tenure": 30}, "u", "us", []),
        (("US", None), {"tenure": 3}, "u", "", ["divides", "plans", "old"]),
        ((None, 20), {"tenure": 30}, "u", "divides", ["us"]),
        ((None, 20), {"tenure": 3}, "u", "divides", []),
        ((None, 0), {"tenure": 3}, "m-1", "mine", ["divides", "plans", "old"]),
        (("DE", 90), {"tenure": 3, "plan": 1}, "u", "plans", []),
        (("DE", 90), {"tenure": 3, "plan": "2", "since": "2000-01-01T00:00:00Z"}, "u", "old", []),
        (("DE", 90), {"tenure": 3, "plan": "2", "since": 5.0}, "u", "old", []),
        (("DE", 90), {"tenure": 3, "plan": "2", "since": "yesterday"}, "u", "", ["old"]),
        (("DE", 90), {"tenure": "x", "plan": [], "since": {}}, "u", "", ["plans", "old"]),
        (("DE", 90), {"tenure": float("nan"), "plan": None, "since": 2e9}, "u", "", ["plans"]),
    ],
)
def test_the_first_match_decides_and_failures_are_told(
    context: tuple[Any, ...], features: Mapping[str, Any], unit: str, expected: str, failed: list[str]
) -> None:
    told: list[str] = []
    decision = Router(snapshot(*RULES), told.append).decide(unit, context, features)
    assert (decision.entry, told) == (expected, failed)
    assert decision.reason == "rule"
    assert not decision.contested


def test_nobody_takes_it_so_the_default_does() -> None:
    decision = Router(snapshot(entry("us", 'context.country == "US"', "third"))).decide("u", ("DE", None), {})
    assert (decision.variant, decision.entry, decision.reason) == ("champion", "", "rule")


def test_a_split_in_one_country_is_one_entry() -> None:
    when = parse_rule('context.country == "US"', NAMES)
    arms = (Arm("champion", 0.5), Arm("challenger", 0.5))
    router = Router(snapshot(Entry(name="us", when=when, arms=arms, salt="s"), Entry(name="rest", to="third")))
    decided = [router.decide(f"u{n}", ("US", None)) for n in range(100)]
    assert {d.variant for d in decided} == {"champion", "challenger"}
    assert all((d.reason, d.propensity, d.contested) == ("split", 0.5, True) for d in decided)
    assert router.decide("u1", ("DE", None)).variant == "third"
    assert {d.variant for d in router.possible} == {"champion", "challenger", "third"}


def test_what_stands_behind_an_entry_without_a_condition_is_never_asked() -> None:
    told: list[str] = []
    router = Router(
        snapshot(entry("all", None, "third"), entry("fails", "features.tenure > 1.0", "champion")), told.append
    )
    assert router.decide("u").entry == "all"
    assert told == []
    assert not router.conditional
    assert router.attributes.features == frozenset()


def test_chances_are_those_that_a_request_is_drawn_by() -> None:
    told: list[str] = []
    halves = Entry(name="halves", arms=(Arm("champion", 0.25), Arm("third", 0.75), Arm("challenger", 0.0)), salt="s")
    router = Router(snapshot(RULES[0], halves), told.append)
    assert router.chances("u", ("FR",), {"tenure": 3}) == ("halves", {"champion": 0.25, "third": 0.75})
    assert router.chances("u", ("US",), {"tenure": 30}) == ("us", {"challenger": 1.0})
    for number in range(200):
        decision = router.decide(f"u{number}", ("FR",), {"tenure": 3})
        entry, chances = router.chances(f"u{number}", ("FR",), {"tenure": 3})
        assert (entry, chances[decision.variant]) == (decision.entry, decision.propensity)
    assert Router(snapshot(RULES[0])).chances("u", ("FR",), {"tenure": 3}) == ("", {"champion": 1.0})
    told.clear()
    assert router.chances("u", ("US",), {})[0] == "halves"
    assert told == [], "nobody is told of rules that fail"


def test_what_rules_read_is_known_and_asked_for() -> None:
    router = Router(snapshot(*RULES))
    assert router.conditional
    assert router.attributes.features == {"tenure", "plan", "since"}
    assert router.attributes.required == ("tenure",)
    with pytest.raises(BadInput, match="'tenure' is missing, which every version needs"):
        router.attributes.check({"plan": "1"})
    router.attributes.check({"tenure": 0})
    needed = Attributes(
        [entry.when for entry in RULES if entry.when is not None],
        [Feature(name=name, kind="number") for name in ("tenure", "plan")],
        needed=("tenure", "plan"),
    )
    with pytest.raises(BadInput, match=r"features 'tenure' and 'plan' are missing, which .*; give them in `features`"):
        needed.check({"tenure": None})


def test_what_one_version_does_without_is_needed_of_nobody() -> None:
    given = snapshot(*RULES)
    without = msgspec.structs.replace(SIGNATURE, features=FEATURES[1:])
    fewer = msgspec.structs.replace(given.slots[2], signature=without)
    looked_up = msgspec.structs.replace(given.slots[2], lookup=Lookup(scores="s"))
    for third in (fewer, looked_up):
        router = Router(msgspec.structs.replace(given, slots=(*given.slots[:2], third)))
        assert router.attributes.required == ()
        router.attributes.check({})


@pytest.mark.parametrize(("known", "unknown"), [({"tenure": 30}, {"plan"}), ({}, {"tenure", "plan"}), ({}, {"since"})])
@pytest.mark.parametrize("country", ["US", "DE", None])
def test_what_a_request_may_have_got_holds_what_it_got(
    known: Mapping[str, Any], unknown: set[str], country: str | None
) -> None:
    told: list[str] = []
    router = Router(snapshot(*RULES), told.append)
    possible = {"tenure": (None, 3, 30), "plan": (None, "1", 1), "since": (None, 5.0, 2e9)}
    for unit in ("u", "m-1"):
        may_be = router.could_have(unit, (country, 20), known, unknown)
        for values in itertools.product(*(possible[name] for name in sorted(unknown))):
            features = {**known, **dict(zip(sorted(unknown), values, strict=True))}
            decision = router.recall(unit, (country, 20), features)
            assert decision in may_be
            assert told == []
            assert router.decide(unit, (country, 20), features) == decision
            told.clear()
    assert all(decision.entry != "us" for decision in router.could_have("u", ("DE", 20), {}, {"tenure"}))


def test_no_more_is_read_of_a_request_than_rules_speak_of() -> None:
    attributes = Router(snapshot(*RULES)).attributes
    many = {f"other_{n}": float(n) for n in range(30)}
    as_they_are = {**many, "tenure": 3.0, "plan": "1", "since": 5.0}
    assert attributes.read(as_they_are) is as_they_are
    mended = attributes.read({**many, "tenure": 3.0, "plan": 1, "since": "1970-01-01T00:00:05Z"})
    assert mended == {"tenure": 3.0, "plan": "1", "since": 5.0}
    assert attributes.context == {"country", "age"}


STAFF = Entry(name="staff", crowd=Crowd("churn/staff"), to="challenger", reason="explicit")
COLD = Entry(name="new", crowd=Crowd("churn/warm", inside=False), to="third", reason="cold-start")
REST = Entry(name="rest", to="champion")
CROWDS = {"churn/staff": lambda unit: unit == "ann", "churn/warm": lambda unit: unit in ("ann", "bob")}


@pytest.mark.parametrize(
    ("unit", "variant", "reason", "where"),
    [
        ("ann", "challenger", "explicit", "staff"),
        ("bob", "champion", "rule", "rest"),
        ("cy", "third", "cold-start", "new"),
    ],
)
def test_listed_and_cold_units_go_where_their_entries_say_and_are_no_evidence(
    unit: str, variant: str, reason: str, where: str
) -> None:
    router = Router(snapshot(STAFF, COLD, REST), crowds=CROWDS)
    decision = router.decide(unit)
    assert (decision.variant, decision.reason, decision.entry) == (variant, reason, where)
    assert (decision.propensity, decision.contested) == (1.0, False)
    assert router.conditional
    assert decision in router.possible


@pytest.mark.parametrize("crowds", [{}, {"churn/staff": lambda _: None, "churn/warm": lambda _: None}])
def test_an_entry_whose_units_nobody_knows_takes_nobody_and_is_counted(crowds: dict[str, Any]) -> None:
    told: list[str] = []
    decision = Router(snapshot(STAFF, COLD, REST), told.append, crowds).decide("cy")
    assert (decision.entry, told) == ("rest", ["staff", "new"])


def test_a_crowd_is_asked_only_where_the_condition_holds() -> None:
    asked: list[str] = []
    some = Entry(name="some", when=parse_rule("has(features.vip)", NAMES), crowd=Crowd("churn/staff"), to="third")
    router = Router(snapshot(some, REST), crowds={"churn/staff": lambda unit: bool(asked.append(unit)) or True})
    assert router.decide("ann").entry == "rest"
    assert asked == []
    assert router.decide("ann", (), {"vip": True}).entry == "some"
    assert asked == ["ann"]
