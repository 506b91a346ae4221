"""Ratios with uncertain denominators: against Fieller's interval of one arm, refutation on a grid, and the wiring."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seatrial.analysis.judging import judge
from seatrial.stats import compare_ratios
from seatrial.stats.contrast import ZERO, Margin
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.fieller import fieller
from seatrial.stats.moments import PairMoments
from seatrial.stats.uncertain_ratio import Ratios, fieller_evidence, fieller_test, is_uncertain, uncertainty

BOTH = Levels((Level(0.05, 2),), (Level(0.05, 2),))
DEGREES = 300.0


def pair(seed: int, n: int = 200, lift: float = 1.0, sd: float = 2.0) -> PairMoments:
    rng = np.random.default_rng(seed)
    y = rng.normal(1, sd, n)
    return PairMoments.from_values(lift * (1.0 + 0.3 * (y - 1) + rng.normal(0, 0.5, n)), y)


T, C = pair(1, 150, 1.4), pair(2, 180)


def distance(arm: PairMoments, other: PairMoments, ratio: np.ndarray) -> np.ndarray:
    """In standard errors, the larger of own and pooled, from a ratio that was seen."""
    above = np.abs(arm.mean_x - ratio * arm.mean_y)

    def spread(parts: list[PairMoments]) -> np.ndarray:
        ss = sum(p.m2_x - 2 * ratio * p.c_xy + ratio**2 * p.m2_y for p in parts)
        return np.asarray(ss / (sum(p.n for p in parts) - len(parts)) / arm.n)

    return np.asarray(above / np.sqrt(np.maximum(spread([arm]), spread([arm, other]))))


@pytest.mark.parametrize("factor", [1.0, 1.2])
def test_a_difference_is_refuted_where_no_two_ratios_within_the_joint_distance_have_it(factor: float) -> None:
    z = float(stats.t.ppf(0.975, DEGREES))
    r = np.linspace(-1, 6, 6001)
    t, c = distance(T, C, r), distance(C, T, r)
    near = t[:, None] ** 2 + c[None, :] ** 2 <= z * z
    gaps = r[:, None] - factor * r[None, :]
    known = fieller_evidence([Ratios(T, C)], DEGREES, BOTH)
    shift = ZERO if factor == 1 else Margin("relative", factor - 1)
    bounds = known.beyond(shift)
    wide = gaps[near].max() - gaps[near].min()
    assert bounds.lower == pytest.approx(gaps[near].min(), abs=0.01 * wide)
    assert bounds.upper == pytest.approx(gaps[near].max(), abs=0.01 * wide)
    if factor == 1:
        positive = r > 0.05
        quotients = r[:, None] / np.where(positive, r, np.nan)[None, :]
        assert known.relative is not None
        assert known.relative.lower == pytest.approx(np.nanmin(quotients[near]) - 1, abs=0.02)
        assert known.relative.upper == pytest.approx(np.nanmax(quotients[near]) - 1, abs=0.02)


def test_against_an_arm_that_is_known_it_is_fieller_s_own_interval() -> None:
    n = 10**9
    known = PairMoments(n, 1.0, 1.0, T.m2_x * n / T.n * 0.99, T.m2_y * n / T.n * 0.99, T.c_xy * n / T.n * 0.99)
    found = fieller_evidence([Ratios(T, known)], T.n - 1.0, BOTH).absolute
    theirs = fieller(T, 0.05).interval
    wide = theirs.upper - theirs.lower
    assert found.lower == pytest.approx(theirs.lower - 1, abs=0.01 * wide)
    assert found.upper == pytest.approx(theirs.upper - 1, abs=0.01 * wide)


def test_with_certain_denominators_it_is_the_delta_method() -> None:
    t, c = pair(3, 4000, 1.05, 0.05), pair(4, 4000, 1.0, 0.05)
    effect = Effect.of_ratios(t, c)
    found = fieller_evidence([Ratios(t, c)], 8000.0, BOTH)
    half = stats.t.ppf(0.975, 8000) * effect.se
    assert found.absolute == pytest.approx((effect.effect - half, effect.effect + half), abs=0.03 * half)
    p = 2 * stats.t.sf(abs(effect.effect) / effect.se, 8000)
    assert found.p_value(ZERO, "two") == pytest.approx(p, rel=0.2)


def test_the_p_value_is_alpha_just_where_the_interval_ends() -> None:
    known = fieller_evidence([Ratios(T, C)], DEGREES, BOTH)
    p = known.p_value(ZERO, "two")
    for alpha, excluded in ((p * 1.02, True), (p * 0.98, False)):
        at = Levels((Level(alpha, 2),), (Level(alpha, 2),))
        interval = fieller_evidence([Ratios(T, C)], DEGREES, at).absolute
        assert (interval.lower > 0 or interval.upper < 0) == excluded
    assert known.p_value(ZERO, "lower") + known.p_value(ZERO, "upper") == pytest.approx(1.0, abs=0.02)


def test_a_denominator_that_may_be_nothing_gives_no_end() -> None:
    lost = pair(5, 100, 1.0, 20.0)
    assert uncertainty(lost) > 0.5
    known = fieller_evidence([Ratios(lost, C)], DEGREES, BOTH)
    assert known.absolute == (-math.inf, math.inf)
    assert known.p_value(ZERO, "two") > 0.05
    found = fieller_test([Ratios(lost, C)], DEGREES)
    assert (found.lower, found.upper) == (None, None)


def test_phases_weigh_by_their_units() -> None:
    one = fieller_evidence([Ratios(T, C)], DEGREES, BOTH).absolute
    two = fieller_evidence([Ratios(T, C), Ratios(T, C)], DEGREES, BOTH)
    assert two.relative is None
    assert two.absolute.upper - two.absolute.lower == pytest.approx((one.upper - one.lower) / math.sqrt(2), rel=0.1)
    alone = fieller_evidence([Ratios(T, C), Ratios(PairMoments.from_values([1.0], [1.0]), C)], DEGREES, BOTH)
    assert alone.absolute == one


def test_the_library_chooses_it_by_itself() -> None:
    assert is_uncertain([Ratios(T, C)])
    found = compare_ratios(T, C, method="fixed")
    assert "Fieller's for one look, as denominators are uncertain" in found.verdict.sentence
    assert [test.method for test in found.tests] == ["Welch's t", "Fieller's, uncertain denominators"]
    assert (found.verdict.lower, found.verdict.upper) != (found.tests[0].lower, found.tests[0].upper)
    assert "Fieller" not in compare_ratios(T, C).verdict.method
    sure = pair(3, 4000, 1.05, 0.05), pair(4, 4000, 1.0, 0.05)
    assert "Fieller" not in compare_ratios(*sure, method="fixed").verdict.method


def test_files_choose_it_too_and_leave_covariates_out() -> None:
    rng = np.random.default_rng(8)
    n = 4000
    items = (rng.random(n) < 0.04) * (1.0 + rng.poisson(1, n))
    units = pd.DataFrame(
        {
            "unit": range(n),
            "variant": np.where(rng.random(n) < 0.5, "new", "control"),
            "value": items * rng.lognormal(2, 0.5, n),
            "items": items,
            "before": items + rng.normal(0, 1, n),
            "visits": 1.0 + rng.poisson(3, n),
        }
    )
    asked = {"price": "ratio:value/items,covariate=before", "spent": "ratio:value/visits"}
    found = judge(units, metrics=asked).comparisons[0]
    price, spent = found.metric("price"), found.metric("spent")
    assert "Fieller's for one look" in price.verdict.sentence
    assert price.covariates == ()
    beside = next(test for test in price.tests if test.method.startswith("Fieller"))
    assert (beside.lower, beside.upper) == (price.verdict.lower, price.verdict.upper)
    assert "treatment " in beside.note
    assert "control " in beside.note
    assert "Fieller" not in spent.verdict.method
    looked = judge(units, metrics=asked, method="always-valid").comparisons[0].metric("price")
    assert "Fieller" not in looked.verdict.method
