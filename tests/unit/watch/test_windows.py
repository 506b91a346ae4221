"""How windows are cut: sliding ones are merged of pieces that are read once, those by rows hold so many rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.experiments.source import TableSource
from seatrial.spec.alerting import Sustained
from seatrial.spec.deployment import (
    AfterSpec,
    Constraint,
    DataMonitor,
    FairnessMonitor,
    MetricSpec,
    Monitors,
    PerformanceMonitor,
)
from seatrial.watch.alerts import alerts_of
from seatrial.watch.budget import FALSE_ALERTS, MONTH, lasting, per_window
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.cutting import ends_of
from seatrial.watch.monitor import watch
from seatrial.watch.pictures import drift_picture
from seatrial.watch.reading import Span
from seatrial.watch.window import Signal, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 1000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)


class Asked:
    """A source that remembers which times it was asked about."""

    def __init__(self, source: TableSource) -> None:
        self._source = source
        self.spans: list[tuple[int, int]] = []
        self.queries: list[str] = []

    def sql(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        if "start" in parameters:
            self.spans.append(tuple((parameters[k] - T0) // SECOND for k in ("start", "end")))  # type: ignore[operator,arg-type]
            self.queries.append(query)
        return self._source.sql(query, parameters)


def a_data_monitor(deployment: Any, **more: Any) -> Any:
    return deployment(monitors=Monitors(data=DataMonitor(**{"window": 20, "every": 10, **more}), performance=None))


def seen(spec: Any, world: Any, since: Any = 0, now: int = LATER, **more: Any) -> tuple[Window, ...]:
    source = more.pop("source", None) or world.source
    return watch(spec, {"champion": world.profile}, source, since, now, **more)


def data_of(found: tuple[Window, ...], monitor: str = "data") -> list[Window]:
    return [window for window in found if window.monitor == monitor]


def seconds(found: list[Window]) -> list[tuple[int, int]]:
    return [((window.start - T0) // SECOND, (window.end - T0) // SECOND) for window in found]


def test_a_sliding_window_ends_at_every_step(world: Any, deployment: Any) -> None:
    world.fill(0, 40, 1200)
    found = data_of(seen(a_data_monitor(deployment), world))
    assert seconds(found) == [(-10, 10), (0, 20), (10, 30), (20, 40), (30, 50)]
    assert [window.rows for window in found] == [300, 600, 600, 600, 300]
    assert {(window.every, window.step, window.counted) for window in found} == {(10 * SECOND, 10 * SECOND, 0)}


@pytest.mark.parametrize("column", [{}, {"feature.age": 52.0, "feature.note": "", "feature.plan": "gold"}])
def test_a_sliding_window_is_what_its_rows_say_at_once(world: Any, deployment: Any, column: dict[str, Any]) -> None:
    """The oracle is the tumbling window of the same rows, counted at once."""
    world.fill(0, 10, 300)
    world.fill(10, 20, 300, **column)
    sliding = [w for w in seen(a_data_monitor(deployment), world) if w.end == T0 + 20 * SECOND]
    at_once = [w for w in seen(a_data_monitor(deployment, every=None), world) if w.end == T0 + 20 * SECOND]
    for merged, whole in zip(sliding, at_once, strict=True):
        assert merged.start == whole.start
        assert [d.feature for d in merged.features] == [d.feature for d in whole.features]
        for a, b in zip(merged.features, whole.features, strict=True):
            assert (a.severity, a.quality, a.rows) == (b.severity, b.quality, b.rows)
            assert [finding.measure for finding in a.findings] == [finding.measure for finding in b.findings]
            for left, right in zip(a.findings, b.findings, strict=True):
                numbers = [(f.effect, f.lower, f.upper, f.p_value) for f in (left, right)]
                assert numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=1e-9)


def test_rows_of_a_sliding_window_are_read_once(world: Any, deployment: Any) -> None:
    world.fill(0, 40, 1200)
    shelf: dict[str, bytes] = {}
    spec = a_data_monitor(deployment, constraints={"age": Constraint(missing=0.01)})
    first = Asked(world.source)
    seen(spec, world, now=T0 + 32 * SECOND, shelf=shelf, source=first)
    second = Asked(world.source)
    seen(spec, world, watermark(spec, T0 + 32 * SECOND), T0 + 42 * SECOND, shelf=shelf, source=second)
    columns = [span for span, query in zip(second.spans, second.queries, strict=True) if "feature." in query]
    assert set(columns) == {(30, 40)}


@pytest.mark.parametrize("every", [None, 10])
def test_sliding_windows_say_the_same_in_parts_and_with_a_lost_shelf(world: Any, deployment: Any, every: Any) -> None:
    spec = deployment(
        metrics={"it": ACCURACY},
        monitors=Monitors(
            data=DataMonitor(window=20, every=every),
            performance=PerformanceMonitor(metric="it", window=20, every=every, minimum_labels=50),
            fairness=FairnessMonitor(by=("features.plan",), window=20, every=every, minimum_rows=20),
        ),
    )
    for row in world.fill(0, 60, 900):
        world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text="a")
    kept: dict[str, bytes] = {}
    parts: list[Window] = []
    mark = Watermark()
    for second in (3, 31, 44, 100, 200):
        now = T0 + second * SECOND
        parts += seen(spec, world, mark, now, shelf=kept)
        mark = watermark(spec, now)
    whole = seen(spec, world)
    key = lambda w: (w.monitor, w.end)  # noqa: E731
    assert sorted(parts, key=key) == sorted(whole, key=key)


def test_accuracy_of_a_sliding_window_is_that_of_its_rows_and_a_units_rows_are_one(world: Any, watching: Any) -> None:
    rows = world.fill(0, 20, 400, unit=iter([f"u{i % 40}" for i in range(400)]).__next__)
    for i, row in enumerate(rows):
        world.happen(
            (row["at"] - T0) / SECOND,
            request_id=row["request_id"],
            value_text=row["prediction.label"] if i % 4 else "z",
        )
    spec = watching(ACCURACY, window=20, every=10)
    (merged,) = [w for w in seen(spec, world) if w.end == T0 + 20 * SECOND]
    (whole,) = [w for w in seen(watching(ACCURACY, window=20), world) if w.end == T0 + 20 * SECOND]
    assert merged.performance is not None
    assert whole.performance is not None
    assert (merged.performance.value, merged.performance.units, merged.performance.labels) == (0.75, 40, 400)
    assert merged.performance.wanted == whole.performance.wanted == 400
    # Looked at twice as often, each may be wrong half as often: its interval is wider.
    assert (
        merged.performance.lower < whole.performance.lower < 0.75 < whole.performance.upper < merged.performance.upper
    )


def test_a_label_counts_in_every_window_of_its_row_or_in_none(world: Any, watching: Any) -> None:
    """Rows of the first ten seconds mature at 20; a label that came at 25 is late for each window that has them."""
    rows = world.fill(0, 20, 400)
    for i, row in enumerate(rows):
        late = i < 100
        at = (row["at"] - T0) / SECOND
        came = T0 + (25 if late else round(at) + 1) * SECOND
        world.happen(at, request_id=row["request_id"], value_text=row["prediction.label"], received_at=came)
    found = seen(watching(ACCURACY, window=20, every=10), world)
    assert [(w.performance.labels if w.performance else 0, w.rows) for w in found] == [
        (100, 200),
        (300, 400),
        (200, 200),
    ]


def test_sliding_windows_share_the_months_false_alert() -> None:
    hourly = PerformanceMonitor(metric="it", window=86400, every=3600)
    span = Span("champion", "", 0, 86_400 * SECOND, 3600 * SECOND)
    alpha = per_window(lasting(hourly, span), 1, 1.0)
    assert alpha * MONTH / 3600 == pytest.approx(FALSE_ALERTS / 2)


def test_windows_by_rows_share_it_by_the_time_they_took() -> None:
    by_rows = PerformanceMonitor(metric="it", rows=1000)
    ends = np.cumsum(np.random.default_rng(3).exponential(size=40))
    ends = np.round(ends / ends[-1] * MONTH * SECOND).astype(int).tolist()
    spans = [Span("champion", "", a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    assert sum(per_window(lasting(by_rows, span), 1, 1.0) for span in spans) == pytest.approx(FALSE_ALERTS / 2)


@given(
    counts=st.lists(st.integers(1, 30), max_size=60),
    rows=st.integers(1, 60),
)
def test_windows_by_rows_hold_so_many_rows_each_row_once(counts: list[int], rows: int) -> None:
    times = np.cumsum(np.arange(len(counts)) % 3 + 1)
    found, opened = ends_of(times, np.array(counts, dtype=np.int64), rows)
    held = [[n for t, n in zip(times, counts, strict=True) if a <= t < b] for a, b in found]
    assert all(sum(mine) >= rows > sum(mine[:-1]) for mine in held)
    assert [n for mine in held for n in mine] == counts[: sum(map(len, held))]
    left = counts[sum(map(len, held)) :]
    assert sum(left) < rows
    assert opened == (times[len(counts) - len(left)] if left else None)


def by_rows(deployment: Any, rows: int = 300, **more: Any) -> Any:
    return deployment(monitors=Monitors(data=DataMonitor(rows=rows, **more), performance=None))


def test_a_window_by_rows_ends_with_its_last_row_for_each_variant(world: Any, deployment: Any) -> None:
    world.fill(0, 60, 600)
    world.fill(0, 60, 150, variant="challenger")
    found = watch(by_rows(deployment), {"champion": world.profile, "challenger": world.profile}, world.source, 0, LATER)
    data = data_of(found)
    assert [(w.variant, w.rows, w.counted, w.state) for w in data] == [("champion", 300, 300, "measured")] * 2
    assert data[0].end <= data[1].start
    assert data[0].end == T0 + round(29.9 * SECOND) + 1
    assert {(w.start, w.end) for w in found} == {(w.start, w.end) for w in data}, "predictions of the same rows"


@pytest.mark.parametrize("lost", [False, True])
def test_windows_by_rows_say_the_same_in_parts(world: Any, deployment: Any, lost: bool) -> None:
    world.fill(0, 300, 1700)
    spec = by_rows(deployment)
    shelf: dict[str, bytes] = {}
    parts: list[Window] = []
    mark = Watermark()
    for second in (70, 130, 131, 250, 400, 500):
        now = T0 + second * SECOND
        parts += seen(spec, world, mark, now, shelf={} if lost else shelf)
        parts_again = seen(spec, world, mark, now, shelf=dict(shelf))
        assert parts_again == () or parts_again[-1] in parts or lost
        mark = watermark(spec, now)
    assert parts == list(seen(spec, world))
    assert len(data_of(tuple(parts))) == 5


def test_a_reading_that_broke_off_finds_its_windows_again(world: Any, deployment: Any) -> None:
    world.fill(0, 300, 1700)
    spec = by_rows(deployment)
    shelf: dict[str, bytes] = {}
    mark = watermark(spec, T0 + 130 * SECOND)
    seen(spec, world, 0, T0 + 130 * SECOND, shelf=shelf)
    once = seen(spec, world, mark, T0 + 250 * SECOND, shelf=shelf)
    again = seen(spec, world, mark, T0 + 250 * SECOND, shelf=shelf)
    assert once == again
    assert len(data_of(once)) == 3


def test_labels_of_windows_by_rows_mature_with_their_last_row(world: Any, deployment: Any) -> None:
    for row in world.fill(0, 130, 400):
        world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text=row["prediction.label"])
    performance = PerformanceMonitor(metric="it", rows=200, minimum_labels=50)
    spec = deployment(metrics={"it": ACCURACY}, monitors=Monitors(data=None, performance=performance))
    # The first ends after 65 seconds and matures ten later; windows by rows are looked for once a minute.
    assert [len(seen(spec, world, now=T0 + second * SECOND)) for second in (111, 112)] == [0, 1]
    first, second = seen(spec, world)
    assert first.performance is not None
    assert (first.performance.labels, first.performance.value, second.rows) == (200, 1.0, 200)


def test_rows_of_another_version_are_not_counted(world: Any, deployment: Any) -> None:
    world.fill(0, 30, 290, version="m:0", assigned_version="m:0")
    world.fill(30, 60, 310)
    (window,) = data_of(seen(by_rows(deployment), world, versions={"champion": "m:1"}))
    assert (window.rows, window.start) == (300, T0 + 30 * SECOND)


def a_window(start: int, end: int, alarm: str = "major", **more: Any) -> Window:
    drift = Signal(alarm, alarm, alarm == "none")  # type: ignore[arg-type]
    return Window(
        deployment="mail", monitor="data", variant="champion", start=start, end=end, rows=100, drift=drift, **more
    )


TWO_OF_THREE = AfterSpec(data=Sustained(2, 3))


@pytest.mark.parametrize(
    ("windows", "alerts"),
    [
        ([a_window(0, 7, counted=5), a_window(90, 400, counted=5)], 1),
        ([a_window(0, 7, counted=5), a_window(9, 11, "none", counted=5), a_window(90, 400, counted=5)], 1),
        ([a_window(0, 10), a_window(90, 100)], 0),
        ([a_window(0, 100, every=10), a_window(20, 120, every=10)], 1),
        ([a_window(0, 100, every=10), a_window(30, 130, every=10)], 0),
    ],
)
def test_how_many_windows_must_alarm_is_counted_in_steps_or_in_windows_by_rows(
    windows: list[Window], alerts: int
) -> None:
    assert len(alerts_of(windows, (), 7, after=TWO_OF_THREE)) == alerts


def test_the_picture_has_a_cell_for_every_step(world: Any, deployment: Any) -> None:
    world.fill(0, 40, 1200)
    found = data_of(seen(a_data_monitor(deployment), world))
    cells, step = drift_picture(found, ["age"], found[-1].end)
    ages = [cell for cell in cells if cell.feature == "age"]
    assert step == 10 * SECOND
    assert [(cell.window - T0) // SECOND for cell in ages] == [-10, 0, 10, 20, 30]


def test_the_picture_of_windows_by_rows_has_no_gaps(world: Any, deployment: Any) -> None:
    world.fill(0, 40, 600)
    world.fill(200, 240, 600)
    found = data_of(seen(by_rows(deployment), world))
    cells, step = drift_picture(found, ["age"], found[-1].end)
    assert step is None
    assert [cell.window for cell in cells if cell.feature == "age"] == [window.start for window in found]
    assert len(found) == 4
