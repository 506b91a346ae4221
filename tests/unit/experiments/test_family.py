"""Secondary metrics as one family: Holm's numbers beside statsmodels', and words that stand only by them."""

from typing import Any

import msgspec
import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from seatrial.experiments.family import is_member
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.releases.plan import Plan
from seatrial.releases.run import ReleaseRun
from seatrial.stats.e_values import e_from_p
from tests import worlds

SECOND = worlds.SECOND
RUN = worlds.release((0.5, 0))
END = worlds.START + 1000 * SECOND
OTHERS = 12


def judged(effects: dict[str, float], n: int = 2000, seed: int = 1, run: ReleaseRun = RUN) -> Judgement:
    rng = np.random.default_rng(seed)
    rows = worlds.rows(RUN, worlds.unit_names(n), np.full(n, worlds.START))
    treated = np.asarray(rows["variant"] == "challenger")
    outcomes = [
        worlds.outcomes(
            name,
            np.full(n, worlds.START + SECOND),
            unit=rows["unit"],
            value_number=rng.normal(10, 1, n) + treated * effect,
        )
        for name, effect in effects.items()
    ]
    metrics: dict[str, Any] = {
        name: {"kind": "mean", "outcome": name, "within": 30.0, "grace": 10.0} for name in effects
    }
    release = {
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "primary", "minimum_effect": {"absolute": 0.01}},
    }
    deployment = worlds.deployment(outcomes={name: {} for name in effects}, metrics=metrics, release=release)
    return judge(deployment, run, worlds.source([rows], outcomes), END)


def test_p_values_are_adjusted_over_all_secondary_metrics() -> None:
    found = judged({"primary": 0.0, **{f"m{i}": 0.03 * i for i in range(OTHERS)}})
    others = [m for m in found.metrics if is_member(m)]
    undecided = [m for m in others if m.verdict.p_value is None]
    assert len(others) - len(undecided) >= OTHERS
    assert undecided, "what has no data yet counts, as if its p-value were 1"
    expected = multipletests(
        [m.verdict.p_value or 1.0 for m in others if m not in undecided] + [1.0] * len(undecided), method="holm"
    )[1]
    assert [m.adjusted_p for m in others if m not in undecided] == pytest.approx(expected[: -len(undecided)])
    assert {m.adjusted_p for m in undecided} == {None}
    assert found.primary is not None
    assert found.primary.adjusted_p is None, "the primary has all of alpha"


def test_by_e_values_words_stand_as_in_the_family_of_the_same_p_values() -> None:
    effects = {"primary": 0.0, **{f"m{i}": 0.03 * i for i in range(OTHERS)}}
    found = judged(effects, run=msgspec.structs.replace(RUN, family="e-bh"))
    others = [m for m in found.metrics if m.part == "secondary" and m.verdict.p_value is not None]
    p_values = np.array([m.verdict.p_value for m in others])
    e_values = np.sort([e_from_p(p) for p in p_values])[::-1]
    family = sum(is_member(m) for m in found.metrics)
    k = max(i for i, e in enumerate(e_values, 1) if e >= family / (0.05 * i))  # Wang and Ramdas 2022, section 2
    kept = p_values <= np.sort(p_values)[k - 1]
    assert 0 < kept.sum() < (p_values <= 0.05).sum()
    assert [m.verdict.word in ("better", "worse") for m in others] == kept.tolist()
    assert {m.adjusted_p for m in others} == {None}


def test_a_word_that_one_metric_alone_would_get_is_taken_back_among_many() -> None:
    for seed in range(40):
        found = judged({"primary": 0.0, **{f"m{i}": 0.15 if i == 0 else 0.0 for i in range(OTHERS)}}, seed=seed)
        one = found.metric("m0")
        assert one.verdict.p_value is not None
        assert one.adjusted_p is not None
        if one.verdict.p_value <= 0.05 < one.adjusted_p:
            assert one.verdict.word == "inconclusive"
            assert "not decided yet" in one.sentence
            return
    pytest.fail("no world had such a metric")


def test_a_clear_secondary_metric_keeps_its_word_and_ships_nothing() -> None:
    found = judged({"primary": 0.0, **{f"m{i}": 0.5 if i == 0 else 0.0 for i in range(OTHERS)}})
    assert found.metric("m0").verdict.word == "better"
    assert found.recommendation == "wait"


def test_under_a_posterior_the_others_words_are_those_of_the_sequence_and_stand_as_a_family() -> None:
    bayes = msgspec.structs.replace(RUN, plan=Plan(name="bayes", prior_sd=100.0))
    effects = {"primary": 0.0, **{f"m{i}": 0.12 for i in range(OTHERS)}}
    ours, theirs = judged(effects, run=bayes), judged(effects)
    others = [m for m in ours.metrics if m.name in effects and m.part == "secondary"]
    assert len(others) == OTHERS
    for one in others:
        assert one.adjusted_p is not None
        assert one.verdict == theirs.metric(one.name).verdict
    assert ours.primary is not None
    assert theirs.primary is not None
    assert ours.primary.verdict.method != theirs.primary.verdict.method
