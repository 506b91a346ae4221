"""The values that charts are drawn from; times are microseconds since 1970 UTC."""

from typing import Literal, NamedTuple


class Bins(NamedTuple):
    """The intervals of a chart of traffic, one after the other, whether anything happened in them or not.

    Attributes:
        start: Of the first interval.
        step: Length of each.
        number: How many.
    """

    start: int
    step: int
    number: int

    @property
    def end(self) -> int:
        return self.start + self.step * self.number

    @property
    def starts(self) -> range:
        """Of every interval, in order."""
        return range(self.start, self.end, self.step)


class TrafficPoint(NamedTuple):
    """One variant in one interval of time.

    Attributes:
        at: Start of the interval.
        variant: Its name; shadows are marked by ``role``.
        role: ``answer`` for users' requests, ``shadow`` for copies.
        rows: Rows in the interval.
        failed: Of these, those whose own attempt failed.
        p50_ms, p99_ms: Latency quantiles in milliseconds.
    """

    at: int
    variant: str
    role: Literal["answer", "shadow"]
    rows: int
    failed: int
    p50_ms: float
    p99_ms: float


class VerdictPoint(NamedTuple):
    """A metric's effect as it stood at one look: challenger minus champion, in the metric's unit."""

    at: int
    metric: str
    effect: float
    lower: float
    upper: float
    verdict: str
    units: int


class DriftCell(NamedTuple):
    """One feature in one window.

    Attributes:
        window: Start of the window.
        feature: Its name; ``prediction`` for the answers.
        severity: ``none``, ``moderate``, ``major`` or ``no-data``.
        shift: How far it moved, in the units of ``statistic``.
        statistic: Name of the statistic that moved most.
        sentence: What a person is told.
        opens: What a click shows: an address of the page's own server, or ``#id`` of a place in the page; "": nothing.
    """

    window: int
    feature: str
    severity: str
    shift: float
    statistic: str
    sentence: str
    opens: str = ""


class PerformancePoint(NamedTuple):
    """A metric in one window, as labels said it or as it was thought to be before they came.

    Attributes:
        start, end: Of the window.
        line: ``realised`` or ``estimated``.
        value: In the metric's unit.
        lower, upper: Its interval.
        baseline: What it is compared with; None: nothing yet.
        version: ``name:version``.
        labels: Labels behind it (realised), or answers (estimated).
    """

    start: int
    end: int
    line: Literal["realised", "estimated"]
    value: float
    lower: float
    upper: float
    baseline: float | None
    version: str
    labels: int


class Moment(NamedTuple):
    """Something that happened at a moment: an alert, or a step of a release.

    Attributes:
        lane: ``alerts`` or ``releases``.
        word: The event, or the action.
        tone: ``good``, ``warn``, ``bad`` or "".
        sentence: What a person is told.
    """

    at: int
    lane: Literal["alerts", "releases"]
    word: str
    tone: str
    sentence: str
