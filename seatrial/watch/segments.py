"""A metric in one window by declared segments, beside that of all.

Intervals hold for all segments of the window together. A segment that is worse than the baseline by more than the
margin for certain is named in the window's sentence; alerts are of the whole.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import Deployment
from seatrial.watch import reading
from seatrial.watch.groups import column_of, groups_of, shares
from seatrial.watch.labels import read_labelled, read_matured
from seatrial.watch.lists import LISTS, read_lists
from seatrial.watch.performance import LEAST_UNITS, SHARES, alpha_of, is_label, labels_of, measure
from seatrial.watch.rated import RATED, measure_rated, read_rated
from seatrial.watch.reading import Span
from seatrial.watch.window import GroupRate, Performance, Window


def with_segments(deployment: Deployment, span: Span, source: Source, window: Window, variants: int) -> Window:
    """The window with its segments, where the file asks for them and the whole could be measured."""
    monitor, performance = deployment.monitors.performance, window.performance
    assert monitor is not None
    names = reading.column_names(source)
    metric = deployment.metrics[monitor.metric]
    if performance is None:
        return window
    if metric.kind in RATED:
        return _with_rated(deployment, span, source, window, performance, variants)
    if metric.kind != "accuracy":
        return _with_units(deployment, span, source, window, performance, variants)
    answer = reading.answered_label(names)
    columns = {by: column_of(by) for by in monitor.segments if column_of(by) in names}
    if not columns or answer is None:
        return window
    more = {by: f"CAST({quoted(column)} AS VARCHAR)" for by, column in columns.items()}
    table = read_labelled(source, span, deployment.metrics[monitor.metric], answer, more)
    correct = table["correct"].to_numpy(zero_copy_only=False).astype(np.float64)
    right, labelled, units = correct == 1, np.isfinite(correct), _texts(table["unit"])
    found: list[GroupRate] = []
    for by in columns:
        values = _texts(table[by])
        groups = groups_of(values[labelled].tolist(), max(monitor.minimum_labels, LEAST_UNITS))
        level = alpha_of(monitor, variants, span) / len(columns) / max(len(groups), 1)
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
        level = alpha_of(monitor, variants, span) / len(rated.groups) / max(len(groups), 1)
        for group in groups:
            mine = rated.of(values == group)
            measured = measure_rated(mine, metric.kind, level) if mine.units >= LEAST_UNITS else None
            if measured is not None:
                found.append(GroupRate(by=by, group=group, rate=metric.kind, rows=len(mine.x), **measured._asdict()))
    return msgspec.structs.replace(
        window, rates=tuple(found), sentence=window.sentence + _sentence(performance, tuple(found))
    )


def _with_units(
    deployment: Deployment, span: Span, source: Source, window: Window, performance: Performance, variants: int
) -> Window:
    """Segments of a metric by unit; a unit is in the one of its first row in the window."""
    monitor = deployment.monitors.performance
    assert monitor is not None
    metric = deployment.metrics[monitor.metric]
    if metric.kind in LISTS:
        matured = read_lists(source, span, metric)
    else:
        matured = read_matured(source, span, metric, label=is_label(deployment, metric))
    told = _told_by(source, span, monitor.segments)
    found: list[GroupRate] = []
    for by, of_unit in told.items():
        values = np.array([of_unit.get(unit) for unit in matured.units.tolist()], dtype=object)
        groups = groups_of(values.tolist(), LEAST_UNITS)
        level = alpha_of(monitor, variants, span) / len(told) / max(len(groups), 1)
        for group in groups:
            mine = matured.of(values == group)
            measured = measure(mine, metric, monitor, level)
            if measured is not None:
                rows = labels_of(mine, metric)
                found.append(GroupRate(by=by, group=group, rate=metric.kind, rows=rows, **measured._asdict()))
    return msgspec.structs.replace(
        window, rates=tuple(found), sentence=window.sentence + _sentence(performance, tuple(found))
    )


def _told_by(source: Source, span: Span, by: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """The segment of each unit of a window, by what segments are told by; what no row carries is left out."""
    names = reading.column_names(source)
    columns = {each: column_of(each) for each in by if column_of(each) in names}
    if not columns:
        return {}
    first = ", ".join(
        f'arg_min(CAST({quoted(column)} AS VARCHAR), "at") AS c{index}' for index, column in enumerate(columns.values())
    )
    query = (
        f"SELECT CAST(unit AS VARCHAR) AS unit, {first} FROM rows "
        f"WHERE {reading.IN_SPAN} AND {reading.ANSWERED_ROWS} GROUP BY unit"
    )
    table = source.sql(query, span.asked)
    units = table["unit"].to_pylist()
    return {each: dict(zip(units, table[f"c{index}"].to_pylist(), strict=True)) for index, each in enumerate(columns)}


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
