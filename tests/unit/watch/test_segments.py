"""Accuracy by segments, beside the whole."""

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.spec.deployment import MetricSpec
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 100_000 * SECOND
ACCURACY = MetricSpec(kind="accuracy", outcome="truth", within=5, grace=5)


def serve(world: Any, region: str | None, n: int, right: int) -> None:
    for i, row in enumerate(world.fill(0, 10, n, **{"context.region": region})):
        said = row["prediction.label"] if i < right else "zz"
        world.happen((row["at"] - T0) / SECOND, request_id=row["request_id"], value_text=said)


def found(world: Any, watching: Callable[..., Any], **more: Any) -> Window:
    spec = watching(ACCURACY, segments=("context.region",), **more)
    (window,) = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    return window


def test_each_segment_has_its_own_accuracy_and_a_bad_one_is_named(world: Any, watching: Callable[..., Any]) -> None:
    serve(world, "north", 600, 560)
    serve(world, "south", 200, 100)
    window = found(world, watching)
    assert {rate.group: rate.value for rate in window.rates} == {"north": pytest.approx(560 / 600), "south": 0.5}
    assert "In context.region south it is 50.0%" in window.sentence
    assert "worse for certain." in window.sentence
    assert window.performance is not None
    assert window.performance.labels == 800


def test_segments_like_the_whole_are_not_named(world: Any, watching: Callable[..., Any]) -> None:
    serve(world, "north", 300, 270)
    serve(world, "south", 300, 265)
    assert "In context.region" not in found(world, watching).sentence


def test_small_segments_and_keys_that_are_not_logged_are_left_out(world: Any, watching: Callable[..., Any]) -> None:
    serve(world, "north", 300, 270)
    serve(world, "tiny", 99, 0)
    assert [rate.group for rate in found(world, watching).rates] == ["north"]
    for row in world.rows:
        del row["context.region"]
    assert found(world, watching).rates == ()


def test_more_segments_are_less_sure(world: Any, watching: Callable[..., Any]) -> None:
    serve(world, "north", 300, 270)
    (alone,) = found(world, watching).rates
    for region in "abcdef":
        serve(world, region, 120, 110)
    together = next(rate for rate in found(world, watching).rates if rate.group == "north")
    assert together.lower < alone.lower < alone.value < alone.upper < together.upper
