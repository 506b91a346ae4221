"""Ranks of tied values: Brunner and Munzel's test against scipy's, and the words against what was drawn."""

import numpy as np
import pytest
from scipy import stats

from seatrial.stats.at_once import judge_by_ranks
from seatrial.stats.brunner_munzel import above_evidence, placed
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.moments import Moments
from seatrial.stats.permuted import permuted_evidence
from seatrial.stats.verdict import Question, Role, Verdict

BOTH = Levels((Level(0.05, 2),), (Level(0.05, 2),))
ONE = Levels((Level(0.05, 1),), (Level(0.05, 1),))


def judged(t: np.ndarray, c: np.ndarray, role: Role = "primary", margin: Margin | None = None) -> Verdict:
    effect = Effect.of_means(Moments.from_values(t), Moments.from_values(c))
    asked = Question(metric="revenue", margin=margin, treatment="new", control="old")
    return judge_by_ranks(effect, asked, role, lambda: (t, c))


def buyers(share: float, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(np.where(np.arange(n) < share * n, rng.lognormal(2, 1, n), 0.0))


@pytest.mark.parametrize(("n", "m", "top"), [(30, 50, 5), (200, 40, 3), (15, 15, 40), (400, 400, 2)])
def test_it_is_brunner_and_munzel_s(n: int, m: int, top: int) -> None:
    rng = np.random.default_rng(n + top)
    t, c = rng.integers(0, top, n) + 1.0, rng.integers(0, top, m).astype(float)
    found = placed(t, c)
    assert found.above == pytest.approx((t[:, None] > c).mean() + (t[:, None] == c).mean() / 2, rel=1e-12)
    assert found.equal == pytest.approx((t[:, None] == c).mean(), rel=1e-12)
    own = found._replace(variance_pooled=0.0)
    theirs = stats.brunnermunzel(t, c)
    assert above_evidence(own, BOTH).p_value(ZERO, "two") == pytest.approx(theirs.pvalue, rel=1e-9)
    for side, alternative in (("lower", "greater"), ("upper", "less")):
        one = stats.brunnermunzel(t, c, alternative=alternative).pvalue
        assert above_evidence(own, ONE).p_value(ZERO, side) == pytest.approx(one, rel=1e-9)  # type: ignore[arg-type]
    ours = above_evidence(found, BOTH).p_value(ZERO, "two")
    assert ours >= theirs.pvalue * (1 - 1e-9), "in the larger of both standard errors"


def test_the_pooled_error_is_mann_whitney_s_with_its_correction_for_ties() -> None:
    rng = np.random.default_rng(3)
    t, c = rng.integers(0, 4, 60).astype(float), rng.integers(0, 4, 90).astype(float)
    found = placed(t, c)
    z = (found.above - 0.5) / found.variance_pooled**0.5
    theirs = stats.mannwhitneyu(t, c, use_continuity=False, method="asymptotic").pvalue
    assert 2 * stats.norm.sf(abs(z)) == pytest.approx(theirs, rel=1e-9)


def test_fewer_buyers_are_worse_although_the_shift_is_nothing() -> None:
    found = judged(buyers(0.07, 4000, 1), buyers(0.10, 4000, 2), margin=Margin("absolute", 0.1))
    assert found.word == "worse"
    assert (found.effect, found.lower, found.upper) == (None, None, None)
    assert found.above is not None
    assert found.above.upper < 0.5
    assert found.above.equal == pytest.approx(0.93 * 0.9, rel=1e-9)
    assert "of pairs 83.70% are equal, and new is above old in 48.48% (47.87% to 49.09%)" in found.sentence
    assert "so that no shift is told" in found.sentence


@pytest.mark.parametrize("seed", range(5))
def test_as_many_buyers_are_not_called_equivalent(seed: int) -> None:
    assert judged(buyers(0.1, 4000, seed), buyers(0.1, 4000, 9), margin=Margin("absolute", 0.1)).word == "inconclusive"


def test_a_guardrail_s_margin_is_told_only_where_the_treatment_is_not_worse_at_all() -> None:
    few, many, five = buyers(0.07, 4000, 1), buyers(0.10, 4000, 2), Margin("relative", 0.05)
    found = judged(few, many, "guardrail", five)
    assert found.word == "no-data"
    assert "ranks tell no shift of such values, nor whether it keeps a margin" in found.reason
    assert judged(many, buyers(0.10, 4000, 3), "guardrail", five).word == "no-data"
    assert judged(many, few, "guardrail", five).word == "non-inferior"
    assert judged(few, many, "guardrail").word == "worse"


def test_few_ties_leave_the_shift_unless_it_contradicts_the_test() -> None:
    rng = np.random.default_rng(5)
    t, c = np.round(rng.normal(1, 10, 400), 1), np.round(rng.normal(0, 10, 400), 1)
    found = judged(t, c, margin=Margin("absolute", 5))
    assert (found.word, found.above) == ("equivalent", None)
    # A fifth of one arm's units, and a fourteenth of the other's, lie at 0 exactly; the rest is far on either side.
    t = np.concatenate([np.zeros(100), rng.uniform(50, 60, 470), rng.uniform(-60, -50, 430)])
    c = np.concatenate([np.zeros(450), rng.uniform(50, 60, 235), rng.uniform(-60, -50, 315)])
    found = judged(t, c)
    assert placed(t, c).equal < 0.05
    assert found.above is not None
    assert found.word == "better"


def test_few_units_with_another_value_are_relabelled() -> None:
    t, c = np.r_[np.zeros(20), 1.0 + np.arange(8)], np.zeros(30)
    found = judged(t, c)
    assert (found.word, "by permutation" in found.method) == ("better", True)
    ranks = stats.rankdata(np.r_[t, c]) / 58
    own, other = ranks[:28], ranks[28:]
    effect = Effect.of_means(Moments.from_values(own), Moments.from_values(other))
    assert found.p_value == permuted_evidence(own, other, effect, BOTH).p_value(ZERO, "two")
    assert found.above is not None
    assert found.above.value == pytest.approx(0.5 + effect.effect, rel=1e-12)


@pytest.mark.parametrize(
    ("t", "c", "says"),
    [
        ([1.0, 1.0], [1.0, 1.0, 1.0], "every unit had the same value"),
        ([1.0], [1.0, 2.0], "1 unit of new"),
    ],
)
def test_what_cannot_be_told_is_no_data(t: list[float], c: list[float], says: str) -> None:
    found = judged(np.array(t), np.array(c))
    assert found.word == "no-data"
    assert says in found.reason
