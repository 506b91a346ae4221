"""The concept monitor: where a variant's errors changed, read from its labelled answers in order of prediction time.

An error is 1 where the answer is not the label and 0 where it is; of a regression it is |answer − label|, told to the
detector as a share of four times the usual error, at most 1, since the detectors' bounds are for numbers from 0 to 1.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.drift import Profile, Severity, worst
from seatrial.drift.concept import Adwin, Ddm, Detector, HddmA, HddmW, PageHinkley
from seatrial.drift.concept import Change as Alarm
from seatrial.drift.decide import Q
from seatrial.drift.over import CALM
from seatrial.experiments.source import Source
from seatrial.spec.deployment import ConceptMonitor, Deployment, DetectorName, MetricSpec
from seatrial.watch import reading
from seatrial.watch.labels import read_labelled
from seatrial.watch.reading import Span
from seatrial.watch.window import Change, Concept, Signal, Window, unmeasured

DETECTORS: dict[DetectorName, Detector] = {
    "adwin": Adwin(),
    "page-hinkley": PageHinkley(),
    "ddm": Ddm(),
    "hddm-a": HddmA(),
    "hddm-w": HddmW(),
}

RISES: dict[bool, tuple[float, float]] = {True: (0.05, 0.1), False: (0.1, 0.2)}
"""How much worse matters, moderate and major: points of a share of wrong answers; a share of a regression's error."""

WIDEST = 4.0
"""A regression's error counts as the largest from so many times the usual one."""

LEAST_LATER = 100
"""Errors after a rise that can say how large it is, where the detector, which stops at its alarm, saw little of it."""

SURE = 2.5758293035489
"""Standard errors by which the mean must be below what matters: 99 %, two-sided."""

MISTAKES = frozenset({"ddm", "hddm-a", "hddm-w"})


class AtRest(NamedTuple):
    """Errors since a rise was last seen: their number, sum and sum of squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    def and_(self, errors: NDArray[np.float64]) -> "AtRest":
        return AtRest(self.n + errors.size, self.total + float(errors.sum()), self.squares + float(errors @ errors))


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered between two windows of one variant.

    Attributes:
        detector: With all that it has read.
        usual: A regression's usual error, of the holdout or of the first window; None before that, and where answers
            are right or wrong.
        risen_from: The mean error before it rose; a second rise on top of the first does not raise it. None when there
            was none, or it is over.
        at_rest: Errors since windows last showed that rise, which say together whether it is over.
    """

    detector: Detector
    usual: float | None = None
    risen_from: float | None = None
    at_rest: AtRest = AtRest()


class Errors(NamedTuple):
    """A window's labelled answers, in order of prediction time.

    Attributes:
        at: When they were given, microseconds, shape [n].
        errors: How wrong they were, shape [n].
        counted: Whether an answer is right or wrong, and nothing between.
    """

    at: NDArray[np.int64]
    errors: NDArray[np.float64]
    counted: bool


def fresh(monitor: ConceptMonitor) -> Memory:
    """The memory before the first window."""
    return Memory(detector=DETECTORS[monitor.detector])


def concept_window(
    deployment: Deployment, span: Span, source: Source, profile: Profile, memory: Memory
) -> tuple[Window, Memory]:
    """Read one window of one variant, and what is remembered after it."""
    monitor = deployment.monitors.concept
    assert monitor is not None
    read = read_errors(span, source, monitor)
    if not read.counted and monitor.detector in MISTAKES:
        return _no_data(
            deployment, span, f"{monitor.detector} reads answers that are right or wrong, not errors"
        ), memory
    if not read.errors.size:
        return _no_data(deployment, span, "no answer has its label"), memory
    memory = _with_usual(memory, read, profile)
    scale = 1.0 if read.counted else WIDEST * (memory.usual or 1.0)
    before = memory.detector.seen
    detector, found = memory.detector.read(np.minimum(read.errors / scale, 1.0))
    changes = tuple(_change(alarm, read, before, scale) for alarm in found.drifts)
    mean = float(read.errors.mean())
    rises = [change for change in changes if change.after > change.before]
    risen_from = _risen_from(memory.risen_from, rises)
    since = read.errors[rises[-1].answer - before :] if rises else read.errors
    severity = worst(
        [
            *(size_of_rise(risen_from or 0.0, change.after, counted=read.counted) for change in rises),
            _later(risen_from, since, counted=read.counted),
        ]
    )
    rests = severity == "none" and risen_from is not None
    at_rest = memory.at_rest.and_(read.errors) if rests else AtRest()
    if _is_high(risen_from, at_rest, counted=read.counted):  # by windows too small to say so alone
        at_rest = AtRest()
    over = severity == "none" and _is_over(risen_from, at_rest, counted=read.counted)
    concept = Concept(
        detector=monitor.detector, errors=read.errors.size, mean=mean, read=detector.seen, changes=changes
    )
    window = Window(
        deployment=deployment.deployment,
        monitor="concept",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=read.errors.size,
        drift=Signal(severity, severity, calm=severity == "none" and (risen_from is None or over)),
        concept=concept,
        sentence=_sentence(span.variant, concept, counted=read.counted),
    )
    if over:
        risen_from, at_rest = None, AtRest()
    return window, Memory(detector=detector, usual=memory.usual, risen_from=risen_from, at_rest=at_rest)


