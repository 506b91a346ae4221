"""Group-sequential bounds against published tables, the multivariate normal distribution, and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from seatrial.spec.errors import BadInput
from seatrial.stats.group_bounds import (
    futility_bounds,
    futility_drift,
    inflation,
    planned_drift,
    spending_bounds,
)
from seatrial.stats.group_sequential import GroupPlan, Look, group_sequential
from seatrial.stats.group_walk import Bounds, crossing
from seatrial.stats.spending import Form, Spending

FIFTHS = [0.2, 0.4, 0.6, 0.8, 1.0]
OBRIEN = Spending("obrien-fleming")
POCOCK = Spending("pocock")


def uppers(bounds: tuple[Bounds, ...]) -> list[float]:
    return [b.upper for b in bounds]


def either(bounds: list[float], shares: list[float]) -> float:
    found = crossing(shares, [Bounds(-b, b) for b in bounds])
    return sum(found.lower) + sum(found.upper)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        # Reboussin, DeMets, Kim, Lan (2000), Controlled Clinical Trials 21: five equal looks, two-sided 0.05. Their
        # program's grid is good to 1e-4.
        (OBRIEN, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]),
        (POCOCK, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859]),
    ],
)
def test_lan_and_demets_bounds_are_the_published_ones(spending: Spending, published: list[float]) -> None:
    assert uppers(spending_bounds(FIFTHS, 0.05, spending)) == pytest.approx(published, abs=1.5e-4)


def test_the_bounds_of_another_program() -> None:
    """SeqBounds.jl's example: four equal looks, one-sided 0.05, O'Brien and Fleming's spending."""
    found = uppers(spending_bounds([0.25, 0.5, 0.75, 1.0], 0.05, OBRIEN, sides=1))
    assert found == pytest.approx([3.74955, 2.53993, 2.01604, 1.72014], abs=1e-4)


def test_armitage_mcpherson_and_rowes_table() -> None:
    """Chance of ever passing 1.96 in 2, 5, 10 and 100 equal looks (their 1969 table: .083, .142, .193; .374 at 100)."""
    for looks, published in ((2, 0.083), (5, 0.142), (10, 0.193), (100, 0.374)):
        shares = [(k + 1) / looks for k in range(looks)]
        assert either([1.959964] * looks, shares) == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize(("looks", "pocock", "obrien"), [(2, 2.178, 1.977), (5, 2.413, 2.040), (10, 2.555, 2.087)])
def test_jennison_and_turnbulls_constants(looks: int, pocock: float, obrien: float) -> None:
    """Their tables 2.1 and 2.3, two-sided 0.05: with the constants of Pocock's and of O'Brien and Fleming's tests."""
    shares = [(k + 1) / looks for k in range(looks)]
    assert either([pocock] * looks, shares) == pytest.approx(0.05, abs=1e-4)
    assert either([obrien / math.sqrt(t) for t in shares], shares) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("constant", "shape", "published"), [(2.413, 0.0, 1.229), (2.040, 0.5, 1.028)])
def test_jennison_and_turnbulls_inflation(constant: float, shape: float, published: float) -> None:
    """Their tables 2.2 and 2.4: five looks, two-sided 0.05, power 0.8."""
    bounds = [Bounds(-constant * t**-shape, constant * t**-shape) for t in FIFTHS]
    assert inflation(FIFTHS, bounds, 0.05, 0.8) == pytest.approx(published, abs=1.1e-3)


def test_gsdesigns_default_with_futility() -> None:
    """gsDesign() of R's gsDesign: three looks, one-sided 0.025, power 0.9, Hwang-Shih-DeCani -4 and -2, non-binding."""
    shares = [1 / 3, 2 / 3, 1.0]
    bounds = spending_bounds(shares, 0.025, Spending("hwang-shih-decani", -4), sides=1)
    assert uppers(bounds) == pytest.approx([3.0107, 2.5465, 1.9992], abs=1e-4)
    futility = Spending("hwang-shih-decani", -2)
    drift = futility_drift(shares, bounds, 0.1, futility)
    lower = futility_bounds(shares, bounds, drift, 0.1, futility)
    assert lower == pytest.approx([-0.2387, 0.9410, 1.9992], abs=1e-4)
    assert (drift / (stats.norm.ppf(0.975) + stats.norm.ppf(0.9))) ** 2 == pytest.approx(1.070, abs=1e-3)


@pytest.mark.parametrize("form", ["obrien-fleming", "pocock", "power", "hwang-shih-decani"])
def test_bounds_spend_what_the_function_says(form: Form) -> None:
    """By the multivariate normal distribution: never below the upper bounds so far has the chance that is left."""
    shares, spending = [0.15, 0.5, 0.8, 1.0], Spending(form, 2.0)
    found = uppers(spending_bounds(shares, 0.1, spending, sides=1))
    covariance = [[math.sqrt(min(s, t) / max(s, t)) for t in shares] for s in shares]
    for k in range(1, 5):
        inside = stats.multivariate_normal.cdf(
            found[:k],
            np.zeros(k),
            np.array(covariance)[:k, :k],
            abseps=1e-7,
            releps=1e-7,
            maxpts=1_000_000,
            rng=np.random.default_rng(1),
        )
        assert 1 - inside == pytest.approx(spending.spent(shares[k - 1], 0.1), abs=1e-6)


