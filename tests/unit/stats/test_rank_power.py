"""Units of one look by ranks: Noether's formula, and the judge's own decision."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from seatrial.spec.errors import BadInput
from seatrial.stats.at_once import judge_by_ranks
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.power import Design
from seatrial.stats.rank_power import (
    move,
    move_for_effect,
    move_for_margin,
    power_of_ranks,
    units_of_ranks,
)
from seatrial.stats.verdict import Question


def values(rng: np.random.Generator, n: int, zeros: float = 0.0) -> np.ndarray:
    return rng.lognormal(0, 1, n) * (rng.random(n) >= zeros)


def test_small_effects_without_ties_take_noethers_units() -> None:
    above = norm.cdf(math.log(1.05) / math.sqrt(2))
    noether = (norm.ppf(0.975) + norm.ppf(0.8)) ** 2 / (12 * 0.25 * (above - 0.5) ** 2)
    moved = move(values(np.random.default_rng(1), 200_000), Margin("relative", 0.05))
    assert moved.above == pytest.approx(above, abs=2e-4)
    assert units_of_ranks(moved) == pytest.approx(noether, rel=0.03)


def test_the_chance_is_counted_over_pairs_of_different_units() -> None:
    own = np.array([0.0, 0.0, 1.0, 2.5, 4.0])
    for by in (Margin("absolute", 1.0), Margin("relative", 0.5)):
        other = own * 1.5 if by.scale == "relative" else own + 1.0
        pairs = [(t, c) for i, t in enumerate(other) for j, c in enumerate(own) if i != j]
        found = move(own, by)
        assert found.above == pytest.approx(np.mean([(t > c) + (t == c) / 2 for t, c in pairs]))
        assert found.equal == pytest.approx(np.mean([t == c for t, c in pairs]))


@pytest.mark.simulation
@pytest.mark.parametrize(
    ("zeros", "by", "method"),
    [(0.0, Margin("absolute", 0.2), "Mann-Whitney"), (0.6, Margin("relative", 1.0), "Brunner-Munzel")],
)
def test_the_judge_shows_what_was_planned(zeros: float, by: Margin, method: str) -> None:
    units = units_of_ranks(move_for_effect(values(np.random.default_rng(0), 20_000, zeros), by, "y"))
    rng, worlds, better = np.random.default_rng(1), 150, 0
    asked = Question(
        metric="y", want="higher", margin=None, alpha=0.05, plan_units=5000, treatment="new", control="control"
    )
    for _ in range(worlds):
        c, t = (values(rng, units // 2, zeros) for _ in range(2))
        t = t * (1 + by.size) if by.scale == "relative" else t + by.size
        both = Effect.of_means(Moments.from_values(t), Moments.from_values(c))
        verdict = judge_by_ranks(both, asked, "primary", lambda t=t, c=c: (t, c))  # type: ignore[misc]
        assert method in verdict.method
        better += verdict.word == "better"
    assert better / worlds == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / worlds))


def test_power_takes_back_what_the_units_said_and_some_units_are_always_needed() -> None:
    past = values(np.random.default_rng(2), 5000)
    for design in (Design(), Design(share=0.2, sides=1)):
        moved = move(past, Margin("absolute", 0.3))
        assert power_of_ranks(moved, units_of_ranks(moved, design), design) == pytest.approx(0.8, abs=0.01)
    assert units_of_ranks(move(past, Margin("absolute", 1e9))) == 8


def test_what_ranks_do_not_tell_is_refused() -> None:
    tied = values(np.random.default_rng(3), 1000, zeros=0.6)
    with pytest.raises(BadInput, match="adding to every value would part them"):
        move_for_effect(tied, Margin("absolute", 0.1), "y")
    with pytest.raises(BadInput, match="no margin of such values"):
        move_for_margin(tied, 0.1, "y")
    with pytest.raises(BadInput, match="infinitely many"):
        move_for_effect(tied, Margin("relative", 0.0), "y")
