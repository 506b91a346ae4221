"""The data monitor: which rows are read, when, and what is made of them."""

from typing import Any

import msgspec
import pyarrow as pa
import pytest

from seatrial.experiments.source import TableSource
from seatrial.spec.deployment import DataMonitor, LogSpec, Monitors
from seatrial.watch import reading
from seatrial.watch.clock import Watermark, watermark
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window
from tests.unit.watch.conftest import table

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
LATER = T0 + 1000 * SECOND


def windows(world: Any, deployment: Any, *, since: Any = 0, now: int = LATER, **more: Any) -> tuple[Window, ...]:
    return watch(deployment, {"champion": world.profile}, world.source, since, now, **more)


def named(found: tuple[Window, ...], monitor: str = "data") -> list[Window]:
    return [window for window in found if window.monitor == monitor]


def test_rows_like_the_reference_are_at_rest(world: Any, deployment: Any) -> None:
    world.fill(0, 20, 600)
    found = windows(world, deployment())
    assert [(w.monitor, w.severity, w.start) for w in found] == [
        (monitor, "none", T0 + start * SECOND) for start in (0, 10) for monitor in ("data", "prediction")
    ]
    watched = {*world.names, "note.empty", "note.unseen", "point.along", "point.residual"}
    assert {drift.feature for drift in found[0].features} == watched
    assert {drift.feature for drift in found[1].features} == {"label", "score"}
    assert set(found[0].shifts) == watched


def test_a_feature_that_moved_is_named_with_its_severity(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 400, **{"feature.age": lambda: world.rng.normal(52, 10)})
    (window,) = named(windows(world, deployment()))
    assert (window.drift.severity, window.drift.alarm, window.drift.calm) == ("major", "major", False)
    assert window.quality.severity == "none"
    assert [d.feature for d in window.features if d.severity != "none"] == ["age"]
    assert "age: major" in window.sentence
    assert window.shifts["age"] == pytest.approx(1.2, abs=0.2)


def test_a_column_gone_null_is_quality_and_not_drift(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300, **{"feature.age": None})
    (window,) = named(windows(world, deployment()))
    assert (window.quality.alarm, window.drift.severity) == ("major", "none")
    assert window.sentence.startswith("Quality of champion's features: age: major")


@pytest.mark.parametrize(
    ("column", "value", "monitor"),
    [
        ("feature.plan", "gold", "data"),
        ("feature.note", "", "data"),
        ("feature.point", [30.0, 40.0], "data"),
        ("feature.code", None, "data"),
        ("prediction.label", "c", "prediction"),
        ("prediction.score", 0.99, "prediction"),
    ],
)
def test_every_kind_of_column_is_watched(world: Any, deployment: Any, column: str, value: Any, monitor: str) -> None:
    world.fill(0, 10, 300, **{column: value})
    (window,) = named(windows(world, deployment()), monitor)
    assert window.severity == "major"
    found = [d.feature for d in window.features if "none" not in (d.severity if d.quality == "none" else d.quality)]
    assert {name.split(".")[0] for name in found} == {column.split(".")[1]}


def test_each_window_is_read_once_and_in_parts_as_in_one(world: Any, deployment: Any) -> None:
    spec = deployment()
    world.fill(0, 50, 1500)
    parts: list[Window] = []
    mark = Watermark()
    for second in (3, 14, 14, 40, 41, 100):
        now = T0 + second * SECOND
        parts += windows(world, spec, since=mark, now=now)
        mark = watermark(spec, now)
    whole = windows(world, spec)
    assert len(whole) == 10
    assert sorted(parts, key=lambda w: (w.monitor, w.start)) == sorted(whole, key=lambda w: (w.monitor, w.start))


def test_a_window_that_may_still_grow_is_not_read(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300)
    spec = deployment()
    late = 1.5  # the longest timeout, and writing
    assert windows(world, spec, now=T0 + round((10 + late) * SECOND) - 1) == ()
    assert len(windows(world, spec, now=T0 + round((10 + late) * SECOND))) == 2


def test_too_few_rows_are_no_data(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 99)
    found = windows(world, deployment())
    assert [(w.state, w.severity, w.rows) for w in found] == [("no-data", "no-data", 99)] * 2
    assert "99 rows, and 100 are needed" in found[0].sentence


def test_nothing_happened_is_no_window(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 100)
    world.fill(500, 510, 100)
    assert {w.start - T0 for w in windows(world, deployment())} == {0, 500 * SECOND}


def test_rows_of_another_version_in_the_same_slot_do_not_count(world: Any, deployment: Any) -> None:
    world.fill(0, 5, 300, version="m:0", assigned_version="m:0", **{"feature.age": 99.0})
    world.fill(5, 10, 300)
    (mixed,) = named(windows(world, deployment()))
    (clean,) = named(windows(world, deployment(), versions={"champion": "m:1"}))
    assert (mixed.severity, clean.severity) == ("major", "none")
    assert clean.version == "m:1"
    assert (mixed.rows, clean.rows) == (600, 300)


def test_rows_whose_features_were_not_logged_are_not_missing(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300)
    world.fill(0, 10, 300, sampled=False, **{f"feature.{name}": None for name in world.names})
    (window,) = named(windows(world, deployment()))
    assert (window.severity, {d.rows for d in window.features}) == ("none", {300})


