from itertools import product
from typing import get_args

import pytest

from seatrial.stats.recommendation import RULES, Recommendation, recommend, rules_table, truth_table
from seatrial.stats.verdict import Word

PRIMARY: tuple[Word, ...] = ("better", "worse", "equivalent", "inconclusive", "no-data")
GUARDRAIL: tuple[Word, ...] = ("non-inferior", "worse", "inconclusive", "no-data")


@pytest.mark.parametrize(
    ("primary", "guardrails", "expected"),
    [
        ("better", (), "ship"),
        ("better", ("non-inferior", "non-inferior"), "ship"),
        ("better", ("non-inferior", "inconclusive"), "wait"),
        ("better", ("no-data",), "wait"),
        ("better", ("worse",), "stop"),
        ("worse", ("non-inferior",), "stop"),
        ("equivalent", ("non-inferior",), "no-difference"),
        ("equivalent", ("no-data",), "wait"),
        ("inconclusive", ("non-inferior",), "wait"),
        ("no-data", ("worse",), "stop"),
    ],
)
def test_the_first_row_that_applies(primary: Word, guardrails: tuple[Word, ...], expected: Recommendation) -> None:
    assert recommend(primary=primary, guardrails=guardrails) == expected


def test_nothing_ships_without_trust_or_with_anything_undecided() -> None:
    for primary, first, second, trusted in product(PRIMARY, GUARDRAIL, GUARDRAIL, (True, False)):
        found = recommend(primary=primary, guardrails=(first, second), trusted=trusted)
        if found == "ship":
            assert trusted
            assert primary == "better"
            assert first == second == "non-inferior"
        if not trusted:
            assert found == "withheld"


def test_every_recommendation_has_its_row() -> None:
    assert {rule.recommendation for rule in RULES} == set(get_args(Recommendation))
    assert all(f"`{name}`" in rules_table() for name in get_args(Recommendation))
    assert all(f"`{name}`" in truth_table() for name in get_args(Recommendation))
