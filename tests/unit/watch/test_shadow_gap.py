"""The gap between shadow and live: a version's answers after its first live one beside those before."""

from typing import Any

import pytest

from seatrial.spec.deployment import Monitors, ShadowGapMonitor
from seatrial.watch.alerts import alerts_of
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 1000 * SECOND
SHADOW = {"role": "shadow", "variant": "challenger", "answered": "", "version": "m:2", "assigned_version": "m:2"}
LIVE = {"version": "m:2", "assigned_version": "m:2"}


def found(world: Any, deployment: Any, version: str = "m:2", shelf: Any = None, **monitor: Any) -> tuple[Window, ...]:
    gap = ShadowGapMonitor(**{"window": 10, "minimum_rows": 100, **monitor})
    spec = deployment(monitors=Monitors(data=None, performance=None, shadow_gap=gap))
    versions = {"champion": version}
    return watch(spec, {"champion": world.profile}, world.source, 0, LATER, versions=versions, shelf=shelf)


def promoted(world: Any, **live: Any) -> None:
    """Ten seconds as a shadow in the challenger's slot, then ten in the champion's."""
    world.fill(0, 10, 400, **SHADOW)
    world.fill(10, 20, 400, **{**LIVE, **live})


def test_a_version_that_answers_as_it_did_is_at_rest(world: Any, deployment: Any) -> None:
    promoted(world)
    (window,) = found(world, deployment)
    assert (window.monitor, window.state, window.severity, window.rows) == ("shadow_gap", "measured", "none", 400)
    assert "champion answers as its 400 answers as a shadow" in window.sentence


@pytest.mark.parametrize(
    ("live", "column"),
    [
        ({"prediction.label": "a"}, "label"),
        ({"prediction.score": 0.99}, "score"),
        ({"prediction.label": "never seen"}, "label"),
    ],
)
def test_other_answers_are_a_gap_and_are_told(world: Any, deployment: Any, live: dict[str, Any], column: str) -> None:
    promoted(world, **live)
    (window,) = found(world, deployment)
    assert (window.severity, window.drift.alarm) == ("major", "major")
    assert column in {d.feature for d in window.features if (d.severity, d.quality) != ("none", "none")}
    assert [alert.event for alert in alerts_of([window], (), LATER)] == ["shadow_gap.major"]


def test_answers_of_another_version_as_a_shadow_are_not_its_own(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 400, **{**SHADOW, "version": "m:3"})
    world.fill(10, 20, 400, **LIVE)
    (window,) = found(world, deployment)
    assert window.state == "no-data"
    assert "it has 0 answers as a shadow before its first live one, and 100 are needed" in window.sentence


def test_answers_as_a_shadow_after_the_first_live_one_do_not_count(world: Any, deployment: Any) -> None:
    promoted(world)
    world.fill(12, 20, 900, **SHADOW, **{"prediction.label": "a"})
    (window,) = found(world, deployment)
    assert "its 400 answers as a shadow" in window.sentence


def test_a_canary_is_live(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 400, **SHADOW)
    world.fill(10, 20, 5, variant="challenger", **LIVE)
    world.fill(10, 20, 900, **SHADOW)
    world.fill(20, 30, 400, **LIVE)
    window = found(world, deployment)[-1]
    assert "its 400 answers as a shadow" in window.sentence


def test_it_is_compared_for_so_long(world: Any, deployment: Any) -> None:
    promoted(world)
    world.fill(20, 40, 800, **LIVE)
    assert len(found(world, deployment)) == 3
    assert len(found(world, deployment, duration=15)) == 2


def test_few_live_answers_are_no_data(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 400, **SHADOW)
    world.fill(10, 20, 99, **LIVE)
    (window,) = found(world, deployment)
    assert "99 answers, and 100 are needed" in window.sentence


def test_the_shadows_answers_are_read_once(world: Any, deployment: Any) -> None:
    promoted(world)
    shelf: dict[str, bytes] = {}
    first = found(world, deployment, shelf=shelf)
    world.rows = [row for row in world.rows if row["role"] != "shadow"]
    assert found(world, deployment, shelf=shelf) == first


@pytest.mark.parametrize("reason", ["override", "rule", "explicit", "cold-start"])
def test_somebody_who_tried_it_before_is_not_its_launch(world: Any, deployment: Any, reason: str) -> None:
    world.answer(-10 * 86400, **LIVE, reason=reason)
    world.fill(0, 10, 400, **SHADOW, reason="split")
    world.fill(10, 20, 400, **LIVE, reason="split", **{"prediction.label": "a"})
    (window,) = found(world, deployment)
    assert (window.state, window.drift.alarm) == ("measured", "major")
    assert "its 400 answers as a shadow" in window.sentence


@pytest.mark.parametrize("reason", ["split", "canary", "bandit"])
def test_whoever_the_weights_send_there_is_its_launch(world: Any, deployment: Any, reason: str) -> None:
    world.fill(0, 10, 400, **SHADOW, reason="split")
    world.fill(10, 20, 400, **LIVE, reason=reason)
    (window,) = found(world, deployment)
    assert (window.state, window.severity) == ("measured", "none")
