"""A metric of value: what its sum is by hand, what requests cost, and the return on what is spent more."""

import json
import keyword
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.experiments.counted import Counted
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.measure import Column
from seatrial.experiments.question import read
from seatrial.experiments.returns import returns_on_costs, said_of_returns
from seatrial.spec.errors import BadInput
from seatrial.spec.value_terms import Term, terms_of
from seatrial.stats.moments import PairMoments
from seatrial.stats.roi import incremental_roi
from seatrial.stats.roi import roi as roi_of
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
END = worlds.START + 1000 * SECOND


def at(*seconds: float) -> list[int]:
    return [worlds.START + round(second * SECOND) for second in seconds]


def measured(rows: dict[str, Any], of: str, *outcomes: dict[str, Any], **cost: float) -> Column:
    spec = {"kind": "value", "of": of, "cost": cost, "within": 60.0, "grace": 10.0}
    deployment = worlds.deployment(outcomes={"buy": {}, "back": {}}, metrics={"m": spec})
    return read(worlds.source([rows], outcomes), RUN, declared_measures(deployment, RUN), END)[1]["m"]


def test_a_sum_of_fields_of_several_outcomes_less_what_requests_cost() -> None:
    variant = np.array(["champion", "champion", "challenger"], dtype=object)
    rows = worlds.rows(RUN, ["u", "u", "v"], at(0, 5, 0), variant=variant)
    bought = worlds.outcomes("buy", at(6, 7), unit=["u", "u"], fields=[json.dumps({"amount": a}) for a in (10, 20)])
    back = worlds.outcomes("back", at(8, 9), unit=["u", "v"], value_number=[4.0, 2.0])
    found = measured(rows, "buy.amount - 0.5 * back", bought, back, champion=1.0, challenger=3.0)
    assert found.x.tolist() == [30 - 0.5 * 4 - 2 * 1.0, -0.5 * 2 - 3.0]
    assert found.y.tolist() == [2.0, 3.0]


def test_an_outcome_without_a_value_counts_as_one_and_a_unit_without_any_costs_only() -> None:
    rows = worlds.rows(RUN, ["u", "v"], at(0, 0), variant=np.array(["champion"] * 2, dtype=object))
    found = measured(rows, "3 * buy", worlds.outcomes("buy", at(1, 2), unit=["u", "u"]), champion=0.25)
    assert found.x.tolist() == [6 - 0.25, -0.25]


def test_requests_after_the_window_cost_nothing_and_late_outcomes_count_later() -> None:
    rows = worlds.rows(RUN, ["u", "u"], at(0, 61), variant=np.array(["champion"] * 2, dtype=object))
    late = worlds.outcomes("buy", at(5), unit=["u"], value_number=[7.0], received_at=at(71))
    found = measured(rows, "buy", late, champion=1.0)
    assert (found.x.tolist(), found.x_all.tolist(), found.late.tolist()) == ([-1.0], [6.0], [1.0])


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a", [("a", None, 1.0)]),
        ("a.x - b.y", [("a", "x", 1.0), ("b", "y", -1.0)]),
        ("2 * (a.x - b / 4)", [("a", "x", 2.0), ("b", None, -0.5)]),
        ("-a * -3 + a", [("a", None, 4.0)]),
        ("a.x * 0.5 + 1e-3 * a.y", [("a", "x", 0.5), ("a", "y", 0.001)]),
    ],
)
def test_sums_are_read(text: str, terms: list[tuple[str, str | None, float]]) -> None:
    assert terms_of(text) == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize(
    "text",
    ["", "3", "a + 1", "a * b", "a / b", "a / 0", "a ** 2", "f(a)", "a.x.y", "a[0]", "a if b else c", "True * a",
     "1e999 * a", "a; b", "lambda: a", "'a'", 7, None, "(" * 900 + "a" + ")" * 900],
)  # fmt: skip
def test_what_is_no_sum_is_refused_with_the_forms(text: object) -> None:
    with pytest.raises(BadInput, match="write a sum like"):
        terms_of(text)


