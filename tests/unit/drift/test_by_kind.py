"""What a column of each kind is watched by, and what its windows say."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest

from seatrial.drift import FeatureDrift, decide_window
from seatrial.drift.by_kind import ColumnReference
from seatrial.drift.columns import Values
from seatrial.drift.hours import hours
from seatrial.drift.identifiers import KnownIds
from seatrial.drift.texts import Vocabulary, tokens_of
from seatrial.spec.signature import Feature, FeatureKind

WORDS = [f"word{i}" for i in range(300)]


def column(kind: FeatureKind, values: Any, zone: str | None = None) -> ColumnReference:
    return ColumnReference.from_values(Feature(name="x", kind=kind, zone=zone), values)


def drifts(reference: ColumnReference, window: Values) -> dict[str, FeatureDrift]:
    pairs = list(zip(reference.profiles, reference.count(window), strict=True))
    return {drift.feature: drift for drift in decide_window(pairs)}


def texts(rng: np.random.Generator, n: int, words: list[str] = WORDS) -> list[str]:
    weights = 1 / np.arange(1, len(words) + 1)
    return [" ".join(rng.choice(words, rng.integers(3, 12), p=weights / weights.sum())) for _ in range(n)]


@pytest.mark.parametrize(
    ("kind", "values", "names"),
    [
        ("number", [1.0, None], ["x"]),
        ("category", ["a", None], ["x"]),
        ("text", ["a b", None], ["x", "x.empty", "x.unseen"]),
        ("list", [[1.0, 2.0], None], ["x.length"]),
        ("embedding", [[3.0, 4.0], None], ["x"]),
        ("id", ["a", None], ["x"]),
        ("time", [datetime(2026, 1, 1, tzinfo=UTC), None], ["x", "x.hour"]),
    ],
)
def test_every_kind_has_its_columns_and_counts_the_missing(kind: FeatureKind, values: Any, names: list[str]) -> None:
    made = column(kind, values)
    assert [profile.name for profile in made.profiles] == names
    counted = made.count(values)
    assert [profile.name for profile in counted] == names
    assert {profile.rows for profile in counted} == {2}
    assert counted[0].missing == 1
    assert msgspec.json.decode(msgspec.json.encode(made), type=ColumnReference) == made


def turned(vectors: np.ndarray, by: float) -> list[list[float]]:
    """The same lengths, in other directions."""
    plane = np.array([[np.cos(by), -np.sin(by)], [np.sin(by), np.cos(by)]])
    return np.hstack([vectors[:, :1], vectors[:, 1:3] @ plane.T, vectors[:, 3:]]).tolist()  # type: ignore[no-any-return]


def test_an_embedding_that_keeps_its_norm_and_turns_drifts() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([6.0, 4.0, 0.5, 0.5, 0.5, 0.5])

    def cloud(n: int) -> np.ndarray:
        return rng.normal(0, 1, (n, 1)) * [2, 3, 0, 0, 0, 0] + rng.normal(0, 1, (n, 6)) * spread * 0.3

    made = column("embedding", cloud(2000).tolist())
    assert [profile.name for profile in made.profiles] == ["x", "x.along", "x.residual"]
    assert {drift.severity for drift in drifts(made, cloud(1000).tolist()).values()} == {"none"}
    found = drifts(made, turned(cloud(1000), np.pi / 2))
    assert found["x"].severity == "none"
    assert "major" in {found["x.along"].severity, found["x.residual"].severity}
    moved = drifts(made, (cloud(1000) + np.array([2, 3, 0, 0, 0, 0])).tolist())
    assert moved["x.along"].severity == "major"


def test_the_directions_of_a_wide_embedding_are_small_and_come_back_whole() -> None:
    rng = np.random.default_rng(0)
    made = column("embedding", rng.normal(0, 1, (200, 768)).tolist())
    content = msgspec.json.encode(made)
    assert len(content) < 90_000
    again = msgspec.json.decode(content, type=ColumnReference)
    window = [*rng.normal(0, 1, (50, 768)).tolist(), None, [1.0, 2.0], [float("nan")] * 768]
    assert again.count(window) == made.count(window)
    assert [profile.missing for profile in made.count(window)[1:]] == [3, 3]


def test_texts_of_the_same_words_do_not_drift_and_new_words_do() -> None:
    rng = np.random.default_rng(0)
    made = column("text", texts(rng, 2000))
    still = drifts(made, texts(rng, 1000))
    assert {drift.severity for drift in still.values()} == {"none"}
    found = drifts(made, texts(rng, 1000, [*WORDS[:200], *(f"new{i}" for i in range(100))]))
    assert found["x.unseen"].severity == "major"
    assert found["x"].severity == "none"


def test_texts_that_stay_empty_are_found() -> None:
    rng = np.random.default_rng(1)
    made = column("text", texts(rng, 2000))
    found = drifts(made, [*texts(rng, 700), *[""] * 300])
    assert found["x.empty"].severity == "major"
    assert found["x.unseen"].quality == "none"


def test_lists_are_watched_by_their_length() -> None:
    rng = np.random.default_rng(2)
    made = column("list", [[0.0] * size for size in rng.poisson(5, 1000)])
    assert drifts(made, [[9.0] * size for size in rng.poisson(5, 500)])["x.length"].severity == "none"
    assert drifts(made, [[0.0] * size for size in rng.poisson(9, 500)])["x.length"].severity == "major"


def test_times_are_watched_by_the_hour_and_not_by_the_day() -> None:
    rng = np.random.default_rng(3)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = column("time", [start + timedelta(hours=float(h)) for h in rng.uniform(0, 24 * 30, 2000)])
    later = [start + timedelta(days=300, hours=float(h)) for h in rng.uniform(0, 24 * 30, 1000)]
    assert {drift.severity for drift in drifts(made, later).values()} == {"none"}
    nightly = [moment.replace(hour=3) for moment in later]
    found = drifts(made, nightly)
    assert "major" in (found["x.hour"].severity, found["x.hour"].quality)


def test_new_ids_are_counted_and_not_judged() -> None:
    made = column("id", [f"c{i}" for i in range(10_000)])
    window = [f"c{i}" for i in range(7000, 11_000)] * 2
    found = made.new_ids(window)
    assert found is not None
    assert found.lower <= 0.25 <= found.upper
    assert found.share == pytest.approx(0.25, abs=0.06)
    assert 600 < found.looked < 1000
    assert drifts(made, window)["x"].severity == "none"
    assert column("number", [1.0]).new_ids([1.0]) is None


def test_few_ids_are_all_known() -> None:
    made = KnownIds.from_ids(["a", "b", "b", None])
    assert made.new(["a", "a", "b"]) == made.new(["b", "a"])
    found = made.new(["a", "z", None])
    assert found is not None
    assert (found.share, found.looked) == (0.5, 2)
    assert made.new([None]) is None


def test_a_vocabulary_keeps_the_most_frequent_tokens() -> None:
    made = Vocabulary.from_texts(["The cat", "the dog", None, "a CAT, the end"], most=2)
    assert made.tokens == ("cat", "the")
    shares = made.unseen_shares(["the mouse", "", None, "Cat"])
    assert shares == pytest.approx([0.5, 0, np.nan, 0], nan_ok=True)
    assert tokens_of("Größe: 5_x, 東京!") == ["größe", "5_x", "東京"]


def test_office_hours_of_a_zone_stay_the_same_when_clocks_change() -> None:
    """The same hours in Paris, in winter and in summer: an hour apart in UTC."""
    rng = np.random.default_rng(0)
    paris = ZoneInfo("Europe/Paris")

    def at_work(first: datetime, rows: int) -> list[datetime]:
        days, times = rng.integers(0, 20, rows).tolist(), rng.choice([9, 10, 11, 14, 15, 16], rows).tolist()
        return [
            (first + timedelta(days=day)).replace(hour=hour).astimezone(UTC)
            for day, hour in zip(days, times, strict=True)
        ]

    winter, summer = (at_work(datetime(2026, month, 5, tzinfo=paris), 2000) for month in (1, 7))
    in_utc = drifts(column("time", winter), summer)["x.hour"]
    assert "major" in (in_utc.severity, in_utc.quality)
    in_paris = drifts(column("time", winter, "Europe/Paris"), summer)["x.hour"]
    assert (in_paris.severity, in_paris.quality) == ("none", "none")


@pytest.mark.parametrize("zone", ["Europe/Paris", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"])
def test_hours_are_those_that_the_calendar_says(zone: str) -> None:
    seconds = np.random.default_rng(1).uniform(-1e9, 4e9, 2000)
    wanted = [f"{datetime.fromtimestamp(s, ZoneInfo(zone)).hour:02d}" for s in seconds.tolist()]
    assert hours(np.array([*seconds, np.nan]), zone) == [*wanted, None]


def test_a_time_beyond_the_calendar_has_an_hour_all_the_same() -> None:
    assert hours(np.array([1e15, -1e15, 0.0]), "Europe/Paris") == [*hours(np.array([1e15, -1e15]), None), "01"]
