"""The day by which a release can be decided: against the sequence itself on as many units, and made-up arrivals."""

from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.experiments.forecast import CHANCE, arrival_rate, units_needed, with_forecast
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.stats.contrast import Margin
from seatrial.stats.effect import Effect
from seatrial.stats.moments import Moments
from seatrial.stats.power import chance_of_conclusion
from seatrial.stats.primary import judge_primary
from seatrial.stats.verdict import Question, Verdict
from tests import worlds
from tests.unit.experiments import test_trigger

SECOND, DAY = worlds.SECOND, 86_400 * worlds.SECOND
N = 2000
RUN = test_trigger.RUN


def deployment(at_most: float | None = None) -> Deployment:
    return worlds.deployment(
        outcomes={"buy": {}},
        metrics={"revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 10.0}},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test", "at_most": at_most}],
            "primary": {"metric": "revenue", "minimum_effect": {"absolute": 0.001}},
        },
    )


def judged(effect: float, share: float = 0.5, at_most: float | None = None) -> tuple[Judgement, ReleaseRun]:
    """One unit a second; the last forty wait."""
    run = worlds.release((share, 0))
    at = worlds.START + np.arange(N) * SECOND
    names = worlds.unit_names(N)
    rows = worlds.rows(run, names, at)
    spent = np.random.default_rng(5).normal(10, 1, N)
    treated = np.asarray(rows["variant"] == "challenger")
    spent += treated * (effect - (spent[treated].mean() - spent[~treated].mean()))  # exactly so much is seen
    source = worlds.source([rows], [worlds.outcomes("buy", at + SECOND, unit=names, value_number=spent)])
    spec = deployment(at_most)
    found = judge(spec, run, source, worlds.START + N * SECOND)
    assert spec.release is not None
    return with_forecast(found, spec.release, run), run


def verdict(effect: float, n: int = 1000) -> Verdict:
    line = np.linspace(-1, 1, n)
    arms = Moments.from_values(10 + effect + line), Moments.from_values(10 + line)
    return judge_primary(Effect.of_means(*arms), Question(metric="x", margin=Margin("absolute", 1e-6)))


@pytest.mark.parametrize("effect", [0.0, 0.03, 0.05, -0.06])
def test_so_many_units_are_the_fewest_with_the_chance(effect: float) -> None:
    found = verdict(effect)
    needed = units_needed(found, 5000)
    assert needed is not None
    se = Effect.of_means(*(Moments.from_values(np.linspace(-1, 1, 1000)),) * 2).se
    assert chance_of_conclusion(effect, se, 2000, needed + 1) >= CHANCE
    assert chance_of_conclusion(effect, se, 2000, needed - 2) < CHANCE


def test_a_simulated_world_comes_to_its_conclusion_as_often_as_was_told() -> None:
    """The truth is as uncertain as the estimate (a flat prior): of 400 worlds 80 % and more have spoken by then."""
    n, se, effect, rng = 2000, 0.05, 0.1, np.random.default_rng(8)
    question = Question(metric="x")
    sd = se * (n / 4) ** 0.5
    now = Effect.of_means(
        Moments(n // 2, 10 + effect, sd**2 * (n // 2 - 1)), Moments(n // 2, 10.0, sd**2 * (n // 2 - 1))
    )
    start = judge_primary(now, question)
    assert start.word == "inconclusive"
    needed = units_needed(start, 5000)
    assert needed is not None
    told = 0
    for _ in range(400):
        truth = rng.normal(effect, now.se)
        more = needed - n
        later = (n * effect + more * rng.normal(truth, now.se * (n / more) ** 0.5)) / needed
        half = needed // 2
        whole = Effect.of_means(Moments(half, 10 + later, sd**2 * (half - 1)), Moments(half, 10.0, sd**2 * (half - 1)))
        told += judge_primary(whole, question).word in ("better", "worse")
    assert abs(told / 400 - CHANCE) < 4 * (CHANCE * (1 - CHANCE) / 400) ** 0.5


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_day_follows_from_the_rate_those_who_wait_and_the_window(share: float) -> None:
    found, run = judged(0.1, share)
    assert found.expected is not None
    rate = arrival_rate(found, run)
    assert rate == pytest.approx(86_400, rel=0.15)  # one a second; of the challenger's by its share
    revenue = found.metric("revenue").counts
    counted = revenue.champion + revenue.challenger
    assert revenue.waiting == N - counted
    to_come = found.expected.units - counted - revenue.waiting
    assert found.expected.at == pytest.approx(found.at + to_come / rate * DAY + 40 * SECOND, abs=SECOND)
    assert found.expected.sentence.startswith(f"At {round(rate):,} units a day revenue".replace(",", " "))
    assert found.expected.in_time


def test_a_release_that_ends_before_is_told_so() -> None:
    found, _ = judged(0.1, at_most=N + 1.0)
    assert found.expected is not None
    assert not found.expected.in_time
    assert "; the release ends before, at 2023-11-14" in found.expected.sentence


def test_nothing_is_foretold_of_what_is_decided() -> None:
    assert judged(1.0)[0].expected is None


def test_nothing_is_foretold_of_another_plan_or_before_anybody_came() -> None:
    found, run = judged(0.1)
    bare: dict[str, Any] = {"expected": None}
    spec = deployment().release
    assert spec is not None
    none = msgspec.structs.replace(found, fresh=0, **bare)
    assert with_forecast(none, spec, run).expected is None
    fixed = msgspec.structs.replace(found.metric("revenue").verdict, method="95% interval for one look")
    metrics = tuple(msgspec.structs.replace(m, verdict=fixed) if m.name == "revenue" else m for m in found.metrics)
    assert with_forecast(msgspec.structs.replace(found, metrics=metrics, **bare), spec, run).expected is None


def test_only_units_that_a_trigger_lets_count_are_forecast() -> None:
    found = judge(test_trigger.deployment(), RUN, test_trigger.world(differing=0.1), worlds.START + 4000 * SECOND)
    release = test_trigger.deployment().release
    assert release is not None
    expected = with_forecast(found, release, RUN).expected
    primary = found.primary
    assert expected is not None
    assert primary is not None
    assert primary.triggered is not None
    rate = arrival_rate(found, RUN)
    assert rate is not None
    share = primary.triggered.units / primary.triggered.of
    assert 0.08 < share < 0.12
    assert expected.units_a_day == pytest.approx(share * rate)
    to_come = expected.units - primary.counts.champion - primary.counts.challenger - primary.counts.waiting
    assert (expected.at - found.at) / DAY == pytest.approx(
        to_come / (share * rate) + primary.matures / 86_400, rel=1e-3
    )
    assert "units a day whose answers differ" in expected.sentence
