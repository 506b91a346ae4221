"""An experiment in the ledger: two versions of ``churn`` by chance, one better in one country and worse elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np

from seatrial.ledger.log import PredictionLog
from seatrial.ledger.outcomes import OutcomeLog
from seatrial.ledger.rows import Outcome, RowSchema
from tests.ledger_events import Clock, envelope, outcome, prediction_log

SCHEMA = RowSchema(
    deployment="churn",
    context=(("country", "string"), ("age", "integer")),
    numbers=(("tenure", "number"),),
    number_index=(0,),
    texts=("note",),
    text_index=(0,),
    vectors=(),
    prediction=(("label", "string"),),
)
FILE = """\
deployment: churn
task: classification
unit: {name: customer}
context: {country: string, age: optional integer}
variants:
  champion:   {model: "models:/churn@champion"}
  challenger: {model: "models:/churn/2"}
routing:
  - {name: everybody, split: {champion: 50%, challenger: 50%}}
outcomes:
  purchase: {fields: {amount: number}}
metrics:
  conversion: {kind: proportion, outcome: purchase, within: 1d, want: higher}
log: {redact: [features.note]}
"""
UNITS = 12_000
CONVERSION = {("DE", "champion"): 0.1, ("DE", "challenger"): 0.4, ("US", "champion"): 0.4, ("US", "challenger"): 0.2}
"""Three in ten are DE, the others US."""


def write_trial(home: Path, units: int = UNITS, seed: int = 7, better: bool = True, **given: Any) -> None:
    """Leaves so many units behind, each with one row, and what they bought within the hour.

    Args:
        better: Without it every unit converts at 20 %.
    """
    rng = np.random.default_rng(seed)
    bought: list[Outcome] = []
    with prediction_log(home) as log:
        for number in range(units):
            country, arm = "DE" if rng.random() < 0.3 else "US", rng.random() < 0.5
            variant = "challenger" if arm else "champion"
            _row(log, number, country, int(rng.integers(18, 80)), float(rng.integers(0, 60)), variant, given)
            if rng.random() < (CONVERSION[country, variant] if better else 0.2):
                bought.append(outcome(unit=f"unit-{number}", at=envelope(number).at + 1_000_000))
    write_outcomes_at_once(home, bought)


def write_outcomes_at_once(home: Path, outcomes: list[Outcome]) -> None:
    """All in one sync."""
    log = OutcomeLog(home, "w0", clock=Clock())
    try:
        log.append(outcomes).result(60)
    finally:
        log.close()


def _row(
    log: PredictionLog, number: int, country: str, age: int, tenure: float, variant: str, given: dict[str, Any]
) -> None:
    version = f"churn:{1 if variant == 'champion' else 2}"
    row = envelope(number, variant=variant, assigned_version=version, answered=variant, version=version, release="")
    buffer = log.buffer(SCHEMA, {"feature.note": lambda value: f"hash of {value}"})
    assert buffer.append(row._replace(**given), (country, age), np.array([tenure]), ["x"], [], ("no",))