names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))


@given(st.lists(st.tuples(names, st.integers(-1000, 1000)), min_size=1, max_size=6))
def test_a_written_sum_comes_back(parts: list[tuple[str, int]]) -> None:
    totals: dict[str, float] = {}
    for name, factor in parts:
        totals[name] = totals.get(name, 0.0) + factor
    found = terms_of(" + ".join(f"{factor} * {name}" for name, factor in parts))
    assert {term.outcome: term.factor for term in found} == totals


def test_a_dearer_challenger_must_earn_its_cost_and_the_return_is_told() -> None:
    n = 4000
    rows = worlds.rows(RUN, worlds.unit_names(n), np.full(n, worlds.START))
    treated = np.asarray(rows["variant"] == "challenger")
    earned = np.random.default_rng(1).normal(10, 2, n) + treated
    bought = worlds.outcomes("buy", np.full(n, worlds.START + SECOND), unit=rows["unit"], value_number=earned)
    release = {
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "profit", "minimum_effect": {"absolute": 0.1}},
    }

    def judged(cost: float) -> Any:
        profit = {
            "kind": "value",
            "of": "buy",
            "within": 60.0,
            "grace": 10.0,
            "cost": {"champion": 0.1, "challenger": cost},
        }
        deployment = worlds.deployment(outcomes={"buy": {}}, metrics={"profit": profit}, release=release)
        return judge(deployment, RUN, worlds.source([rows], [bought]), END).metric("profit")

    cheap, dear = judged(0.2), judged(2.1)
    assert (cheap.verdict.word, dear.verdict.word) == ("better", "worse")
    (roi,) = [test for test in cheap.fixed if test.method.startswith("incremental ROI")]
    costs = np.where(treated, 0.2, 0.1)
    arms = [PairMoments.from_values(earned[arm], costs[arm]) for arm in (treated, ~treated)]
    expected = incremental_roi(arms[0], arms[1])
    assert (roi.effect, roi.lower, roi.upper) == pytest.approx((expected.value, *expected.interval), rel=1e-6)
    (own,) = [test for test in cheap.fixed if test.method.startswith("ROI of challenger")]
    of_it = roi_of(arms[0])
    assert (own.effect, own.lower, own.upper) == pytest.approx((of_it.value, *of_it.interval), rel=1e-6)
    (none,) = [test for test in judged(0.1).fixed if test.method.startswith("incremental ROI")]
    assert none.effect is None
    assert "no return to be read" in none.note


@pytest.mark.parametrize(
    ("earns", "cost", "says"),
    [
        (2.0, 0.2, "The challenger earns more and costs less"),
        (-2.0, 0.2, "The challenger earns less and costs less"),
        (0.0, 0.2, "The challenger costs less, and is not shown to earn more or less"),
        (2.0, 0.5, "is not shown to cost more"),
    ],
)
def test_without_additional_costs_there_is_no_return_and_it_is_said_what_there_is(
    earns: float, cost: float, says: str
) -> None:
    n, rng = 4000, np.random.default_rng(1)
    treated = rng.random(n) < 0.5
    counted = Counted(
        here=np.ones(n, dtype=np.bool_),
        treatment=treated,
        strata=np.zeros(n, dtype=np.int64),
        x=rng.normal(10, 1, n) + earns * treated - np.where(treated, cost, 0.5),
        y=np.where(treated, cost, 0.5),
        shape="mean",
        first_at=np.arange(n),
    )
    incremental, *own = returns_on_costs(counted, 0.05, ("challenger", "champion"))
    assert (incremental.effect, incremental.lower, incremental.upper) == (None, None, None)
    assert says in incremental.note
    assert [one.method for one in own] == ["ROI of challenger, Fieller", "ROI of champion, Fieller"]
    said = said_of_returns("profit", [incremental, *own])
    assert said.startswith("profit, returns on costs for one look: no incremental ROI, as the challenger ")
    assert ", ROI of challenger +" in said
    assert ", ROI of champion +1" in said
