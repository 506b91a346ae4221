"""A release looked at many times, through the real pipeline: one query, then a verdict at every look.

A matured unit's numbers never change again (a law of its own), so what was read at the end is what each look saw.
"""

from collections.abc import Sequence
from typing import NamedTuple

from seatrial.experiments.asks import asks_of, measures_of
from seatrial.experiments.measure import Column
from seatrial.experiments.metric import verdict_of
from seatrial.experiments.question import read
from seatrial.experiments.sample import take_sample
from seatrial.experiments.source import TableSource
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment
from seatrial.stats.recommendation import Recommendation, recommend
from seatrial.stats.verdict import Verdict


class Look(NamedTuple):
    """What one look says: verdicts by metric, and what is recommended."""

    verdicts: dict[str, Verdict]
    recommendation: Recommendation


def look_often(
    deployment: Deployment, run: ReleaseRun, source: TableSource, moments: Sequence[int]
) -> tuple[list[Look], Units, dict[str, Column]]:
    """The looks at ``moments`` (ascending, microseconds), and what they are made of."""
    assert deployment.release is not None
    asks = asks_of(deployment, deployment.release, run, run.caps, answers=True)
    measures = {m.name: m for m in measures_of(deployment, run, asks) if asks[m.name].part != "secondary"}
    units, columns = read(source, run, list(measures.values()), moments[-1])
    looks = []
    for now in moments:
        verdicts = {
            name: verdict_of(asks[name], take_sample(units, columns[name], m, run, now), m, run)
            for name, m in measures.items()
        }
        guardrails = [verdicts[name].word for name in deployment.release.guardrails]
        primary = verdicts[deployment.release.primary.metric].word
        looks.append(Look(verdicts, recommend(primary=primary, guardrails=guardrails)))
    return looks, units, columns
