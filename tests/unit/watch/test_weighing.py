"""What moved, weighed by its importance to the model."""

from typing import Any

import msgspec

from seatrial.drift import FeatureDrift, Profile
from seatrial.spec.deployment import DataMonitor, Monitors
from seatrial.watch.alerts import alerts_of, condition_of
from seatrial.watch.monitor import watch
from seatrial.watch.weighing import sentence_of, weights_of
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
IMPORTANCE = {"age": 0.1, "plan": 0.88, "note": 0.015, "point": 0.005, "code": 0.0}


def moved(name: str, severity: Any = "major", quality: Any = "none") -> FeatureDrift:
    return FeatureDrift(feature=name, state="measured", rows=100, severity=severity, quality=quality)


def profile(**importance: float) -> Profile:
    return Profile(rows=1, importance=importance, importance_from="permutation")


def test_what_moved_carries_the_importance_of_its_features_each_once() -> None:
    known = profile(note=0.3, **{"note.length": 0.2}, age=0.5)
    found = weights_of([moved("note"), moved("note.unseen"), moved("note.length.x"), moved("age", "none")], known)
    assert found is not None
    assert found.shares == {"note": 0.3, "note.unseen": 0.3, "note.length.x": 0.2}
    assert found.together == 0.5
    assert sentence_of(found) == (
        " What moved carries 50% of the importance of its features, by permutation on the holdout."
    )


def test_a_broken_column_weighs_too_and_nothing_moved_weighs_nothing() -> None:
    known = profile(age=1.0)
    assert weights_of([moved("age", "none", "major")], known) is not None
    assert weights_of([moved("age", "none")], known) is None
    assert weights_of([moved("age")], Profile(rows=1)) is None
    assert sentence_of(None) == ""


def test_a_feature_below_a_tenth_of_an_even_share_is_hardly_used() -> None:
    known = profile(a=0.9, b=0.05, c=0.026, d=0.024)
    found = weights_of([moved(name) for name in "abcd"], known)
    assert found is not None
    assert found.little == ("d",)


def windows(world: Any, deployment: Any, importance: dict[str, float]) -> Window:
    world.profile = msgspec.structs.replace(world.profile, importance=importance, importance_from="model")
    world.fill(0, 10, 400, **{"feature.age": lambda: world.rng.normal(50, 10), "feature.plan": lambda: "free"})
    spec = deployment(monitors=Monitors(data=DataMonitor(window=10), performance=None))
    (window,) = [
        w for w in watch(spec, {"champion": world.profile}, world.source, 0, T0 + 100 * SECOND) if w.monitor == "data"
    ]
    return window


def test_what_matters_is_named_first(world: Any, deployment: Any) -> None:
    window = windows(world, deployment, {"age": 0.9, "plan": 0.1, "note": 0.0, "point": 0.0, "code": 0.0})
    assert window.weights is not None
    assert set(window.weights.shares) == {"age", "plan"}
    assert "What moved carries 100% of the importance of its features, as the model says." in window.sentence
    (alert,) = [a for a in alerts_of([window, later(window)], (), 7) if a.event == "data.major"]
    condition = condition_of(alert)
    assert condition is not None
    assert (condition.features[0], condition.little) == ("age", ())


def test_what_the_model_hardly_uses_is_marked_in_the_alert(world: Any, deployment: Any) -> None:
    window = windows(world, deployment, {"age": 0.001, "plan": 0.999, "note": 0.0, "point": 0.0, "code": 0.0})
    (alert,) = [a for a in alerts_of([window, later(window)], (), 7) if a.event == "data.major"]
    condition = condition_of(alert)
    assert condition is not None
    assert condition.little == ("age",)
    assert "age" in condition.strong


def later(window: Window) -> Window:
    """The next window, which says the same: drift must hold in two."""
    return msgspec.structs.replace(window, start=window.end, end=2 * window.end - window.start)
