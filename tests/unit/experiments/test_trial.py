"""A trial, by hand: whose, what was known of them, what they earned; from the ledger and from files."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from seatrial.experiments.trial import Trial, experiments, read_trial, trial_of_file
from seatrial.routing.rules.expression import Kind
from seatrial.spec.errors import BadInput
from tests import worlds

RUN = worlds.release((0.5, 0))
VERSIONS = {"champion": RUN.champion_version, "challenger": RUN.challenger_version}
KNOWN: dict[str, Kind] = {"context.country": "string", "features.age": "int", "features.hidden": "string"}


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * worlds.SECOND) for second in seconds]


def rows(units: str, start: float = 100, **given: Any) -> dict[str, Any]:
    """One row a unit (a letter), a second apart, in turn champion and challenger."""
    n = len(units)
    variant = np.array(["champion", "challenger"], dtype=object)[np.arange(n) % 2]
    plain = {
        "variant": variant,
        "context.country": ["DE"] * n,
        "feature.age": list(range(n)),
        "feature.hash": ["x"] * n,
        "sampled": [True] * n,
    }
    return worlds.rows(RUN, list(units), at(*(start + i for i in range(n))), **(plain | given))


def trial(
    *parts: dict[str, Any], outcomes: tuple[dict[str, Any], ...] = (), now: float = 10_000, **metric: Any
) -> Trial:
    spec = {"kind": "proportion", "outcome": "buy", "within": 60.0, "grace": 10.0} | metric
    deployment = worlds.deployment(outcomes={"buy": {}}, metrics={"m": spec})
    source = worlds.source(parts, outcomes)
    return read_trial(source, RUN.entry, deployment, "m", VERSIONS, *at(now), KNOWN)


def test_each_unit_once_by_its_first_row_with_what_was_known_then() -> None:
    bought = worlds.outcomes("buy", at(120, 130), unit=["a", "z"])
    found = trial(rows("ab"), rows("ba", start=200, **{"context.country": ["US", "US"]}), outcomes=(bought,))
    assert found.units == ("a", "b")
    assert found.logged.arms.tolist() == [0, 1]
    assert found.logged.rewards.tolist() == [1.0, 0.0]
    assert found.logged.propensities.tolist() == [0.5, 0.5]
    values = {column.name: column.values.tolist() for column in found.columns}
    assert values == {"context.country": ["DE", "DE"], "features.age": [0.0, 1.0]}


def test_what_is_not_evidence_is_left_out() -> None:
    found = trial(
        rows("a"),
        rows("b", unit_named=[False]),
        rows("c", contested=[False]),
        rows("d", reason=["override"]),
        rows("e", role=["shadow"]),
        rows("f", entry=["other"]),
        rows("g", sampled=[False]),  # its features were not written, which is not the same as missing
        rows("h", start=9_931),  # not matured
        rows("ij", start=400),
    )
    assert found.units == ("a", "i", "j")


def test_who_was_given_a_variant_by_a_bandit_is_counted() -> None:
    assert trial(rows("ab"), rows("cd", start=200, reason=["bandit"] * 2)).learned == 2
    assert trial(rows("ab")).learned == 0


def test_units_that_met_other_versions_met_another_trial() -> None:
    found = trial(rows("ab"), rows("c", start=150, assigned_version=["digits:0"]), rows("bd", start=200))
    assert found.units == ("d",)  # b was first seen while the champion was another


def test_a_mean_is_summed_and_capped() -> None:
    paid = worlds.outcomes("buy", at(110, 111, 112), unit=["a", "a", "b"], value_number=[3.0, 4.0, 50.0])
    assert trial(rows("ab"), outcomes=(paid,), kind="mean", cap=10.0).logged.rewards.tolist() == [7.0, 10.0]


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (
            {"kind": "ratio", "numerator": "n", "denominator": "d"},
            "'m' is a ratio; rules are suggested by a proportion",
        ),
        ({"kind": "accuracy"}, "'m' is a accuracy"),
    ],
)
def test_a_metric_that_is_no_sum_is_refused(metric: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        trial(rows("ab"), **metric)


def test_experiments_are_entries_where_chance_chose_between_versions_as_they_are() -> None:
    parts = [rows("ab"), rows("cd", entry=["one"] * 2, variant=["champion"] * 2), rows("ef", entry=["old"] * 2)]
    source = worlds.source(parts)
    assert experiments(source, VERSIONS) == {
        RUN.entry: ("challenger", "champion"),
        "old": ("challenger", "champion"),
    }
    assert experiments(source, {"champion": RUN.champion_version, "challenger": "digits:99"}) == {}


def table(**columns: Any) -> pa.Table:
    plain = {"variant": ["b", "a", "b"], "reward": [1.0, 0.0, 2.0], "country": ["DE", None, "US"], "age": [1, 2, None]}
    return pa.table({name: value for name, value in (plain | columns).items() if value is not None})


def test_a_file_has_a_row_a_unit() -> None:
    found = trial_of_file(table(**{"context.plan": ["x", "y", "x"], "unit": [7, 8, 9], "member": [True, None, False]}))
    assert found.variants == ("a", "b")
    assert found.logged.arms.tolist() == [1, 0, 1]
    assert found.logged.propensities.tolist() == pytest.approx([2 / 3, 1 / 3, 2 / 3])
    assert found.units == ("7", "8", "9")
    assert found.kinds == {
        "features.country": "string",
        "features.age": "int",
        "context.plan": "string",
        "features.member": "bool",
    }
    values = {column.name: column.values.tolist() for column in found.columns}
    assert values["features.country"] == ["DE", None, "US"]
    assert values["features.member"] == [True, None, False]
    assert values["features.age"][:2] == [1.0, 2.0]
    assert math.isnan(values["features.age"][2])
    assert trial_of_file(table(propensity=[0.5, 0.25, 0.5])).logged.propensities.tolist() == [0.5, 0.25, 0.5]


def test_infinite_numbers_are_missing_as_they_are_to_rules() -> None:
    found = trial_of_file(table(age=[1.0, math.inf, -math.inf]))
    assert [math.isnan(value) for value in found.columns[1].values] == [False, True, True]


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"reward": None}, "no column 'reward', only variant, country, age"),
        ({"variant": None}, "no column 'variant'"),
        ({"reward": [1.0, math.nan, 2.0]}, "row 2 of the file has the reward nan"),
        ({"reward": [1.0, None, 2.0]}, "row 2 of the file has the reward nan"),
        ({"reward": ["1", "2", "3"]}, "the column 'reward' of the file holds string, not numbers"),
        ({"variant": ["a", None, "b"]}, "row 2 of the file has no variant"),
        ({"unit": ["x", "y", "x"]}, "a unit has several rows"),
        ({"propensity": [0.5, 0.5, 1.5]}, "1.5 is not a chance between 0 and 1"),
        ({"propensity": [0.5, math.inf, 0.5]}, "row 2 of the file has the propensity inf"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(columns: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        trial_of_file(table(**columns))
