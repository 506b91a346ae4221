"""Verdicts at planned looks: the words, the order of looks, and the share of false claims."""

import math

import numpy as np
import pytest

from seatrial.spec.errors import BadInput
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.group_bounds import spending_bounds
from seatrial.stats.moments import Moments
from seatrial.stats.planned_looks import Stage, judge_looks
from seatrial.stats.primary import judge_primary
from seatrial.stats.spending import Spending
from seatrial.stats.verdict import Question

QUESTION = Question(metric="revenue")
POCOCK = Spending("pocock")


def stage(share: float, effect: float, mean: float = 10.0, n: int = 4000) -> Stage:
    units = round(n * share / 2)
    variance = float(units - 1)
    return Stage(share, Effect.of_means(Moments(units, mean + effect, variance), Moments(units, mean, variance)))


def test_nothing_is_said_before_a_bound_is_crossed() -> None:
    found = judge_looks([stage(0.5, 0.05)], QUESTION)
    assert found.verdict.word == "inconclusive"
    assert found.stopped_at is None
    assert found.verdict.p_value is None
    upper = spending_bounds([0.5], 0.025, sides=1)[0].upper
    se = math.sqrt(2 / 1000)
    assert found.verdict.lower == pytest.approx(0.05 - upper * se, rel=1e-3)
    assert "1 planned look" in found.verdict.method


def test_the_decision_stands_at_the_first_crossing() -> None:
    found = judge_looks([stage(0.5, 0.2), stage(1.0, 0.0)], QUESTION, final=True)
    assert (found.verdict.word, found.stopped_at) == ("better", 1)
    assert found.overrun == pytest.approx(0.0)
    assert found.result is not None
    assert found.verdict.effect == pytest.approx(found.result.effect)
    assert (found.verdict.effect or 1) < 0.2
    assert found.verdict.p_value == pytest.approx(found.result.p_value)
    assert judge_looks([stage(0.5, -0.2)], QUESTION).verdict.word == "worse"


def test_the_last_look_decides_with_what_is_left() -> None:
    found = judge_looks([stage(0.5, 0.01), stage(0.9, 0.0)], QUESTION, final=True)
    assert (found.verdict.word, found.stopped_at) == ("inconclusive", 2)
    assert found.verdict.p_value is not None
    near = [stage(0.5, 0.01), stage(0.9, 0.0675)]
    assert judge_looks(near, QUESTION, final=True).verdict.word == "better"
    assert judge_looks(near, QUESTION).verdict.word == "inconclusive"


def test_one_look_at_the_end_says_what_fixed_says() -> None:
    for effect in (0.06, 0.064):
        one = stage(1.0, effect)
        fixed = judge_primary(one.effect, QUESTION, method="fixed")
        found = judge_looks([one], QUESTION, final=True).verdict
        assert found.word == fixed.word
        assert (found.lower, found.upper) == pytest.approx((fixed.lower, fixed.upper), abs=1e-4)
        assert (found.relative_lower, found.relative_upper) == pytest.approx(
            (fixed.relative_lower, fixed.relative_upper), abs=1e-5
        )
        assert found.p_value == pytest.approx(fixed.p_value, abs=2e-4)


def test_equivalence_and_guardrails() -> None:
    stages = [stage(0.5, 0.0, n=40_000), stage(1.0, 0.001, n=40_000)]
    equal = Question(metric="revenue", margin=Margin("relative", 0.01))
    assert judge_looks(stages, equal, final=True).verdict.word == "equivalent"
    assert judge_looks(stages, equal, role="guardrail", final=True).verdict.word == "non-inferior"
    worse = judge_looks([stage(0.5, -0.5)], equal, role="guardrail")
    assert (worse.verdict.word, worse.stopped_at) == ("worse", 1)
    lower = Question(metric="latency", want="lower", margin=Margin("absolute", 0.1))
    assert judge_looks([stage(0.5, 0.5)], lower, role="guardrail").verdict.word == "worse"


def test_looks_below_the_minimum_say_so_and_spend_nothing() -> None:
    early = judge_looks([stage(0.02, 5.0)], QUESTION)
    assert early.verdict.word == "no-data"
    assert early.result is None
    found = judge_looks([stage(0.02, 5.0), stage(0.5, 0.2)], QUESTION, spending=POCOCK)
    assert found.stopped_at == 2
    alone = judge_looks([stage(0.5, 0.2)], QUESTION, spending=POCOCK)
    assert found.verdict.lower == alone.verdict.lower
    with pytest.raises(BadInput, match="no look has been taken"):
        judge_looks([], QUESTION)


def test_one_effect_alone_is_refused() -> None:
    with pytest.raises(BadInput, match="call judge_looks"):
        judge_primary(stage(1.0, 0.1).effect, QUESTION, method="group-sequential")


@pytest.mark.parametrize("spending", [Spending(), POCOCK], ids=["obrien-fleming", "pocock"])
def test_equal_arms_are_told_apart_in_at_most_alpha_of_worlds(spending: Spending) -> None:
    rng, worlds, wrong = np.random.default_rng(11), 100, 0
    shares = [0.25, 0.5, 0.75, 1.0]
    for _ in range(worlds):
        t, c = rng.normal(10, 1, 1000), rng.normal(10, 1, 1000)
        stages = [
            Stage(s, Effect.of_means(Moments.from_values(t[: int(1000 * s)]), Moments.from_values(c[: int(1000 * s)])))
            for s in shares
        ]
        wrong += judge_looks(stages, QUESTION, spending=spending, final=True).verdict.word in ("better", "worse")
    assert wrong / worlds <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / worlds)
    assert wrong > 0  # alpha is used, not hoarded
