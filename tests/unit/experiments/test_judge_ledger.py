"""The ledger's own view is a source like any other."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from seatrial.experiments.judge import judge
from seatrial.experiments.segments import segment
from seatrial.ledger.reader import Reader
from seatrial.ledger.rows import Outcome, RowSchema
from seatrial.spec.deployment import MetricKind
from tests import worlds
from tests.ledger_events import envelope, outcome, prediction_log
from tests.trials import write_outcomes_at_once

DEPLOYMENT = worlds.deployment(
    outcomes={"digit": {"label": True}, "buy": {}},
    metrics={
        "accuracy": {"kind": "accuracy", "outcome": "digit", "within": 30.0},
        "revenue": {"kind": "mean", "outcome": "buy", "within": 30.0},
    },
    release={
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "shadow"}, {"kind": "test"}],
        "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.02}},
        "guardrails": {"errors": {"absolute": 0.01}, "p99": {"relative": 0.1}},
    },
)


def test_a_ledger_with_nothing_in_it_gives_no_data(tmp_path: Path) -> None:
    with Reader(tmp_path).open("digits") as view:
        found = judge(DEPLOYMENT, worlds.release((0.5, 0)), view, worlds.START + 1000)
    assert {metric.verdict.word for metric in found.metrics} == {"no-data"}
    assert (found.recommendation, found.shadow, found.left_out) == ("wait", None, {})


def test_every_kind_of_metric_is_asked_of_a_ledger_with_nothing_in_it(tmp_path: Path) -> None:
    more = {"ratio": {"numerator": "a", "denominator": "b"}, "value": {"of": "truth", "outcome": None}}
    covariates = {"mean": ["context.prior", "prediction"], "proportion": ["prediction"]}
    metrics = {
        f"m_{kind}": {
            "kind": kind,
            "outcome": "truth",
            "within": 30.0,
            "covariates": covariates.get(kind, []),
            **more.get(kind, {}),
        }
        for kind in get_args(MetricKind)
    }
    assert DEPLOYMENT.release is not None
    release = DEPLOYMENT.release.model_dump() | {"primary": {"metric": "m_mean", "minimum_effect": {"relative": 0.02}}}
    deployment = worlds.deployment(
        context={"prior": {"kind": "number"}},
        outcomes={"truth": {"label": True}},
        metrics=metrics,
        release=release | {"guardrails": {}},
    )
    with Reader(tmp_path).open("digits") as view:
        found = judge(deployment, worlds.release((0.5, 0)), view, worlds.START + 1000)
    assert {metric.name for metric in found.metrics} >= set(metrics)
    assert {metric.verdict.word for metric in found.metrics} == {"no-data"}


SCHEMA = RowSchema(
    deployment="digits",
    context=(("country", "string"), ("prior", "number")),
    numbers=(),
    number_index=(),
    texts=(),
    text_index=(),
    vectors=(),
    prediction=(("label", "integer"), ("score", "number")),
)


def test_covariates_scores_and_segments_are_read_from_the_ledger_s_own_columns(tmp_path: Path) -> None:
    n, run = 1200, worlds.release((0.5, 0))
    variant = worlds.assigned(run, worlds.unit_names(n), np.ones(n))
    rng = np.random.default_rng(1)
    prior = rng.normal(100, 20, n)
    spent = prior + rng.normal(0, 2, n) + (variant == "challenger")
    happened: list[Outcome] = []
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(SCHEMA)
        for i in range(n):
            row = envelope(i, unit=f"sender-{i}", variant=str(variant[i]), release=run.id, phase=1, entry=run.entry)
            assert buffer.append(row, ("DE" if i % 3 else "FR", float(prior[i])), np.empty(0), [], [], (1, 0.7))
            happened.append(outcome("buy", unit=f"sender-{i}", at=row.at + 1_000_000, value=float(spent[i])))
    write_outcomes_at_once(tmp_path, happened)
    deployment = worlds.deployment(
        context={"country": {"kind": "string"}, "prior": {"kind": "number"}},
        outcomes={"buy": {}, "truth": {"label": True}},
        metrics={
            "revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "covariates": ["context.prior"]},
            "loss": {"kind": "log_loss", "outcome": "truth", "within": 30.0, "want": "lower"},
        },
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.001}},
        },
    )
    now = happened[-1].at + 10**11
    with Reader(tmp_path).open("digits") as view:
        found = judge(deployment, run, view, now)
        by_country = segment(deployment, run, view, now, "context.country")
    revenue = found.metric("revenue")
    assert revenue.adjustment is not None
    assert revenue.adjustment.variance_ratio == pytest.approx(4 / 404, rel=0.2)
    assert revenue.verdict.word == "better"
    assert "has been logged" not in found.metric("loss").sentence
    assert [(one.name, one.champion + one.challenger) for one in by_country[0].segments] == [("DE", 800), ("FR", 400)]
