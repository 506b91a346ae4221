"""One look at small samples: the exact test of two shares, permutation of means, ranks. scipy, and enumeration."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from seatrial.spec.errors import BadInput
from seatrial.stats.at_once import judge_at_once, judge_by_ranks
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Evidence, Level, Levels
from seatrial.stats.mann_whitney import mann_whitney
from seatrial.stats.moments import Moments
from seatrial.stats.permuted import Relabelled, permuted_evidence
from seatrial.stats.proportion import newcombe
from seatrial.stats.ranked import ranked_evidence
from seatrial.stats.relabelling import MOST_COUNTED
from seatrial.stats.unconditional import Table, unconditional_evidence, unconditional_p
from seatrial.stats.verdict import Question

BOTH = Levels((Level(0.05, 2),), (Level(0.05, 2),))
ONE = Levels((Level(0.05, 1),), (Level(0.05, 1),))
DOUBT = 1e-6


def absolute(size: float) -> Margin:
    return Margin("absolute", size)


def means(t: np.ndarray, c: np.ndarray) -> Effect:
    return Effect.of_means(Moments.from_values(t), Moments.from_values(c))


def chance_of(x: np.ndarray, n: int, p: float) -> np.ndarray:
    return np.asarray(stats.binom.pmf(x, n, p))


@pytest.mark.parametrize(
    "table", [(7, 12, 2, 9), (1, 15, 8, 14), (0, 10, 3, 10), (5, 5, 2, 6), (3, 40, 0, 25), (2, 7, 2, 7)]
)
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_without_a_margin_it_is_the_pooled_test_of_suissa_and_shuster(table, side) -> None:  # type: ignore[no-untyped-def]
    x, n, y, m = table
    ours = unconditional_p(Table(*table), side=side)
    columns = np.array([[x, y], [n - x, m - y]])
    alternative = "greater" if side == "lower" else "less"
    theirs = stats.barnard_exact(columns, alternative=alternative, pooled=True, n=1024)
    # Theirs looks for the worst share among 1 024 points of all; ours may find a slightly worse one, adds the doubt,
    # and looks where the data leave it possible: of 3 in 40 against 0 in 25 the worst of all, far above a half, is not.
    if table == (3, 40, 0, 25):
        assert ours < theirs.pvalue or ours == theirs.pvalue == 1
    else:
        assert ours == pytest.approx(theirs.pvalue, rel=2e-3, abs=2 * DOUBT)


@pytest.mark.parametrize(
    ("shift", "of"), [(absolute(0.2), lambda q: q + 0.2), (Margin("relative", 0.5), lambda q: 1.5 * q)]
)
def test_with_a_margin_it_is_the_worst_chance_of_a_table_as_far(shift, of) -> None:  # type: ignore[no-untyped-def]
    """By all tables and shares: the likeliest shares under the margin are found by minimising, not by the cubic."""
    n, m, seen = 7, 5, Table(6, 7, 1, 5)
    q = np.linspace(0, 1, 4001)
    p = of(q)
    inside = (p >= 0) & (p <= 1)
    q, p = q[inside], p[inside]

    def score(x: int, y: int) -> float:
        with np.errstate(divide="ignore"):
            logs = stats.binom.logpmf(x, n, p) + stats.binom.logpmf(y, m, q)
        best = int(logs.argmax())
        f = 1.0 if shift.scale == "absolute" else 1 + shift.size
        gap = x / n - f * y / m - (shift.size if shift.scale == "absolute" else 0.0)
        variance = p[best] * (1 - p[best]) / n + f * f * q[best] * (1 - q[best]) / m
        return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap) if gap else 0.0

    at = score(seen.treatment, seen.control)
    total = np.zeros(q.size)
    for x, y in product(range(n + 1), range(m + 1)):
        if score(x, y) >= at - 1e-3:
            total += chance_of(np.array(x), n, p) * chance_of(np.array(y), m, q)
    assert unconditional_p(seen, shift, "lower") == pytest.approx(total.max(), rel=1e-4, abs=2 * DOUBT)


def test_the_intervals_cover_whatever_the_shares_are() -> None:
    n, m = 6, 4
    q = np.linspace(0.01, 0.99, 41)
    covered = {"difference": np.zeros((41, 41)), "ratio": np.zeros((41, 41))}
    p_grid, q_grid = np.meshgrid(q, q, indexing="ij")
    for x, y in product(range(n + 1), range(m + 1)):
        found = unconditional_evidence(Table(x, n, y, m), BOTH)
        assert found.relative is not None
        chance = np.outer(stats.binom.pmf(x, n, q), stats.binom.pmf(y, m, q))
        for name, value, interval in (
            ("difference", p_grid - q_grid, found.absolute),
            ("ratio", p_grid / q_grid - 1, found.relative),
        ):
            covered[name] += chance * ((value >= interval.lower - 1e-9) & (value <= interval.upper + 1e-9))
    for share in covered.values():
        assert share.min() >= 0.95 - 1e-6


@given(st.integers(0, 12), st.integers(0, 9), st.sampled_from([-0.3, -0.1, 0.0, 0.2, 0.4]))
@settings(max_examples=15, deadline=None)
def test_words_and_interval_agree_about_every_margin(x: int, y: int, size: float) -> None:
    found = unconditional_evidence(Table(x, 12, y, 9), BOTH)
    bounds, slack = found.beyond(absolute(size)), 1e-3
    if abs(found.absolute.lower - size) > slack or size == 0:
        assert (bounds.lower > 0) == (found.absolute.lower > size or found.absolute.lower == size == 0)
    if abs(found.absolute.upper - size) > slack or size == 0:
        assert (bounds.upper < 0) == (found.absolute.upper < size or found.absolute.upper == size == 0)


def test_arms_may_be_exchanged() -> None:
    one, other = (unconditional_evidence(Table(*t), BOTH) for t in ((3, 30, 9, 25), (9, 25, 3, 30)))
    assert one.absolute.lower == pytest.approx(-other.absolute.upper, abs=1e-12)
    assert one.p_value(absolute(0.0), "two") == pytest.approx(other.p_value(absolute(0.0), "two"), rel=1e-12)


def test_rare_events_among_many_units_are_quick_and_near_the_score_interval() -> None:
    table = Table(40, 1_000_000, 75, 1_000_000)
    found = unconditional_evidence(table, BOTH)
    near = newcombe(*table)
    assert found.absolute.lower == pytest.approx(near.lower, rel=0.05)
    assert found.absolute.upper == pytest.approx(near.upper, rel=0.05)
    fisher = stats.fisher_exact([[40, 75], [999_960, 999_925]]).pvalue
    assert found.p_value(absolute(0.0), "two") == pytest.approx(fisher, rel=0.5)
    assert found.p_value(absolute(0.0), "two") < fisher + 2 * DOUBT


def test_shares_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadInput, match="5 of 4"):
        unconditional_p(Table(5, 4, 1, 3))
    with pytest.raises(BadInput, match="0 of 0"):
        unconditional_evidence(Table(0, 0, 1, 3), BOTH)


def welch_t(a: np.ndarray, b: np.ndarray) -> float:
    return float((a.mean() - b.mean()) / math.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size))


@pytest.mark.parametrize(("n", "m"), [(5, 7), (8, 4), (6, 6)])
@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_relabellings_are_all_counted_where_they_are_few(n: int, m: int, shift: float) -> None:
    rng = np.random.default_rng(n)
    t, c = rng.lognormal(0.7, 1, n), rng.lognormal(0, 0.5, m)
    ours = Relabelled(t, c)
    assert ours.counted
    for side, alternative in (("lower", "greater"), ("upper", "less")):
        theirs = stats.permutation_test((t - shift, c), welch_t, n_resamples=np.inf, alternative=alternative)
        assert ours.of_shift(shift, side) == pytest.approx(theirs.pvalue, rel=1e-12)  # type: ignore[arg-type]


def test_a_factor_is_undone_before_labels_are_dealt() -> None:
    rng = np.random.default_rng(3)
    t, c = rng.lognormal(0.5, 0.4, 7), rng.lognormal(0, 0.4, 6)
    theirs = stats.permutation_test((t, 1.3 * c), welch_t, n_resamples=np.inf, alternative="greater")
    assert Relabelled(t, c).of_factor(1.3, "lower") == pytest.approx(theirs.pvalue, rel=1e-12)


def test_many_relabellings_are_drawn_alike_each_time() -> None:
    rng = np.random.default_rng(4)
    t, c = rng.exponential(1.6, 40), rng.exponential(1, 55)
    ours = Relabelled(t, c)
    assert not ours.counted
    assert math.comb(95, 40) > MOST_COUNTED
    p_value = ours.of_shift(0.0, "lower")
    theirs = stats.permutation_test(
        (t, c),
        lambda a, b, axis: (
            (a.mean(axis) - b.mean(axis))
            / np.sqrt(a.var(axis, ddof=1) / a.shape[axis] + b.var(axis, ddof=1) / b.shape[axis])
        ),
        n_resamples=20_000,
        rng=3,
        vectorized=True,
        alternative="greater",
    )
    assert p_value == pytest.approx(theirs.pvalue, abs=4 * math.sqrt(theirs.pvalue / 9_999))
    assert Relabelled(t, c).of_shift(0.0, "lower") == p_value


@pytest.mark.parametrize("far", [0.0, 1e8])
@pytest.mark.parametrize(("n", "m"), [(30, 40), (28, 20)])
def test_the_interval_holds_what_permutation_does_not_refute(far: float, n: int, m: int) -> None:
    rng = np.random.default_rng(5)
    t, c = far + rng.normal(0.5, 1, n), far + rng.normal(0, 2, m)
    found = permuted_evidence(t, c, means(t, c), BOTH)
    ours, slack = Relabelled(t, c), 0.01 * (found.absolute.upper - found.absolute.lower)
    for end, side, sign in ((found.absolute.lower, "lower", 1), (found.absolute.upper, "upper", -1)):
        assert ours.of_shift(end, side) <= 0.025  # type: ignore[arg-type]
        assert ours.of_shift(end + sign * slack, side) > 0.025  # type: ignore[arg-type]
    welch = stats.ttest_ind(t, c, equal_var=False).confidence_interval(0.95)
    assert (found.absolute.lower, found.absolute.upper) == pytest.approx((welch.low, welch.high), abs=0.2)


def test_uneven_arms_are_told_by_the_wider_of_permutation_s_and_welch_s_intervals() -> None:
    rng = np.random.default_rng(8)
    for spread in (0.3, 3.0):
        t, c = rng.normal(5, spread, 12), rng.normal(5, 1, 40)
        found = permuted_evidence(t, c, means(t, c), BOTH)
        assert "Welch's t" in found.method
        theirs = stats.ttest_ind(t, c, equal_var=False)
        welch = theirs.confidence_interval(0.95)
        assert found.absolute.lower <= welch.low + 1e-9
        assert found.absolute.upper >= welch.high - 1e-9
        assert found.p_value(absolute(0.0), "two") == pytest.approx(
            max(theirs.pvalue, Relabelled(t, c).of_shift(0.0, "two")), rel=1e-9
        )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_relative_ends_are_ratios_that_are_not_refuted(sign: float) -> None:
    rng = np.random.default_rng(6)
    t, c = sign * rng.lognormal(0.3, 0.3, 30), sign * rng.lognormal(0, 0.3, 30)
    effect = means(t, c)
    found = permuted_evidence(t, c, effect, BOTH)
    assert found.relative is not None
    assert found.relative.lower < effect.effect / abs(effect.control_mean) < found.relative.upper
    for margin in (0.05, 0.1, 0.8, -0.2):
        bounds = found.beyond(Margin("relative", margin))
        assert (bounds.lower > 0) == (found.relative.lower > margin)
        assert (bounds.upper < 0) == (found.relative.upper < margin)
    nearly_none = rng.normal(0, 1, 20)
    assert permuted_evidence(nearly_none + 1, nearly_none, means(nearly_none + 1, nearly_none), BOTH).relative is None


def test_three_units_an_arm_refute_nothing_and_have_no_ends() -> None:
    t, c = np.array([1.0, 2.0, 3.0]), np.array([10.0, 11.0, 12.0])
    found = permuted_evidence(t, c, means(t, c), BOTH)
    assert found.p_value(absolute(0.0), "two") == pytest.approx(0.1)
    assert found.absolute == (-math.inf, math.inf)


def test_ranks_are_mann_whitney_s() -> None:
    rng = np.random.default_rng(7)
    t, c = rng.lognormal(0.4, 1, 80), rng.lognormal(0, 1, 70)
    found: Evidence = ranked_evidence(t, c, BOTH)
    test = mann_whitney(t, c).test
    assert found.absolute == (test.lower, test.upper)
    assert found.p_value(absolute(0.0), "two") == test.p_value
    theirs = stats.mannwhitneyu(t - 0.2, c, alternative="greater", method="asymptotic")
    assert found.p_value(absolute(0.2), "lower") == pytest.approx(theirs.pvalue, rel=1e-6)
    one_sided = ranked_evidence(t, c, ONE)
    assert one_sided.absolute == (mann_whitney(t, c, 0.1).test.lower, mann_whitney(t, c, 0.1).test.upper)


def share_effect(x: int, n: int, y: int, m: int) -> Effect:
    arms = [Moments.from_values([1.0] * a + [0.0] * (b - a)) for a, b in ((x, n), (y, m))]
    return Effect.of_means(arms[0], arms[1], two_valued=True)


@pytest.mark.parametrize(
    ("counts", "word", "says"),
    [
        ((0, 2000, 25, 2000), "worse", "exact for one look, as events or units are few"),
        ((260, 2000, 200, 2000), "better", "95% interval, for one look"),
        ((9, 20, 1, 20), "better", "exact for one look"),
        ((0, 500, 0, 500), "inconclusive", "exact for one look"),
        ((3, 4, 1, 4), "inconclusive", "exact for one look"),
    ],
)
def test_shares_are_judged_by_what_fits_and_the_verdict_says_so(counts, word, says) -> None:  # type: ignore[no-untyped-def]
    found = judge_at_once(share_effect(*counts), Question(metric="m"), "primary", table=Table(*counts))
    assert found.word == word
    assert says in found.method
    assert found.p_value is not None
    assert (found.p_value < 0.05) == (word in ("better", "worse"))
    assert found.lower is not None
    assert (found.lower > 0) == (word == "better")


def test_a_margin_of_few_failures_is_kept_exactly() -> None:
    counts, asked = (1, 3000, 1, 3000), Question(metric="errors", want="lower", margin=Margin("absolute", 0.005))
    found = judge_at_once(share_effect(*counts), asked, "guardrail", table=Table(*counts))
    assert found.word == "non-inferior"
    tight = Question(metric="errors", want="lower", margin=Margin("absolute", 0.0005))
    assert judge_at_once(share_effect(*counts), tight, "guardrail", table=Table(*counts)).word == "inconclusive"


def test_few_units_are_judged_by_permutation_and_many_by_welch() -> None:
    rng = np.random.default_rng(8)
    t, c = rng.lognormal(1.5, 0.5, 20), rng.lognormal(0, 0.5, 20)
    found = judge_at_once(means(t, c), Question(metric="m"), "primary", values=lambda: (t, c))
    assert found.word == "better"
    assert "by permutation for one look, as units are few (by 10000 relabellings)" in found.sentence
    t, c = rng.lognormal(0, 0.5, 200), rng.lognormal(0, 0.5, 200)
    assert judge_at_once(means(t, c), Question(metric="m"), "primary", values=lambda: (t, c)).method == (
        "95% interval, for one look"
    )


@pytest.mark.parametrize(("t", "c"), [([1.0], [1.0, 2.0]), ([3.0, 3.0], [3.0, 3.0])])
def test_where_nothing_can_be_said_there_is_no_data(t: list[float], c: list[float]) -> None:
    arms = np.array(t), np.array(c)
    assert judge_at_once(means(*arms), Question(metric="m"), "primary", values=lambda: arms).word == "no-data"


def test_the_verdict_by_ranks_shows_the_shift() -> None:
    rng = np.random.default_rng(9)
    t, c = rng.lognormal(0.6, 2, 300), rng.lognormal(0, 2, 300)
    found = judge_by_ranks(means(t, c), Question(metric="m"), "primary", lambda: (t, c))
    assert found.word == "better"
    assert found.effect == mann_whitney(t, c).test.effect
    assert found.effect is not None
    assert f"better than champion by {found.effect:.4g}" in found.sentence
    assert "by ranks (Mann-Whitney, Hodges-Lehmann) for one look" in found.method
    assert found.treatment_mean == pytest.approx(t.mean())
