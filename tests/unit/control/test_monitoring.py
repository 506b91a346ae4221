"""How far monitors have read: each from where the file was applied, and none twice."""

from typing import Any

import msgspec
import pytest

from seatrial.control.monitoring import DAY, HOUR, Monitoring, Read, before_of, mark_name, read_windows
from seatrial.releases.records import WindowRecord
from seatrial.spec.read import load_deployment
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.window import Signal, Window
from tests.harbour import Harbour

FILE = """\
deployment: churn
task: classification
variants: {champion: {model: "models:/churn@champion"}}
outcomes: {gone: {label: true}}
metrics: {right: {kind: accuracy, outcome: gone, within: 1h}}
"""
DATA = "monitors: {data: {window: 1h}}\n"
CONCEPT = (
    "monitors: {data: {window: 1h}, concept: {outcome: gone}, "
    "performance: {metric: right, window: 1h, estimate: true}}\n"
)


class Seeing:
    """A world without rows that remembers from where it was asked."""

    def __init__(self) -> None:
        self.asked: list[Watermark] = []

    def watch(self, _spec: object, _state: object, since: Watermark, _now: int, _opened: object) -> tuple[Any, ...]:
        self.asked.append(since)
        return ()


def test_a_monitor_that_is_added_begins_where_its_file_was_applied(harbour: Harbour) -> None:
    senses: Any = Seeing()
    harbour.apply(FILE + DATA)
    plain = load_deployment(FILE + DATA)
    first = harbour.state.deployments.get("churn")
    now = harbour.clock.forward(days=2)
    read_windows(harbour.site, senses, plain, first, now)
    assert senses.asked == [watermark(plain, first.applied_at)]
    assert harbour.state.marks.get("churn", mark_name("data")) == watermark(plain, now).data

    harbour.apply(FILE + CONCEPT)
    more = load_deployment(FILE + CONCEPT)
    second = harbour.state.deployments.get("churn")
    later = harbour.clock.forward(days=1)
    read_windows(harbour.site, senses, more, second, later)
    begun = watermark(more, second.applied_at)
    assert senses.asked[-1].concept == begun.concept > 0
    assert senses.asked[-1].estimate == begun.estimate > begun.performance
    assert senses.asked[-1].data == watermark(plain, now).data


def test_what_is_read_is_not_asked_again(harbour: Harbour) -> None:
    senses: Any = Seeing()
    harbour.apply(FILE + CONCEPT)
    spec, state = load_deployment(FILE + CONCEPT), harbour.state.deployments.get("churn")
    now = harbour.clock.forward(days=1)
    read_windows(harbour.site, senses, spec, state, now)
    read_windows(harbour.site, senses, spec, state, now)
    assert len(senses.asked) == 1
    later = harbour.clock.forward(seconds=3600)
    read_windows(harbour.site, senses, spec, state, later)
    assert senses.asked[-1] == watermark(spec, now)


class Stumbling(Seeing):
    """One monitor cannot be read."""

    def __init__(self, harbour: Harbour, monitor: str) -> None:
        super().__init__()
        self.harbour, self.monitor = harbour, monitor

    def watch(self, spec: Any, _state: object, since: Watermark, now: int, *_: object) -> tuple[Any, ...]:
        self.asked.append(since)
        if self.monitor and getattr(since, self.monitor) < getattr(watermark(spec, now), self.monitor):
            raise RuntimeError("a column of another type")
        return ()


