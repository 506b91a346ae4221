"""Texts, lists, times and ids are watched by more than one number."""

from collections.abc import Callable
from typing import Any

import pytest

from seatrial.drift import Profile
from seatrial.drift.identifiers import KnownIds
from seatrial.spec.deployment import DataMonitor, LogSpec, Monitors
from seatrial.spec.signature import Feature
from seatrial.watch.monitor import watch
from seatrial.watch.window import Window

T0 = 1_700_000_000_000_000
SECOND = 1_000_000
DAY = 86_400
WORDS = ("ship", "sea", "wind", "sail", "crew", "port")
FEATURES = (
    Feature(name="note", kind="text"),
    Feature(name="point", kind="list"),
    Feature(name="when", kind="time"),
    Feature(name="code", kind="id"),
)


@pytest.fixture
def kinds(world: Any) -> Any:
    """The world with a version of four features of these kinds, and rows like its reference."""
    rng = world.rng

    def values() -> dict[str, Any]:
        return {
            "feature.note": " ".join(rng.choice(WORDS, 5)),
            "feature.point": [1.0, 0.0] * int(rng.integers(1, 4)),
            "feature.when": float(rng.integers(0, 100 * DAY)),
            "feature.code": f"c{rng.integers(500)}",
        }

    made = [values() for _ in range(2000)]
    world.profile = Profile.from_values(
        FEATURES, {f.name: [row[f"feature.{f.name}"] for row in made] for f in FEATURES}
    )
    world.like = values
    return world


def window(world: Any, deployment: Callable[..., Any], change: Callable[[dict[str, Any]], None], **more: Any) -> Window:
    first = (T0 // (DAY * SECOND) + 1) * DAY - T0 / SECOND
    length = more.pop("window", DAY)
    for row in world.fill(first, first + length, 400):
        row |= world.like()
        change(row)
    spec = deployment(monitors=Monitors(data=DataMonitor(window=length), performance=None), **more)
    found = watch(spec, {"champion": world.profile}, world.source, 0, T0 + round((first + length + 10) * SECOND))
    (data,) = [w for w in found if w.monitor == "data"]
    return data


def moved(found: Window) -> set[str]:
    return {d.feature for d in found.features if (d.severity, d.quality) != ("none", "none")}


def test_what_is_like_the_reference_is_at_rest(kinds: Any, deployment: Callable[..., Any]) -> None:
    found = window(kinds, deployment, lambda row: row.update({}))
    assert moved(found) == set()
    assert {"note.unseen", "note.empty", "point.length", "when.hour"} <= {d.feature for d in found.features}


def test_words_that_the_reference_did_not_have(kinds: Any, deployment: Callable[..., Any]) -> None:
    found = window(kinds, deployment, lambda row: row.update({"feature.note": row["feature.note"].replace("s", "z")}))
    assert "note.unseen" in moved(found)


def test_lists_that_are_longer(kinds: Any, deployment: Callable[..., Any]) -> None:
    found = window(kinds, deployment, lambda row: row.update({"feature.point": [0.5] * 8}))
    assert "point.length" in moved(found)


def test_hours_that_moved_in_windows_of_days_and_not_of_hours(kinds: Any, deployment: Callable[..., Any]) -> None:
    def night(row: dict[str, Any]) -> None:
        row["feature.when"] = row["feature.when"] // DAY * DAY + 3600.0

    assert "when.hour" in moved(window(kinds, deployment, night))
    kinds.rows.clear()
    found = window(kinds, deployment, night, window=3600)
    assert "when.hour" not in {d.feature for d in found.features}


def test_new_ids_are_shown_and_not_judged(kinds: Any, deployment: Callable[..., Any]) -> None:
    found = window(kinds, deployment, lambda row: row.update({"feature.code": f"{row['feature.code']}-new"}))
    assert found.new_ids["code"].share == 1.0
    assert "code" not in moved(found)
    ids = [row["feature.code"] for row in kinds.rows]
    oracle = KnownIds.from_ids([f"c{i}" for i in range(500)]).new(ids)
    assert oracle is not None
    assert oracle.share == found.new_ids["code"].share


def test_a_redacted_text_is_not_read(kinds: Any, deployment: Callable[..., Any]) -> None:
    found = window(kinds, deployment, lambda row: row.update({"feature.note": "9f86"}), log=LogSpec(redact=("note",)))
    assert "note.unseen" not in {d.feature for d in found.features}


def test_references_of_kinds_are_stored_with_the_profile(kinds: Any) -> None:
    again = Profile.from_json(kinds.profile.to_json())
    assert again == kinds.profile
    assert [column.feature.name for column in again.kinds] == ["note", "point", "when", "code"]
