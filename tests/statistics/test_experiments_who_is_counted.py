"""Worlds in which counting the wrong units gives the wrong answer: crashes, ramps, and days that differ."""

from typing import Any

import numpy as np
import pytest

from seatrial.experiments.census import take_census
from seatrial.experiments.declared_measures import declared_measures
from seatrial.experiments.judge import judge
from seatrial.experiments.measure import Measure
from seatrial.experiments.question import read
from seatrial.experiments.sample import take_sample
from seatrial.experiments.source import TableSource
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from seatrial.stats.sample_ratio import PhaseShares, sample_ratio
from tests import worlds

SECOND = worlds.SECOND
END = worlds.START + 10_000 * SECOND
WINDOW = {"within": 30.0, "grace": 1.0}
DEPLOYMENT = worlds.deployment(
    outcomes={"digit": {"label": True}, "buy": {}},
    metrics={
        "accuracy": {"kind": "accuracy", "outcome": "digit", **WINDOW},
        "revenue": {"kind": "mean", "outcome": "buy", "within": 100.0, "grace": 0.0},
    },
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": "accuracy", "minimum_effect": {"absolute": 0.01}},
        "guardrails": {"errors": {"absolute": 0.01}},
    },
)


def crashing(run: ReleaseRun, rng: np.random.Generator, rescued: bool, n: int = 1500) -> tuple[TableSource, Any]:
    """The challenger is the champion, but crashes on hard rows; then the champion answers, or nobody."""
    names = worlds.unit_names(n)
    at = np.sort(worlds.START + rng.integers(0, 1000 * SECOND, n))
    hard = rng.random(n) < 0.3
    right = rng.random(n) < np.where(hard, 0.5, 0.97)
    crashed = hard & (worlds.assigned(run, names, np.ones(n)) == "challenger")
    answers = [None if lost else 1 for lost in crashed & (not rescued)]
    rows = worlds.rows(
        run, names, at, status=np.where(crashed, "error", "ok").tolist(),
        answered_by=np.where(crashed, "default" if rescued else "none", "assigned").tolist(),
        **{"prediction.label": answers},
    )  # fmt: skip
    labels = worlds.outcomes("digit", at + 1, request_id=rows["request_id"], value_number=np.where(right, 1.0, 0.0))
    return worlds.source([rows], [labels]), (rows["variant"] == "challenger", crashed, right)


@pytest.mark.parametrize("rescued", [True, False])
def test_a_challenger_that_crashes_on_its_hard_rows_is_never_better(rescued: bool) -> None:
    """Leaving its failures out makes it better in every one of these worlds; counted where they belong, in none."""
    flattered = 0
    for seed in range(8):
        run = worlds.release((0.5, 0.0), salt=f"crash-{seed}")
        source, (challenger, crashed, right) = crashing(run, np.random.default_rng(seed), rescued)
        found = judge(DEPLOYMENT, run, source, END)
        assert found.metric("accuracy").verdict.word != "better"
        assert found.metric("errors").verdict.word == "worse"
        assert found.recommendation == "stop"
        kept = right[challenger & ~crashed].mean() - right[~challenger].mean()
        flattered += kept > 0.06
    assert flattered == 8


def test_a_ramp_of_identical_versions_raises_no_sample_ratio_alarm() -> None:
    """5 to 50 %, units that come back: fresh units keep the weights; dropping those that met both variants does not."""
    alarms, shares = 0, []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        run = worlds.release((0.05, 0.0), (0.5, 500.0), salt=f"ramp-{seed}")
        n = 2000
        names = worlds.unit_names(n) * 3
        at = worlds.START + rng.integers(0, 1000 * SECOND, 3 * n)
        rows = worlds.rows(run, names, at)
        units = read_units(worlds.source([rows]), run)
        for look in np.linspace(100, 1000, 10):
            seen = take_census(until(units, worlds.START + round(look) * SECOND)).fresh()
            shares_ = [
                PhaseShares(seen.get(p.number, {}), {arm.variant: arm.weight for arm in p.arms}) for p in run.phases
            ]
            alarms += sample_ratio(shares_).failed
        shares.append(share_without_mixed(rows))
    assert alarms == 0
    assert np.mean(shares) < 0.4


def read_units(source: TableSource, run: ReleaseRun) -> Units:
    return read(source, run, declared_measures(DEPLOYMENT, run), END)[0]


def until(units: Units, now: int) -> Units:
    seen = int(np.searchsorted(units.first_at, now, side="right"))
    return Units(
        units.unit[:seen], units.variant[:seen], units.phase[:seen], units.first_at[:seen], units.moved_at[:seen]
    )


def share_without_mixed(rows: dict[str, Any]) -> float:
    """The challenger's share among units seen in the second phase that never met both variants."""
    units, variant = np.array(rows["unit"], dtype=object), rows["variant"] == "challenger"
    _, index = np.unique(units.astype(str), return_inverse=True)
    met = np.bincount(index, variant), np.bincount(index, ~variant)
    late = np.bincount(index, rows["phase"] == 2) > 0
    pure = late & ((met[0] == 0) | (met[1] == 0))
    return float((met[0][pure] > 0).mean())


def test_days_that_differ_do_not_become_an_effect_of_the_censoring() -> None:
    """Spending rises through a phase at whose end the champion's open windows are censored, the challenger's not.

    Compared phase by phase, the challenger's units are then of later, richer days; compared among windows that were
    open, and among those that were closed, they are not.
    """
    by_phase, by_stratum, spread = [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        run = worlds.release((0.2, 0.0), (0.8, 150.0), salt=f"trend-{seed}")
        n = 1500
        names, after = worlds.unit_names(n), np.sort(rng.integers(0, 150 * SECOND, n))
        spent = 20.0 * after / (150 * SECOND) + rng.normal(0, 1, n)
        bought = worlds.outcomes("buy", worlds.START + after + 1, unit=names, value_number=spent)
        source = worlds.source([worlds.rows(run, names, worlds.START + after)], [bought])
        measure = next(m for m in declared_measures(DEPLOYMENT, run) if m.name == "revenue")
        units, columns = read(source, run, [measure], END)
        effect = take_sample(units, columns["revenue"], measure, run, END).effect
        by_stratum.append(effect.effect)
        spread.append(effect.se)
        by_phase.append(effect_by_phase(units, columns["revenue"].x, measure))
    error = float(np.mean(spread) / np.sqrt(len(spread)))
    assert abs(np.mean(by_stratum)) < 4 * error
    assert np.mean(by_phase) > 20 * error


def effect_by_phase(units: Units, x: worlds.Array, measure: Measure) -> float:
    kept = units.moved_at >= units.first_at + measure.within
    treatment = units.variant == "challenger"
    return float(x[kept & treatment].mean() - x[kept & ~treatment].mean())
