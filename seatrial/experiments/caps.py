"""Outlier caps that the file leaves to the data (``cap_at: 99.9%``), fixed before the first look and never moved.

The quantile of unit totals of the champion's units in the days before the release; where fewer than 1 000 of them had
matured by its beginning, of the first 1 000 matured units of the release itself, both arms together, so that neither
has a say of its own. What matured never changes, so that the number is the same whenever it is asked for; the release
keeps it all the same, and the audit has it. Where so few units have a total that the quantile is 0, their largest.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from seatrial.experiments.asks import CAP_NEEDS
from seatrial.experiments.counted import Mask, Values
from seatrial.experiments.declared_measures import measure_of
from seatrial.experiments.measure import Column, Measure
from seatrial.experiments.past import LOOK_BACK, AsIfDrawn, past_run
from seatrial.experiments.question import read
from seatrial.experiments.source import Source
from seatrial.experiments.units import Units
from seatrial.releases.run import ReleaseRun
from seatrial.spec.deployment import Deployment

NEEDED = CAP_NEEDS
"""So that a quantile of 99.9 % is one of them."""


def fixed_caps(deployment: Deployment, run: ReleaseRun, view: Source, now: int) -> dict[str, float]:
    """Caps by metric, those that can be fixed by ``now`` (microseconds since 1970 UTC) and are not kept already."""
    found = caps_before(deployment, run, view, run.started_at)
    left = [measure for measure in _asked(deployment, run) if measure.name not in found]
    if not left or not run.phases:
        return found
    units, columns = read(view, run, left, now)
    ours = np.isin(units.variant, [run.champion, run.challenger])
    return found | _caps(deployment, left, units, columns, ours, now, first=NEEDED)


def caps_before(deployment: Deployment, run: ReleaseRun, view: Source, before: int) -> dict[str, float]:
    """The same by the champion's units that had matured by a moment, alone."""
    asked = _asked(deployment, run)
    if not asked:
        return {}
    past = past_run(run, before)
    started = before - LOOK_BACK - max(measure.matures for measure in asked)
    past = msgspec.structs.replace(past, started_at=started, caps={})
    units, columns = read(AsIfDrawn(view, run.champion), past, asked, before)
    return _caps(deployment, asked, units, columns, np.ones(len(units.first_at), dtype=np.bool_), before)


def _asked(deployment: Deployment, run: ReleaseRun) -> list[Measure]:
    """Measures, uncapped, of the metrics whose cap is still to be fixed."""
    names = [name for name, spec in deployment.metrics.items() if spec.cap_at is not None and name not in run.caps]
    return [measure_of(name, deployment, {}) for name in names]


def _caps(
    deployment: Deployment,
    measures: Sequence[Measure],
    units: Units,
    columns: dict[str, Column],
    ours: Mask,
    now: int,
    first: int | None = None,
) -> dict[str, float]:
    found = {}
    for measure in measures:
        column, share = columns[measure.name], deployment.metrics[measure.name].cap_at or 1.0
        matured = ours & (units.first_at + measure.matures <= now)
        totals = column.x[matured & measure.told(column)][:first]
        cap = quantile_cap(totals, share) if totals.size >= NEEDED else None
        if cap is not None:
            found[measure.name] = cap
    return found


def quantile_cap(totals: Values, share: float) -> float | None:
    """The total that ``share`` of units do not exceed; where that is 0 the largest; None where none is above 0."""
    cap = float(np.quantile(totals, share, method="inverted_cdf"))
    cap = cap if cap > 0 else float(totals.max())
    return cap if cap > 0 else None
