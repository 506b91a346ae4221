"""Triggered analysis: only units to which the two versions answer differently are compared."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from seatrial.experiments.doubts import p_value
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Check, Judgement
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.row_columns import column_names
from seatrial.experiments.sample import Sample, take_sample
from seatrial.experiments.source import TableSource
from seatrial.experiments.trigger import Triggers, check_trigger_rate, check_untriggered, read_triggers
from seatrial.experiments.units import NEVER, Units
from seatrial.spec.deployment import Deployment
from tests import worlds

SECOND = worlds.SECOND
END = worlds.START + 2000 * SECOND
RUN = worlds.release((0.5, 0))


def deployment(trigger: str | None = "differs", **guardrails: dict[str, float]) -> Deployment:
    return worlds.deployment(
        outcomes={"buy": {}},
        metrics={
            "conversion": {"kind": "proportion", "outcome": "buy", "within": 30.0, "grace": 1.0},
            "revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 1.0},
        },
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "conversion", "minimum_effect": {"absolute": 0.01}},
            "guardrails": guardrails,
            "trigger": trigger,
        },
    )


def shadowed(rows: dict[str, Any], answers: np.ndarray, keep: np.ndarray | None = None) -> dict[str, Any]:
    """What the other version said to the same requests."""
    other = np.where(rows["variant"] == "challenger", "champion", "challenger").astype(object)
    copied = rows | {
        "role": ["shadow"] * len(other), "variant": other, "answered": other, "contested": np.zeros(len(other), bool),
        "prediction.label": answers,
    }  # fmt: skip
    keep = np.ones(len(other), bool) if keep is None else keep
    return {name: np.asarray(column, dtype=object)[keep] for name, column in copied.items()}


def world(
    n: int = 4000,
    *,
    differing: float = 0.1,
    effect: float = 0.0,
    leak: float = 0.0,
    rare: float = 0.0,
    lost: float = 0.0,
    seed: int = 1,
) -> TableSource:
    """Units that ask once; where answers differ the challenger's convert ``effect`` more often.

    ``leak``: effect on the others; ``rare``: share of the challenger's differing pairs that are lost; ``lost``: of all.
    """
    rng = np.random.default_rng(seed)
    at = np.sort(worlds.START + rng.integers(0, 1000 * SECOND, n))
    names = worlds.unit_names(n, f"s{seed}")
    rows = worlds.rows(RUN, names, at, **{"prediction.label": np.ones(n, dtype=np.int64)})
    new = rows["variant"] == "challenger"
    differ = rng.random(n) < differing
    kept = ~(new & differ & (rng.random(n) < rare)) & (rng.random(n) >= lost)
    buys = rng.random(n) < 0.3 + new * np.where(differ, effect, leak)
    bought = worlds.outcomes("buy", at[buys] + SECOND, unit=[x for x, b in zip(names, buys, strict=True) if b])
    return worlds.source([rows, shadowed(rows, np.where(differ, 0, 1), kept)], [bought])


def check(found: Judgement, name: str) -> Check:
    return next(one for one in found.checks if one.name == name)


def test_only_units_whose_answers_differ_are_compared_and_the_effect_is_diluted_over_all() -> None:
    found = judge(deployment(), RUN, world(effect=0.2), END)
    metric = found.metric("conversion")
    told = metric.triggered
    assert told is not None
    assert told.of == 4000
    assert told.share == pytest.approx(0.1, abs=0.02)
    assert metric.counts.champion + metric.counts.challenger == told.units
    assert metric.verdict.effect is not None
    assert told.effect == pytest.approx(told.share * metric.verdict.effect)
    assert metric.verdict.effect == pytest.approx(0.2, abs=0.1)
    whole = judge(deployment(None), RUN, world(effect=0.2), END).metric("conversion").verdict
    assert told.effect == pytest.approx(whole.effect, abs=0.03)
    assert told.relative == pytest.approx(told.effect / whole.control_mean, rel=1e-9)
    assert told.rest_lower is not None
    assert told.rest_upper is not None
    assert told.rest_lower < 0 < told.rest_upper
    assert "whose answers differ" in metric.sentence
    assert "over all senders that is" in metric.sentence


class Compared(NamedTuple):
    """One world counted with the trigger and without, by the judge's own functions."""

    told: Sample
    whole: Sample


def compared(seed: int, n: int = 6000, effect: float = 0.0, differing: float = 0.1) -> Compared:
    """From arrays, so that a world costs milliseconds."""
    rng = np.random.default_rng(seed)
    new, differ = rng.random(n) < 0.5, rng.random(n) < differing
    x = (rng.random(n) < 0.3 + effect * (new & differ)).astype(float)
    ones, none = np.ones(n), np.zeros(n)
    column = Column(x=x, y=ones, x_all=x, y_all=ones, labels=ones, wanted=ones, late=none, early=none)
    at = worlds.START + np.arange(n)
    units = Units(
        pa.chunked_array([pa.nulls(n)]), np.where(new, "challenger", "champion").astype(object), np.ones(n, int), at,
        np.full(n, NEVER),
    )  # fmt: skip
    measure = Measure("conversion", "proportion", SECOND, 0, "", outcome="buy")
    return Compared(*(take_sample(units, column, measure, RUN, END, only) for only in (differ, None)))


