"""A deployment whose units lie in clusters: what is drawn stays the unit, what is compared is told by cluster."""

import numpy as np
import pytest

from seatrial.experiments.exposing import clusters_of, in_clusters
from seatrial.experiments.judge import judge
from seatrial.experiments.question import read
from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import Deployment
from seatrial.spec.problems import SpecError
from seatrial.spec.read import load_deployment
from tests import worlds

SECOND = worlds.SECOND
END = worlds.START + 1000 * SECOND
RUN = worlds.release((0.5, 0))


def deployment(cluster: str | None = "context.shop") -> Deployment:
    return worlds.deployment(
        unit={"name": "sender", "cluster": cluster},
        context={"shop": {"kind": "string", "optional": True}},
        outcomes={"buy": {}},
        metrics={
            "revenue": {"kind": "mean", "outcome": "buy", "within": 30.0, "grace": 1.0},
            "conversion": {"kind": "proportion", "outcome": "buy", "within": 30.0, "grace": 1.0},
        },
        release={
            "of": "challenger",
            "into": "everybody",
            "stages": [{"kind": "test"}],
            "primary": {"metric": "revenue", "minimum_effect": {"relative": 0.02}},
            "guardrails": {"errors": {"absolute": 0.01}},
        },
    )


def world(shops: int, n: int = 3000, seed: int = 1) -> TableSource:
    """Customers whose spending depends on their shop; some shops buy nothing at all."""
    rng = np.random.default_rng(seed)
    at = np.sort(worlds.START + rng.integers(0, 500 * SECOND, n))
    names, shop = worlds.unit_names(n), rng.integers(0, shops, n)
    rows = worlds.rows(RUN, names, at, **{"context.shop": [f"shop-{s}" for s in shop]})
    buys = rng.random(n) < rng.uniform(0, 1, shops)[shop]
    amount = rng.exponential(1, n) * rng.uniform(1, 5, shops)[shop]
    bought = worlds.outcomes(
        "buy",
        at[buys] + SECOND,
        unit=[name for name, b in zip(names, buys, strict=True) if b],
        value_number=amount[buys],
    )
    return worlds.source([rows], [bought])


def test_errors_are_by_cluster_and_the_sentence_says_in_how_many() -> None:
    found, plain = judge(deployment(), RUN, world(150), END), judge(deployment(None), RUN, world(150), END)
    metric, alone = found.metric("revenue"), plain.metric("revenue")
    assert metric.counts.clusters == 150
    assert alone.counts.clusters is None
    assert metric.verdict.effect == pytest.approx(alone.verdict.effect)
    assert metric.counts.champion == alone.counts.champion
    assert "on 3 000 senders in 150 clusters" in metric.sentence
    assert metric.verdict.word == "inconclusive"
    share = found.metric("conversion")
    assert share.counts.clusters == 150
    assert not [test for test in share.fixed if "proportion" in test.method]  # none that takes units for independent


def test_the_sample_ratio_is_of_units_and_exact_counts_of_units_do_not_decide() -> None:
    found = judge(deployment(), RUN, world(150), END)
    (ratio,) = [check for check in found.checks if check.name == "sample-ratio"]
    assert ratio.ok
    assert sum(found.exposed.values()) == 3000
    assert "exact" not in found.metric("errors").verdict.method


def test_few_clusters_give_no_verdict_however_many_units_there_are() -> None:
    metric = judge(deployment(), RUN, world(20), END).metric("revenue")
    assert metric.verdict.word == "no-data"
    assert "20 of 100 clusters" in metric.sentence


def test_a_unit_lies_where_its_first_exposure_says_and_one_without_stands_for_itself() -> None:
    at = worlds.START + np.arange(4) * SECOND
    rows = worlds.rows(RUN, ["a", "b", "c", "a"], at, **{"context.shop": ["x", "x", None, "y"]})
    source = worlds.source([rows])
    units = in_clusters(read(source, RUN, [], END)[0], source, RUN, END, "context.shop")
    assert units.cluster is not None
    assert units.cluster.tolist() == [0, 0, 1]
    assert clusters_of([None, "p", None, "p"]).tolist() == [0, 1, 2, 1]


FILE = """\
deployment: churn
unit: {{name: customer, cluster: {cluster}}}
context: {{shop: string, size: number}}
variants: {{champion: {{model: "models:/churn/1"}}}}
outcomes: {{buy: {{fields: {{amount: number}}}}}}
metrics: {{spent: {metric}}}
"""


@pytest.mark.parametrize(
    ("cluster", "metric", "said"),
    [
        ("context.city", "{kind: proportion, outcome: buy, within: 1d}", "`context` declares no `city`"),
        ("context.size", "{kind: proportion, outcome: buy, within: 1d}", "a cluster is a string"),
        ("context.shop", "{kind: mean, outcome: buy, value: amount, within: 1d, covariate: context.size}", "covariate"),
        ("context.shop", "{kind: quantile, outcome: buy, value: amount, within: 1d, quantile: 90%}", "kind `quantile`"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_by_cluster_is_refused(cluster: str, metric: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        load_deployment(FILE.format(cluster=cluster, metric=metric))


def test_a_good_file_names_its_cluster() -> None:
    read_ = load_deployment(FILE.format(cluster="context.shop", metric="{kind: proportion, outcome: buy, within: 1d}"))
    assert read_.unit.cluster == "context.shop"
