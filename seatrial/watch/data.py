"""The data monitor: drift of a variant's features and answers, and columns that broke, in one window."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from seatrial.drift import FeatureDrift, FeatureProfile, Profile, decide_windows, shifts, worst
from seatrial.drift.decide import DRIFT, QUALITY, Q, size_of
from seatrial.drift.identifiers import NewIds
from seatrial.drift.over import CALM
from seatrial.drift.rules import Count, with_rules
from seatrial.experiments.source import Source
from seatrial.spec.deployment import Against, DataMonitor, Deployment
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.first_day import first_day
from seatrial.watch.kept import Kept
from seatrial.watch.kinds import by_kind, has_whole_days, references_of
from seatrial.watch.panes import DAY, Counted, Panes
from seatrial.watch.quality import ARRIVAL, arrival, as_column, count_rules
from seatrial.watch.reading import Busy, Span
from seatrial.watch.shelf import Shelf
from seatrial.watch.usual import usual
from seatrial.watch.weighing import sentence_of, weights_of
from seatrial.watch.window import Signal, Usual, Window

_KEPT_AT_REST = frozenset({"psi", "mean"})
_NAMED = 3
"""Columns named in a window's sentence."""

Pairs = list[tuple[FeatureProfile, FeatureProfile]]


class Columns(NamedTuple):
    """Columns of a window: each beside what it is compared with, and where their own past can be read, in order."""

    pairs: Pairs
    panes: tuple[Panes, ...] = ()

    def and_(self, more: "Columns") -> "Columns":
        return Columns(self.pairs + more.pairs, self.panes + more.panes)


def data_windows(
    deployment: Deployment,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    variants: int,
    shelf: Shelf,
    opened: frozenset[str] = frozenset(),
    *,
    whole: bool = False,
) -> tuple[Window, ...]:
    """The windows ``data`` and ``prediction`` of one span, decided together.

    Args:
        deployment: Which features are watched and logged.
        span: Which variant, version and time.
        rows: What is there.
        profile: Of the variant's version.
        source: Rows.
        variants: Variants that are watched.
        shelf: What was counted before.
        opened: Conditions (``data/champion``) that are open: compared with their own hours though nothing alarms.
        whole: Columns keep every measure: something is open, and they say when it is over.
    """
    monitor = deployment.monitors.data
    assert monitor is not None
    names = reading.column_names(source)
    features = _features(deployment, monitor, span, rows, profile, source, names, shelf)
    kinds, new_ids = _by_kind(deployment, monitor, span, rows, profile, source, names, shelf)
    features = features.and_(kinds)
    known = profile.prediction or first_day(deployment.deployment, span, source, names, shelf)
    answers = _answers(deployment, monitor, span, rows, known, source, names, shelf)
    every, split = features.pairs + answers.pairs, len(features.pairs)
    strict = per_window(lasting(monitor, span), variants, Q)
    ((shown, sure),) = decide_windows([every], levels=(Q, strict), minimum_rows=monitor.minimum_rows)
    pieces = Kept(source, shelf, deployment.deployment, span.step) if span.step else source
    ruled, checked, counts = _ruled(deployment, span, rows, profile, pieces, names, strict)
    decided = (
        ("data", rows.assigned, features, ruled(shown[:split], Q), ruled(sure[:split], strict)),
        ("prediction", rows.answered, answers, shown[split:], sure[split:]),
    )
    ids = {"data": new_ids}
    found = tuple(
        _window(
            deployment,
            monitor,
            span,
            name,
            number,
            columns.pairs,
            mild,
            strong,
            ids.get(name, {}),
            beside,
            checked,
            counts,
            profile,
            whole=whole,
        )
        for name, number, columns, mild, strong in decided
        if number or any(drift.quality != "none" for drift in mild)
        for beside in [_usual(monitor, span, columns, strong, look=f"{name}/{span.variant}" in opened)]
    )
    return found if profile.rows or profile.features else tuple(map(_without_profile, found))


