"""How large a part of a variant's answers had their label in time, beside the windows before.

Labels that stopped coming for most answers are a quality incident of the column ``labels``. One that stopped for all is
``outcomes.stalled``, which is told by itself.
"""

from collections.abc import Callable

import msgspec
import numpy as np

from seatrial.drift import FeatureDrift, Finding, Severity
from seatrial.drift.decide import Q
from seatrial.drift.label_share import Labelled, LabelShare, against_earlier
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.cutting import ends_of
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
    strict = per_window(lasting(monitor, span), variants, Q)
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
    spans = _before(span) if monitor.rows is None else _last(deployment, span, source, monitor.rows, shelf)
    known = {one: shelf.get(_key(deployment, one)) for one in spans}
    missing = [one for one in spans if known[one] is None]
    if missing and monitor.rows is None:
        answered = _answered(span, source)
        for one in missing:
            if one.start not in answered:
                known[one] = shelf[_key(deployment, one)] = msgspec.json.encode(Labelled(0, 0))
    for one in missing:
        if known[one] is None:
            known[one] = shelf[_key(deployment, one)] = msgspec.json.encode(count(one))
    found = [msgspec.json.decode(content, type=Labelled) for content in known.values() if content is not None]
    return [one for one in found if one.wanted >= monitor.minimum_labels]


def _before(span: Span) -> list[Span]:
    """Those by time, one after another up to where the window begins; of sliding ones every so many."""
    length = span.end - span.start
    return [span._replace(start=span.start - k * length, end=span.end - k * length) for k in range(BACK, 0, -1)]


def _answered(span: Span, source: Source) -> frozenset[int]:
    """Where those begin that had any answer: they are as aligned as the window is, to nothing else."""
    length = span.end - span.start
    whole = span._replace(start=max(span.start - BACK * length, 0), end=span.start)
    query = (
        f'SELECT DISTINCT ($end - 1 - epoch_us("at")) // {length} AS back FROM rows '
        f"WHERE {reading.IN_SPAN} AND {reading.ANSWERED_ROWS}"
    )
    return frozenset(span.start - (k + 1) * length for k in source.sql(query, whole.asked)["back"].to_pylist())


def _last(deployment: Deployment, span: Span, source: Source, rows: int, shelf: Shelf) -> list[Span]:
    """The last ones by rows: as they were read; where that is not kept, cut backwards from where the window begins."""
    place = keyed("labels by rows", deployment.deployment, span.variant, span.version, rows)
    content = shelf.get(place)
    if content is not None:
        kept = msgspec.json.decode(content, type=list[tuple[int, int]])
    else:
        query = (
            f'SELECT epoch_us("at") AS t, count(*) AS n FROM rows WHERE {reading.IN_SPAN} AND {reading.ANSWERED_ROWS} '
            f"GROUP BY t ORDER BY t DESC LIMIT {BACK * rows}"
        )
        table = source.sql(query, span._replace(start=0, end=span.start).asked)
        # Backwards, time runs the other way: a window ends with its earliest row.
        ended, _ = ends_of(-table["t"].to_numpy().astype(np.int64), table["n"].to_numpy().astype(np.int64), rows)
        kept = [(1 - until, 1 - began) for began, until in reversed(ended)]
    before = [where for where in kept if where[1] <= span.start][-BACK:]
    shelf[place] = msgspec.json.encode([*before, (span.start, span.end)])
    return [span._replace(start=start, end=end) for start, end in before]


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
