"""The chance of a conclusion by a date, from what a release is judged to be now."""

import msgspec
import numpy as np
import pytest

from seatrial.control.powering import DAY, chance_of, outlook
from seatrial.experiments.foresight import Foresight
from seatrial.experiments.judgement import Counts, Judgement, MetricJudgement, Triggered
from seatrial.spec.errors import NotFound
from seatrial.spec.settings import load_settings
from seatrial.stats import Effect, Moments, Question, judge_primary
from seatrial.stats.sequence import multiplier
from tests.harbour import Harbour

NOW = 1_800_000_000_000_000


def judged(effect: float, units: int = 4000) -> Judgement:
    variance = 4.0
    moments = [Moments.from_variance(units // 2, mean, variance) for mean in (effect, 0.0)]
    verdict = judge_primary(Effect.of_means(*moments), Question(metric="revenue"))
    metric = MetricJudgement(
        name="revenue",
        part="primary",
        kind="mean",
        verdict=verdict,
        within=0.0,
        matures=0.0,
        counts=Counts(champion=units // 2, challenger=units // 2),
        sentence="",
    )
    names = {"deployment": "churn", "release": "r", "stage": "test", "unit": "unit", "champion": "a", "challenger": "b"}
    return Judgement(
        **names,  # type: ignore[arg-type]
        champion_version="",
        challenger_version="",
        at=NOW,
        recommendation="wait",
        metrics=(metric,),
        sentence="",
    )


@pytest.mark.parametrize(("effect", "days"), [(0.12, 1), (0.12, 7), (0.2, 7), (0.05, 30)])
def test_the_chance_is_that_of_worlds_drawn_on_from_now(effect: float, days: int) -> None:
    found = chance_of(Foresight(1000.0), judged(effect), 5000, NOW, NOW + days * DAY)
    assert found.units_then == 4000 + 1000 * days
    rng = np.random.default_rng(3)
    se_now, worlds = 2 * 2 / np.sqrt(4000), 40_000
    truth = effect + se_now * rng.normal(size=worlds)
    fresh = truth + 2 * 2 / np.sqrt(1000 * days) * rng.normal(size=worlds)
    then = (4000 * effect + 1000 * days * fresh) / found.units_then
    half = multiplier(found.units_then, 0.05) * 2 * 2 / np.sqrt(found.units_then)
    share = (np.abs(then) > half).mean()
    assert found.chance == pytest.approx(share, abs=4 * np.sqrt(max(share * (1 - share), 1e-4) / worlds) + 1e-3)
    assert f"{found.chance:.0%}" in found.sentence


def test_what_cannot_be_told_says_why() -> None:
    soon = NOW + DAY
    assert "too few units came" in chance_of(Foresight(None), judged(0.1), 5000, NOW, soon).sentence
    assert "lies in the past" in chance_of(Foresight(10.0), judged(0.1), 5000, NOW, NOW - DAY).sentence
    assert "no asymptotic interval yet" in chance_of(Foresight(10.0), judged(0.1, units=60), 5000, NOW, soon).sentence


def test_a_deployment_without_a_release_is_asked_otherwise(harbour: Harbour) -> None:
    harbour.apply()
    settings = load_settings(
        {"SEATRIAL_HOME": str(harbour.site.home), "SEATRIAL_STATE_URL": harbour.site.state_url}, None
    )
    with pytest.raises(NotFound, match="no release under way; ask by flags"):
        outlook(settings, "churn", NOW)


def test_units_that_no_trigger_lets_count_and_those_without_a_label_do_not_come() -> None:
    found = judged(0.1)
    primary = found.primary
    assert primary is not None
    counted = primary.counts.champion + primary.counts.challenger
    some = msgspec.structs.replace(
        primary,
        triggered=Triggered(share=0.5, units=200, of=1000),
        counts=msgspec.structs.replace(primary.counts, missing=counted),
    )
    metrics = tuple(some if metric is primary else metric for metric in found.metrics)
    fewer = chance_of(Foresight(1000.0), msgspec.structs.replace(found, metrics=metrics), 5000, NOW, NOW + 30 * DAY)
    all_of_them = chance_of(Foresight(1000.0), found, 5000, NOW, NOW + 30 * DAY)
    units = primary.verdict.n_treatment + primary.verdict.n_control
    assert fewer.units_then is not None
    assert all_of_them.units_then is not None
    assert fewer.units_then - units == pytest.approx((all_of_them.units_then - units) * 0.2 * 0.5, abs=1)
    assert fewer.chance is not None
    assert all_of_them.chance is not None
    assert fewer.chance < all_of_them.chance
