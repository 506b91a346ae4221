"""How far monitors have read: each from where the file was applied, and none twice."""

from typing import Any

from seatrial.control.monitoring import mark_name, read_windows
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
