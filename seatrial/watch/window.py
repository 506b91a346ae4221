"""What a monitor says about one window of one variant, as frozen values that are stored as JSON.

Times are microseconds since 1970 UTC; a window holds its start and not its end.
"""

from typing import Literal, NamedTuple

import msgspec

from seatrial.drift import FeatureDrift, Severity, worst
from seatrial.drift.identifiers import NewIds
from seatrial.drift.rules import Count
from seatrial.watch.reading import Span

Monitor = Literal[
    "data",
    "prediction",
    "performance",
    "estimate",
    "concept",
    "fairness",
    "calibration",
    "multivariate",
    "shadow_gap",
    "skew",
]
State = Literal["measured", "no-data"]


class Signal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One condition in one window.

    Attributes:
        severity: As shown.
        alarm: As sure as an alert must be (see ``watch.budget``).
        calm: Clearly below the threshold again: a condition that was alerted is over. Between alarm and calm nothing is
            told, so that an effect at the threshold does not begin and end in every window.
    """

    severity: Severity = "none"
    alarm: Severity = "none"
    calm: bool = True


class Usual(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is left of drift against the training data beside the variant's own same hours of earlier days.

    Attributes:
        days: Earlier days with rows at these hours; 0: too little is there to compare with, and nothing is explained.
        moved: Columns that alarm against the training data *and* are unlike these hours before, with the lesser of the
            two severities; without earlier days those that alarm.
        calm: No column is unlike these hours before by three quarters of a threshold.
    """

    days: int = 0
    moved: dict[str, Severity] = {}
    calm: bool = False

    @property
    def alarm(self) -> Severity:
        """The worst of what is unusual."""
        return worst(self.moved.values())


class Estimated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What labels were thought to say before they were there, and what they said.

    Attributes:
        metric: ``accuracy``, or ``mae``: the mean absolute error of a regression's answers.
        value: In the metric's unit.
        lower, upper: What the labels of these rows are thought to say, at ``level``.
        level: Of the interval.
        n: Answers behind it.
        baseline: The version's own on its holdout.
        worse_by: How much worse than that (positive is worse).
        realised: What the labels said; None before they have matured, or where there were too few.
        labels: How many of them.
        of_labelled: Likewise estimated over the answers that have a label, where these are not all.
    """

    metric: Literal["accuracy", "mae"]
    value: float
    lower: float
    upper: float
    level: float
    n: int
    baseline: float
    worse_by: float
    realised: float | None = None
    labels: int = 0
    of_labelled: "Between | None" = None

    @property
    def is_of_others(self) -> bool:
        """What came is not what all answers were thought to say, and is what the labelled ones were."""
        if self.realised is None or self.of_labelled is None:
            return False
        is_expected = self.lower <= self.realised <= self.upper
        return not is_expected and self.of_labelled.lower <= self.realised <= self.of_labelled.upper

    @property
    def off(self) -> float | None:
        """The estimate less what came; None before it came."""
        return None if self.realised is None else self.value - self.realised


class Between(NamedTuple):
    """An estimate with its interval."""

    value: float
    lower: float
    upper: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Where a detector says that the errors changed.

    Attributes:
        at: Time of the answer that raised the alarm, microseconds; the change itself began before it.
        answer: Which labelled answer it was, counted from 1 since the detector first read this version.
        before, after: Mean error of the older and the newer part.
    """

    at: int
    answer: int
    before: float
    after: float


class Concept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the stream of errors in one window.

    Attributes:
        detector: Which reads it.
        errors: Labelled answers in the window.
        mean: Their mean error: the share of wrong answers, or the mean absolute error; None without one.
        read: Labelled answers read so far.
        changes: In order.
    """

    detector: str
    errors: int
    mean: float | None
    read: int
    changes: tuple[Change, ...] = ()


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """How well a classifier tells a window's rows from those of the same hours before.

    Attributes:
        auc: Cross-validated: ½ where it cannot, 1 where always.
        lower, upper: Its interval at ``level``.
        before: Rows of the hours before; the window's are its ``rows``.
        columns: Features that it is told by.
        left_out: Features beyond the most that are looked at.
    """

    auc: float
    lower: float
    upper: float
    level: float
    before: int
    columns: int
    left_out: int = 0


class GroupRate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate in one group.

    Attributes:
        by: What groups are told by: ``context.region``.
        group: Its value.
        rate: ``chosen``, ``right``, ``found`` or ``false alarms`` (see ``watch.fairness``).
        value, lower, upper: The rate, and an interval that holds for all groups and rates together.
        rows: Behind it.
    """

    by: str
    group: str
    rate: str
    value: float
    lower: float
    upper: float
    rows: int


class RateGap(msgspec.Struct, frozen=True, kw_only=True):
    """Of a rate, the difference between two groups that is surest to be wide: the higher less the lower."""

    by: str
    rate: str
    high: str
    low: str
    value: float
    lower: float
    upper: float


