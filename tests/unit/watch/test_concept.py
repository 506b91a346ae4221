"""The concept monitor: the labelled error stream, in order, up to a watermark, each window once."""

from typing import Any

import msgspec
import numpy as np
import pytest

from seatrial.drift import Baseline, Profile
from seatrial.drift.concept import Adwin
from seatrial.spec.deployment import ConceptMonitor, Monitors
from seatrial.watch import concept as concepts
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.concept import Errors
from seatrial.watch.monitor import watch
from seatrial.watch.reading import Span
from seatrial.watch.window import Concept, Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND


def a_spec(deployment: Any, **more: Any) -> Any:
    concept = ConceptMonitor(**{"outcome": "truth", "window": 10, "within": 5, "grace": 5, **more})
    return deployment(monitors=Monitors(data=None, performance=None, concept=concept))


def stream(world: Any, wrong: Any, *, seconds: float = 40) -> None:
    """Answers in order of time, each with its label: wrong where it says so."""
    for row, mistaken in zip(world.fill(0, seconds, len(wrong)), wrong, strict=True):
        at = (row["at"] - T0) / SECOND
        said = "zz" if mistaken else row["prediction.label"]
        world.happen(at + 1, request_id=row["request_id"], value_text=said)


def windows(world: Any, spec: Any, *, since: Any = 0, now: int = LATER, **more: Any) -> tuple[Window, ...]:
    return watch(spec, {"champion": world.profile}, world.source, since, now, **more)


def concept(window: Window) -> Concept:
    assert window.concept is not None, window.sentence
    return window.concept


def mistakes(seed: int, *shares: tuple[float, int]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(n) < share for share, n in shares])


def test_a_rise_is_found_where_the_detector_finds_it(world: Any, deployment: Any) -> None:
    wrong = mistakes(1, (0.1, 1000), (0.4, 1000))
    stream(world, wrong)
    found = windows(world, a_spec(deployment))
    _, oracle = Adwin().read(wrong.astype(float))
    changes = [change for window in found for change in concept(window).changes]
    assert [change.answer - 1 for change in changes] == [change.at for change in oracle.drifts]
    assert changes[0].at == world.rows[oracle.drifts[0].at]["at"]
    loud = next(window for window in found if window.drift.severity != "none")
    assert (loud.drift.severity, loud.drift.alarm) == ("major", "major")
    assert f"champion answers worse: {changes[0].before:.1%} wrong before" in loud.sentence
    assert [concept(window).read for window in found] == [500, 1000, 1500, 2000]
    assert concept(found[0]).mean == pytest.approx(wrong[:500].mean())


def test_a_steady_stream_is_at_rest(world: Any, deployment: Any) -> None:
    stream(world, mistakes(2, (0.1, 2000)))
    found = windows(world, a_spec(deployment))
    assert [(window.severity, window.drift.calm) for window in found] == [("none", True)] * 4
    assert "The errors of champion are steady" in found[0].sentence


def test_in_parts_as_in_one_with_a_shelf_and_without(world: Any, deployment: Any) -> None:
    stream(world, mistakes(3, (0.1, 1000), (0.3, 1000)))
    spec = a_spec(deployment)
    whole = windows(world, spec)
    assert sum(len(concept(window).changes) for window in whole) >= 1
    shelves: list[dict[str, bytes] | None] = [{}, None]
    for shelf in shelves:
        parts: list[Window] = []
        mark = Watermark()
        for second in (15, 22, 22, 40, 41, 100):
            now = T0 + second * SECOND
            parts += windows(world, spec, since=mark, now=now, shelf=shelf)
            mark = watermark(spec, now)
        assert tuple(parts) == whole


def test_a_crash_before_the_marks_moved_changes_nothing(world: Any, deployment: Any) -> None:
    stream(world, mistakes(4, (0.1, 1000), (0.4, 1000)))
    spec, shelf = a_spec(deployment), {}
    first = windows(world, spec, now=T0 + 35 * SECOND, shelf=shelf)
    again = windows(world, spec, now=T0 + 35 * SECOND, shelf=shelf)
    assert first == again
    mark = watermark(spec, T0 + 35 * SECOND)
    assert first + windows(world, spec, since=mark, shelf=shelf) == windows(world, spec)


def test_labels_that_may_still_come_are_waited_for(world: Any, deployment: Any) -> None:
    stream(world, mistakes(5, (0.1, 500)), seconds=10)
    spec = a_spec(deployment)
    matured = T0 + round((10 + 5 + 5 + 1.5) * SECOND)
    assert windows(world, spec, now=matured - 1) == ()
    assert len(windows(world, spec, now=matured)) == 1


def test_another_detector_is_another_memory(world: Any, deployment: Any) -> None:
    stream(world, mistakes(6, (0.1, 2000)))
    shelf: dict[str, bytes] = {}
    now = T0 + 35 * SECOND
    windows(world, a_spec(deployment), now=now, shelf=shelf)
    other = a_spec(deployment, detector="hddm-w")
    later = windows(world, other, since=watermark(other, now), shelf=shelf)
    assert {concept(window).detector for window in later} == {"hddm-w"}
    assert concept(later[-1]).read == 2000


@pytest.mark.parametrize("detector", ["adwin", "page-hinkley", "ddm", "hddm-a", "hddm-w"])
def test_every_detector_finds_a_large_rise(world: Any, deployment: Any, detector: str) -> None:
    stream(world, mistakes(7, (0.1, 1500), (0.6, 1500)))
    found = windows(world, a_spec(deployment, detector=detector))
    assert "major" in {window.severity for window in found}


