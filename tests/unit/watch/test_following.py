"""A version that is promoted takes its labels with it."""

from typing import Any

import pytest

from seatrial.spec.deployment import ConceptMonitor, MetricSpec, Monitors
from seatrial.watch.following import follow
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)


def fill(world: Any, first: float, last: float, n: int, wrong: int, **more: Any) -> None:
    """Labelled answers, the first ``wrong`` of ten of them wrong."""
    for i, row in enumerate(world.fill(first, last, n, **more)):
        said = "zz" if i % 10 < wrong else row["prediction.label"]
        world.happen((row["at"] - T0) / SECOND + 1, value_text=said, request_id=row["request_id"])


def seen(world: Any, spec: Any, versions: dict[str, str], since: int = 0) -> list[tuple[str, str, int, float]]:
    found = watch(spec, dict.fromkeys(versions, world.profile), world.source, since, LATER, versions=versions)
    return [told(window) for window in found if window.monitor == "performance"]


def told(window: Window) -> tuple[str, str, int, float]:
    assert window.performance is not None
    return window.variant, window.version, window.performance.labels, round(window.performance.value, 3)


def test_labels_of_a_challenger_that_was_promoted_are_the_champions(world: Any, watching: Any) -> None:
    fill(world, 0, 10, 300, wrong=1, variant="champion", version="m:1")
    fill(world, 0, 10, 200, wrong=3, variant="challenger", version="m:2")
    fill(world, 10, 20, 200, wrong=3, variant="champion", version="m:2")
    assert seen(world, watching(ACCURACY), {"champion": "m:1", "challenger": "m:2"}) == [
        ("challenger", "m:2", 200, 0.7),
        ("champion", "m:1", 300, 0.9),
        ("challenger", "m:2", 200, 0.7),
    ]
    assert seen(world, watching(ACCURACY), {"champion": "m:2"}) == [
        ("champion", "m:2", 200, 0.7),
        ("champion", "m:2", 200, 0.7),
    ]


def test_a_window_in_which_it_was_promoted_has_both_parts(world: Any, watching: Any) -> None:
    fill(world, 0, 5, 150, wrong=2, variant="challenger", version="m:2")
    fill(world, 5, 10, 150, wrong=2, variant="champion", version="m:2")
    assert seen(world, watching(ACCURACY), {"champion": "m:2"}) == [("champion", "m:2", 300, 0.8)]


def test_a_version_in_two_variants_stays_where_it_answered(world: Any, watching: Any) -> None:
    fill(world, 0, 10, 200, wrong=1, variant="champion", version="m:1")
    fill(world, 0, 10, 150, wrong=1, variant="challenger", version="m:1")
    both = {"champion": "m:1", "challenger": "m:1"}
    assert seen(world, watching(ACCURACY), both) == [
        ("challenger", "m:1", 150, 0.9),
        ("champion", "m:1", 200, 0.9),
    ]


def test_a_version_that_stands_nowhere_is_nobodys(world: Any, watching: Any) -> None:
    fill(world, 0, 10, 200, wrong=1, variant="challenger", version="m:2")
    assert seen(world, watching(ACCURACY), {"champion": "m:1"}) == []


def test_the_first_window_of_a_version_without_a_holdout_may_be_the_challengers(world: Any, watching: Any) -> None:
    spec = watching(MetricSpec(kind="proportion", outcome="sale", within=5, grace=0))
    for start, share, variant in ((0, 0.5, "challenger"), (10, 0.1, "champion")):
        for i, row in enumerate(world.fill(start, start + 10, 600, variant=variant, version="m:2")):
            if i < share * 600:
                world.happen((row["at"] - T0) / SECOND + 1, "sale", unit=row["unit"])
    (later,) = watch(
        spec,
        {"champion": world.profile},
        world.source,
        T0 + 10 * SECOND,
        LATER,
        versions={"champion": "m:2"},
    )
    assert later.performance is not None
    assert (later.performance.baseline, later.severity) == (0.5, "major")


def test_detectors_of_concept_drift_read_what_it_answered_before_it_was_promoted(world: Any, deployment: Any) -> None:
    fill(world, 0, 10, 200, wrong=1, variant="challenger", version="m:2")
    fill(world, 10, 20, 200, wrong=1, variant="champion", version="m:2")
    monitor = ConceptMonitor(outcome="truth", within=5, grace=5, window=10)
    spec = deployment(monitors=Monitors(data=None, concept=monitor))
    found = watch(
        spec, {"champion": world.profile}, world.source, T0 + 10 * SECOND, LATER, versions={"champion": "m:2"}
    )
    assert [(w.concept.errors, w.concept.read) for w in found if w.concept is not None] == [(200, 400)]


@pytest.mark.parametrize("versions", [{}, {"champion": ""}, {"champion": "m:1", "challenger": "m:1"}])
def test_without_a_version_that_stands_in_one_variant_the_source_is_itself(
    world: Any, versions: dict[str, str]
) -> None:
    world.answer(0)
    source = world.source
    assert follow(source, versions) is source
