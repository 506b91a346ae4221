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


def test_a_metric_by_unit_has_segments_of_its_units(world: Any, watching: Callable[..., Any]) -> None:
    """The oracle is the metric of each segment alone: a unit is in the segment of its first row."""
    bought = MetricSpec(kind="mean", outcome="sale", value="amount", within=5, grace=5)
    for start, price in ((0, 4.0), (10, 4.0)):
        for region, n in (("north", 300), ("south", 200)):
            for i, row in enumerate(world.fill(start, start + 10, n, **{"context.region": region})):
                row["unit"] = f"{region}{start}-{i // 2}"
                if i % 2:
                    row["context.region"] = "elsewhere"
                worth = price if region == "north" or not start else 0.5
                fields = f'{{"amount": {worth + i % 3}}}'
                world.happen((row["at"] - T0) / SECOND, "sale", request_id=row["request_id"], fields=fields)
    spec = watching(bought, segments=("context.region",), minimum_labels=20)
    first, second = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    assert {rate.group: rate.rows for rate in first.rates} == {"north": 150, "south": 100}
    totals = {"north": 10.0, "south": 3.0}  # two rows a unit: 4 + 4 or 0.5 + 0.5, and the remainders 0, 1, 2 in turn
    assert {rate.group: rate.value for rate in second.rates} == pytest.approx(totals, abs=0.05)
    assert "In context.region south it is" in second.sentence


@pytest.mark.parametrize("kind", ["proportion", "ratio", "value", "hit_rate"])
def test_every_kind_has_segments(world: Any, watching: Callable[..., Any], kind: str) -> None:
    for i, row in enumerate(world.fill(0, 10, 400)):
        row["context.region"] = "north" if i % 4 else "south"
        row["prediction.json"] = '[{"item": "a", "score": 1}]'
        if i % 2:
            fields = '{"amount": 2, "items": 1}'
            world.happen((row["at"] - T0) / SECOND, "sale", request_id=row["request_id"], item="a", fields=fields)
    more: dict[str, Any] = {"ratio": {"numerator": "amount", "denominator": "items"}, "value": {"of": "sale.amount"}}
    outcome = None if kind == "value" else "sale"
    metric = MetricSpec(kind=kind, outcome=outcome, within=5, grace=5, **more.get(kind, {}))  # type: ignore[arg-type]
    spec = watching(metric, segments=("context.region",), minimum_labels=20)
    (window,) = watch(spec, {"champion": world.profile}, world.source, 0, LATER)
    north, south = 200 / 300, 0.0
    expected = {
        "proportion": (north, south),
        "ratio": (2.0, 0.0),
        "value": (2 * north, 0.0),
        "hit_rate": (north, south),
    }
    values = {rate.group: rate.value for rate in window.rates}
    assert values["north"] == pytest.approx(expected[kind][0])
    assert values.get("south", 0.0) == expected[kind][1]