def test_at_a_tenth_differing_it_takes_about_a_tenth_of_the_units() -> None:
    """Mean z of the triggered and of the whole comparison of the same worlds: their squared ratio is a unit's worth."""
    found = [compared(seed, effect=0.15) for seed in range(300)]
    z = [np.mean([s.effect.effect / s.effect.se_unpooled for s in samples]) for samples in zip(*found, strict=True)]
    assert (z[0] / z[1]) ** 2 == pytest.approx(10, rel=0.15)


def test_the_diluted_effect_is_the_truth_and_steadier_than_the_whole_comparison() -> None:
    found = [compared(seed, effect=0.15) for seed in range(300)]
    diluted = [one.told.effect.effect * one.told.effect.n / one.whole.effect.n for one in found]
    whole = [one.whole.effect.effect for one in found]
    error = np.std(diluted) / 300**0.5
    assert np.mean(diluted) == pytest.approx(0.015, abs=4 * error)
    assert np.std(diluted) < 0.4 * np.std(whole)


def test_worlds_without_effect_are_hardly_ever_withheld_or_called_different() -> None:
    triggers = Triggers(np.zeros(0, np.int64), 1, 0)
    withheld = different = 0
    for seed in range(400):
        samples = {"conversion": compared(seed).told}
        checks = check_trigger_rate(samples, triggers, RUN), check_untriggered(samples, RUN)
        withheld += any(not one.ok for one in checks)
        different += p_value(samples["conversion"].effect, RUN) < 0.05
    assert withheld <= 4  # 1 % of A/A worlds
    assert different <= 20


def test_arms_triggered_unequally_withhold() -> None:
    found = judge(deployment(), RUN, world(rare=0.5, n=8000), END)
    assert not check(found, "trigger-rate").ok
    assert found.recommendation == "withheld"
    assert "depends on the variant" in check(found, "trigger-rate").sentence


def test_an_effect_on_units_whose_answers_are_alike_withholds() -> None:
    found = judge(deployment(), RUN, world(leak=0.15, n=6000), END)
    assert not check(found, "untriggered").ok
    assert found.recommendation == "withheld"
    assert "conversion" in check(found, "untriggered").sentence


def test_lost_pairs_are_said() -> None:
    found = judge(deployment(), RUN, world(lost=0.25), END)
    assert "25" in check(found, "trigger-rate").sentence
    assert check(found, "trigger-rate").ok


def test_guardrails_keep_all_units() -> None:
    found = judge(deployment(errors={"absolute": 0.05}, revenue={"relative": 0.5}), RUN, world(), END)
    for name in ("errors", "revenue"):
        metric = found.metric(name)
        assert metric.triggered is None
        assert metric.counts.champion + metric.counts.challenger == 4000
    assert found.metric("conversion").triggered is not None


def test_a_failure_where_the_other_answered_differs_and_a_later_answer_triggers_from_then_on() -> None:
    at = worlds.START + np.array([0, 1, 2, 40]) * SECOND
    rows = worlds.rows(RUN, ["a", "b", "c", "b"], at, **{"prediction.label": np.array([1, 1, 1, 1])})
    failed = rows | {"status": ["ok", "ok", "error", "ok"]}
    source = worlds.source([failed, shadowed(rows, np.array([1, 1, 1, 0]))])
    found = read_triggers(source, RUN, END, column_names(source))
    assert found.at.tolist() == [NEVER, at[3], at[2]]
    assert (found.rows, found.alone) == (4, 0)
    units = judge(deployment(), RUN, source, END).exposed
    assert sum(units.values()) == 3


def test_what_is_said_in_another_type_does_not_differ() -> None:
    at = worlds.START + np.arange(4) * SECOND
    rows = worlds.rows(RUN, ["a", "b", "c", "d"], at, **{"prediction.label": np.array(["1", "0", "2", "spam"])})
    source = worlds.source([rows, shadowed(rows, np.array(["1.0", "false", "3.0", "spam"]))])
    assert read_triggers(source, RUN, END, column_names(source)).at.tolist() == [NEVER, NEVER, at[2], NEVER]


def test_before_there_are_pairs_nothing_is_said_and_nothing_withheld() -> None:
    names = worlds.unit_names(50)
    rows = worlds.rows(RUN, names, worlds.START + np.arange(50) * SECOND)
    found = judge(deployment(), RUN, worlds.source([rows]), END)
    assert found.recommendation == "wait"
    assert check(found, "trigger-rate").value is None
    assert check(found, "untriggered").value is None
