"""Units of a release as they came, by interval and variant, beside what the weights of their phase make expected."""

from seatrial.experiments.row_columns import column_names
from seatrial.experiments.source import Source
from seatrial.experiments.units import evidence, parameters
from seatrial.releases.run import ReleaseRun
from seatrial.reports.experiment_charts import Arrival

_STEPS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86_400, 7 * 86_400)
MOST = 80
"""Intervals at most."""


def arrivals(source: Source, run: ReleaseRun, now: int) -> tuple[Arrival, ...]:
    """Fresh units of every arm, before any exclusion; empty before the first."""
    seconds = max(now - run.started_at, 1) / 1e6
    step = 1_000_000 * next((s for s in _STEPS if seconds / s <= MOST), _STEPS[-1])
    query = (
        f"WITH {evidence(column_names(source))} SELECT first_at // {step} AS b, phase, variant, count(*) AS n "
        "FROM units GROUP BY ALL ORDER BY ALL"
    )
    rows = source.sql(query, parameters(run, now)).to_pylist()
    weights = {phase.number: {arm.variant: arm.weight for arm in phase.arms if arm.weight > 0} for phase in run.phases}
    units: dict[tuple[int, str], int] = {}
    expected: dict[tuple[int, str], float] = {}
    for row in rows:
        key = (int(row["b"]) * step, row["variant"])
        units[key] = units.get(key, 0) + row["n"]
        arms = weights.get(row["phase"], {row["variant"]: 1.0})
        for variant, weight in arms.items():
            place = (key[0], variant)
            expected[place] = expected.get(place, 0.0) + row["n"] * weight / sum(arms.values())
    return tuple(
        Arrival(at, variant, units.get((at, variant), 0), expected.get((at, variant), 0.0))
        for at, variant in sorted(units.keys() | expected.keys())
    )
