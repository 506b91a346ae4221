"""The performance monitor: labels joined, matured, compared with the baseline."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from seatrial.spec.deployment import Margin, MetricSpec, PerformanceMonitor
from seatrial.watch.alerts import alerts_of
from seatrial.watch.interval import Measured
from seatrial.watch.monitor import watch
from seatrial.watch.performance import is_baseline
from seatrial.watch.window import Performance, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)


def windows(world: Any, spec: Any, now: int = LATER) -> tuple[Window, ...]:
    return watch(spec, {"champion": world.profile}, world.source, 0, now)


def performance(window: Window) -> Performance:
    assert window.performance is not None
    return window.performance


def label(
    world: Any, row: dict[str, Any], right: bool, second: float | None = None, by: tuple[str, ...] = ("request_id",)
) -> None:
    at = (row["at"] - T0) / SECOND + 1 if second is None else second
    world.happen(at, value_text=row["prediction.label"] if right else "zz", **{name: row[name] for name in by})


def test_accuracy_is_the_share_of_labelled_rows_that_were_right(world: Any, watching: Any) -> None:
    rows = world.fill(0, 10, 400)
    for i, row in enumerate(rows[:300]):
        label(world, row, right=i % 10 != 0)
    (window,) = windows(world, watching(ACCURACY))
    found = performance(window)
    assert (found.value, found.labels, found.wanted, found.units) == (pytest.approx(0.9), 300, 400, 300)
    assert found.lower < 0.9 < found.upper
    assert (found.baseline_from, found.baseline) == ("holdout", world.profile.performance["accuracy"].value)
    assert (window.severity, window.drift.calm) == ("none", True)


@pytest.mark.parametrize(("wrong", "severity"), [(0.1, "none"), (0.6, "major")])
def test_a_fall_beyond_the_margin_is_an_alarm(world: Any, watching: Any, wrong: float, severity: str) -> None:
    for i, row in enumerate(world.fill(0, 10, 500)):
        label(world, row, right=i >= wrong * 500)
    (window,) = windows(world, watching(ACCURACY))
    assert window.drift.alarm == severity


def test_a_fall_between_one_margin_and_two_is_moderate(world: Any, watching: Any) -> None:
    spec = watching(ACCURACY, worse_by=Margin(absolute=0.2))
    for i, row in enumerate(world.fill(0, 10, 1000)):
        label(world, row, right=i >= 480)
    (window,) = windows(world, spec)
    assert (window.drift.alarm, window.drift.calm) == ("moderate", False)
    assert "worse by more than 20 points" in window.sentence


def test_labels_are_joined_by_row_by_key_and_by_unit(world: Any, watching: Any) -> None:
    rows = world.fill(0, 10, 300)
    for i, row in enumerate(rows):
        if i < 100:
            row |= {"request_id": f"batch{i // 10}", "row": i % 10}
            label(world, row, right=True, by=("request_id", "row"))
        elif i < 200:
            row |= {"request_id": f"batch{i // 10}", "row": i % 10, "key": f"k{i}"}
            label(world, row, right=True, by=("key",) if i % 2 else ("request_id", "key"))
        else:
            label(world, row, right=False, by=("unit",))
    (window,) = windows(world, watching(ACCURACY))
    found = performance(window)
    assert (found.labels, found.value) == (300, pytest.approx(2 / 3))


def test_labels_and_answers_of_different_types_are_compared_by_meaning(world: Any, watching: Any) -> None:
    for i, row in enumerate(world.fill(0, 10, 200)):
        row["prediction.label"] = "true" if i % 2 else "3"
        at = (row["at"] - T0) / SECOND
        if i % 2:
            world.happen(at, request_id=row["request_id"], value_number=1.0)
        else:
            world.happen(at, request_id=row["request_id"], value_text="3.0")
    (window,) = windows(world, watching(ACCURACY))
    assert performance(window).value == 1.0


def test_a_label_that_is_a_field_is_found(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 200):
        at, said = (row["at"] - T0) / SECOND, row["prediction.label"]
        world.happen(at, request_id=row["request_id"], fields=f'{{"digit": "{said}"}}')
    (window,) = windows(world, watching(ACCURACY.model_copy(update={"value": "digit"})))
    assert performance(window).value == 1.0


def test_only_labels_within_the_window_that_came_in_time_count(world: Any, watching: Any) -> None:
    rows = world.fill(0, 10, 300)
    for row in rows[:120]:
        label(world, row, right=True)
    for row in rows[120:200]:
        at = (row["at"] - T0) / SECOND
        label(world, row, right=False, second=at + 6)  # after `within`
    for row in rows[200:]:
        world.happen(1, request_id=row["request_id"], value_text="zz", received_at=T0 + 21 * SECOND)  # after the grace
    for row in world.outcomes:
        row.setdefault("received_at", row["at"])
    (window,) = windows(world, watching(ACCURACY))
    found = performance(window)
    assert (found.labels, found.value) == (120, 1.0)


def test_the_latest_label_of_a_row_counts(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 150):
        at = (row["at"] - T0) / SECOND
        label(world, row, right=False, second=at + 1)
        label(world, row, right=True, second=at + 2)
    (window,) = windows(world, watching(ACCURACY))
    assert (performance(window).labels, performance(window).value) == (150, 1.0)


def test_a_window_is_read_when_its_last_label_could_be_there(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 150):
        label(world, row, right=True)
    matured = T0 + round((10 + 5 + 5 + 1.5) * SECOND)
    spec = watching(ACCURACY)
    assert windows(world, spec, matured - 1) == ()
    assert len(windows(world, spec, matured)) == 1


def test_rows_of_one_unit_count_for_less(world: Any, watching: Any) -> None:
    """Twenty units of fifteen rows each, all right or all wrong: as sure as twenty rows, not three hundred."""
    for i, row in enumerate(world.fill(0, 10, 300)):
        row["unit"] = f"u{i % 20}"
        label(world, row, right=i % 20 < 16)
    (window,) = windows(world, watching(ACCURACY))
    found = performance(window)
    assert found.value == pytest.approx(0.8)
    assert found.upper - found.lower > 0.6


def test_few_labels_or_units_are_no_data(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 300):
        row["unit"] = "one"
        label(world, row, right=True)
    for row in world.fill(10, 20, 300)[:99]:
        label(world, row, right=True)
    assert [w.severity for w in windows(world, watching(ACCURACY))] == ["no-data"] * 2


def test_shadows_have_no_performance(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 200, role="shadow"):
        label(world, row, right=True)
    assert windows(world, watching(ACCURACY)) == ()


def test_without_a_holdout_the_first_matured_window_is_the_baseline(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0))
    for start, share in ((0, 0.0), (10, 0.5), (20, 0.5), (30, 0.1)):
        n = 50 if start == 0 else 600
        for i, row in enumerate(world.fill(start, start + 10, n)):
            if i < share * n:
                world.happen((row["at"] - T0) / SECOND + 1, "sale", unit=row["unit"])
    found = windows(world, spec)
    assert [w.severity for w in found] == ["no-data", "no-data", "none", "major"]
    assert performance(found[1]).baseline is None
    assert [(performance(w).baseline, performance(w).baseline_from) for w in found[2:]] == [(0.5, "first window")] * 2


def test_the_first_window_is_found_again_later(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0))
    for start, share in ((0, 0.5), (10, 0.1)):
        for i, row in enumerate(world.fill(start, start + 10, 600)):
            if i < share * 600:
                world.happen((row["at"] - T0) / SECOND + 1, "sale", unit=row["unit"])
    (later,) = watch(spec, {"champion": world.profile}, world.source, T0 + 10 * SECOND, LATER)
    assert (performance(later).baseline, later.severity) == (0.5, "major")


def test_a_mean_is_of_units_and_absent_outcomes_are_zero(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="mean", outcome="sale", value="amount", within=5, grace=0))
    rows = world.fill(0, 10, 300)
    for i, row in enumerate(rows):
        row["unit"] = f"u{i // 2}"
    for row in rows[:100]:
        world.happen(
            (row["at"] - T0) / SECOND, "sale", unit=row["unit"], request_id=row["request_id"], fields='{"amount": 3}'
        )
    (window,) = windows(world, spec)
    found = performance(window)
    assert (found.units, found.value) == (150, pytest.approx(300 / 150))
    totals = np.array([6.0] * 50 + [0.0] * 100)
    assert found.upper - found.value == pytest.approx(found.value - found.lower)
    assert found.upper - found.value > 4.5 * totals.std() / 150**0.5


@pytest.mark.parametrize("kind", ["mean", "proportion", "quantile"])
def test_a_unit_whose_outcome_lacks_its_number_is_missing_and_not_0(world: Any, watching: Any, kind: str) -> None:
    more = {"quantile": 0.5} if kind == "quantile" else {}
    spec = watching(MetricSpec(kind=kind, outcome="sale", value="amount", within=5, grace=0, **more))
    rows = world.fill(0, 10, 300)
    for i, row in enumerate(rows[:200]):
        fields = '{"amount": 1}' if i < 150 else "{}"
        world.happen((row["at"] - T0) / SECOND, "sale", unit=row["unit"], fields=fields)
    world.happen((rows[0]["at"] - T0) / SECOND + 1, "sale", unit=rows[0]["unit"], fields="{}")
    found = performance(windows(world, spec)[0])
    known = 250 - (kind != "proportion")  # that it happened once settles a proportion
    assert found.units == known
    assert found.value == pytest.approx({"mean": 149 / 249, "proportion": 150 / 250, "quantile": 1.0}[kind])


def test_a_value_whose_outcome_lacks_its_number_is_missing(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="value", of="2 * sale.amount", within=5, grace=0))
    for i, row in enumerate(world.fill(0, 10, 300)[:200]):
        fields = '{"amount": 1}' if i < 150 else "{}"
        world.happen((row["at"] - T0) / SECOND, "sale", unit=row["unit"], fields=fields)
    (window,) = windows(world, spec)
    found = performance(window)
    assert (found.units, found.wanted, found.value) == (250, 300, pytest.approx(300 / 250))


def test_a_mean_of_labels_leaves_units_without_one_out(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="mean", outcome="truth", within=5, grace=0))
    for row in world.fill(0, 10, 300)[:150]:
        world.happen((row["at"] - T0) / SECOND, "truth", unit=row["unit"], value_number=4.0)
    (window,) = windows(world, spec)
    found = performance(window)
    assert (found.units, found.wanted, found.value) == (150, 300, 4.0)


def test_a_ratio_is_of_sums(world: Any, watching: Any) -> None:
    spec = watching(
        MetricSpec(kind="ratio", outcome="sale", numerator="amount", denominator="items", within=5, grace=0)
    )
    for i, row in enumerate(world.fill(0, 10, 300)):
        fields = f'{{"amount": {10 + i % 5}, "items": {1 + i % 2}}}'
        world.happen((row["at"] - T0) / SECOND, "sale", unit=row["unit"], fields=fields)
    (window,) = windows(world, spec)
    assert performance(window).value == pytest.approx(300 * 12 / (300 * 1.5))


def test_where_lower_is_wanted_a_rise_is_worse(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0, want="lower"))
    for start, share in ((0, 0.1), (10, 0.5)):
        for i, row in enumerate(world.fill(start, start + 10, 600)):
            if i < share * 600:
                world.happen((row["at"] - T0) / SECOND + 1, "sale", unit=row["unit"])
    assert [w.severity for w in windows(world, spec)] == ["no-data", "major"]


def test_values_may_be_a_tenth_worse(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="mean", outcome="sale", value="amount", within=5, grace=0))
    for start, amount in ((0, 10.0), (10, 9.5), (20, 8.0)):
        for row in world.fill(start, start + 10, 300):
            spent = amount + world.rng.normal(0, 0.1)
            world.happen((row["at"] - T0) / SECOND, "sale", unit=row["unit"], fields=f'{{"amount": {spent}}}')
    found = windows(world, spec)
    assert [w.severity for w in found] == ["no-data", "none", "moderate"]
    assert performance(found[2]).margin == pytest.approx(1.0, abs=0.01)


def test_a_quantile_is_of_each_units_first_outcome(world: Any, watching: Any) -> None:
    metric = MetricSpec(kind="quantile", outcome="sale", value="amount", quantile=0.9, want="lower", within=5, grace=0)
    rows = world.fill(0, 10, 400)
    values = world.rng.lognormal(3, 1, 400)
    for row, value in zip(rows[:300], values, strict=False):
        at = (row["at"] - T0) / SECOND
        world.happen(at + 1, "sale", unit=row["unit"], fields=f'{{"amount": {value}}}')
        world.happen(at + 2, "sale", unit=row["unit"], fields='{"amount": 100000}')  # its second
    (window,) = windows(world, watching(metric))
    found = performance(window)
    ordered = np.sort([*values[:300], *[0.0] * 100])
    assert (found.units, found.value) == (400, ordered[359])
    sides = [int(stats.binom.ppf(tail, 400, 0.9)) for tail in ((1 - found.level) / 2, (1 + found.level) / 2)]
    assert found.lower == pytest.approx(ordered[sides[0] - 1], rel=1e-12)
    assert found.upper == pytest.approx(ordered[sides[1]], rel=1e-12)


def test_a_quantile_that_rises_by_half_is_an_alarm_and_too_few_units_are_no_data(world: Any, watching: Any) -> None:
    metric = MetricSpec(kind="quantile", outcome="sale", value="amount", quantile=0.5, want="lower", within=5, grace=0)
    for start, scale, units in ((0, 1.0, 400), (10, 1.02, 400), (20, 1.5, 400), (30, 1.0, 100)):
        for row in world.fill(start, start + 10, units):
            spent = scale * world.rng.uniform(90, 110)
            world.happen((row["at"] - T0) / SECOND, "sale", unit=row["unit"], fields=f'{{"amount": {spent}}}')
    found = windows(world, watching(metric))
    assert [w.severity for w in found] == ["no-data", "none", "major", "none"]
    rare = metric.model_copy(update={"quantile": 0.99})
    last = windows(world, watching(rare))[-1]
    assert (last.state, last.performance) == ("no-data", None)
    assert "100 units are too few for the interval of a quantile of 0.99" in last.sentence


def test_labels_that_stop_coming_are_told(world: Any, watching: Any) -> None:
    for row in world.fill(0, 10, 200):
        label(world, row, right=True)
    world.fill(10, 20, 200)
    for row in world.fill(20, 30, 200):
        label(world, row, right=True)
    found = windows(world, watching(ACCURACY))
    assert [(w.severity, w.outcomes.alarm, w.rows) for w in found] == [
        ("none", "none", 200),
        ("no-data", "moderate", 200),
        ("none", "none", 200),
    ]
    assert "Not one of 200 answers" in found[1].sentence
    events = [(alert.event, json.loads(alert.details)["edge"]) for alert in alerts_of(found, (), 7)]
    assert events == [("outcomes.stalled", "begins"), ("outcomes.stalled", "ends")]


def test_nobody_buying_is_a_rate_of_zero_and_no_stall(world: Any, watching: Any) -> None:
    world.fill(0, 10, 200)
    (window,) = windows(world, watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0)))
    assert (performance(window).value, window.outcomes.alarm) == (0.0, "none")


def sold(world: Any, start: float, n: int, share: float, **more: Any) -> None:
    """``n`` rows of ten seconds, the first of which end in a sale."""
    for i, row in enumerate(world.fill(start, start + 10, n, **more)):
        if i < share * n:
            world.happen((row["at"] - T0) / SECOND + 1, "sale", unit=row["unit"], value_number=1.0)


def test_the_first_window_is_kept_for_good_though_its_rows_go(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0))
    for start, share in ((0, 0.5), (10, 0.5), (20, 0.2), (30, 0.2), (40, 0.2)):
        sold(world, start, 400, share)
    bases: dict[str, bytes] = {}

    def read(second: int, kept: dict[str, bytes], version: str = "m:1") -> tuple[Window, ...]:
        until = T0 + (second + 10) * SECOND + 12 * SECOND
        versions = {"champion": version}
        return watch(
            spec, {"champion": world.profile}, world.source, T0 + second * SECOND, until, versions=versions, bases=kept
        )

    first, second = read(0, bases)[0], read(10, bases)[0]
    assert (first.state, performance(second).baseline) == ("no-data", 0.5)
    kept = dict(bases)
    world.rows = [row for row in world.rows if row["at"] >= T0 + 30 * SECOND]  # as `log.keep` does
    (later,) = read(40, bases)
    assert (performance(later).baseline, later.severity) == (0.5, "major")
    assert bases == kept, "and is not written again"
    assert performance(read(40, {})[0]).baseline == 0.2, "what it would be by the rows that are left"
    for row in world.rows:
        row["version"] = row["assigned_version"] = "m:2"
    assert performance(read(40, bases, "m:2")[0]).baseline == 0.2, "another version has a window of its own"


@pytest.mark.parametrize(("share", "want"), [(0.01, "lower"), (0.2, "higher")])
def test_a_first_window_without_an_event_is_no_baseline_for_a_part_of_it(
    world: Any, watching: Any, share: float, want: str
) -> None:
    spec = watching(MetricSpec(kind="mean", outcome="sale", within=5, grace=0, want=want))
    for start, n, mine in ((0, 100, 0.0), (10, 3000, share), (20, 3000, share)):
        sold(world, start, n, mine)
    empty, first, second = windows(world, spec)
    assert [w.state for w in (empty, first, second)] == ["no-data", "no-data", "measured"]
    assert "not clearly away from 0" in empty.sentence
    assert performance(empty).upper > 0.01, "none of 100 may be 1 % and more"
    assert "it is the first matured window" in first.sentence
    assert (performance(second).baseline, second.severity) == (share, "none")


def test_an_absolute_margin_takes_a_baseline_of_nothing(world: Any, watching: Any) -> None:
    metric = MetricSpec(kind="mean", outcome="sale", within=5, grace=0, want="lower")
    spec = watching(metric, worse_by=Margin(absolute=0.05))
    for start, n, share in ((0, 100, 0.0), (10, 3000, 0.01), (20, 3000, 0.3)):
        sold(world, start, n, share)
    empty, first, second = windows(world, spec)
    assert [w.severity for w in (empty, first, second)] == ["no-data", "none", "major"]
    assert performance(first).baseline == 0.0


def test_a_baseline_is_three_standard_errors_away_from_nothing() -> None:
    monitor, metric = PerformanceMonitor(metric="it"), MetricSpec(kind="mean", outcome="sale", within=5)
    alpha = 0.025
    z = float(stats.norm.ppf(1 - alpha))
    for value, error, clear in ((0.3, 0.099, True), (0.3, 0.101, False), (-0.3, 0.099, True), (-0.3, 0.101, False)):
        found = Measured(value, value - z * error, value + z * error)
        assert is_baseline(found, monitor, metric, alpha) is clear
        assert is_baseline(found, PerformanceMonitor(metric="it", worse_by=Margin(absolute=1)), metric, alpha)
