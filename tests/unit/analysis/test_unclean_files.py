"""Files as they come: holes, ids of another type, days for times, rows that stand twice. Judged right, or refused."""

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge
from seatrial.analysis.verdicts import Analysis

START = pd.Timestamp("2026-03-02", tz="UTC")
DAY = pd.Timedelta(days=1)
N = 2000


def exposed(units: int = N) -> pd.DataFrame:
    n = np.arange(units)
    variant = np.where(n % 2 == 0, "control", "new")
    return pd.DataFrame({"unit": n, "variant": variant, "at": START + pd.to_timedelta(n, unit="min")})


def bought(units: pd.DataFrame, seed: int = 1, effect: float = 0.0) -> pd.DataFrame:
    """Every unit's purchase a quarter of an hour after its exposure."""
    value = np.random.default_rng(seed).normal(100, 30, len(units)) + effect * (units["variant"] == "new")
    at = units["at"] + pd.Timedelta(minutes=15)
    return pd.DataFrame({"unit": units["unit"], "outcome": "purchase", "at": at, "value": value})


def check(found: Analysis, name: str) -> object:
    return next(c for c in found.checks if c.name == name)


@pytest.mark.parametrize("timed", [True, False])
def test_a_covariate_that_a_first_exposure_lacks_is_not_taken_from_a_later_one(timed: bool) -> None:
    units = exposed()
    after = bought(units, effect=2.0)
    later = units.assign(at=units["at"] + DAY, prior=after["value"] + np.random.default_rng(2).normal(0, 1, N))
    seen = pd.concat([units.assign(prior=np.nan), later], ignore_index=True)
    metrics = {"adjusted": "mean:purchase,covariate=prior", "raw": "mean:purchase"}
    if not timed:
        seen, after = seen.drop(columns="at"), after.drop(columns="at")
    comparison = judge(seen, after, metrics=metrics).comparisons[0]
    adjusted, raw = (comparison.metric(name).verdict for name in metrics)
    means = after["value"].groupby(units["variant"]).mean()
    assert raw.effect == pytest.approx(means["new"] - means["control"], rel=1e-9)
    assert adjusted.effect == pytest.approx(raw.effect, rel=1e-9)


def test_a_covariate_of_some_first_exposures_is_that_of_these_alone() -> None:
    units = exposed()
    after = bought(units)
    prior = after["value"] + np.random.default_rng(2).normal(0, 10, N)
    first = units.assign(prior=prior.where(units.index % 4 < 2))
    later = units.assign(at=units["at"] + DAY, prior=prior * 1000)
    both = judge(pd.concat([first, later]), after, metrics={"spent": "mean:purchase,covariate=prior"})
    once = judge(first, after, metrics={"spent": "mean:purchase,covariate=prior"})
    ours, theirs = (f.comparisons[0].primary for f in (both, once))
    assert ours.variance_ratio == pytest.approx(theirs.variance_ratio, rel=1e-9)
    assert ours.verdict.effect == pytest.approx(theirs.verdict.effect, rel=1e-9)
    assert theirs.variance_ratio is not None
    assert theirs.variance_ratio < 0.7


def test_a_segment_that_a_first_exposure_lacks_is_none() -> None:
    units = exposed()
    later = units.assign(at=units["at"] + DAY, country="fi")
    found = judge(
        pd.concat([units.assign(country=None), later]),
        bought(units),
        metrics={"spent": "mean:purchase"},
        segments=("country",),
    )
    assert [s.name for s in found.comparisons[0].primary.segments["country"].segments] == ["none"]
