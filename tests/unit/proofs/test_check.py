"""What the prover says of rules that people write."""

import pytest

from seatrial.proofs.check import check_rules
from seatrial.proofs.findings import Entry, Findings, RuleSet
from seatrial.proofs.simplify import simplified
from seatrial.routing.rules.parsing import Names, parse_rule
from seatrial.routing.rules.showing import show

NAMES = Names(
    {"tenure": "double", "other": "double", "plan": "string", "vip": "bool", "visits": "int"},
    {"country": "string", "age": "int"},
)


def rules(*given: tuple[str | None, str], required: frozenset = frozenset()) -> RuleSet:  # type: ignore[type-arg]
    entries = [
        Entry(f"r{at}", None if when is None else parse_rule(when, NAMES), target)
        for at, (when, target) in enumerate(given)
    ]
    return RuleSet(tuple(entries), "champion", required)


def check(*given: tuple[str | None, str], required: frozenset = frozenset()) -> Findings:  # type: ignore[type-arg]
    return check_rules(rules(*given, required=required))


def test_a_shadowed_rule_and_what_shadows_it() -> None:
    found = check(
        ('context.country == "US"', "a"),
        ("features.tenure > 24", "b"),
        ('context.country in ["US", "CA"] && features.tenure > 30', "c"),
    )
    assert [(never.entry, never.by) for never in found.never] == [("r2", ("r1",))]


def test_two_rules_shadow_together() -> None:
    found = check(
        ("features.tenure < 10", "a"), ("features.tenure >= 10", "b"), ("features.tenure == features.tenure", "c")
    )
    assert [(never.entry, never.by) for never in found.never] == [("r2", ("r0", "r1"))]


def test_a_rule_that_holds_of_nothing() -> None:
    found = check(("features.tenure > 3 && features.tenure < 2", "a"), (None, "b"))
    assert [(never.entry, never.by) for never in found.never] == [("r0", ())]


def test_missing_values_are_no_third_way_in() -> None:
    """``x < 10 || x >= 10`` is no condition for all: where x is missing it fails, and the next entry is tried."""
    always = ("features.tenure < 10 || features.tenure >= 10", "a")
    assert check(always, ("!has(features.tenure)", "b")).never == ()
    required = frozenset([("features", "tenure")])
    (never,) = check(always, ("!has(features.tenure)", "b"), required=required).never  # type: ignore[arg-type]
    assert never.entry == "r1"
    assert check(always, required=required).falls is None  # type: ignore[arg-type]
    falls = check(always).falls
    assert falls is not None
    assert "tenure" not in falls.features


def test_an_overlap_shows_a_request() -> None:
    found = check(('context.country == "US"', "a"), ("features.tenure > 24", "b"), (None, "c"))
    (overlap,) = found.overlaps
    assert (overlap.first, overlap.second) == ("r0", "r1")
    assert overlap.witness.context == {"country": "US"}
    assert overlap.witness.features["tenure"] > 24


def test_doubles_are_not_real_numbers() -> None:
    """0.2 + 0.1 is more than 0.3 in IEEE 754, so this rule fires, which a proof over real numbers would deny."""
    found = check(("features.tenure + 0.1 > 0.3 && features.tenure <= 0.2", "a"), (None, "b"))
    assert found.never == ()
    assert found.fires["r0"].features["tenure"] <= 0.2


def test_between_two_neighbours_there_is_no_double() -> None:
    found = check(("features.tenure > 1.0 && features.tenure < 1.0000000000000002", "a"), (None, "b"))
    assert [never.entry for never in found.never] == ["r0"]


def test_a_real_number_that_is_no_double_is_not_shown() -> None:
    """Compared with each other, doubles are real numbers to the solver."""
    rule = "features.tenure > 1.0 && features.other > features.tenure && features.other < 1.0000000000000002"
    found = check((rule, "a"), (None, "b"))
    assert found.fires == {}
    assert [undecided.question for undecided in found.undecided] == ["whether `r0` ever fires"]


def test_beginnings_and_the_order_of_texts() -> None:
    found = check(
        ('features.plan.startsWith("a")', "a"),
        ('features.plan.startsWith("ab") && features.plan != "abc"', "b"),
        ('features.plan >= "b"', "a"),
        ('features.plan > "ba" && features.plan < "c"', "b"),
        ('features.plan < "b"', "b"),
        required=frozenset([("features", "plan")]),
    )
    assert [(never.entry, never.by) for never in found.never] == [("r1", ("r0",)), ("r3", ("r2",))]
    assert found.fires["r4"].features["plan"] < "a"
    assert found.falls is None


def test_whole_numbers_have_nothing_between_them() -> None:
    (never,) = check(("features.visits > 3 && features.visits < 4", "a"), (None, "b")).never
    assert never.entry == "r0"
    (never,) = check(("features.visits + 1 < features.visits", "a"), (None, "b")).never
    assert never.entry == "r0"
    (never,) = check(("features.visits / 0 == 1", "a"), (None, "b")).never
    assert never.by == ()


def test_patterns_are_undecided_and_never_fine() -> None:
    found = check(('features.plan.matches("^a+$")', "a"), ('features.plan.matches("^b+$")', "b"), (None, "c"))
    assert [undecided.question for undecided in found.undecided] == [
        "whether `r0` ever fires",
        "whether `r1` ever fires",
        "whether `r0` and `r1` overlap",
    ]
    assert all("matches" in undecided.why for undecided in found.undecided)
    assert found.never == ()


def test_what_is_certain_beside_a_pattern_is_said() -> None:
    found = check(('features.plan.matches("a") && context.age < 3', "a"), ("context.age < 5", "a"), (None, "b"))
    assert found.droppable == ("r0",)
    (never,) = check(('features.plan.matches("a") && context.age < 3 && context.age > 4', "a"), (None, "b")).never
    assert never.by == ()


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ('features.plan == "é\\\\u{41}"', "plan", "é\\u{41}"),
        ('features.plan.startsWith("é\\\\u{41}")', "plan", None),
        ("size(features.plan) > 3", "plan", None),
        ('features.plan + "b" == "ab"', "plan", "a"),
        ("features.vip", "vip", True),
        ("features.tenure * 2.0 == 5.0", "tenure", 2.5),
        ("features.visits % 7 == -3", "visits", None),
    ],
)
def test_examples_are_requests_that_the_rule_takes(text: str, key: str, value: object) -> None:
    found = check((text, "a"), (None, "b"))
    assert found.undecided == ()
    shown = found.fires["r0"].features[key]
    assert value is None or shown == value


def test_a_shorter_set() -> None:
    shorter = simplified(
        rules(
            ('context.country == "US" && features.tenure > 24', "a"),
            ('context.country == "US"', "a"),
            ('context.country == "CA"', "a"),
            ("features.vip", "champion"),
        )
    )
    assert [show(entry.when) for entry in shorter.entries if entry.when] == ['context.country in ["US", "CA"]']


def test_splits_are_left_alone() -> None:
    given = rules(('context.country == "US"', "a"), ('context.country in ["US"]', "a"))
    fixed = given._replace(entries=tuple(entry._replace(fixed=True) for entry in given.entries))
    assert check_rules(fixed).mergeable == ()
    assert simplified(fixed._replace(entries=fixed.entries[:1])) == fixed._replace(entries=fixed.entries[:1])
