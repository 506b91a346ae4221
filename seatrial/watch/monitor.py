"""Reads the windows of a deployment's monitors that have become complete, each once.

The caller keeps a watermark: it asks for what lies after it, stores the windows, and moves it to
``watermark(deployment, now)``. The same question again gives the same windows, so a crash between the two loses and
doubles nothing.
"""

from collections.abc import Iterator, Mapping

import msgspec

from seatrial.drift import Profile
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment
from seatrial.watch import reading
from seatrial.watch.calibration import calibration_window
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.concept import Memory, concept_window, fresh
from seatrial.watch.data import data_windows
from seatrial.watch.estimating import estimate_window, off_sentence, realised, think
from seatrial.watch.fairness import fairness_window
from seatrial.watch.following import follow
from seatrial.watch.performance import (
    Base,
    alpha_of,
    holdout_base,
    look,
    performance_window,
)
from seatrial.watch.quality import first_row
from seatrial.watch.reading import Busy, Span
from seatrial.watch.segments import with_segments
from seatrial.watch.shelf import Shelf, keyed
from seatrial.watch.window import Window

UNKNOWN = Profile(rows=0)
"""Of a version that nobody knows the training data of: what labels say of it needs none, and the rest is no-data."""


def watch(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    since: Watermark | int,
    now: int,
    *,
    versions: Mapping[str, str] | None = None,
    shelf: Shelf | None = None,
    opened: frozenset[str] = frozenset(),
) -> tuple[Window, ...]:
    """Windows that became complete between the watermark and ``now``, in order of time.

    Args:
        deployment: Monitors, metrics and what is logged.
        profiles: The reference profile of each variant's version; one that is only in ``versions`` has none.
        view: Rows and outcomes.
        since: The caller's watermark (one number: for both monitors), microseconds since 1970 UTC.
        now: Likewise.
        versions: ``name:version`` in each variant's slot: rows of another version that stood there before are not
            held against this one's profile, and its labels are looked for wherever it answered.
        shelf: What was remembered at earlier readings; without it all that is needed is read again.
        opened: Conditions that are open (``data/champion``): their windows are compared with their own hours, too.
    """
    begin = since if isinstance(since, Watermark) else Watermark.everywhere(since)
    end = watermark(deployment, now)
    named = versions or {}
    kept: Shelf = {} if shelf is None else shelf
    profiles = {**dict.fromkeys(named, UNKNOWN), **profiles}
    followed = follow(view, named)
    found = [
        *_data(deployment, profiles, view, begin.data, end.data, named, kept, opened),
        *_estimates(deployment, profiles, followed, begin.estimate, end.estimate, named),
        *_performance(deployment, profiles, followed, begin.performance, end.performance, named, kept),
        *_fairness(deployment, profiles, followed, begin.fairness, end.fairness, named),
        *_calibration(deployment, profiles, followed, begin.calibration, end.calibration, named),
        *_concept(deployment, profiles, followed, begin.concept, end.concept, named, kept),
    ]
    return tuple(sorted(found, key=lambda window: (window.end, window.start)))


def _data(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
    shelf: Shelf,
    opened: frozenset[str],
) -> Iterator[Window]:
    monitor = deployment.monitors.data
    if monitor is None:
        return
    quiet = deployment.default if monitor.arrival is not None else None
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions, quiet):
        yield from data_windows(deployment, span, rows, profiles[rows.variant], view, len(profiles), shelf, opened)


