"""What a version's performance is compared with: its holdout, or its first matured window, which is kept for good.

Rows go (``log.keep``). Looked for again, the "first window" would be whatever is the oldest then, and a fall that stays
would become its own baseline.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from seatrial.drift import Profile
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment
from seatrial.watch.cutting import Cut
from seatrial.watch.interval import Measured
from seatrial.watch.performance import Base, alpha_of, holdout_base, is_baseline, look
from seatrial.watch.reading import Span
from seatrial.watch.shelf import Shelf, keyed
from seatrial.watch.spans import spans_of


class FirstBase(NamedTuple):
    """A baseline, and the end of the window it came of, microseconds (-1: of none)."""

    base: Base
    until: int


class _Kept(NamedTuple):
    """As it is kept: the value with its interval, and the window."""

    measured: Measured
    start: int
    end: int


def base_of(
    deployment: Deployment, profiles: Mapping[str, Profile], view: Source, span: Span, cut: Cut, kept: Shelf
) -> FirstBase | None:
    """What a variant's windows are compared with; None: nothing yet.

    Args:
        deployment: Its performance monitor.
        profiles: Of each variant's version.
        view: Rows and outcomes.
        span: The window that asks; only what lies before its end is looked at.
        cut: How windows are cut.
        kept: First windows, by version and metric.
    """
    monitor = deployment.monitors.performance
    assert monitor is not None
    metric = deployment.metrics[monitor.metric]
    alpha = alpha_of(monitor, len(profiles), span)
    held = holdout_base(profiles[span.variant], metric, alpha)
    if held is not None:
        return FirstBase(held, -1)
    key = keyed("base", deployment.deployment, span.version or span.variant, metric, monitor.minimum_labels)
    content = kept.get(key)
    if content is not None:
        known = msgspec.json.decode(content, type=_Kept)
        if is_baseline(known.measured, monitor, metric, alpha):
            return FirstBase(Base(known.measured, "first window"), known.end)
    side_by_side = cut if cut.rows else Cut(cut.length, cut.length)
    mine = {span.variant: profiles[span.variant]}
    for rows, first in spans_of(mine, view, 0, span.end, side_by_side, {span.variant: span.version}, {}):
        if rows.served < monitor.minimum_labels or first.end > span.end:
            continue
        measured = look(deployment, first._replace(step=span.step), view, alpha).measured
        if measured is not None and is_baseline(measured, monitor, metric, alpha):
            kept[key] = msgspec.json.encode(_Kept(measured, first.start, first.end))
            return FirstBase(Base(measured, "first window"), first.end)
    return None