class Calibrated(msgspec.Struct, frozen=True, kw_only=True):
    """What happened beside what scores say, on labelled answers.

    Attributes:
        expected: Mean chance that the holdout's calibration gives to the scores: of the positive label with two
            classes, of being right with more.
        happened: Share in which it happened.
        off, lower, upper: Happened less expected, and its interval by unit.
        sure: With two classes, by how much the chance of the likelier one is above how often that one came (below 0:
            scores are not sure enough), and its interval by unit; None with more classes, where ``off`` says it.
        error: Expected calibration error of these chances, less what noise adds.
        labels: Labelled answers behind it.
    """

    expected: float
    happened: float
    off: float
    lower: float
    upper: float
    error: float
    labels: int
    sure: "Sureness | None" = None


class Sureness(NamedTuple):
    """By how much scores are too sure, with its interval."""

    value: float
    lower: float
    upper: float


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """A metric on matured labels.

    Attributes:
        metric, kind, want: As the file declares it.
        value: In the window.
        lower, upper: Its interval at ``level``.
        baseline: What it is compared with; None when there is nothing yet.
        baseline_from: ``holdout`` of the version, or ``first window`` of its matured life.
        worse_by: How much worse than the baseline (positive is worse), whatever direction is wanted.
        worse_lower, worse_upper: Its interval; the baseline's own uncertainty is in it.
        margin: By how much it may be worse.
        level: Of the two-sided intervals.
        labels: Rows (units, where the metric is by unit) behind the value.
        wanted: Rows or units that could have had one.
        units: Units behind it; the interval is by unit.
    """

    metric: str
    kind: str
    want: Literal["higher", "lower"]
    value: float
    lower: float
    upper: float
    baseline: float | None
    baseline_from: str
    worse_by: float | None
    worse_lower: float | None
    worse_upper: float | None
    margin: float | None
    level: float
    labels: int
    wanted: int
    units: int


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much the columns that moved matter to the model.

    Attributes:
        shares: Importance of the feature of each that is known, out of one for all features.
        together: Of their features together.
        little: Columns of features that the model hardly uses: less than a tenth of an even share.
        source: The ``model`` itself, or ``permutation`` on the holdout.
    """

    shares: dict[str, float]
    together: float
    little: tuple[str, ...] = ()
    source: Literal["model", "permutation"] = "model"


class Window(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One window of one monitor of one variant.

    Attributes:
        version: ``name:version`` that it is about, or "" when it was not told.
        every: Where windows slide: microseconds from the end of one to the end of the next; else 0.
        counted: Where windows are by rows: after how many one ends; else 0.
        rows: Answers in it (for performance: answers that could have a label).
        state: ``no-data`` when there is too little, or nothing to compare with; ``sentence`` says which.
        drift: Drift of data or predictions, or a fall in performance.
        quality: Broken columns; of performance: labels that come for fewer answers than they did.
        outcomes: Labels that stopped coming (performance).
        features: One a column (data and prediction); at rest, a column keeps only its PSI and its mean shift, while
            something of the variant is open every measure.
        shifts: How far each column moved, for a picture (see ``drift.shifts``).
        weights: How much what moved matters to the model, where that is known.
        new_ids: Of id columns: the share of distinct ids that the reference did not have; shown and not judged.
        usual: Where drift is against the training data and something alarms: how it looks beside earlier days.
        broken: Columns (and the arrival) whose quality alarms, as sure as an alert must be.
        checked: Columns (and the arrival) whose rules were counted, so that their quality is known though there may be
            too few rows for more. Of performance: ``labels``, where their share could be compared with earlier windows.
        counts: How the rules fared.
        performance: The metric, for the performance monitor.
        estimated: Before there are labels (estimate), and beside what they said (performance).
        concept: For the concept monitor.
        rates, gaps: For the fairness monitor; ``rates`` also of the segments of an accuracy, and of skew.
        apart: For all columns together.
        calibrated: For calibration.
        sentence: All of it in words.
    """

    deployment: str
    monitor: Monitor
    variant: str
    version: str = ""
    start: int
    end: int
    every: int = 0
    counted: int = 0
    rows: int
    state: State = "measured"
    drift: Signal = Signal()
    quality: Signal = Signal()
    outcomes: Signal = Signal()
    features: tuple[FeatureDrift, ...] = ()
    shifts: dict[str, float | None] = {}
    weights: Weights | None = None
    new_ids: dict[str, NewIds] = {}
    usual: Usual | None = None
    broken: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    counts: tuple[Count, ...] = ()
    performance: Performance | None = None
    estimated: Estimated | None = None
    concept: Concept | None = None
    rates: tuple[GroupRate, ...] = ()
    gaps: tuple[RateGap, ...] = ()
    apart: Apart | None = None
    calibrated: Calibrated | None = None
    sentence: str = ""

    @property
    def step(self) -> int:
        """Microseconds from its end to the end of the next, where windows are by time."""
        return self.every or self.end - self.start

    @property
    def severity(self) -> str:
        """In one word: ``no-data``, or the worse of drift and quality."""
        return "no-data" if self.state == "no-data" else worst((self.drift.severity, self.quality.severity))


def unmeasured(deployment: str, monitor: Monitor, span: Span, about: str, why: str, rows: int = 0) -> Window:
    """A window of which nothing could be measured.

    Args:
        deployment: Whose.
        monitor: Which.
        span: From when to when, and of which variant.
        about: On what there is no data, in words.
        why: Likewise.
        rows: Answers in it.
    """
    return Window(
        deployment=deployment,
        monitor=monitor,
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=rows,
        state="no-data",
        sentence=f"No data on {about}: {why}.",
    )
