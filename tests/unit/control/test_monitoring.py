"""How far monitors have read: each from where the file was applied, and none twice."""

from typing import Any

from seatrial.control.monitoring import Monitoring, mark_name, read_windows
from seatrial.spec.read import load_deployment
from seatrial.watch.clock import Watermark, watermark
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