def test_what_was_not_spent_goes_to_the_last_look() -> None:
    early = spending_bounds([0.3, 0.7], 0.05, OBRIEN, final=True)
    assert either(uppers(early), [0.3, 0.7]) == pytest.approx(0.05, abs=1e-9)
    late = spending_bounds([0.5, 1.2], 0.05, OBRIEN, final=True)
    assert either(uppers(late), [0.5, 1.2]) == pytest.approx(0.05, abs=1e-9)
    assert uppers(early)[1] < uppers(spending_bounds([0.3, 0.7], 0.05, OBRIEN))[1]


def test_a_hundred_looks_keep_alpha() -> None:
    shares = [(k + 1) / 100 for k in range(100)]
    for spending in (OBRIEN, POCOCK):
        assert either(uppers(spending_bounds(shares, 0.05, spending)), shares) == pytest.approx(0.05, abs=1e-9)


def test_one_look_is_the_fixed_test() -> None:
    result = group_sequential([Look(1.0, 0.5, 0.2)], final=True)
    assert result.bounds[0].upper == pytest.approx(stats.norm.ppf(0.975), rel=1e-9)
    assert result.effect == pytest.approx(0.5, abs=1e-8)
    assert (result.lower, result.upper) == pytest.approx((0.5 - 0.2 * 1.959964, 0.5 + 0.2 * 1.959964), abs=1e-6)
    assert result.p_value == pytest.approx(2 * stats.norm.sf(2.5), rel=1e-8)
    assert result.crossed == "upper"


def looks_of(increments: np.ndarray, drift: float, shares: list[float]) -> list[Look]:
    steps = np.diff([0.0, *shares])
    score = np.cumsum(drift * steps + np.sqrt(steps) * increments)
    return [Look(t, s / t, t**-0.5) for t, s in zip(shares, score, strict=True)]


@pytest.mark.parametrize("drift", [0.0, 2.8])
def test_after_stopping_the_estimate_is_median_unbiased_and_its_interval_covers(drift: float) -> None:
    shares, worlds = [0.25, 0.5, 1.0], 150
    rng = np.random.default_rng(7)
    above = covered = stopped = 0
    naive = []
    for _ in range(worlds):
        looks = looks_of(rng.standard_normal(3), drift, shares)
        for k in range(1, 4):
            result = group_sequential(looks[:k], GroupPlan(spending=POCOCK), final=k == 3)
            if result.stopped_at is not None:
                break
        above += result.effect > drift
        covered += result.lower <= drift <= result.upper
        stopped += result.crossed is not None
        naive.append(looks[k - 1].effect)
    error = (0.25 / worlds) ** 0.5
    assert above / worlds == pytest.approx(0.5, abs=4 * error)
    assert covered / worlds == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / worlds) ** 0.5)
    if drift == 0:
        assert stopped / worlds <= 0.05 + 4 * (0.05 * 0.95 / worlds) ** 0.5
    else:
        assert np.mean(naive) > drift + 0.1  # the plain estimate at a crossing is too large


def test_the_decision_stands_and_the_overrun_is_told() -> None:
    looks = [Look(0.4, 1.0, 0.2), Look(0.6, 0.3, 0.17)]
    result = group_sequential(looks)
    assert (result.stopped_at, result.crossed, result.overrun) == (1, "upper", 0.3)
    assert result.p_value is not None
    down = group_sequential([Look(0.4, -1.0, 0.2), Look(0.6, -0.3, 0.17)])
    assert (down.stopped_at, down.crossed) == (1, "lower")
    assert down.p_value == pytest.approx(result.p_value, rel=1e-6)
    assert (down.effect, down.lower, down.upper) == pytest.approx((-result.effect, -result.upper, -result.lower))


def test_before_the_end_the_interval_is_the_repeated_one() -> None:
    result = group_sequential([Look(0.5, 0.1, 0.1)])
    assert result.stopped_at is None
    assert result.upper - 0.1 == pytest.approx(result.bounds[0].upper * 0.1)
    assert result.p_value is None


def test_futility_does_not_touch_the_upper_bounds() -> None:
    bounds = spending_bounds(FIFTHS, 0.025, OBRIEN, sides=1)
    drift = planned_drift(FIFTHS, bounds, 0.8)
    lower = futility_bounds(FIFTHS, bounds, drift, 0.2, POCOCK)
    assert all(low <= bound.upper for low, bound in zip(lower, bounds, strict=True))
    stopping = [Bounds(low, bound.upper) for low, bound in zip(lower, bounds, strict=True)]
    assert sum(crossing(FIFTHS, stopping).upper) < 0.025
    assert sum(crossing(FIFTHS, bounds).upper) == pytest.approx(0.025, abs=1e-10)


@pytest.mark.parametrize(
    ("shares", "message"),
    [([], "must rise"), ([0.5, 0.5], "must rise"), ([0.5, 0.4], "must rise"), ([0.0], "must rise")],
)
def test_looks_that_do_not_rise_are_refused(shares: list[float], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        spending_bounds(shares)


def test_what_says_nothing_is_refused() -> None:
    with pytest.raises(BadInput, match="says nothing"):
        group_sequential([Look(0.5, 0.1, 0.0)])
    with pytest.raises(BadInput, match="above 0"):
        Spending("power", 0.0).spent(0.5, 0.05)
    with pytest.raises(BadInput, match="0 or more"):
        OBRIEN.spent(-0.1, 0.05)
    with pytest.raises(BadInput, match="no spending function"):
        Spending("linear").spent(0.5, 0.05)  # type: ignore[arg-type]
