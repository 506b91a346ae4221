"""``seatrial drift --reference … --current …``: anybody's files, no platform."""

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from seatrial.cli.app import run
from seatrial.watch.tables import compare_tables


def table(seed: int, rows: int, days: int = 1, **moved: Any) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = np.array([f"word{i}" for i in range(200)])
    columns = {
        "amount": rng.lognormal(3, 1, rows),
        "country": rng.choice(["DE", "FR", "US"], rows, p=[0.5, 0.3, 0.2]),
        "member": rng.random(rows) < 0.4,
        "note": [" ".join(rng.choice(words, 5)) for _ in range(rows)],
        "customer": [f"c{i}" for i in rng.permutation(rows)],
        "tags": [rng.normal(size=size).tolist() for size in rng.poisson(3, rows)],
        "vector": list(rng.normal(size=(rows, 6))),
        "at": pd.Timestamp("2026-03-02", tz="UTC")
        + pd.to_timedelta(np.sort(rng.uniform(0, 24 * days, rows)), unit="h"),
    }
    return pd.DataFrame({**columns, **moved})


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "no-home"))
    path = tmp_path / "reference.parquet"
    table(0, 2000, days=3).to_parquet(path)
    return path


def written(frame: pd.DataFrame) -> str:
    frame.to_parquet("current.parquet")
    return "current.parquet"


def test_a_table_like_its_reference_is_told_so_and_ends_with_zero(
    reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["drift", "--reference", str(reference), "--current", written(table(1, 900, days=3))]) == 0
    assert "As in the reference (900 rows)." in capsys.readouterr().out
    assert not Path("no-home").exists()


