"""Identical versions, looked at often, through the real pipeline: how often is one called better, or rolled back?"""

from typing import Any

import numpy as np
import pytest

from seatrial.experiments.source import TableSource
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from tests import worlds
from tests.statistics.looking import look_often

SECOND = worlds.SECOND
MOMENTS = [worlds.START + round(t) * SECOND for t in np.linspace(100, 1060, 12)]


def deployment(metrics: dict[str, Any], primary: str, **guardrails: dict[str, float]) -> Deployment:
    release = {
        "of": "challenger",
        "into": "everybody",
        "stages": [{"kind": "test"}],
        "primary": {"metric": primary, "minimum_effect": {"relative": 0.02}},
        "guardrails": guardrails,
    }
    return worlds.deployment(outcomes={"digit": {"label": True}, "buy": {}}, metrics=metrics, release=release)


WINDOW = {"within": 30.0, "grace": 1.0}
REVENUE = {"kind": "mean", "outcome": "buy", **WINDOW}
CONVERSION = {"kind": "proportion", "outcome": "buy", **WINDOW}
ACCURACY = {"kind": "accuracy", "outcome": "digit", **WINDOW}


def spenders(run: ReleaseRun, rng: np.random.Generator, n: int = 600) -> TableSource:
    """Units of whom a fifth buy, for a heavy-tailed amount, whatever their variant."""
    first = np.sort(worlds.START + rng.integers(0, 1000 * SECOND, n))
    names = worlds.unit_names(n)
    bought = np.flatnonzero(rng.random(n) < 0.2)
    amounts = rng.lognormal(0, 1.5, len(bought))
    outcome = worlds.outcomes("buy", first[bought] + SECOND, unit=[names[i] for i in bought], value_number=amounts)
    return worlds.source([worlds.rows(run, names, first)], [outcome])


@pytest.mark.parametrize("shares", [(0.5,), (0.05, 0.2, 0.5)])
def test_identical_versions_are_seldom_judged_different(shares: tuple[float, ...]) -> None:
    """40 worlds, 12 looks, a guardrail at margin 0: at most alpha and two standard errors of them are wrong."""
    both = deployment({"revenue": REVENUE, "conversion": CONVERSION}, "conversion", revenue={"relative": 0.0})
    worlds_, wrong, shipped = 40, 0, 0
    for seed in range(worlds_):
        run = worlds.release(*((share, 300.0 * i) for i, share in enumerate(shares)), salt=f"aa-{seed}")
        looks, _, _ = look_often(both, run, spenders(run, np.random.default_rng(seed)), MOMENTS)
        wrong += any(look.verdicts["conversion"].word in ("better", "worse") for look in looks)
        shipped += any(look.recommendation in ("ship", "stop") for look in looks)
    bar = worlds_ * (0.05 + 2 * np.sqrt(0.05 * 0.95 / worlds_))
    assert wrong <= bar
    assert shipped <= bar


def correlated(run: ReleaseRun, rng: np.random.Generator, n: int = 400, each: int = 20) -> TableSource:
    """Units that ask 20 times each, failing and being right by a chance of their own: correlation 0.3 within a unit."""
    spread = 1 / 0.3 - 1
    failing, right = rng.beta(0.1 * spread, 0.9 * spread, n), rng.beta(0.8 * spread, 0.2 * spread, n)
    first = np.sort(worlds.START + rng.integers(0, 1000 * SECOND, n))
    at = np.repeat(first, each) + np.tile(np.arange(each) * SECOND, n)
    names = np.repeat(np.array(worlds.unit_names(n), dtype=object), each).tolist()
    failed = rng.random(n * each) < np.repeat(failing, each)
    rows = worlds.rows(
        run, names, at, status=np.where(failed, "error", "ok").tolist(),
        **{"prediction.label": np.ones(n * each, dtype=np.int64)},
    )  # fmt: skip
    truth = np.where(rng.random(n * each) < np.repeat(right, each), 1.0, 0.0)
    labels = worlds.outcomes("digit", at + 1, request_id=rows["request_id"], value_number=truth)
    return worlds.source([rows], [labels])


def test_requests_of_one_unit_that_resemble_each_other_do_not_fool_the_verdict() -> None:
    """Correlation 0.3, 20 requests a unit. Counting requests as if they were units is wrong in most of these worlds."""
    asked = deployment({"accuracy": ACCURACY}, "accuracy", error_rate={"absolute": 0.0})
    worlds_, wrong, naive = 30, 0, 0
    for seed in range(worlds_):
        run = worlds.release((0.5, 0.0), salt=f"correlated-{seed}")
        looks, units, columns = look_often(asked, run, correlated(run, np.random.default_rng(seed)), MOMENTS)
        wrong += any(
            look.verdicts["accuracy"].word in ("better", "worse") or look.verdicts["error_rate"].word == "worse"
            for look in looks
        )
        treatment = units.variant == "challenger"
        naive += naive_z(columns["accuracy"].x, columns["accuracy"].y, treatment) > 1.96
    assert wrong <= worlds_ * (0.05 + 2 * np.sqrt(0.05 * 0.95 / worlds_))
    assert naive > worlds_ / 4


def naive_z(x: worlds.Array, y: worlds.Array, treatment: worlds.Array) -> float:
    """The two-proportion z of requests, as if each were a unit."""
    p, n = x[treatment].sum() / y[treatment].sum(), y[treatment].sum()
    q, m = x[~treatment].sum() / y[~treatment].sum(), y[~treatment].sum()
    pooled = x.sum() / y.sum()
    return float(abs(p - q) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m)))
