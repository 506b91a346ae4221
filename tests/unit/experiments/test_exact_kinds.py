"""Quantiles and bounded means of a release, from rows and outcomes to the verdict."""

import numpy as np
import pytest

from seatrial.experiments.judge import judge
from seatrial.stats import compare_bounded, compare_quantiles
from tests import worlds

DAY = 86_400
UNITS = 3000
METRICS = {
    "wait": {"kind": "quantile", "outcome": "order", "value": "minutes", "quantile": 0.9, "within": DAY, "grace": 60,
             "want": "lower"},
    "stars": {"kind": "mean", "outcome": "rating", "within": DAY, "grace": 60, "range": (0.0, 5.0)},
}  # fmt: skip
RELEASE = {
    "of": "challenger",
    "into": "everybody",
    "stages": [{"kind": "test"}],
    "primary": {"metric": "stars", "minimum_effect": {"absolute": 0.1}},
    "guardrails": {"wait": {"relative": 0.05}},
}


def world(effect: float) -> tuple:  # type: ignore[type-arg]
    """A release of one phase in which the challenger's waits are longer and its ratings better with ``effect``."""
    rng = np.random.default_rng(1)
    run = worlds.release((0.5, 0))
    names = worlds.unit_names(UNITS)
    at = worlds.START + np.sort(rng.integers(0, DAY, UNITS)) * worlds.SECOND
    rows = worlds.rows(run, names, at)
    treated = rows["variant"] == "challenger"
    minutes = rng.lognormal(0, 1, UNITS) * np.where(treated, 1 + 2 * effect, 1.0)
    stars = np.clip(rng.normal(3 + effect * treated, 1), 0, 5)
    fields = [f'{{"minutes": {value!r}}}' for value in minutes.tolist()]
    after = at + 3600 * worlds.SECOND
    orders = worlds.outcomes("order", after, unit=names, fields=fields)
    again = worlds.outcomes("order", after + worlds.SECOND, unit=names, fields=['{"minutes": 1e6}'] * UNITS,
                            id=[f"again-{i}" for i in range(UNITS)])  # fmt: skip
    ratings = worlds.outcomes("rating", after, unit=names, value_number=stars.tolist())
    declared = {"order": {"fields": {"minutes": "number"}}, "rating": {}}
    file = worlds.deployment(outcomes=declared, metrics=METRICS, release=RELEASE)
    now = worlds.START + 3 * DAY * worlds.SECOND
    return file, run, worlds.source([rows], [again, orders, ratings]), now, treated, minutes, stars


def test_the_verdicts_are_those_of_the_library() -> None:
    file, run, source, now, treated, minutes, stars = world(0.5)
    found = judge(file, run, source, now)
    assert found.recommendation == "stop"
    assert found.because == ("wait",)
    said = found.metric("stars").verdict
    bets = compare_bounded(stars, treated, 0.5, 0, 5).verdict
    assert said.word == "better"
    assert said.upper == pytest.approx(bets.upper)
    assert said.lower == pytest.approx(bets.lower)
    assert said.p_value == pytest.approx(bets.p_value, rel=1e-6)
    wait = found.metric("wait").verdict
    ranks = compare_quantiles(minutes[treated], minutes[~treated], 0.9).verdict
    assert wait.word == "worse"
    assert wait.treatment_mean == ranks.treatment_mean, "of the first order, whatever came again"
    assert found.metric("wait").fixed[0].method == "quantiles, outer interval (fixed)"
    assert "order statistics" in wait.method
    assert "by betting" in said.method


def test_versions_that_are_alike_wait() -> None:
    file, run, source, now, *_ = world(0.0)
    found = judge(file, run, source, now)
    assert found.metric("stars").verdict.word in ("inconclusive", "equivalent")
    assert found.metric("wait").verdict.word == "inconclusive"


def test_a_planned_quantile_is_judged_once_by_the_outer_interval() -> None:
    file, run, source, now, *_ = world(0.5)
    plan = {"name": "fixed", "units": 2000}
    primary = {"metric": "wait", "minimum_effect": {"absolute": 0.1}}
    release = RELEASE | {"primary": primary, "guardrails": {}, "method": plan}
    file = worlds.deployment(outcomes=file.model_dump()["outcomes"], metrics=METRICS, release=release)
    from msgspec.structs import replace

    from seatrial.releases.plan import Plan

    found = judge(file, replace(run, plan=Plan(name="fixed", units=2000)), source, now)
    assert found.metric("wait").verdict.word == "worse"
    assert found.metric("wait").verdict.n_treatment + found.metric("wait").verdict.n_control == 2000
