"""How large a part of a variant's answers had their label in time, beside the windows before.

Labels that stopped coming for most answers are a quality incident of the column ``labels``. One that stopped for all is
``outcomes.stalled``, which is told by itself.
"""

from collections.abc import Callable

import msgspec

from seatrial.drift import FeatureDrift, Finding, Severity
from seatrial.drift.decide import Q
from seatrial.drift.label_share import Labelled, LabelShare, against_earlier
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment
from seatrial.watch import reading
from seatrial.watch.budget import per_window
from seatrial.watch.reading import Span
from seatrial.watch.shelf import Shelf, keyed
from seatrial.watch.window import Signal, Window

LABELS = "labels"
"""What windows call it, among columns."""
BACK = 28
"""So many windows before are looked at."""

Count = Callable[[Span], Labelled]
"""Counts another window of the same variant."""


def with_label_share(
    deployment: Deployment,
    span: Span,
    source: Source,
    window: Window,
    now: Labelled,
    count: Count,
    *,
    variants: int,
    shelf: Shelf,
) -> Window:
    """The window with what its share of labels says, where there are earlier ones to compare with.

    Args:
        deployment: Its performance monitor.
        span: Which window.
        source: Rows.
        window: As it is without.
        now: Its answers and labels.
        count: Counts an earlier window.
        variants: How many are watched.
        shelf: Where counts are kept.
    """
    monitor = deployment.monitors.performance
    assert monitor is not None
    shelf[_key(deployment, span)] = msgspec.json.encode(now)
    if now.wanted < monitor.minimum_labels or not now.labels:
        return window
    found = against_earlier(now, _earlier(deployment, span, source, count, shelf), Q)
    if found is None:
        return window
    strict = per_window(monitor.window, variants, Q)
    severity = found.severity(Q)
    return msgspec.structs.replace(
        window,
        quality=Signal(severity, found.severity(strict), found.is_calm),
        features=(_as_column(found, now, severity),) if severity != "none" else (),
        checked=(LABELS,),
        sentence=window.sentence if severity == "none" else f"{_words(found)} {window.sentence}",
    )


def _earlier(deployment: Deployment, span: Span, source: Source, count: Count, shelf: Shelf) -> list[Labelled]:
    """The windows before that had enough answers, the oldest first; each is counted once and kept."""
    monitor = deployment.monitors.performance
    assert monitor is not None
    length = span.end - span.start
    spans = [span._replace(start=span.start - k * length, end=span.end - k * length) for k in range(BACK, 0, -1)]
    known = {one: shelf.get(_key(deployment, one)) for one in spans}
    missing = [one for one in spans if known[one] is None]
    if missing:
        there = reading.busy(source, missing[0].start, span.start, length)
        served = {rows.start: rows.served for rows in there if rows.variant == span.variant}
        for one in missing:
            enough = served.get(one.start, 0) >= monitor.minimum_labels
            content = msgspec.json.encode(count(one) if enough else Labelled(0, 0))
            known[one] = shelf[_key(deployment, one)] = content
    found = [msgspec.json.decode(content, type=Labelled) for content in known.values() if content is not None]
    return [one for one in found if one.wanted >= monitor.minimum_labels]


def _key(deployment: Deployment, span: Span) -> str:
    monitor = deployment.monitors.performance
    assert monitor is not None
    metric = deployment.metrics[monitor.metric]
    return keyed("labels", deployment.deployment, *span, metric, monitor.minimum_labels)


def _as_column(found: LabelShare, now: Labelled, severity: Severity) -> FeatureDrift:
    gap = found.share - found.usual
    return FeatureDrift(
        feature=LABELS,
        state="measured",
        rows=now.wanted,
        quality=severity,
        findings=(Finding("rule", gap, gap, gap, found.p_value, True, severity),),
        sentence=_words(found),
    )


def _words(found: LabelShare) -> str:
    return f"{found.share:.1%} of the answers have their label in time, {found.usual:.1%} are usual."
