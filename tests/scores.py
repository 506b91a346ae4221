"""Tables of scores for tests: what a batch run would have written, without one."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from seatrial.batch.table_writer import TableWriter
from seatrial.models.score_table import About, Held, packed
from seatrial.routing.snapshot import Lookup, Slot
from tests.gateways import BINARY, slot


def write_scores(scores: Path, answers: Mapping[str, float], *, started_at: int, of: Slot | None = None) -> str:
    """Publish a table of the probability that ``of`` (version 2 of churn) gives each key."""
    made = of or slot("night", 2)
    values = np.array(list(answers.values()))
    outputs = {"label": (values >= 0.5).astype(int), "probabilities": np.stack([1 - values, values], axis=1)}
    with TableWriter(scores, [made.model_version], fresh=True) as writer:
        writer.put(made.model_version, list(answers), packed(outputs, BINARY, range(len(answers))))
        held = Held(made.digest, writer.rows(made.model_version))
        about = About(deployment="churn", key="id", started_at=started_at, versions={made.model_version: held})
        name = writer.publish(about)
        writer.discard()
    return name


def night(scores: Path, **lookup: object) -> Slot:
    """The slot of variant ``night``, whose answers are looked up in ``scores``."""
    return slot("night", 2, lookup=Lookup(scores=str(scores), **lookup))  # type: ignore[arg-type]
