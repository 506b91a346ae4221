"""Several treatments, and several metrics, of one experiment from files."""

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from seatrial.analysis.judging import judge
from tests.unit.analysis.test_judging import exposed

METRICS = {"x": "mean:x"} | {f"m{i}": f"mean:m{i}" for i in range(5)}


def world(seed: int, effect: float = 0.0, variants: tuple[str, ...] = ("control", "a", "b", "c")) -> pd.DataFrame:
    units = exposed(2000, variants=variants)
    rng = np.random.default_rng(seed)
    units["x"] = rng.normal(size=2000) + effect * (units["variant"] == "a")
    return units.assign(**{f"m{i}": rng.normal(size=2000) for i in range(5)})


def test_metrics_that_do_not_decide_are_one_family_over_all_treatments() -> None:
    found = judge(world(1), metrics=METRICS)
    others = [m for c in found.comparisons for m in c.metrics if m.part == "secondary"]
    assert len(others) == 15
    expected = multipletests([m.verdict.p_value for m in others], method="holm")[1]
    assert [m.adjusted_p for m in others] == pytest.approx(expected)
    primaries = [c.primary for c in found.comparisons]
    expected = multipletests([m.verdict.p_value for m in primaries], method="holm")[1]
    assert [m.adjusted_p for m in primaries] == pytest.approx(expected)


def test_a_word_that_does_not_stand_in_its_family_is_taken_back_and_says_so() -> None:
    taken = []
    for seed in range(30):
        for one in judge(world(seed), metrics=METRICS).comparisons:
            for metric in one.metrics:
                assert metric.verdict.word not in ("better", "worse") or (metric.adjusted_p or 1) <= 0.05
                taken += [metric] if "as one of several" in metric.verdict.sentence else []
    assert taken, "of hundreds of metrics some look different alone"
    assert all(m.verdict.word == "inconclusive" and "not decided yet" in m.verdict.sentence for m in taken)


@pytest.mark.parametrize("method", ["fixed", "always-valid"])
@pytest.mark.parametrize("family", ["holm", "e-bh"])
def test_a_treatment_that_is_better_ships_and_the_others_do_not(method: str, family: str) -> None:
    found = judge(world(3, 0.6), metrics={"x": "mean:x"}, method=method, family=family)  # type: ignore[arg-type]
    assert found.family == family
    assert [c.recommendation for c in found.comparisons] == ["ship", "wait", "wait"]
    ships = found.comparison("a").primary.verdict
    assert ships.lower is not None
    assert ships.lower > 0, "the interval is told at the level of the family"
    assert (found.comparison("a").primary.adjusted_p is None) == (family == "e-bh")


@pytest.mark.simulation
@pytest.mark.parametrize("family", ["holm", "e-bh"])
def test_alike_treatments_are_seldom_told_apart(family: str) -> None:
    """Three treatments against one control: any claim about any of them is false."""
    worlds, wrong = 120, 0
    for seed in range(worlds):
        found = judge(world(seed), metrics={"x": "mean:x"}, family=family)  # type: ignore[arg-type]
        wrong += any(c.primary.verdict.word in ("better", "worse") for c in found.comparisons)
    assert wrong / worlds <= 0.05 + 2 * (0.05 * 0.95 / worlds) ** 0.5