def _risen_from(before: float | None, rises: Sequence[Change]) -> float | None:
    """The mean error before everything that is not over."""
    found = [change.before for change in rises] + ([before] if before is not None else [])
    return min(found, default=None)


def read_errors(span: Span, source: Source, monitor: ConceptMonitor) -> Errors:
    """The labelled answers of a window; where answers are labels they are right or wrong."""
    names = reading.column_names(source)
    label, value = reading.answered_label(names), reading.answered_value(names)
    metric = MetricSpec(
        kind="accuracy", outcome=monitor.outcome, value=monitor.value, within=monitor.within, grace=monitor.grace
    )
    if label is not None:
        table = read_labelled(source, span, metric, label)
        errors = 1.0 - _floats(table["correct"])
    elif value is not None:
        table = read_labelled(source, span, metric, value, {"value": value})
        errors = np.abs(_floats(table["value"]) - _floats(table["number"]))
    else:
        return Errors(np.empty(0, np.int64), np.empty(0), counted=True)
    known = np.isfinite(errors)
    return Errors(table["at"].to_numpy()[known], errors[known], counted=label is not None)


def size_of_rise(before: float, after: float, *, counted: bool) -> Severity:
    """How bad a rise of the mean error is: in points where answers are right or wrong, else as a share of before."""
    moderate, major = RISES[counted]
    rise = after - before
    if not counted:
        rise = rise / before if before > 0 else float(rise > 0)
    return "major" if rise >= major else "moderate" if rise >= moderate else "none"


def _later(before: float | None, since: NDArray[np.float64], *, counted: bool) -> Severity:
    """How bad a rise is by the errors that came after it."""
    if before is None or since.size < LEAST_LATER:
        return "none"
    return size_of_rise(before, float(since.mean()), counted=counted)


def _is_high(before: float | None, found: AtRest, *, counted: bool) -> bool:
    if before is None or found.n < LEAST_LATER:
        return False
    return size_of_rise(before, found.total / found.n, counted=counted) != "none"


def _is_over(before: float | None, found: AtRest, *, counted: bool) -> bool:
    """Whether errors are as they were, within three quarters of what would matter, and enough of them to see it."""
    if before is None or found.n < 2:
        return False
    moderate = RISES[counted][0] * (1.0 if counted else before)
    mean = found.total / found.n
    error = (max(0.0, found.squares / found.n - mean * mean) / found.n) ** 0.5
    if error == 0.0 and counted:  # not one error, or nothing else: as many may have been missed
        error = (1 - Q ** (1 / found.n)) / SURE
    return mean <= before + CALM * moderate and mean + SURE * error < before + moderate


def _with_usual(memory: Memory, read: Errors, profile: Profile) -> Memory:
    if read.counted or memory.usual is not None:
        return memory
    held = profile.performance.get("mae")
    usual = held.value if held is not None and held.value > 0 else float(read.errors.mean())
    return msgspec.structs.replace(memory, usual=usual or None)


def _change(alarm: Alarm, read: Errors, before: int, scale: float) -> Change:
    return Change(
        at=int(read.at[alarm.at - before]),
        answer=alarm.at + 1,
        before=alarm.before * scale,
        after=alarm.after * scale,
    )


def _no_data(deployment: Deployment, span: Span, why: str) -> Window:
    return unmeasured(deployment.deployment, "concept", span, f"the errors of {span.variant}", why)


def _sentence(variant: str, concept: Concept, *, counted: bool) -> str:
    many = f"{concept.errors} labelled answer{'s' * (concept.errors != 1)}"
    if not concept.changes:
        mean = _shown(concept.mean or 0.0, counted=counted)
        return f"The errors of {variant} are steady: {mean} in {many} ({concept.detector}, {concept.read} read)."
    last = max(concept.changes, key=lambda change: (change.after - change.before, change.at))
    way = "worse" if last.after > last.before else "better"
    before, after = (_shown(mean, counted=counted) for mean in (last.before, last.after))
    where = f"seen at {_moment(last.at)} ({concept.detector}, labelled answer {last.answer})"
    return f"{variant} answers {way}: {before} before, {after} after a change {where}."


def _shown(value: float, *, counted: bool) -> str:
    return f"{value:.1%} wrong" if counted else f"a mean absolute error of {value:.4g}"


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _floats(column: object) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy().astype(np.float64)  # type: ignore[attr-defined]
    return values