def _without_profile(window: Window) -> Window:
    if window.monitor != "data" or window.state == "measured":
        return window
    why = f"its version {window.version} has no reference profile"
    return msgspec.structs.replace(window, sentence=f"No data on features of {window.variant}: {why}.")


def _usual(
    monitor: DataMonitor, span: Span, columns: Columns, sure: Sequence[FeatureDrift], *, look: bool
) -> Usual | None:
    """How drift from the training data looks beside earlier days, where there is any, or was."""
    alarms = any(drift.severity != "none" for drift in sure)
    if monitor.against != "training" or span.end - span.start > DAY or not (look or alarms):
        return None
    pasts = [_past(columns, against) for against in ("same hours", "same weekday")]
    days = max((panes.days("same hours") for panes in columns.panes), default=0)
    windows = [window for _, window in columns.pairs]
    return usual(sure, windows, pasts, days=days, minimum_rows=monitor.minimum_rows)


def _past(columns: Columns, against: Against) -> list[FeatureProfile]:
    return [past for panes in columns.panes for past in panes.before(against).values()]


class _Ruled(Protocol):
    def __call__(self, drifts: tuple[FeatureDrift, ...], alpha: float) -> tuple[FeatureDrift, ...]: ...


def _ruled(
    deployment: Deployment,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    names: frozenset[str],
    strict: float,
) -> tuple[_Ruled, tuple[str, ...], tuple[Count, ...]]:
    """Adds to a window's columns what its rules say, read once, at either level; which columns; the counts."""
    monitor = deployment.monitors.data
    assert monitor is not None
    which = f"{reading.FEATURE_ROWS} AND {_sampled(names)}"
    counts = count_rules(deployment, span, source, profile, names, which) if rows.assigned else ()
    watched = span.variant == deployment.default
    arrived = {alpha: arrival(monitor, span, source, alpha) for alpha in (Q, strict)} if watched else {}

    def ruled(drifts: tuple[FeatureDrift, ...], alpha: float) -> tuple[FeatureDrift, ...]:
        came = arrived.get(alpha)
        last = () if came is None or came.severity == "none" else (as_column(came, rows.assigned),)
        return (*with_rules(drifts, counts, alpha), *last)

    came = (ARRIVAL,) if any(found is not None for found in arrived.values()) else ()
    return ruled, (*dict.fromkeys(count.column for count in counts), *came), counts


def _features(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    names: frozenset[str],
    shelf: Shelf,
) -> Columns:
    if rows.assigned < monitor.minimum_rows:
        return Columns([])
    wanted: dict[str, FeatureProfile] = {}
    for feature in profile.features:
        columns = reading.written(names, f"feature.{feature.name}")
        if columns and (monitor.features == "all" or feature.name in monitor.features):
            reference = as_logged(feature, deployment)
            wanted[reading.expression(reference.kind, columns)] = reference
    which = f"{reading.FEATURE_ROWS} AND {_sampled(names)}"
    return _columns(deployment, source, span, which, wanted, rows.assigned, shelf, slot=True)


def _by_kind(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    names: frozenset[str],
    shelf: Shelf,
) -> tuple[Columns, dict[str, NewIds]]:
    """What texts, lists, times and ids are watched by beside, against the training data only."""
    if rows.assigned < monitor.minimum_rows or monitor.against != "training":
        return Columns([]), {}
    wanted = [
        column
        for column in profile.kinds
        if (monitor.features == "all" or column.feature.name in monitor.features)
        and column.feature.name not in deployment.log.redact
    ]
    which = f"{reading.FEATURE_ROWS} AND {_sampled(names)}"

    whole = has_whole_days(span)
    ids = [column for column in wanted if column.ids is not None]
    others = [column for column in wanted if column.ids is None]
    references = references_of(others, names, whole_days=whole)

    def count(part: Span) -> Counted:
        found = by_kind(source, part, which, others, names, whole_days=whole)
        return {reference.name: window for reference, window in found.pairs}

    def panes(of: Span) -> Panes:
        about = f"kinds of {deployment.deployment}"
        return Panes(source, of, which, references, shelf, about, count, pane=span.step or None)

    counted = panes(span).whole() if span.step else count(span)
    pairs = [(reference, counted[name]) for name, reference in references.items()]
    # New ids of a part are not those of the whole: of a sliding window they are the newest part's.
    new_ids = by_kind(source, span.pieces[-1], which, ids, names, whole_days=whole).new_ids
    return Columns(pairs, (panes(span._replace(version="")),)), new_ids


