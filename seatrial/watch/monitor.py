"""Reads the windows of a deployment's monitors that have become complete, each once.

The caller keeps a watermark: it asks for what lies after it, stores the windows, and moves it to
``watermark(deployment, now)``. The same question again gives the same windows, so a crash between the two loses and
doubles nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from seatrial.drift import Profile
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment, Windowed
from seatrial.watch.base import FirstBase, base_of
from seatrial.watch.calibration import calibration_window
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.concept import Memory, concept_window, fresh
from seatrial.watch.cutting import EVERY_ROW, Cut, cut_of
from seatrial.watch.data import data_windows
from seatrial.watch.estimating import estimate_window, off_sentence, realised, think
from seatrial.watch.fairness import fairness_window
from seatrial.watch.following import follow
from seatrial.watch.kept import Kept
from seatrial.watch.multivariate import multivariate_window
from seatrial.watch.performance import performance_window
from seatrial.watch.reading import ANSWERED_ROWS, FEATURE_ROWS, Busy, Span
from seatrial.watch.segments import with_segments
from seatrial.watch.shadow_gap import shadow_gap_window
from seatrial.watch.shelf import Shelf, keyed
from seatrial.watch.signals import alarming
from seatrial.watch.skew import skew_window
from seatrial.watch.spans import spans_of
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
    bases: Shelf | None = None,
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
        bases: The first windows that versions are compared with, kept for good: rows go, and a later window is no
            baseline. Without it they are looked for from the oldest row on.
        opened: Conditions that are open (``data/champion``): their windows are compared with their own hours, too.
    """
    begin = since if isinstance(since, Watermark) else Watermark.everywhere(since)
    end = watermark(deployment, now)
    named = versions or {}
    kept: Shelf = {} if shelf is None else shelf
    firsts: Shelf = {} if bases is None else bases
    profiles = {**dict.fromkeys(named, UNKNOWN), **profiles}
    followed = follow(view, named)
    monitors, many = deployment.monitors, len(profiles)
    performance = monitors.performance
    estimating = performance if performance is not None and performance.estimate else None
    calibrating = performance if performance is not None and performance.calibration else None
    reading = _Reading(deployment, profiles, named, kept)
    found = [
        *_data(deployment, profiles, view, begin.data, end.data, named, kept, opened),
        *_performance(deployment, profiles, followed, begin.performance, end.performance, named, kept, firsts),
        *_concept(deployment, profiles, followed, begin.concept, end.concept, named, kept),
        *reading.answered(
            followed, estimating, "estimate", (begin.estimate, end.estimate),
            lambda rows, span, view: estimate_window(deployment, span, view, profiles[rows.variant], rows.served),
        ),
        *reading.answered(
            followed, monitors.fairness, "fairness", (begin.fairness, end.fairness),
            lambda rows, span, view: fairness_window(deployment, span, view, profiles[rows.variant], many),
        ),
        *reading.answered(
            followed, calibrating, "calibration", (begin.calibration, end.calibration),
            lambda rows, span, view: calibration_window(deployment, span, view, profiles[rows.variant], many),
        ),
        *reading.answered(
            followed, monitors.skew, "skew", (begin.skew, end.skew),
            lambda rows, span, view: skew_window(deployment, span, view, profiles[rows.variant], many),
        ),
        *reading.answered(
            view, monitors.shadow_gap, "shadow_gap", (begin.shadow_gap, end.shadow_gap),
            lambda _, span, view: shadow_gap_window(deployment, span, view, kept, many),
        ),
        *reading.together(view, (begin.multivariate, end.multivariate)),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda window: (window.end, window.start)))


Look = Callable[[Busy, Span, Source], Window | None]
"""Measures one window; None where there is nothing to say of it."""


