"""An outcome without the number that is measured: its unit is missing, not zero, as in a file with empty cells."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.judging import judge as judge_files
from seatrial.experiments.coverage import fared
from seatrial.experiments.declared_measures import measure_of
from seatrial.experiments.judge import judge
from seatrial.experiments.judgement import Judgement
from seatrial.experiments.measure import Column
from seatrial.experiments.narrowed import shared_ids
from seatrial.experiments.question import read
from seatrial.experiments.remembered import Kept, Limits, read_again
from seatrial.experiments.sample import take_sample
from seatrial.experiments.summed import sample_of
from seatrial.experiments.unit_shelf import DiskShelves
from tests import worlds

S = worlds.SECOND
RUN = worlds.release((0.5, 0))
FIELDS = {"amount": "number", "items": "integer", "churned": "boolean", "note": "string"}
NAN = float("nan")

METRICS: dict[str, dict[str, Any]] = {
    "mean": {"kind": "mean", "value": "amount"},
    "proportion": {"kind": "proportion", "value": "amount"},
    "ratio": {"kind": "ratio", "numerator": "amount", "denominator": "items"},
    "quantile": {"kind": "quantile", "value": "amount", "quantile": 0.5},
    "value": {"kind": "value", "of": "2 * buy.amount + buy.items"},
    "own": {"kind": "mean"},
}


def spec(kind: str, label: bool = False) -> Any:
    metric = METRICS[kind] | ({} if kind == "value" else {"outcome": "buy"}) | {"within": 30.0, "grace": 10.0}
    return worlds.deployment(outcomes={"buy": {"label": label, "fields": FIELDS}}, metrics={"m": metric})


def column(kind: str, *sent: tuple[str, dict[str, Any] | None], label: bool = False, late: bool = False) -> Column:
    """Of units u and v, exposed a second apart, of which what was ``sent`` arrives in time, the last of it late."""
    at = worlds.START + np.arange(2) * S
    came = [worlds.START + 5 * S] * len(sent)
    outcomes = worlds.outcomes(
        "buy",
        np.full(len(sent), worlds.START + 3 * S),
        unit=[unit for unit, _ in sent],
        fields=[None if one is None else json.dumps(one) for _, one in sent],
        received_at=[*came[:-1], worlds.START + 60 * S] if late else came,
        id=[f"o{i}" for i in range(len(sent))],
    )
    measure = measure_of("m", spec(kind, label), {})
    source = worlds.source([worlds.rows(RUN, ["u", "v"], at)], [outcomes])
    return read(source, RUN, [measure], worlds.START + 100 * S)[1]["m"]


@pytest.mark.parametrize(
    ("kind", "whole"), [("mean", 7.0), ("proportion", 1.0), ("ratio", 7.0), ("quantile", 7.0), ("value", 16.0)]
)
def test_a_unit_whose_number_is_unknown_is_missing_and_one_without_outcomes_is_zero(kind: str, whole: float) -> None:
    assert column(kind, ("u", {"amount": 7, "items": 2})).x.tolist() == [whole, 0.0]
    for hole in ({"items": 2}, {"amount": "much", "items": 2}, {"amount": None, "items": 2}):
        assert np.isnan(column(kind, ("u", hole)).x[0])
    assert np.isnan(column(kind, ("u", {"amount": 0, "items": 2}), ("u", {"items": 2})).x[0])


def test_an_outcome_without_a_value_happened_where_the_metric_names_none() -> None:
    assert column("own", ("u", {"items": 2}), ("u", None)).x.tolist() == [2.0, 0.0]


def test_a_hole_does_not_matter_where_another_outcome_settles_it() -> None:
    assert column("proportion", ("u", {"amount": 7}), ("u", {"note": "x"})).x[0] == 1


def test_a_ratio_misses_a_unit_without_either_number() -> None:
    assert np.isnan(column("ratio", ("u", {"amount": 7})).x[0])


@pytest.mark.parametrize("kind", ["mean", "proportion", "ratio", "quantile"])
def test_a_label_without_its_number_is_no_label(kind: str) -> None:
    given = column(kind, ("u", {"amount": 7, "items": 1}), ("u", {"note": "x"}), ("v", {"note": "x"}), label=True)
    assert given.labels.tolist() == [1.0, 0.0]
    assert given.x[0] == (1.0 if kind == "proportion" else 7.0)


def test_what_comes_late_without_its_number_changes_nothing() -> None:
    given = column("mean", ("u", {"amount": 7}), ("u", {"note": "x"}), late=True)
    assert (given.x[0], given.x_all[0], given.late[0]) == (7.0, 7.0, 1.0)


def judged(metric: str, *, lost: np.ndarray, label: bool = False) -> tuple[Judgement, pd.DataFrame, pd.DataFrame]:
    """Half of 2 000 units buy for about 50; ``lost`` units' outcomes lack their amount. No true difference."""
    n, rng = lost.size, np.random.default_rng(4)
    at = np.sort(worlds.START + rng.integers(0, 500 * S, n))
    names = worlds.unit_names(n)
    rows = worlds.rows(RUN, names, at)
    new = np.asarray(rows["variant"] == "challenger")
    came = np.ones(n, dtype=bool) if label else rng.random(n) < 0.5
    amount = rng.normal(50, 5, n)
    here = np.flatnonzero(came)
    gone = lost & new
    fields = [json.dumps({"items": 1} if gone[i] else {"amount": amount[i], "items": 1}) for i in here]
    bought = worlds.outcomes("buy", at[here] + S, unit=[names[i] for i in here], fields=fields)
    file = spec(metric, label)
    release = worlds.deployment(
        outcomes={"buy": {"label": label, "fields": FIELDS}},
        metrics={"m": file.metrics["m"].model_dump(exclude_unset=True)},
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "m", "minimum_effect": {"absolute": 0.01}},
            "guardrails": {},
        },
    )
    found = judge(release, RUN, worlds.source([rows], [bought]), worlds.START + 1000 * S)
    exposures = pd.DataFrame({"unit": names, "variant": rows["variant"], "at": pd.to_datetime(at, unit="us", utc=True)})
    outcomes = pd.DataFrame(
        {
            "unit": [names[i] for i in here],
            "outcome": "buy",
            "at": pd.to_datetime(at[here] + S, unit="us", utc=True),
            "amount": [None if gone[i] else amount[i] for i in here],
            "items": 1,
        }
    )
    return found, exposures, outcomes


