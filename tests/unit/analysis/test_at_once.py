"""Files judged once: few events exactly, few units by permutation, ranks where a metric says so."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from seatrial.analysis.judging import judge
from seatrial.spec.errors import BadInput


def units(control: np.ndarray, new: np.ndarray, **more: np.ndarray) -> pd.DataFrame:
    variant = np.repeat(["control", "new"], [control.size, new.size])
    values = np.concatenate([control, new])
    return pd.DataFrame({"unit": np.arange(values.size), "variant": variant, "x": values, **more})


def events(n: int, units: int) -> np.ndarray:
    return np.arange(units) < n


def test_few_events_are_judged_exactly_and_that_is_said() -> None:
    found = judge(units(events(25, 2000), events(0, 2000)), metrics={"bought": "proportion:x"}).comparisons[0]
    assert found.recommendation == "stop"
    assert "exact for one look, as events or units are few" in found.sentence
    assert found.primary.verdict.treatment_mean == 0


def test_a_small_test_of_means_has_an_answer() -> None:
    rng = np.random.default_rng(1)
    control, new = rng.lognormal(0, 0.5, 25), rng.lognormal(1, 0.5, 30)
    before = np.concatenate([control, new]) + rng.normal(0, 0.1, 55)
    table = units(control, new, before=before)
    found = judge(table, metrics={"spent": "mean:x"}).comparisons[0].primary
    assert found.verdict.word == "better"
    assert "by permutation for one look" in found.verdict.method
    adjusted = judge(table, metrics={"spent": "mean:x,covariate=before"}).comparisons[0].primary
    assert adjusted.verdict == found.verdict
    assert adjusted.covariates == ()


def test_a_bootstrap_stands_beside_a_small_test_of_means_and_is_the_same_whatever_the_order() -> None:
    rng = np.random.default_rng(1)
    control, new = rng.lognormal(0, 0.5, 25), rng.lognormal(1, 0.5, 30)
    table = units(control, new)
    found = judge(table, metrics={"spent": "mean:x"})
    (beside,) = [test for test in found.comparisons[0].primary.tests if test.method == "bootstrap (BCa)"]
    theirs = stats.bootstrap(
        (new, control), lambda a, b: np.mean(a) - np.mean(b), rng=2, vectorized=False
    ).confidence_interval
    assert beside.effect == pytest.approx(new.mean() - control.mean())
    wide = theirs.high - theirs.low
    assert (beside.lower, beside.upper) == (
        pytest.approx(theirs.low, abs=wide / 20),
        pytest.approx(theirs.high, abs=wide / 20),
    )
    assert "9999 resamples with seed 1" in beside.note
    assert "bootstrap (BCa)" in found.to_html()
    again = judge(table.sample(frac=1, random_state=3), metrics={"spent": "mean:x"}).comparisons[0].primary.tests
    assert beside in again
    large = judge(units(rng.normal(5, 1, 200), rng.normal(5, 1, 200)), metrics={"spent": "mean:x"}).comparisons[0]
    assert [test.method for test in large.primary.tests] == ["Welch's t"]


def test_with_events_and_units_enough_it_is_as_before() -> None:
    rng = np.random.default_rng(2)
    control, new = rng.normal(10, 1, 200), rng.normal(10.5, 1, 220)
    verdict = judge(units(control, new), metrics={"spent": "mean:x"}).comparisons[0].primary.verdict
    arms = stats.ttest_ind(new, control, equal_var=False), stats.ttest_ind(new, control)
    t = min(abs(one.statistic) for one in arms)  # in the larger of both standard errors
    assert verdict.p_value == pytest.approx(2 * stats.t.sf(t, arms[0].df), rel=1e-9)
    assert verdict.p_value > arms[0].pvalue
    assert verdict.method == "95% interval, for one look"


def test_ranks_are_a_metric_s_own_choice() -> None:
    rng = np.random.default_rng(3)
    control, new = rng.lognormal(0, 3, 400), rng.lognormal(0.8, 3, 400)
    metrics = {"typical": "mean:x,compare=ranks", "spent": "mean:x"}
    found = judge(units(control, new), metrics=metrics, segments=()).comparisons[0]
    verdict = found.metric("typical").verdict
    assert verdict.word == "better"
    assert found.metric("spent").verdict.word == "inconclusive"
    theirs = stats.mannwhitneyu(new, control, method="asymptotic")
    assert verdict.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert verdict.effect == pytest.approx(np.median(np.subtract.outer(new, control)), rel=1e-9)
    page = judge(units(control, new), metrics=metrics).to_html()
    assert "by ranks" in page


def test_ranks_of_values_that_most_units_do_not_have_ship_nothing_that_is_worse() -> None:
    rng = np.random.default_rng(7)
    new, control = ((rng.random(4000) < share) * rng.lognormal(2, 1, 4000) for share in (0.07, 0.1))
    found = judge(units(control, new), metrics={"spent": "mean:x,compare=ranks"}, minimum_effect="relative:2%")
    assert found.comparisons[0].recommendation == "stop"
    assert "so that no shift is told" in found.comparisons[0].sentence
    assert "so that no shift is told" in found.to_html()
    above = found.to_dict()["comparisons"][0]["metrics"][0]["verdict"]["above"]
    assert above["upper"] < 0.5 < above["equal"]
    metrics = {"clicks": "mean:x", "spent": "mean:x,compare=ranks"}
    guarded = judge(units(control, new), metrics=metrics, guardrails={"spent": "relative:5%"}).comparisons[0]
    assert guarded.metric("spent").verdict.word == "no-data"
    assert guarded.recommendation != "ship"


@pytest.mark.parametrize(
    ("metric", "options", "says"),
    [
        ("mean:x,compare=ranks", {"method": "always-valid"}, "ranks, which hold for one look, and not by the method"),
        ("mean:x,compare=ranks,cap=5", {}, "takes no cap"),
        ("mean:x,compare=ranks,covariate=x", {}, "takes no covariate"),
        ("mean:x,compare=ranks,range=0..5", {}, "takes no range"),
        ("proportion:x,compare=ranks", {}, "has no use for ranks"),
        ("mean:x,compare=medians", {}, "can compare `means` or `ranks`"),
    ],
)
def test_ranks_where_they_say_nothing_are_refused(metric, options, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(BadInput, match=says):
        judge(units(events(20, 200), events(20, 200)), metrics={"m": metric}, **options)