def test_a_small_rise_is_shown_and_not_told(world: Any, deployment: Any) -> None:
    stream(world, mistakes(8, (0.02, 4000), (0.06, 4000)))
    found = windows(world, a_spec(deployment))
    rises = [change for window in found for change in concept(window).changes if change.after > change.before]
    assert rises
    assert {window.severity for window in found} == {"none"}


def test_a_rise_is_told_once_and_over_when_errors_are_as_before(world: Any, deployment: Any) -> None:
    stream(world, mistakes(9, (0.1, 1500), (0.5, 1500), (0.1, 1500)), seconds=90)
    told = alerts_of(windows(world, a_spec(deployment)), [], LATER)
    assert [alert.event for alert in told] == ["concept.major", "concept.major"]
    assert told[1].sentence.startswith("Over: concept of champion")


def test_answers_without_labels_are_left_out(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300)
    (window,) = windows(world, a_spec(deployment))
    assert (window.severity, window.concept) == ("no-data", None)
    assert "no answer has its label" in window.sentence


def regress(world: Any, errors: np.ndarray) -> None:
    for row, error in zip(world.fill(0, 40, len(errors), **{"prediction.value": 100.0}), errors, strict=True):
        del row["prediction.label"], row["prediction.score"]
        at = (row["at"] - T0) / SECOND
        world.happen(at + 1, request_id=row["request_id"], value_number=100.0 + float(error))


@pytest.mark.parametrize("unit", [0.001, 1.0, 1000.0])
@pytest.mark.parametrize("held", [True, False])
def test_errors_of_a_regression_are_read_in_any_unit(world: Any, deployment: Any, unit: float, held: bool) -> None:
    rng = np.random.default_rng(10)
    errors = np.abs(np.concatenate([rng.normal(0, unit, 1500), rng.normal(0, 2 * unit, 1500)]))
    usual = {"mae": Baseline(float(errors[:1500].mean()), 500, 0.1)} if held else {}
    world.profile = msgspec.structs.replace(world.profile, performance=usual)
    regress(world, errors)
    found = windows(world, a_spec(deployment))
    loud = [window for window in found if window.severity != "none"]
    assert {window.severity for window in loud} == {"major"}
    change = concept(loud[0]).changes[0]
    assert change.before == pytest.approx(0.8 * unit, rel=0.15)
    assert "a mean absolute error of" in loud[0].sentence


def test_a_detector_of_mistakes_does_not_read_a_regression(world: Any, deployment: Any) -> None:
    regress(world, np.ones(300))
    (first, *_) = windows(world, a_spec(deployment, detector="ddm"))
    assert (first.severity, first.concept) == ("no-data", None)
    assert "ddm reads answers that are right or wrong" in first.sentence


def test_a_second_smaller_rise_on_top_of_the_first_does_not_say_that_it_is_over(world: Any, deployment: Any) -> None:
    stream(world, mistakes(9, (0.1, 3000), (0.2, 6000), (0.24, 9000), (0.1, 6000)), seconds=240)
    found = windows(world, a_spec(deployment))
    rises = [c for window in found for c in concept(window).changes if c.after > c.before]
    assert len(rises) >= 2
    assert rises[-1].before > 0.15, "the second alarm has a mean of its own before it"
    told = [condition for alert in alerts_of(found, [], LATER) if (condition := condition_of(alert)) is not None]
    assert [c.edge for c in told if c.edge == "ends"] == ["ends"]
    over = T0 + 240 * 18 / 24 * SECOND
    assert told[-1].edge == "ends"
    assert told[-1].end > over, "errors are as before the first rise"


def lived(rates: list[float], n: int, seed: int, monkeypatch: pytest.MonkeyPatch, deployment: Any) -> list[str]:
    """Edges of windows of ``n`` errors at these shares."""
    spec, rng = a_spec(deployment), np.random.default_rng(seed)
    assert spec.monitors.concept is not None
    memory, found = concepts.fresh(spec.monitors.concept), []
    for k, rate in enumerate(rates):
        errors = Errors(np.arange(n) + k * SECOND, (rng.random(n) < rate).astype(float), counted=True)
        monkeypatch.setattr(concepts, "read_errors", lambda *_, errors=errors: errors)
        span = Span("champion", "m:1", k * SECOND, (k + 1) * SECOND)
        window, memory = concepts.concept_window(spec, span, None, Profile(rows=0), memory)  # type: ignore[arg-type]
        found.append(window)
    told = (condition_of(alert) for alert in alerts_of(found, [], LATER))
    return [condition.edge for condition in told if condition is not None]


@pytest.mark.parametrize(
    "rates",
    [[0.1] * 5 + [0.2] * 20, [0.1] * 5 + [0.2] * 10 + [0.24] * 15, [0.1] * 5 + np.linspace(0.1, 0.4, 20).tolist()],
)
@pytest.mark.parametrize("n", [60, 300])
def test_errors_that_stay_high_are_not_over_in_a_window_that_looks_lower(
    rates: list[float], n: int, monkeypatch: pytest.MonkeyPatch, deployment: Any
) -> None:
    ended = sum("ends" in lived(rates, n, seed, monkeypatch, deployment) for seed in range(10))
    assert ended == 0


@pytest.mark.parametrize("n", [60, 300])
def test_errors_that_are_as_before_are_over_however_few_a_window_has(
    n: int, monkeypatch: pytest.MonkeyPatch, deployment: Any
) -> None:
    rates = [0.1] * 8 + [0.4] * 8 + [0.1] * 24
    ended = sum(lived(rates, n, seed, monkeypatch, deployment)[-1] == "ends" for seed in range(10))
    assert ended >= 8