def test_a_monitor_that_cannot_be_read_holds_up_no_other_and_is_read_from_there_once_it_can(harbour: Harbour) -> None:
    harbour.apply(FILE + CONCEPT)
    spec, state = load_deployment(FILE + CONCEPT), harbour.state.deployments.get("churn")
    senses: Any = Stumbling(harbour, "concept")
    now = harbour.clock.forward(days=1)
    failures = read_windows(harbour.site, senses, spec, state, now)
    assert list(failures) == ["concept"]
    assert harbour.state.marks.get("churn", mark_name("data")) == watermark(spec, now).data
    assert harbour.state.marks.get("churn", mark_name("concept")) is None
    senses.monitor = ""
    assert not read_windows(harbour.site, senses, spec, state, now)
    assert senses.asked[-1].concept == watermark(spec, state.applied_at).concept
    assert harbour.state.marks.get("churn", mark_name("concept")) == watermark(spec, now).concept


def test_monitors_that_go_on_failing_are_told_once_a_day_and_asked_less_and_less(harbour: Harbour) -> None:
    harbour.apply(FILE + CONCEPT)
    spec, state = load_deployment(FILE + CONCEPT), harbour.state.deployments.get("churn")
    senses: Any = Stumbling(harbour, "concept")
    monitoring = Monitoring(harbour.site, senses)
    harbour.clock.forward(days=1)
    for second in range(120):
        monitoring.look(spec, state, harbour.clock.forward(seconds=1))
        if second < 60:
            assert harbour.state.alerts.of("churn") == ()
    (alert,) = harbour.state.alerts.of("churn")
    assert (alert.event, alert.severity) == ("failure.watch", "warning")
    assert "`concept`" in alert.sentence
    assert "a column of another type" in alert.sentence
    asked = [since for since in senses.asked if since.concept < watermark(spec, harbour.clock.now).concept]
    assert len(asked) < 20


def test_marks_that_a_wrong_clock_put_ahead_are_pulled_back_and_told(harbour: Harbour) -> None:
    harbour.apply(FILE + CONCEPT)
    spec, state = load_deployment(FILE + CONCEPT), harbour.state.deployments.get("churn")
    senses: Any = Seeing()
    monitoring = Monitoring(harbour.site, senses)
    monitoring.look(spec, state, harbour.clock.forward(days=1))
    right = harbour.clock.now
    monitoring.look(spec, state, harbour.clock.forward(days=365))
    harbour.clock.now = right
    asked = len(senses.asked)
    for _ in range(24):
        monitoring.look(spec, state, harbour.clock.forward(seconds=3600))
    assert len(senses.asked) == asked + 23, "the first look after it finds nothing new"
    assert harbour.state.marks.get("churn", mark_name("data")) == watermark(spec, harbour.clock.now).data
    (alert,) = harbour.state.alerts.of("churn")
    assert (alert.event, alert.severity) == ("failure", "warning")
    assert "`data`" in alert.sentence
    assert "lies ahead" in alert.sentence


def test_a_clock_that_is_set_back_by_a_second_moves_no_mark(harbour: Harbour) -> None:
    harbour.apply(FILE + CONCEPT)
    spec, state = load_deployment(FILE + CONCEPT), harbour.state.deployments.get("churn")
    senses: Any = Seeing()
    now = harbour.clock.forward(days=1)
    read_windows(harbour.site, senses, spec, state, now)
    harbour.state.marks.put("churn", mark_name("data"), now + 30_000_000)
    read_windows(harbour.site, senses, spec, state, now)
    assert harbour.state.marks.get("churn", mark_name("data")) == now + 30_000_000
    assert harbour.state.alerts.of("churn") == ()


def test_monitors_that_failed_under_a_wrong_clock_are_asked_once_it_is_right(harbour: Harbour) -> None:
    harbour.apply(FILE + CONCEPT)
    spec, state = load_deployment(FILE + CONCEPT), harbour.state.deployments.get("churn")
    senses: Any = Stumbling(harbour, "concept")
    monitoring = Monitoring(harbour.site, senses)
    right = harbour.clock.forward(days=1)
    monitoring.look(spec, state, harbour.clock.forward(days=365))
    asked = len(senses.asked)
    senses.monitor = ""
    monitoring.look(spec, state, right + 3_600_000_000)
    assert len(senses.asked) > asked