def _performance(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
    shelf: Shelf,
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
        window = performance_window(deployment, span, view, base, len(profiles), shelf)
        if monitor.segments:
            window = with_segments(deployment, span, view, window, len(profiles))
        yield _beside_its_estimate(deployment, span, view, profiles[rows.variant], window, rows.served)


def _beside_its_estimate(
    deployment: Deployment, span: Span, view: Source, profile: Profile, window: Window, served: int
) -> Window:
    """The window with what was thought of it before its labels came, where the file asks for estimates."""
    monitor = deployment.monitors.performance
    if monitor is None or not monitor.estimate:
        return window
    thought = think(deployment, span, view, profile, served).estimated
    if thought is None:
        return window
    known = window.performance
    accuracy = None if known is None or known.kind != "accuracy" else (known.value, known.labels)
    found = realised(deployment, span, view, thought, accuracy)
    return msgspec.structs.replace(window, estimated=found, sentence=window.sentence + off_sentence(found))


def _estimates(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
) -> Iterator[Window]:
    monitor = deployment.monitors.performance
    if monitor is None or not monitor.estimate:
        return
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions):
        if rows.served:
            yield estimate_window(deployment, span, view, profiles[rows.variant], rows.served)


def _fairness(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
) -> Iterator[Window]:
    monitor = deployment.monitors.fairness
    if monitor is None:
        return
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions):
        if rows.served:
            yield fairness_window(deployment, span, view, profiles[rows.variant], len(profiles))


def _calibration(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
) -> Iterator[Window]:
    monitor = deployment.monitors.performance
    if monitor is None or not monitor.calibration:
        return
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions):
        if rows.served:
            yield calibration_window(deployment, span, view, profiles[rows.variant], len(profiles))


def _concept(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
    shelf: Shelf,
) -> Iterator[Window]:
    """Windows of the error stream; what the detectors had read up to ``start`` is on the shelf, or is read again."""
    monitor = deployment.monitors.concept
    if monitor is None or end <= start:
        return
    memories = {variant: _remembered(deployment, shelf, variant, versions, start) for variant in profiles}
    missing = {variant: profile for variant, profile in profiles.items() if memories[variant] is None}
    for rows, span in _spans(missing, view, 0, start, monitor.window, versions):
        if rows.served:
            memory = memories[rows.variant] or fresh(monitor)
            _, memories[rows.variant] = concept_window(deployment, span, view, profiles[rows.variant], memory)
    for rows, span in _spans(profiles, view, start, end, monitor.window, versions):
        if rows.served:
            memory = memories[rows.variant] or fresh(monitor)
            window, memories[rows.variant] = concept_window(deployment, span, view, profiles[rows.variant], memory)
            yield window
    for variant, kept in memories.items():
        shelf[_concept_key(deployment, variant, versions, end)] = msgspec.json.encode(kept or fresh(monitor))


def _remembered(
    deployment: Deployment, shelf: Shelf, variant: str, versions: Mapping[str, str], at: int
) -> Memory | None:
    content = shelf.get(_concept_key(deployment, variant, versions, at))
    return None if content is None else msgspec.json.decode(content, type=Memory)


def _concept_key(deployment: Deployment, variant: str, versions: Mapping[str, str], at: int) -> str:
    monitor = deployment.monitors.concept
    return keyed("concept", deployment.deployment, variant, versions.get(variant, ""), monitor, at)


def _spans(
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    window: float,
    versions: Mapping[str, str],
    quiet: str | None = None,
) -> Iterator[tuple[Busy, Span]]:
    """Windows in which something happened; of the variant ``quiet`` also those in which nothing did."""
    if end <= start:
        return
    length = round(window * 1e6)
    there = reading.busy(view, start, end, length)
    if quiet is not None:
        there = _with_silence(there, quiet, view, start, end, length)
    for rows in there:
        if rows.variant in profiles:
            version = versions.get(rows.variant, "")
            yield rows, Span(rows.variant, version, max(rows.start, start), rows.start + length)


def _with_silence(
    there: tuple[Busy, ...], variant: str, view: Source, start: int, end: int, length: int
) -> tuple[Busy, ...]:
    first = first_row(view)
    if first is None:
        return there
    begin = max(start, first) // length * length
    known = {rows.start for rows in there if rows.variant == variant}
    silent = [Busy(variant, at, 0, 0, 0) for at in range(begin, end, length) if at not in known]
    return tuple(sorted((*there, *silent), key=lambda rows: (rows.start, rows.variant)))


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
        measured = look(deployment, first, view, alpha).measured
        if measured is not None:
            return Base(measured, "first window"), rows.start
    return None
