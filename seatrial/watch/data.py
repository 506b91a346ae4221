"""The data monitor: drift of a variant's features and answers, and columns that broke, in one window."""

from typing import Protocol

import msgspec

from seatrial.drift import FeatureDrift, FeatureProfile, Profile, decide_window, shifts, worst
from seatrial.drift.decide import DRIFT, QUALITY, Q, size_of
from seatrial.drift.identifiers import NewIds
from seatrial.drift.rules import with_rules
from seatrial.experiments.source import Source
from seatrial.spec.deployment import DataMonitor, Deployment
from seatrial.watch import reading
from seatrial.watch.budget import per_window
from seatrial.watch.first_day import first_day
from seatrial.watch.kinds import ByKind, by_kind
from seatrial.watch.panes import Panes
from seatrial.watch.quality import arrival, as_column, count_rules
from seatrial.watch.reading import Busy, Span
from seatrial.watch.shelf import Shelf
from seatrial.watch.window import Signal, Window

CALM = 0.75
"""A condition is over when no significant effect is over this part of its threshold."""

_KEPT_AT_REST = frozenset({"psi", "mean"})
_NAMED = 3
"""Columns named in a window's sentence."""

Pairs = list[tuple[FeatureProfile, FeatureProfile]]


def data_windows(
    deployment: Deployment,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    variants: int,
    shelf: Shelf,
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
    """
    monitor = deployment.monitors.data
    assert monitor is not None
    names = reading.column_names(source)
    features = _feature_pairs(deployment, monitor, span, rows, profile, source, names, shelf)
    more = _by_kind(deployment, monitor, span, rows, profile, source, names)
    features += more.pairs
    known = profile.prediction or first_day(deployment.deployment, span, source, names, shelf)
    answers = _answer_pairs(deployment, monitor, span, rows, known, source, names, shelf)
    every = features + answers
    shown = decide_window(every, minimum_rows=monitor.minimum_rows)
    strict = per_window(monitor.window, variants, Q)
    sure = decide_window(every, q=strict, minimum_rows=monitor.minimum_rows)
    ruled = _ruled(deployment, span, rows, profile, source, names, strict)
    decided = (
        ("data", rows.assigned, features, ruled(shown[: len(features)], Q), ruled(sure[: len(features)], strict)),
        ("prediction", rows.answered, answers, shown[len(features) :], sure[len(features) :]),
    )
    ids = {"data": more.new_ids}
    return tuple(
        _window(deployment, monitor, span, name, number, pairs, mild, strong, ids.get(name, {}))
        for name, number, pairs, mild, strong in decided
        if number or any(drift.quality != "none" for drift in mild)
    )


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
) -> _Ruled:
    """Adds to a window's columns what its rules say, read once, at either level of sureness."""
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

    return ruled


def _feature_pairs(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    names: frozenset[str],
    shelf: Shelf,
) -> Pairs:
    if rows.assigned < monitor.minimum_rows:
        return []
    wanted: dict[str, FeatureProfile] = {}
    for feature in profile.features:
        columns = reading.written(names, f"feature.{feature.name}")
        if columns and (monitor.features == "all" or feature.name in monitor.features):
            reference = as_logged(feature, deployment)
            wanted[reading.expression(reference.kind, columns)] = reference
    which = f"{reading.FEATURE_ROWS} AND {_sampled(names)}"
    return _pairs(deployment, source, span, which, wanted, rows.assigned, shelf)


def _by_kind(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    rows: Busy,
    profile: Profile,
    source: Source,
    names: frozenset[str],
) -> ByKind:
    """What texts, lists, times and ids are watched by beside, against the training data only."""
    if rows.assigned < monitor.minimum_rows or monitor.against != "training":
        return ByKind([], {})
    wanted = [
        column
        for column in profile.kinds
        if (monitor.features == "all" or column.feature.name in monitor.features)
        and column.feature.name not in deployment.log.redact
    ]
    return by_kind(source, span, f"{reading.FEATURE_ROWS} AND {_sampled(names)}", wanted, names)


def as_logged(feature: FeatureProfile, deployment: Deployment) -> FeatureProfile:
    """A reference that a logged column can be compared with: of a redacted one only missing values can be watched."""
    if feature.name not in deployment.log.redact or feature.form == "missing":
        return feature
    return FeatureProfile(name=feature.name, kind="id", rows=feature.rows, missing=feature.missing)


def _sampled(names: frozenset[str]) -> str:
    """A row whose features were not logged has none; they are not missing."""
    return "sampled" if "sampled" in names else "true"


def _answer_pairs(
    deployment: Deployment,
    monitor: DataMonitor,
    span: Span,
    rows: Busy,
    known: tuple[FeatureProfile, ...],
    source: Source,
    names: frozenset[str],
    shelf: Shelf,
) -> Pairs:
    if rows.answered < monitor.minimum_rows:
        return []
    wanted: dict[str, FeatureProfile] = {}
    for answer in known:
        if answer.name == "confidence":
            if (confidence := reading.answered_confidence(names)) is not None:
                wanted[confidence] = answer
        elif columns := reading.written(names, f"prediction.{answer.name}"):
            wanted[reading.expression(answer.kind, columns)] = answer
    return _pairs(deployment, source, span, reading.PREDICTION_ROWS, wanted, rows.answered, shelf)


def _pairs(
    deployment: Deployment,
    source: Source,
    span: Span,
    rows: str,
    wanted: dict[str, FeatureProfile],
    expected: int,
    shelf: Shelf,
) -> Pairs:
    """The window's columns beside what they are compared with."""
    monitor = deployment.monitors.data
    assert monitor is not None
    if not wanted:
        return []
    found = reading.read(source, span, rows, wanted, expected)
    if monitor.against == "training":
        return [(reference, found[sql]) for sql, reference in wanted.items()]
    panes = Panes(source, span, rows, wanted, shelf, deployment.deployment)
    panes.keep(found)
    before = panes.before(monitor.against)
    return [(before[sql], found[sql]) for sql in wanted]


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
        features=tuple(_slim(drift) for drift in shown),
        shifts=shifts(pairs),
        new_ids=new_ids,
    )
    known = max((reference.rows for reference, _ in pairs), default=None)
    return msgspec.structs.replace(window, sentence=_sentence(window, known, monitor))


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
        said.append(f"Quality of {window.variant}'s {what}: {_list(broken)}")
    if moved:
        said.append(f"Drift of {window.variant}'s {what}: {len(moved)} of {len(window.features)} moved. {_list(moved)}")
    return " ".join(said) or f"{window.variant}'s {what} are as in the reference ({window.rows} rows)."


def _list(drifts: list[FeatureDrift]) -> str:
    ranked = sorted(drifts, key=lambda d: (d.severity != "major" and d.quality != "major", -_strength(d)))
    more = f" And {len(ranked) - _NAMED} more." if len(ranked) > _NAMED else ""
    return " ".join(drift.sentence for drift in ranked[:_NAMED]) + more


def _strength(drift: FeatureDrift) -> float:
    return max(drift.psi or 0.0, abs(drift.shift or 0.0))
