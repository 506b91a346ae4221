"""Reads the windows of a deployment's monitors that have become complete, each once.

The caller keeps a watermark: it asks for what lies after it, stores the windows, and moves it to
``watermark(deployment, now)``. The same question again gives the same windows, so a crash between the two loses and
doubles nothing.
"""

from collections.abc import Iterator, Mapping

from seatrial.drift import Profile
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment
from seatrial.watch import reading
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.data import data_windows
from seatrial.watch.labels import read_matured
from seatrial.watch.performance import (
    Base,
    alpha_of,
    holdout_base,
    is_label,
    measure,
    performance_window,
)
from seatrial.watch.reading import Busy, Span
from seatrial.watch.window import Window


def watch(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    since: Watermark | int,
    now: int,
    *,
    versions: Mapping[str, str] | None = None,
) -> tuple[Window, ...]:
    """Windows that became complete between the watermark and ``now``, in order of time.

    Args:
        deployment: Monitors, metrics and what is logged.
        profiles: The reference profile of each variant's version; a variant without one is not watched.
        view: Rows and outcomes.
        since: The caller's watermark (one number: for both monitors), microseconds since 1970 UTC.
        now: Likewise.
        versions: ``name:version`` in each variant's slot: rows of another version that stood there before are not
            held against this one's profile.
    """
    begin = since if isinstance(since, Watermark) else Watermark(since, since)
    end = watermark(deployment, now)
    named = versions or {}
    found = [
        *_data(deployment, profiles, view, begin.data, end.data, named),
        *_performance(deployment, profiles, view, begin.performance, end.performance, named),
    ]
    return tuple(sorted(found, key=lambda window: (window.end, window.start)))


def _data(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
) -> Iterator[Window]:
    monitor = deployment.monitors.data
    if monitor is None:
        return
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions):
        yield from data_windows(deployment, span, rows, profiles[rows.variant], view, len(profiles))


def _performance(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
) -> Iterator[Window]:
    monitor = deployment.monitors.performance
    if monitor is None:
        return
    bases: dict[str, tuple[Base, int]] = {}
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions):
        if not rows.served:
            continue
        found = bases.get(rows.variant) or _base(deployment, profiles, view, span)
        if found is not None:
            bases[rows.variant] = found
        base = found[0] if found is not None and span.start > found[1] else None
        yield performance_window(deployment, span, view, base, len(profiles))


def _spans(
    profiles: Mapping[str, Profile], view: Source, start: int, end: int, window: float, versions: Mapping[str, str]
) -> Iterator[tuple[Busy, Span]]:
    if end <= start:
        return
    length = round(window * 1e6)
    for rows in reading.busy(view, start, end, length):
        if rows.variant in profiles:
            version = versions.get(rows.variant, "")
            yield rows, Span(rows.variant, version, max(rows.start, start), rows.start + length)


def _base(deployment: Deployment, profiles: Mapping[str, Profile], view: Source, span: Span) -> tuple[Base, int] | None:
    """What a variant's windows are compared with, and the start of the window it came of (-1: none); None: nothing."""
    monitor = deployment.monitors.performance
    assert monitor is not None
    metric = deployment.metrics[monitor.metric]
    alpha = alpha_of(monitor, len(profiles))
    held = holdout_base(profiles[span.variant], metric, alpha)
    if held is not None:
        return held, -1
    length = span.end - span.start
    for rows in reading.busy(view, 0, span.end, length):
        if rows.variant != span.variant or rows.served < monitor.minimum_labels:
            continue
        first = span._replace(start=rows.start, end=rows.start + length)
        matured = read_matured(view, first, metric, label=is_label(deployment, metric))
        measured = measure(matured, metric, monitor, alpha)
        if measured is not None:
            return Base(measured, "first window"), rows.start
    return None