def as_logged(feature: FeatureProfile, deployment: Deployment) -> FeatureProfile:
    """A reference that a logged column can be compared with: of a redacted one only missing values can be watched."""
    if feature.name not in deployment.log.redact or feature.form == "missing":
        return feature
    return FeatureProfile(name=feature.name, kind="id", rows=feature.rows, missing=feature.missing)


def _sampled(names: frozenset[str]) -> str:
    """A row whose features were not logged has none; they are not missing."""
    return "sampled" if "sampled" in names else "true"


def _answers(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    rows: Busy,
    known: tuple[FeatureProfile, ...],
    source: Source,
    names: frozenset[str],
    shelf: Shelf,
) -> Columns:
    if rows.answered < monitor.minimum_rows:
        return Columns([])
    wanted: dict[str, FeatureProfile] = {}
    for answer in known:
        if answer.name == "confidence":
            if (confidence := reading.answered_confidence(names)) is not None:
                wanted[confidence] = answer
        elif columns := reading.written(names, f"prediction.{answer.name}"):
            wanted[reading.expression(answer.kind, columns)] = answer
    return _columns(deployment, source, span, reading.PREDICTION_ROWS, wanted, rows.answered, shelf)


def _columns(
    deployment: Deployment,
    source: Source,
    span: Span,
    rows: str,
    wanted: dict[str, FeatureProfile],
    expected: int,
    shelf: Shelf,
    *,
    slot: bool = False,
) -> Columns:
    """The window's columns beside what they are compared with.

    Args:
        slot: Beside training, the past is that of whatever version was in the slot: inputs do not depend on it.
    """
    monitor = deployment.monitors.data
    assert monitor is not None
    if not wanted:
        return Columns([])
    past = span._replace(version="") if slot and monitor.against == "training" else span
    panes = Panes(source, past, rows, wanted, shelf, deployment.deployment, pane=span.step or None)
    if span.step:
        found = Panes(source, span, rows, wanted, shelf, deployment.deployment, pane=span.step).whole()
    else:
        found = reading.read(source, span, rows, wanted, expected)
    if monitor.against == "training":
        return Columns([(reference, found[sql]) for sql, reference in wanted.items()], (panes,))
    if not span.step:
        panes.keep(found)
    before = panes.before(monitor.against)
    return Columns([(before[sql], found[sql]) for sql in wanted])


def _window(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    name: str,
    rows: int,
    pairs: Pairs,
    shown: tuple[FeatureDrift, ...],
    sure: tuple[FeatureDrift, ...],
    new_ids: dict[str, NewIds],
    beside: Usual | None,
    checked: tuple[str, ...],
    counts: tuple[Count, ...],
    profile: Profile,
    *,
    whole: bool,
) -> Window:
    rows = max((counted.rows for _, counted in pairs), default=rows)
    measured = any(drift.state == "measured" for drift in shown)
    window = Window(
        deployment=deployment.deployment,
        monitor="data" if name == "data" else "prediction",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=rows,
        state="measured" if measured else "no-data",
        drift=signal_of(shown, sure, quality=False),
        quality=signal_of(shown, sure, quality=True),
        features=shown if whole else tuple(_slim(drift) for drift in shown),
        shifts=shifts(pairs),
        weights=weights_of(shown, profile) if name == "data" else None,
        new_ids=new_ids,
        usual=beside,
        broken=tuple(drift.feature for drift in sure if drift.quality != "none"),
        checked=checked if name == "data" else (),
        counts=counts if name == "data" else (),
    )
    known = max((reference.rows for reference, _ in pairs), default=None)
    return msgspec.structs.replace(window, sentence=_sentence(window, known, monitor) + beside_days(window))


