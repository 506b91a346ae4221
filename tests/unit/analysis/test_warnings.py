"""What makes a verdict from files doubtful: effects that wear off, variants that differed before, logs with gaps."""

import numpy as np
import pandas as pd

from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis, Check

START = pd.Timestamp("2026-03-02", tz="UTC")


def exposures(n: int = 12_000, days: float = 6.0) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    at = START + pd.to_timedelta(np.sort(rng.uniform(0, days, n)), unit="D")
    return pd.DataFrame({"unit": np.arange(n), "variant": np.where(rng.random(n) < 0.5, "new", "control"), "at": at})


def clicks(units: pd.DataFrame, rate: dict[str, float], after: float, before: float = 0.0) -> pd.DataFrame:
    """Clicks of a rate by variant, spread from ``before`` to ``after`` days after the exposure."""
    rng = np.random.default_rng(int(1000 * (after + 10)))
    who = units.loc[units.index.repeat(rng.poisson(units["variant"].map(rate)))]
    lag = pd.to_timedelta(rng.uniform(before, after, len(who)), unit="D")
    return pd.DataFrame({"unit": who["unit"], "outcome": "click", "at": who["at"] + lag}).reset_index(drop=True)


def judged(units: pd.DataFrame, outcomes: pd.DataFrame) -> Analysis:
    return judge(units, outcomes, metrics={"clicks": "mean:click,within=3d"})


def check(found: Analysis, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def test_a_steady_experiment_has_no_warning() -> None:
    units = exposures()
    found = judged(units, clicks(units, {"new": 1.2, "control": 1.0}, 3.0, -2.9))
    assert {one.name for one in found.checks} >= {"novelty", "carry-over", "logging-gaps"}
    assert all(one.ok for one in found.checks if one.name != "carry-over")


def test_an_effect_that_wears_off_is_a_warning_and_withholds_nothing() -> None:
    units = exposures()
    early = clicks(units, {"new": 1.5, "control": 1.0}, 1.0)
    late = clicks(units, {"new": 2.0, "control": 2.0}, 3.0, 1.001)
    found = judged(units, pd.concat([early, late]))
    assert not check(found, "novelty").ok
    assert "in the first third of the window" in check(found, "novelty").sentence
    assert found.comparisons[0].recommendation == "ship"


def test_variants_that_differed_before_are_a_warning() -> None:
    units = exposures()
    after = clicks(units, {"new": 1.0, "control": 1.0}, 3.0)
    before = clicks(units, {"new": 1.2, "control": 1.0}, -0.01, -2.9)
    assert not check(judged(units, pd.concat([after, before])), "carry-over").ok
    alike = clicks(units, {"new": 1.0, "control": 1.0}, -0.01, -2.9)
    assert check(judged(units, pd.concat([after, alike])), "carry-over").ok


def test_gaps_are_named_with_their_time() -> None:
    units = exposures(40_000)
    outcomes = clicks(units, {"new": 1.0, "control": 1.0}, 3.0)
    day = START + pd.Timedelta("2D")
    silent = outcomes[(outcomes["at"] < day) | (outcomes["at"] >= day + pd.Timedelta("6h"))]
    told = check(judged(units, silent), "logging-gaps")
    assert not told.ok
    assert "no click from 2026-03-04" in told.sentence
    lost = units[(units["variant"] == "control") | (units["at"] < day) | (units["at"] >= day + pd.Timedelta("3h"))]
    told = check(judged(lost, outcomes[outcomes["unit"].isin(lost["unit"])]), "logging-gaps")
    assert "too few units of new from 2026-03-04" in told.sentence