def kept(harbour: Harbour, *windows: Window) -> None:
    records = [
        WindowRecord(
            deployment="churn", monitor=w.monitor, variant=w.variant, version=w.version, start=w.start, end=w.end,
            severity=w.severity, window=msgspec.json.encode(w).decode(),
        )
        for w in windows
    ]  # fmt: skip
    harbour.state.windows.add(records, deployment="churn", marks={})


def a_window(start: int, length: int = HOUR, variant: str = "champion", **more: Any) -> Window:
    given = {"drift": Signal("major", "major", False), "counted": 100, "version": f"{variant}:1", **more}
    return Window(
        deployment="churn", monitor="data", variant=variant, start=start, end=start + length, rows=100, **given
    )


def test_windows_by_rows_look_back_at_those_of_their_own_variant_however_long_ago(harbour: Harbour) -> None:
    spec = load_deployment(FILE + DATA)
    busy = [a_window(9 * DAY + n * HOUR) for n in range(5)]
    slow = [a_window(DAY, DAY, "other"), a_window(2 * DAY, 7 * DAY, "other")]
    kept(harbour, *busy, *slow)
    new = [a_window(9 * DAY + 5 * HOUR), a_window(9 * DAY, DAY, "other")]
    found = before_of(harbour.site, spec, new)
    mine = {variant: [w.start for w in found if w.variant == variant] for variant in ("champion", "other")}
    assert mine == {"champion": [w.start for w in busy[-2:]], "other": [w.start for w in slow]}
    assert len(before_of(harbour.site, spec, [a_window(9 * DAY, DAY, "other", version="other:2")])) == 0


@pytest.mark.parametrize("every", [0, HOUR])
def test_windows_by_time_look_back_at_the_last_two(harbour: Harbour, every: int) -> None:
    spec = load_deployment(FILE + DATA)
    length = 24 * every or HOUR
    step = every or HOUR
    windows = [a_window(n * step, length, counted=0, every=every) for n in range(10)]
    kept(harbour, *windows[:9])
    assert [w.start for w in before_of(harbour.site, spec, windows[9:])] == [7 * step, 8 * step]


def calm(start: int, length: int, **more: Any) -> Window:
    return a_window(start, length, counted=0, drift=Signal(), **more)


def test_a_calm_day_is_a_whole_one_of_windows_at_rest(harbour: Harbour) -> None:
    read = Read(harbour.site)
    kept(harbour, *(calm(n * HOUR, HOUR) for n in range(24)))
    assert read.is_calm_day(calm(24 * HOUR, HOUR))
    assert not read.is_calm_day(calm(24 * HOUR, HOUR, variant="other")), "nothing is known of it"
    assert not read.is_calm_day(calm(8 * HOUR, HOUR)), "a third of a day"
    kept(harbour, a_window(20 * HOUR, counted=0))
    assert not read.is_calm_day(calm(24 * HOUR, HOUR))
    assert not read.is_silent(calm(24 * HOUR, HOUR))


@pytest.mark.parametrize(("length", "every"), [(DAY, 0), (7 * DAY, 0), (DAY, HOUR)])
def test_a_window_of_a_day_is_a_calm_day_by_itself(harbour: Harbour, length: int, every: int) -> None:
    kept(harbour, a_window(0, length, counted=0, every=every))
    assert Read(harbour.site).is_calm_day(calm(length, length, every=every))


def test_a_week_is_silent_when_all_of_it_is_known_and_at_rest(harbour: Harbour) -> None:
    read = Read(harbour.site)
    kept(harbour, *(calm(n * DAY, DAY, state="no-data") for n in range(1, 8)))
    assert read.is_silent(calm(8 * DAY, DAY))
    assert not read.is_silent(calm(5 * DAY, DAY)), "less than a week is known"
    kept(harbour, a_window(5 * DAY, DAY, counted=0))
    assert not read.is_silent(calm(8 * DAY, DAY))
