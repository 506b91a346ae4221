"""The gap between shadow and live: does a version answer people as it answered when nobody was answered?

The version's live answers of a window beside all its answers as a shadow before the first live one (by a split, canary
or bandit: who asked for it by name or rule is no launch), decided as drift of predictions is. A gap is a difference in
how it is served (another transform, a feature that the live path lacks), in whom it answers, or in what has changed
since: the monitor says that there is one, and `data` whether inputs moved.
"""

import msgspec

from seatrial.drift import FeatureProfile, decide_window, profile_of_window, shifts, worst
from seatrial.drift.decide import Q
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Deployment, ShadowGapMonitor
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.data import signal_of
from seatrial.watch.first_day import profiles_of_answers, values_of
from seatrial.watch.reading import Span
from seatrial.watch.shelf import Shelf, keyed
from seatrial.watch.window import Signal, Window, unmeasured

_ITS = "($version = '' AND variant = $variant OR $version <> '' AND version = $version)"
"""A version is the same in whatever slot: promotion moves it from the challenger's to the champion's."""

SHADOW_ROWS = f"status = 'ok' AND role = 'shadow' AND {_ITS}"
LIVE_ROWS = f"status = 'ok' AND role IN ('answer', 'app') AND {_ITS}"


LAUNCHED = "coalesce(reason, 'split') IN ('split', 'canary', 'bandit')"
"""Not by an override, by a rule for colleagues, or because a unit is listed: that is no launch."""


class Shadowed(msgspec.Struct, frozen=True):
    """A version's answers before its first live one, and when that was (microseconds)."""

    first_live: int
    answers: tuple[FeatureProfile, ...]


def shadow_gap_window(deployment: Deployment, span: Span, source: Source, shelf: Shelf, variants: int) -> Window | None:
    """Judge one window of one variant; None before it is live, and once it was for as long as it is compared."""
    monitor = deployment.monitors.shadow_gap
    assert monitor is not None
    names = reading.column_names(source)
    shadowed = _shadowed(deployment.deployment, span, source, names, shelf)
    if shadowed is None or span.end <= shadowed.first_live:
        return None
    if span.start >= shadowed.first_live + round(monitor.duration * 1e6):
        return None
    if not shadowed.answers or shadowed.answers[0].rows < monitor.minimum_rows:
        rows = shadowed.answers[0].rows if shadowed.answers else 0
        why = f"it has {rows} answers as a shadow before its first live one, and {monitor.minimum_rows} are needed"
        return _no_data(deployment, span, why)
    return _judged(deployment, monitor, span, source, names, shadowed, variants)


def _judged(
    deployment: Deployment,
    monitor: ShadowGapMonitor,
    span: Span,
    source: Source,
    names: frozenset[str],
    shadowed: Shadowed,
    variants: int,
) -> Window:
    columns = reading.answered_columns(names)
    there = [answer for answer in shadowed.answers if answer.name in columns]
    table = reading.answers(source, span, {answer.name: columns[answer.name] for answer in there})
    if table.num_rows < monitor.minimum_rows:
        return _no_data(deployment, span, f"{table.num_rows} answers, and {monitor.minimum_rows} are needed")
    pairs = [(a, profile_of_window(a, values_of(table[a.name], a.kind))) for a in there]
    shown = decide_window(pairs, minimum_rows=monitor.minimum_rows)
    strict = per_window(lasting(monitor, span), variants, Q)
    sure = decide_window(pairs, q=strict, minimum_rows=monitor.minimum_rows)
    moved = [drift.sentence for drift in shown if (drift.severity, drift.quality) != ("none", "none")]
    before = f"its {shadowed.answers[0].rows} answers as a shadow"
    return Window(
        deployment=deployment.deployment,
        monitor="shadow_gap",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=table.num_rows,
        drift=_either(signal_of(shown, sure, quality=False), signal_of(shown, sure, quality=True)),
        features=shown,
        shifts=shifts(pairs),
        sentence=f"{span.variant} answers otherwise than {before}: {' '.join(moved)}"
        if moved
        else f"{span.variant} answers as {before} ({table.num_rows} answers).",
    )


def _either(drift: Signal, quality: Signal) -> Signal:
    """The worse of both: an answer that was never given as a shadow is a gap as well."""
    return Signal(
        worst((drift.severity, quality.severity)), worst((drift.alarm, quality.alarm)), drift.calm and quality.calm
    )


def _shadowed(deployment: str, span: Span, source: Source, names: frozenset[str], shelf: Shelf) -> Shadowed | None:
    """None where the version has not answered anybody who was sent there by chance or weight."""
    key = keyed("shadowed", deployment, span.version or span.variant)
    known = shelf.get(key)
    if known is not None:
        return msgspec.json.decode(known, type=Shadowed)
    whose = {"variant": span.variant, "version": span.version}
    more = f" AND {LAUNCHED}" if "reason" in names else ""
    query = f'SELECT epoch_us(min("at")) AS first FROM rows WHERE {LIVE_ROWS}{more}'
    first = source.sql(query, whose)["first"][0].as_py()
    if first is None:
        return None
    before = span._replace(start=0, end=int(first), step=0)
    made = Shadowed(int(first), profiles_of_answers(before, source, names, SHADOW_ROWS))
    shelf[key] = msgspec.json.encode(made)
    return made


def _no_data(deployment: Deployment, span: Span, why: str) -> Window:
    return unmeasured(deployment.deployment, "shadow_gap", span, f"shadow and live answers of {span.variant}", why)
