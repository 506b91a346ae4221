"""Lists from files: each place's share, coverage at one number of units, and what an outcome is credited to."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.analysis.lists import ShownLists, judge_lists
from seatrial.cli.app import run as cli
from seatrial.spec.errors import BadInput, NoData
from seatrial.stats.ranking import catalogue_coverage, click_through


def shown(n: int = 300, k: int = 4, seed: int = 1) -> pd.DataFrame:
    """Units see lists; the new variant shows more of the catalogue, and its first place is clicked more."""
    rng = np.random.default_rng(seed)
    rows = []
    for unit in range(n):
        new = unit % 2
        for request in range(int(rng.integers(1, 4))):
            for place, item in enumerate(rng.permutation(30 if new else 10)[:k], start=1):
                chance = (0.5 if new else 0.3) if place == 1 else 0.1
                rows.append((f"u{unit}", ("control", "new")[new], f"r{unit}-{request}", f"i{item}", place,
                             int(rng.random() < chance)))  # fmt: skip
    return pd.DataFrame(rows, columns=["unit", "variant", "request", "item", "place", "clicked"])


def by_variant(found: ShownLists) -> dict[str, Any]:
    return {one.variant: one for one in found.variants}


def test_places_and_coverage_are_the_statistics_of_their_rows() -> None:
    frame = shown()
    found = by_variant(judge_lists(frame, catalogue=40))
    for name, own in frame.groupby("variant"):
        expected = click_through(own["place"], own["clicked"], own["unit"])
        places = [(p.place, p.shown, p.share, p.lower) for p in found[name].places]
        assert places == [
            (p.place, p.shown, pytest.approx(p.clicks.value), pytest.approx(p.clicks.interval.lower)) for p in expected
        ]
        assert found[name].click_through.share == pytest.approx(own["clicked"].mean())
        covered = catalogue_coverage(own["unit"], own["item"], own["unit"].nunique(), 40, at=75)
        assert found[name].coverage.share == pytest.approx(covered.share)
        assert found[name].coverage.se == pytest.approx(covered.se)


def test_differences_hold_for_one_look_and_say_so() -> None:
    frame = shown(800)
    found = judge_lists(frame, catalogue=40)
    (one,) = found.comparisons
    assert one.treatment == "new"
    assert one.click_through.lower is not None
    assert 0 < one.click_through.lower < 0.05 < one.click_through.upper
    assert one.click_through.method.endswith("(fixed)")
    assert one.coverage is not None
    assert one.coverage.effect == pytest.approx(0.5, abs=0.01)
    assert one.coverage.method.endswith("(fixed)")
    assert one.sentence.count("one look") == 2
    assert judge_lists(frame).comparisons[0].coverage is None


def test_only_the_first_places_count() -> None:
    found = by_variant(judge_lists(shown(), k=2, catalogue=40))
    assert [place.place for place in found["new"].places] == [1, 2]


def test_what_was_taken_is_credited_to_its_request_or_to_where_it_last_stood() -> None:
    lists = pd.DataFrame(
        [("u", "control", "r1", "a", 1, "2024-01-01"), ("u", "control", "r2", "a", 2, "2024-01-02"),
         ("u", "control", "r2", "b", 1, "2024-01-02"), ("v", "new", "r3", "a", 1, "2024-01-01")],
        columns=["unit", "variant", "request", "item", "place", "at"],
    )  # fmt: skip
    clicks = pd.DataFrame(
        [("u", "r1", "a", "2024-01-03", "click"), ("v", "r9", "a", "2024-01-03", "click"),
         ("u", "r2", "b", "2024-01-03", "view")],
        columns=["unit", "request", "item", "at", "outcome"],
    )  # fmt: skip
    lists["at"], clicks["at"] = pd.to_datetime(lists["at"], utc=True), pd.to_datetime(clicks["at"], utc=True)

    def taken(**given: Any) -> dict[str, list[float | None]]:
        found = judge_lists(lists, clicks, outcome="click", **given)
        return {one.variant: [place.share for place in one.places] for one in found.variants}

    assert taken(credit="request") == {"control": [0.5, 0.0], "new": [0.0]}
    assert taken(credit="item") == {"control": [0.0, 1.0], "new": [1.0]}
    with pytest.raises(BadInput, match="have a zone and those of"):
        judge_lists(lists, clicks.assign(at=clicks["at"].dt.tz_localize(None)), outcome="click", credit="item")
    with pytest.raises(BadInput, match="say which outcome means taken"):
        judge_lists(lists, clicks, credit="item")


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        ({"place": 0}, {}, "has the place 0"),
        ({"clicked": 2}, {}, "has 2 in `clicked`"),
        ({"item": None}, {}, "row 1 of exposures has no item"),
        ({}, {"credit": "item"}, "give both"),
        ({}, {"k": 0}, "no number of places"),
        ({}, {"control": "old"}, "no list is of the control 'old'"),
        ({}, {"catalogue": 5}, "cannot be"),
        ({"variant": "new"}, {}, "1 units were shown lists of several variants, 'u0' for one"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_row(
    change: dict[str, Any], given: dict[str, Any], message: str
) -> None:
    frame = shown(20).astype({"item": object})
    for column, value in change.items():
        frame.loc[0, column] = value
    with pytest.raises(BadInput, match=message):
        judge_lists(frame, **given)


def test_one_variant_is_nothing_to_compare_and_two_strangers_have_no_control() -> None:
    frame = shown(20)
    with pytest.raises(NoData, match="nothing to compare"):
        judge_lists(frame[frame["variant"] == "new"])
    with pytest.raises(BadInput, match="is not plain"):
        judge_lists(frame.replace({"variant": {"control": "old"}}))


def test_the_command_line_tells_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "shown.parquet"
    shown().to_parquet(file)
    assert cli(["judge", "--lists", str(file), "--catalogue", "40"]) == 0
    told = capsys.readouterr().out
    assert "Of what new shows" in told
    assert told.count("\n") == 1 + 1 + 1 + 4 + 2
    assert "items were shown to anybody" in told
    assert cli(["judge", "--lists", str(file), "--json"]) == 0
    assert '"click_through"' in capsys.readouterr().out
    assert cli(["judge", "--lists", str(file), "--data", str(file)]) == 2
    assert "ask one at a time" in capsys.readouterr().err
