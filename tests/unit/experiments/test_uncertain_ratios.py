"""A ratio of a release that is judged once, where few units bring denominators: Fieller's interval decides."""

import msgspec
import numpy as np
import pytest

from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import MetricJudgement
from seatrial.releases.plan import Plan
from seatrial.stats.degrees import degrees_of
from seatrial.stats.effect import Effect
from seatrial.stats.evidence import Level, Levels
from seatrial.stats.moments import PairMoments
from seatrial.stats.uncertain_ratio import Ratios, fieller_evidence, uncertainty
from tests import worlds

SECOND = worlds.SECOND
UNITS = 1500
RUN = msgspec.structs.replace(worlds.release((0.5, 0)), plan=Plan(name="fixed", after=2000.0))
DEPLOYMENT = worlds.deployment(
    outcomes={"buy": {"fields": {"amount": "number", "items": "number"}}},
    metrics={
        "price": {"kind": "ratio", "outcome": "buy", "numerator": "amount", "denominator": "items", "within": 30.0}
    },
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "price", "minimum_effect": {"absolute": 0.1}},
    },
)


def world(buyers: float) -> tuple[MetricJudgement, PairMoments, PairMoments]:
    """What is said of the price, and both arms' amounts and items by unit."""
    rng = np.random.default_rng(3)
    at = worlds.START + np.arange(UNITS) * SECOND
    names = worlds.unit_names(UNITS)
    rows = worlds.rows(RUN, names, at)
    treated = np.asarray(rows["variant"] == "challenger")
    items = rng.integers(1, 9, UNITS) * (rng.random(UNITS) < buyers)
    amounts = items * rng.normal(10, 1, UNITS)
    bought = np.flatnonzero(items)
    fields = [f'{{"amount": {float(amounts[i])!r}, "items": {items[i]}}}' for i in bought]
    outcomes = worlds.outcomes("buy", at[bought] + SECOND, unit=[names[i] for i in bought], fields=fields)
    found = judge(DEPLOYMENT, RUN, worlds.source([rows], [outcomes]), worlds.START + 10_000 * SECOND).metric("price")
    t, c = (PairMoments.from_values(amounts[arm], items[arm].astype(float)) for arm in (treated, ~treated))
    return found, t, c


def test_a_fixed_release_judges_a_ratio_of_few_denominators_by_fieller_s_interval() -> None:
    found, t, c = world(0.05)
    assert uncertainty(t) > 0.1
    both = (Level(0.05, 2),)
    expected = fieller_evidence([Ratios(t, c)], degrees_of(Effect.of_ratios(t, c)), Levels(both, both))
    assert "Fieller" in found.verdict.method
    assert found.verdict.lower == pytest.approx(expected.absolute.lower, rel=1e-9)
    # The end that says "worse" has its part of the release's budget: as wide or wider.
    assert found.verdict.upper is not None
    assert found.verdict.upper >= expected.absolute.upper - 1e-12


def test_of_many_denominators_it_is_told_by_the_delta_method() -> None:
    found, t, c = world(0.6)
    assert max(uncertainty(t), uncertainty(c)) < 0.1
    assert "Fieller" not in found.verdict.method
    assert found.verdict.lower is not None