@dataclass(frozen=True)
class _Reading:
    """What all monitors are asked with."""

    deployment: Deployment
    profiles: Mapping[str, Profile]
    versions: Mapping[str, str]
    shelf: Shelf

    def answered(
        self, view: Source, monitor: Windowed | None, name: str, between: tuple[int, int], look: Look
    ) -> Iterator[Window]:
        """The windows (end in the span ``between``) of a monitor of answers, each as ``look`` measures it."""
        if monitor is None:
            return
        cut = cut_of(monitor, ANSWERED_ROWS, (self.deployment.deployment, name))
        view = _in_pieces(view, self.shelf, self.deployment, cut)
        for rows, span in spans_of(self.profiles, view, *between, cut, self.versions, self.shelf):
            window = look(rows, span, view) if rows.served else None
            if window is not None:
                yield _cut_so(window, cut)

    def together(self, view: Source, between: tuple[int, int]) -> Iterator[Window]:
        """The windows of all columns together, of rows whoever answered them."""
        monitor, profiles = self.deployment.monitors.multivariate, self.profiles
        if monitor is None:
            return
        cut = cut_of(monitor, FEATURE_ROWS, (self.deployment.deployment, "multivariate"))
        for rows, span in spans_of(profiles, view, *between, cut, self.versions, self.shelf):
            if rows.assigned:
                found = multivariate_window(self.deployment, span, view, profiles[rows.variant], len(profiles))
                yield _cut_so(found, cut)


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
    cut = cut_of(monitor, EVERY_ROW, (deployment.deployment, "data"))
    alarmed = opened
    for rows, span in spans_of(profiles, view, start, end, cut, versions, shelf, quiet):
        whole = any(condition.endswith(f"/{span.variant}") for condition in alarmed)
        known = profiles[rows.variant]
        found = data_windows(deployment, span, rows, known, view, len(profiles), shelf, opened, whole=whole)
        alarmed |= alarming(found)
        yield from (_cut_so(window, cut) for window in found)


def _performance(
    deployment: Deployment,
    profiles: Mapping[str, Profile],
    view: Source,
    start: int,
    end: int,
    versions: Mapping[str, str],
    shelf: Shelf,
    kept: Shelf,
) -> Iterator[Window]:
    monitor = deployment.monitors.performance
    if monitor is None:
        return
    cut = cut_of(monitor, ANSWERED_ROWS, (deployment.deployment, "performance"))
    view = _in_pieces(view, shelf, deployment, cut)
    bases: dict[str, FirstBase] = {}
    for rows, span in spans_of(profiles, view, start, end, cut, versions, shelf):
        if not rows.served:
            continue
        found = bases.get(rows.variant) or base_of(deployment, profiles, view, span, cut, kept)
        if found is not None:
            bases[rows.variant] = found
        base = found.base if found is not None and span.start >= found.until else None
        window = performance_window(deployment, span, view, base, len(profiles), shelf)
        if monitor.segments:
            window = with_segments(deployment, span, view, window, len(profiles))
        yield _cut_so(_beside_its_estimate(deployment, span, view, profiles[rows.variant], window, rows.served), cut)


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
    found = realised(deployment, span, view, profile, thought, accuracy)
    return msgspec.structs.replace(window, estimated=found, sentence=window.sentence + off_sentence(found))


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
    cut = Cut(length := round(monitor.window * 1e6), length)
    missing = {variant: profile for variant, profile in profiles.items() if memories[variant] is None}
    for rows, span in spans_of(missing, view, 0, start, cut, versions, shelf):
        if rows.served:
            memory = memories[rows.variant] or fresh(monitor)
            _, memories[rows.variant] = concept_window(deployment, span, view, profiles[rows.variant], memory)
    for rows, span in spans_of(profiles, view, start, end, cut, versions, shelf):
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


def _in_pieces(view: Source, shelf: Shelf, deployment: Deployment, cut: Cut) -> Source:
    """What is asked about a piece of a sliding window is asked once."""
    return Kept(view, shelf, deployment.deployment, cut.step) if cut.slides else view


def _cut_so(window: Window, cut: Cut) -> Window:
    """The window with how it was cut."""
    return msgspec.structs.replace(window, every=cut.step if cut.slides else 0, counted=cut.rows)
