"""Caps that files leave to the data: a quantile of units' totals, both variants together, so that neither has a say.

For one look it is of all units. Who looks again as data come in has a number that stays what it was at the first look:
that of the first 1 000 units by exposure, whose windows had closed before any later unit was judged.
"""

from collections.abc import Sequence

import msgspec

from seatrial.analysis.files import Files
from seatrial.analysis.metrics import Metric
from seatrial.spec.errors import BadInput, NoData
from seatrial.spec.units import show_count

FIRST = 1000


def with_caps(files: Files, metrics: Sequence[Metric], *, once: bool, timed: bool) -> tuple[Metric, ...]:
    """The metrics with their caps in numbers, from the relation ``judged``.

    Raises:
        BadInput: Units have no times to be the first by.
        NoData: Fewer than 1 000 units have matured, of a metric that is looked at again and again.
    """
    return tuple(
        metric if metric.cap_at is None else _with_cap(files, i, metric, once=once, timed=timed)
        for i, metric in enumerate(metrics)
    )


def _with_cap(files: Files, index: int, metric: Metric, *, once: bool, timed: bool) -> Metric:
    if not once and not timed:
        raise BadInput(
            f"the cap of {metric.name!r} is of the first {FIRST} units, and {files.names['exposures']} has no column "
            f"{files.columns.at!r}; add the times, or give the cap as a number"
        )
    first = "" if once else f" ORDER BY first_at, unit LIMIT {FIRST}"
    (row,) = files.query(
        f"SELECT count(*) AS n, quantile_disc(x, {metric.cap_at!r}) AS cap, max(x) AS most FROM "
        f"(SELECT x{index} AS x FROM judged WHERE k{index}{first})"
    ).to_pylist()
    if not once and row["n"] < FIRST:
        raise NoData(
            f"{show_count(row['n'])} of the first {FIRST} units of {metric.name!r} have matured, by which its cap is "
            "fixed; wait, or give the cap as a number"
        )
    cap = row["cap"] if row["cap"] is not None and row["cap"] > 0 else row["most"]
    return msgspec.structs.replace(metric, cap=float(cap) if cap is not None and cap > 0 else None)