def test_a_redacted_column_is_watched_for_missing_values_only(world: Any, deployment: Any) -> None:
    spec = deployment(log=LogSpec(redact=("plan",)))
    world.fill(0, 10, 300, **{"feature.plan": "9f86d081"})
    world.fill(10, 20, 300, **{"feature.plan": None})
    first, second = named(windows(world, spec))
    assert (first.severity, second.quality.severity) == ("none", "major")


def test_only_the_named_features_are_watched(world: Any, deployment: Any) -> None:
    spec = deployment(monitors=Monitors(data=DataMonitor(window=10, features=("age",)), performance=None))
    world.fill(0, 10, 200)
    (window,) = named(windows(world, spec))
    assert [d.feature for d in window.features] == ["age"]


def test_a_feature_that_is_not_logged_is_not_watched(world: Any, deployment: Any) -> None:
    for row in world.fill(0, 10, 200):
        del row["feature.note"]
    (window,) = named(windows(world, deployment()))
    assert "note" not in {d.feature for d in window.features}


def test_a_column_whose_type_changed_is_one_column(world: Any, deployment: Any) -> None:
    for row in world.fill(0, 10, 300):
        row["feature.age#string"] = str(row["feature.age"])
        row["feature.age"] = None
    (window,) = named(windows(world, deployment()))
    assert window.severity == "none"


def test_a_shadow_is_watched_by_its_predictions(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 200)
    world.fill(0, 10, 200, role="shadow", variant="challenger", **{"prediction.label": "a"})
    profiles = {"champion": world.profile, "challenger": world.profile}
    found = watch(deployment(), profiles, world.source, 0, LATER)
    severities = {(w.variant, w.monitor): w.severity for w in found}
    assert severities == {
        ("champion", "data"): "none",
        ("champion", "prediction"): "none",
        ("challenger", "prediction"): "major",
    }


def test_failures_and_answers_of_another_do_not_count_as_predictions(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 200)
    world.fill(0, 10, 200, status="timeout", answered="challenger", **{"prediction.label": "a"})
    (window,) = named(windows(world, deployment()), "prediction")
    assert (window.rows, window.severity) == (200, "none")


def test_a_version_without_a_holdout_has_no_prediction_drift(world: Any, deployment: Any) -> None:
    world.profile = msgspec.structs.replace(world.profile, prediction=())
    world.fill(0, 10, 200)
    (window,) = named(windows(world, deployment()), "prediction")
    assert window.severity == "no-data"
    assert "without a holdout" in window.sentence


@pytest.mark.parametrize("was", [pa.string(), pa.float64(), pa.list_(pa.string())])
def test_an_embedding_that_was_of_another_type_in_an_older_version_is_read_where_it_is(
    world: Any, deployment: Any, was: pa.DataType
) -> None:
    world.fill(0, 10, 300)
    whole = windows(world, deployment())
    rows = table(world.rows)
    names = ["feature.point#numbers" if name == "feature.point" else name for name in rows.column_names]
    retyped = rows.rename_columns(names).append_column("feature.point", pa.nulls(len(rows), was))
    source = TableSource(retyped, None)
    assert watch(deployment(), {"champion": world.profile}, source, 0, T0 + 15 * SECOND) == whole


def test_a_text_that_was_a_number_in_an_older_version_is_not_empty(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300)
    whole = windows(world, deployment())
    rows = table(world.rows)
    names = ["feature.note#string" if name == "feature.note" else name for name in rows.column_names]
    retyped = rows.rename_columns(names).append_column("feature.note", pa.nulls(len(rows), pa.float64()))
    source = TableSource(retyped, None)
    assert watch(deployment(), {"champion": world.profile}, source, 0, T0 + 15 * SECOND) == whole


def test_an_embedding_with_a_hole_in_it_is_missing(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300, **{"feature.point": lambda: [1.0, None]})
    window = named(windows(world, deployment()), "data")[0]
    point = next(column for column in window.features if column.feature == "point")
    assert point.quality == "major"
    assert "100.0% of the rows have no value" in point.sentence


def test_a_reference_that_is_too_small_says_so(world: Any, deployment: Any) -> None:
    few = tuple(msgspec.structs.replace(feature, rows=90) for feature in world.profile.features)
    world.profile = msgspec.structs.replace(world.profile, features=few, kinds=())
    world.fill(0, 10, 200)
    window = named(windows(world, deployment()), "data")[0]
    assert window.severity == "no-data"
    assert "the reference of its version has 90 rows for them, and 100 are needed" in window.sentence


def test_a_variant_without_a_profile_is_not_watched(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 200, variant="challenger")
    assert windows(world, deployment()) == ()


def test_no_data_monitor_reads_nothing(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 200)
    assert windows(world, deployment(monitors=Monitors(data=None, performance=None))) == ()


def test_columns_read_in_groups_say_the_same(world: Any, deployment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill(0, 10, 300)
    whole = windows(world, deployment())
    monkeypatch.setattr(reading, "MOST_VALUES", 600)
    assert windows(world, deployment()) == whole


def test_a_window_is_the_same_after_json(world: Any, deployment: Any) -> None:
    world.fill(0, 10, 300, **{"feature.age": None})
    for window in windows(world, deployment()):
        assert msgspec.json.decode(msgspec.json.encode(window), type=Window) == window
