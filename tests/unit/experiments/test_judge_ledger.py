"""The ledger's own view is a source like any other."""

from pathlib import Path

from seatrial.experiments.judge import judge
from seatrial.ledger.reader import Reader
from tests import worlds

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
