"""A metric of answers in one window by declared segments, beside that of all answers.

Intervals hold for all segments of the window together. A segment that is worse than the baseline by more than the
margin for certain is named in the window's sentence; alerts are of the whole.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import Deployment
from seatrial.watch import reading
from seatrial.watch.groups import column_of, groups_of, shares
from seatrial.watch.labels import read_labelled
from seatrial.watch.performance import LEAST_UNITS, SHARES, alpha_of
from seatrial.watch.rated import RATED, measure_rated, read_rated
from seatrial.watch.reading import Span
from seatrial.watch.window import GroupRate, Performance, Window


def with_segments(deployment: Deployment, span: Span, source: Source, window: Window, variants: int) -> Window:
    """The window with its segments, where the file asks for them and the whole could be measured."""
    monitor, performance = deployment.monitors.performance, window.performance
    assert monitor is not None
    names = reading.column_names(source)
    metric = deployment.metrics[monitor.metric]
    if metric.kind in RATED and performance is not None:
        return _with_rated(deployment, span, source, window, performance, variants)
    answer = reading.answered_label(names)
    columns = {by: column_of(by) for by in monitor.segments if column_of(by) in names}
    if not columns or answer is None or performance is None:
        return window
    more = {by: f"CAST({quoted(column)} AS VARCHAR)" for by, column in columns.items()}
    table = read_labelled(source, span, deployment.metrics[monitor.metric], answer, more)
    correct = table["correct"].to_numpy(zero_copy_only=False).astype(np.float64)
    right, labelled, units = correct == 1, np.isfinite(correct), _texts(table["unit"])
    found: list[GroupRate] = []
    for by in columns:
        values = _texts(table[by])
        groups = groups_of(values[labelled].tolist(), max(monitor.minimum_labels, LEAST_UNITS))
        level = alpha_of(monitor, variants) / len(columns) / max(len(groups), 1)
        seen = shares(groups, values, units, right, labelled, level, monitor.minimum_labels)
        found += [GroupRate(by=by, group=s.group, rate="right", rows=s.rows, **s.measured._asdict()) for s in seen]
    return msgspec.structs.replace(
        window, rates=tuple(found), sentence=window.sentence + _sentence(performance, tuple(found))
    )


def _with_rated(
    deployment: Deployment, span: Span, source: Source, window: Window, performance: Performance, variants: int
) -> Window:
    """Segments of a metric of answers other than an accuracy."""
    monitor = deployment.monitors.performance
    assert monitor is not None
    metric = deployment.metrics[monitor.metric]
    rated = read_rated(source, span, metric, monitor.segments)
    found: list[GroupRate] = []
    for by, values in rated.groups.items():
        groups = groups_of(values.tolist(), max(monitor.minimum_labels, LEAST_UNITS))
        level = alpha_of(monitor, variants) / len(rated.groups) / max(len(groups), 1)
        for group in groups:
            mine = rated.of(values == group)
            measured = measure_rated(mine, metric.kind, level) if mine.units >= LEAST_UNITS else None
            if measured is not None:
                found.append(GroupRate(by=by, group=group, rate=metric.kind, rows=len(mine.x), **measured._asdict()))
    return msgspec.structs.replace(
        window, rates=tuple(found), sentence=window.sentence + _sentence(performance, tuple(found))
    )


def worse_segments(performance: Performance, rates: tuple[GroupRate, ...]) -> tuple[GroupRate, ...]:
    """Segments whose whole interval is worse than the baseline by more than the margin, the worst first."""
    if performance.baseline is None or performance.margin is None:
        return ()
    sign = 1 if performance.want == "higher" else -1
    line = performance.baseline - sign * performance.margin
    worse = [rate for rate in rates if (rate.upper < line if sign > 0 else rate.lower > line)]
    return tuple(sorted(worse, key=lambda rate: sign * rate.value))


def _sentence(performance: Performance, rates: tuple[GroupRate, ...]) -> str:
    worse = worse_segments(performance, rates)
    if not worse:
        return ""
    first, more = worse[0], f", and in {len(worse) - 1} more" if len(worse) > 1 else ""
    percent = performance.kind in SHARES
    value, lower, upper = (f"{v:.1%}" if percent else f"{v:.4g}" for v in (first.value, first.lower, first.upper))
    return (
        f" In {first.by} {first.group} it is {value} ({lower} to {upper}, "
        f"{first.rows} labels): worse for certain{more}."
    )


def _texts(column: Any) -> NDArray[Any]:
    return np.array(column.to_pylist(), dtype=object)