@pytest.mark.parametrize(
    ("metric", "written"),
    [("mean", "mean:buy.amount"), ("ratio", "ratio:buy.amount/buy.items"), ("proportion", "proportion:buy.amount")],
)
def test_the_ledger_says_what_a_file_of_the_same_world_says(metric: str, written: str) -> None:
    lost = np.arange(2000) % 5 == 0
    found, exposures, outcomes = judged(metric, lost=lost)
    if metric == "proportion":
        outcomes["amount"] = outcomes["amount"].where(outcomes["amount"].isna(), 1)
    theirs = judge_files(exposures, outcomes, metrics={"m": written}, control="champion")
    one, other = found.metric("m"), theirs.comparisons[0].primary
    assert one.counts.missing == other.missing > 50
    assert one.verdict.treatment_mean == pytest.approx(other.verdict.treatment_mean, rel=1e-9)
    assert one.verdict.control_mean == pytest.approx(other.verdict.control_mean, rel=1e-9)
    assert found.recommendation == theirs.comparisons[0].recommendation == "withheld"


@pytest.mark.parametrize("label", [False, True])
def test_numbers_that_one_arm_lacks_withhold_and_none_lacking_does_not(label: bool) -> None:
    lost = np.arange(2000) % 4 == 0
    found, _, _ = judged("mean", lost=lost, label=label)
    (check,) = (one for one in found.checks if one.name == "label-coverage")
    assert not check.ok
    assert "labels or numbers: m 7" in check.sentence or "labels or numbers: m 8" in check.sentence
    assert found.recommendation == "withheld"
    whole, _, _ = judged("mean", lost=np.zeros(2000, dtype=bool), label=label)
    assert all(one.ok for one in whole.checks)


def test_by_entry_a_unit_with_a_hole_is_left_out() -> None:
    at = worlds.START + np.arange(3) * S
    rows = worlds.rows(RUN, ["u", "v", "w"], at)
    fields = [json.dumps({"amount": 4}), json.dumps({"items": 1})]
    bought = worlds.outcomes("buy", at[:2] + S, unit=["u", "v"], fields=fields)
    source = worlds.source([rows], [bought])
    (found,) = fared(source, measure_of("m", spec("mean"), {}), worlds.START, worlds.START + 100 * S).values()
    assert (found.units, found.value) == (2, 2.0)
    assert not np.isnan(NAN if found.lower is None else found.lower)


def test_what_is_remembered_has_the_same_holes_as_what_is_read_afresh(tmp_path: Path) -> None:
    n = 300
    at = worlds.START + np.arange(n) * S
    names = worlds.unit_names(n)
    ids = [f"o{i}" for i in range(n)]
    fields = [json.dumps({"note": "x"} if i % 7 == 0 else {"amount": i}) for i in range(n)]
    sent = worlds.outcomes("buy", at + S, unit=names, fields=fields, id=ids)
    # Of the first hundred some come again, too late: a number where there was none, and none where there was one.
    again = [i for i in range(100) if i % 5 == 0]
    late = worlds.outcomes(
        "buy",
        at[again] + S,
        unit=[names[i] for i in again],
        fields=[json.dumps({"amount": 1} if i % 7 == 0 else {"note": "x"}) for i in again],
        received_at=[worlds.START + 250 * S] * len(again),
        id=[ids[i] for i in again],
    )
    source = worlds.source([worlds.rows(RUN, names, at)], [sent, late])
    measures = [measure_of("m", spec("mean"), {})]
    limits = Limits(lag=0, least=0, part=100, piece=50, share=0.5, most=1000)
    for seconds in (200, 300, 400):
        now = worlds.START + seconds * S
        shared = shared_ids(source, ["buy"])
        known = read_again(source, RUN, measures, now, DiskShelves(tmp_path), shared, ["m"], limits)
        assert isinstance(known, Kept)
        remembered = known.columns["m"]
        units, numbers = read(source, RUN, measures, now)
        afresh = numbers["m"]
        np.testing.assert_array_equal(remembered.x, afresh.x)
        np.testing.assert_array_equal(remembered.x_all, afresh.x_all)
        assert np.isnan(afresh.x[:100]).sum() == 15
        summed = sample_of(known.sums["m"], measures[0], RUN, now)
        sample = take_sample(units, afresh, measures[0], RUN, now)
        assert summed.missing == sample.missing > 0
        assert summed.effect.treatment_mean == pytest.approx(sample.effect.treatment_mean, rel=1e-12)
        assert summed.coverage is not None
        assert sample.coverage is not None
        assert summed.coverage.treatment_mean == pytest.approx(sample.coverage.treatment_mean, rel=1e-12)
    assert np.isnan(afresh.x_all[:100]).sum() == 12, "three were told late"