def test_major_drift_ends_with_one_and_says_what_moved(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    moved = table(1, 900, days=3, amount=rng.lognormal(4, 1, 900), vector=list(rng.normal(0.8, 1, size=(900, 6))))
    words = ["drift", "--reference", str(reference), "--current", written(moved)]
    assert run(words) == 1
    told = capsys.readouterr().out
    assert "amount: major" in told
    assert "vector: major, told apart from the reference with AUC" in told
    assert run([*words, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["severity"] == "major"
    (window,) = document["windows"]
    assert {c["feature"]: c.get("severity", "none") for c in window["columns"]}["country"] == "none"
    assert window["apart"]["vector"]["lower"] > 0.6
    assert window["new_ids"]["customer"]["share"] == 0


def test_days_are_windows_and_one_bad_day_is_found(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    current = table(2, 1500, days=4)
    current.loc[current["at"] >= pd.Timestamp("2026-03-05", tz="UTC"), "country"] = None
    words = [
        "drift",
        "--reference",
        str(reference),
        "--current",
        written(current),
        "--by",
        "day",
        "--html",
        "page.html",
    ]
    assert run([*words, "--json"]) == 1
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert [window["start"][:10] for window in windows] == [f"2026-03-0{day}" for day in (2, 3, 4, 5)]
    assert [window["severity"] for window in windows] == ["none", "none", "none", "major"]
    assert sum(window["rows"] for window in windows) == 1500
    page = Path("page.html").read_text("utf-8")
    assert "country" in page
    assert "vega" in page
    assert page.count("2026-03-05T00:00:00Z") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "give a deployment, or both --reference and --current"),
        (["--reference", "reference.parquet"], "give a deployment, or both"),
        (["churn", "--reference", "reference.parquet"], "'churn' is a deployment"),
        (["--reference", "reference.parquet", "--current", "none.csv"], "none.csv"),
        (["--reference", "reference.parquet", "--current", "reference.parquet", "--time", "at"], "add --by day"),
        (
            ["--reference", "reference.parquet", "--current", "reference.parquet", "--by", "day", "--time", "amuont"],
            "no table has a column 'amuont'",
        ),
    ],
    ids=["nothing", "one file", "both", "no such file", "no windows", "no such column"],
)
@pytest.mark.usefixtures("reference")
def test_what_cannot_be_compared_is_bad_usage_in_words(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["drift", *words]) == 2
    assert says in capsys.readouterr().err


def test_columns_that_vanish_change_kind_or_are_new_are_named() -> None:
    current = table(1, 500).drop(columns="member").assign(amount="n/a", extra=1)
    found = compare_tables(table(0, 1000), current)
    (window,) = found.windows
    assert found.severity == "major"
    assert window.gone["member"] == "the column is gone"
    assert "no longer of the kind number" in window.gone["amount"]
    assert "extra is not in the reference" in found.notes


def test_a_reference_column_without_values_is_left_out_and_said() -> None:
    found = compare_tables(table(0, 300, note=None), table(1, 300))
    assert any(note.startswith("note is not compared") for note in found.notes)
    assert found.severity == "none"


@pytest.mark.parametrize("few", ["reference", "current"])
def test_what_compared_nothing_does_not_pass(few: str, reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if few == "reference":
        table(0, 50).to_parquet(reference)
    words = ["drift", "--reference", str(reference), "--current", written(table(1, 50 if few == "current" else 900))]
    assert run(words) == 3
    told = capsys.readouterr().out
    assert "No data" in told
    assert "As in the reference" not in told


def test_a_clock_of_numbers_is_refused(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    current = table(1, 900, days=3)
    current["epoch"] = current["at"].astype("int64")
    words = ["drift", "--reference", str(reference), "--current", written(current), "--by", "day", "--time", "epoch"]
    assert run(words) == 2
    assert "'epoch' holds numbers" in capsys.readouterr().err


def test_a_column_that_cannot_be_counted_is_left_out_and_said_and_the_others_are_compared() -> None:
    lists = {"tags": [["a", "b"]] * 900}
    found = compare_tables(table(0, 900, **lists), table(1, 900, **lists))
    assert [note for note in found.notes if note.startswith("tags is not compared")]
    assert "amount" in {column.feature for column in found.windows[0].columns}


def test_vectors_of_another_width_break_their_column_and_no_other() -> None:
    rng = np.random.default_rng(3)
    found = compare_tables(table(0, 900), table(1, 900, vector=list(rng.normal(size=(900, 7)))))
    (window,) = found.windows
    assert set(window.gone) == {"vector"}
    assert window.severity == "major"
    assert "amount" in {column.feature for column in window.columns}


def test_a_window_of_few_rows_is_no_data() -> None:
    found = compare_tables(table(0, 500), table(1, 1))
    assert [window.state for window in found.windows] == ["no-data"]
    assert found.windows[0].sentence == "No data: 1 row, too few to compare."
    assert found.severity == "none"


def test_times_of_a_csv_are_read_and_rows_out_of_order_fall_into_their_day() -> None:
    current = table(1, 600, days=2).sample(frac=1, random_state=0)
    texts = current.assign(at=current["at"].map(lambda moment: moment.isoformat()))
    found = compare_tables(table(0, 500), texts, by="day", time="at")
    assert [window.start for window in found.windows] == ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]
    assert all(drift.feature != "at" for window in found.windows for drift in window.columns)


@pytest.mark.simulation
def test_many_windows_together_alarm_no_more_often_than_one() -> None:
    alarmed = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before, after = (
            pd.DataFrame({"a": rng.lognormal(3, 1, n), "b": rng.choice(list("xyz"), n), "c": rng.random(n) < 0.4})
            for n in (1000, 1400)
        )
        at = pd.Timestamp("2026-03-02", tz="UTC") + pd.to_timedelta(rng.uniform(0, 24 * 7, 1400), unit="h")
        alarmed += compare_tables(before, after.assign(at=at), by="day").severity != "none"
    assert alarmed <= 2


@pytest.mark.parametrize("kind", ["nested", "empty"])
def test_a_column_that_could_not_be_compared_does_not_pass(
    kind: str, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {"nested": [{"a": i} for i in range(2000)], "empty": [None] * 2000}[kind]
    table(0, 2000, days=3, extra=values).to_parquet(reference)
    current = written(table(1, 2000, days=3, extra=[{"a": i + 5} for i in range(2000)]))
    words = ["drift", "--reference", str(reference), "--current", current]
    assert run(words) == 4
    told = capsys.readouterr().out
    assert told.startswith("1 column of the reference could not be compared: extra.")
    assert "Not compared: extra; the rest is as in the reference (2000 rows)." in told
    assert "As in the reference" not in told
    assert run([*words, "--html", "page.html", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["uncompared"] == ["extra"]
    assert "1 column of the reference could not be compared: extra." in Path("page.html").read_text("utf-8")
    assert run([*words, "--ignore", "extra"]) == 0


def test_a_column_that_is_empty_in_both_tables_passes(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(0, 2000, days=3, extra=None).to_parquet(reference)
    assert run(["drift", "--reference", str(reference), "--current", written(table(1, 900, days=3, extra=None))]) == 0
    assert "note: extra has no value in either table" in capsys.readouterr().out


def test_decimals_are_numbers(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    amounts = np.random.default_rng(5).lognormal(3, 1, 2000)
    price = [None, *(Decimal(f"{amount:.2f}") for amount in amounts[1:])]
    table(0, 2000, days=3, price=price).to_parquet(reference)
    words = ["drift", "--reference", str(reference), "--current"]
    assert run([*words, written(table(1, 2000, days=3, price=price))]) == 0
    dearer = [None if one is None else 10 * one for one in price]
    assert run([*words, written(table(1, 2000, days=3, price=dearer))]) == 1
    assert "price: major" in capsys.readouterr().out


def test_dates_are_times_and_cut_windows() -> None:
    days = [date(2026, 3, 2) + timedelta(days=i % 2) for i in range(900)]
    found = compare_tables(table(0, 900, day=days), table(1, 900, day=[None, *days[1:]]))
    assert {"day", "day.hour"} <= {column.feature for column in found.windows[0].columns}
    assert not found.uncompared
    cut = compare_tables(table(0, 900, day=days), table(1, 900, day=days), by="day", time="day")
    assert [window.start[:10] for window in cut.windows] == ["2026-03-02", "2026-03-03"]


def test_hours_are_those_of_the_zone_that_is_named(reference: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    hours = rng.choice([9, 10, 14, 15], 900)

    def at_work(month: int) -> Any:
        days = pd.Timestamp(f"2026-{month:02d}-05", tz="Europe/Paris") + pd.to_timedelta(hours, unit="h")
        return days.tz_convert("UTC")

    table(0, 900, at=at_work(1)).to_parquet(reference)
    words = ["drift", "--reference", str(reference), "--current", written(table(1, 900, at=at_work(7)))]
    assert run(words) == 1
    assert "at.hour: major" in capsys.readouterr().out
    assert run([*words, "--zone", "Europe/Paris"]) == 0
    assert run([*words, "--zone", "Paris"]) == 2
    assert "'Paris' is not a known zone" in capsys.readouterr().err