def beside_days(window: Window) -> str:
    """What earlier days have to say about drift, in words."""
    found = window.usual
    if found is None or window.drift.alarm == "none":
        return ""
    if not found.days:
        return " There is no earlier day at these hours to compare with."
    days = f"the same hours of the {found.days} day{'s' * (found.days != 1)} before"
    if not found.moved:
        return f" It is as at {days}."
    named = ", ".join(list(found.moved)[:_NAMED])
    return f" It is unlike {days}, too ({named})."


def signal_of(shown: tuple[FeatureDrift, ...], sure: tuple[FeatureDrift, ...], *, quality: bool) -> Signal:
    """The worst of a window's columns, of drift or of quality.

    Args:
        shown: As decided for the eye.
        sure: As decided for an alert.
        quality: Which of the two conditions.
    """
    if quality:
        return Signal(worst(d.quality for d in shown), worst(d.quality for d in sure), _calm(shown, QUALITY))
    return Signal(worst(d.severity for d in shown), worst(d.severity for d in sure), _calm(shown, DRIFT))


def _calm(drifts: tuple[FeatureDrift, ...], measures: frozenset[str]) -> bool:
    return not any(
        finding.significant and size_of(finding, CALM) != "none"
        for drift in drifts
        for finding in drift.findings
        if finding.measure in measures
    )


def _slim(drift: FeatureDrift) -> FeatureDrift:
    kept = tuple(f for f in drift.findings if f.significant or f.measure in _KEPT_AT_REST)
    return msgspec.structs.replace(drift, findings=kept)


def _sentence(window: Window, known: int | None, monitor: DataMonitor) -> str:
    """What a window says; ``known``: rows of the largest reference, None where nothing is there to compare with."""
    minimum, against = monitor.minimum_rows, monitor.against
    what = "predictions" if window.monitor == "prediction" else "features"
    if window.state == "no-data":
        if window.rows < minimum:
            rows = f"{window.rows} row{'s' * (window.rows != 1)}"
            return f"No data on {what} of {window.variant}: {rows}, and {minimum} are needed."
        if known is not None and known < minimum:
            if against == "training":
                has = f"the reference of its version has {known} rows for them, and {minimum} are needed"
                return f"No data on {what} of {window.variant}: {has}; register it with more."
            return f"No data on {what} of {window.variant}: {against}: {known} rows, and {minimum} are needed."
        if window.monitor == "prediction":
            return (
                f"No data on predictions of {window.variant}: its version was registered without a holdout, and its "
                "first live day is not over."
            )
        return f"No data on features of {window.variant}: none of them is logged."
    broken = [drift for drift in window.features if drift.quality != "none"]
    moved = [drift for drift in window.features if drift.severity != "none"]
    said = []
    if broken:
        said.append(f"Quality of {window.variant}'s {what}: {_list(broken, window)}")
    if moved:
        said.append(
            f"Drift of {window.variant}'s {what}: {len(moved)} of {len(window.features)} moved. {_list(moved, window)}"
        )
    if said:
        return " ".join(said) + sentence_of(window.weights)
    return f"{window.variant}'s {what} are as in the reference ({window.rows} rows)."


def _list(drifts: list[FeatureDrift], window: Window) -> str:
    """The first of them in words: major ones before others, then by how far they moved and how much they matter."""
    shares = window.weights.shares if window.weights is not None else {}
    ranked = sorted(
        drifts,
        key=lambda d: (d.severity != "major" and d.quality != "major", -_strength(d) * shares.get(d.feature, 1.0)),
    )
    more = f" And {len(ranked) - _NAMED} more." if len(ranked) > _NAMED else ""
    return " ".join(drift.sentence for drift in ranked[:_NAMED]) + more


def _strength(drift: FeatureDrift) -> float:
    return max(drift.psi or 0.0, abs(drift.shift or 0.0))
