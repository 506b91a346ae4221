"""A run over a file: who scores, what is set aside, and that it goes on where it was."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.batch.job import Summary, run
from seatrial.batch.plan import Ask
from seatrial.ledger import layout
from seatrial.models.lookup import KEYS, LookupRuntime
from seatrial.models.runtimes import RuntimeFailure, load
from seatrial.models.score_table import current_table, open_table, table_file
from seatrial.routing.assign import assign_many
from seatrial.routing.snapshot import Lookup
from seatrial.spec.errors import BadInput, Conflict, NotFound, SeatrialError
from tests.batches import answers, model, publish, rows, write_csv, write_parquet
from tests.gateways import CLOCK

HALF = {"champion": 0.5, "challenger": 0.5}


class Place:
    """A home, an input and a directory for what comes of it."""

    def __init__(self, root: Path) -> None:
        self.home, self.out = root / "home", root / "scores"
        self.file = root / "customers.parquet"

    def score(
        self, file: Path | None = None, *, stop_after: int | None = None, at: int = CLOCK, **more: Any
    ) -> Summary:
        """Run with small shards; ``stop_after`` so many chunks as Ctrl-C would."""
        seen: list[object] = []
        ask = Ask("churn", file or self.file, "id", self.out, **{"shard_rows": 64, **more})
        return run(
            self.home,
            ask,
            stop=lambda: stop_after is not None and len(seen) >= stop_after,
            progress=seen.append,
            clock=lambda: at,
            monotonic=lambda: 0.0,
        )

    def rejects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.out / "rejects.ndjson").read_text("utf-8").splitlines()]

    def table(self) -> dict[str, list[tuple[bytes, bytes]]]:
        name = current_table(self.out)
        assert name is not None
        table = open_table(table_file(self.out, name))
        return {version: list(table.items(version)) for version in table.about.versions}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def expected(place: Place, version: int, columns: Mapping[str, list[Any]]) -> list[float]:
    """The model's own scores."""
    inputs = np.array([columns[f"feature_{i}"] for i in range(4)], dtype=np.float32).T
    found: list[float] = load(model(place.home, "any", version)).run({"X": inputs})["probabilities"][:, 1].tolist()
    return found


@pytest.mark.parametrize("write", [write_parquet, write_csv])
def test_every_variant_of_the_split_scores_every_row(place: Place, write: Any) -> None:
    publish(place.home, HALF)
    columns = rows(200)
    file = write(place.file.with_suffix(".parquet" if write is write_parquet else ".csv"), columns)
    summary = place.score(file)
    assert (summary.state, summary.rows, summary.rejected) == ("finished", 200, 0)
    assert summary.scored == {"champion": 200, "challenger": 200}
    for variant, version in (("champion", 1), ("challenger", 2)):
        mine = [one for one in answers(place.out) if one["variant"] == variant]
        assert [one["key"] for one in mine] == columns["id"]
        assert [one["row"] for one in mine] == list(range(200))
        assert [one["score"] for one in mine] == pytest.approx(expected(place, version, columns))
        assert {one["version"] for one in mine} == {f"churn:{version}"}


def test_each_unit_s_own_variant_by_the_sticky_assignment(place: Place) -> None:
    served = publish(place.home, HALF)
    columns = rows(200) | {"who": [i // 2 for i in range(200)]}
    write_parquet(place.file, columns)
    place.score(unit="who")
    told = {one["unit"]: one["variant"] for one in answers(place.out)}
    units = [str(i) for i in range(100)]
    assert told == dict(zip(units, assign_many(served.entries[0], units), strict=True))
    assert len(answers(place.out)) == 200


def test_one_variant(place: Place) -> None:
    publish(place.home)
    write_parquet(place.file, rows(10))
    assert place.score(variant="challenger").scored == {"challenger": 10}
    with pytest.raises(NotFound, match=r"no variant 'chalenger'; it has champion, challenger"):
        place.score(variant="chalenger")
    with pytest.raises(BadInput, match="give one"):
        place.score(variant="challenger", unit="id")


def test_nothing_goes_to_the_ledger(place: Place) -> None:
    publish(place.home)
    place.score(write_parquet(place.file, rows(10)))
    assert not layout.spool(place.home).exists() or not list(layout.spool(place.home).rglob("*.arrow"))
    assert not (place.home / "counters").exists()


def test_what_cannot_be_scored_is_set_aside_with_its_reason(place: Place) -> None:
    publish(place.home)
    columns = rows(12)
    columns["feature_1"][2] = None
    columns["feature_2"][4] = float("inf")
    columns["feature_3"][5] = 1e300
    columns["id"][7] = None
    columns["id"][9] = "c8"
    summary = place.score(write_parquet(place.file, columns))
    assert (summary.scored, summary.rejected) == ({"champion": 7}, 5)
    reasons = {line["row"]: line["reason"] for line in place.rejects()}
    assert set(reasons) == {2, 4, 5, 7, 9}
    assert "'feature_1' is missing" in reasons[2]
    assert "'feature_2' is infinite" in reasons[4]
    assert "FP32" in reasons[5]
    assert "column 'id'" in reasons[7]
    assert reasons[9] == "key 'c8' has an answer already, of an earlier row"
    assert place.rejects()[0]["values"]["feature_0"] == columns["feature_0"][2]
    assert [one["row"] for one in answers(place.out)] == [0, 1, 3, 6, 8, 10, 11]


def test_a_csv_file_keeps_its_rows_places_whatever_is_in_them(place: Place) -> None:
    publish(place.home)
    file = place.file.with_suffix(".csv")
    head = b"feature_0,id,feature_1,feature_2,feature_3,note\n"
    lines = [
        b'1,a,2,3,4,"two\nlines"',
        b"1,b,2,3",
        b"1,c,2,3,4,\xff\xfe",
        b"1,d,x,3,4,",
        b"1,e,,3,4,",
        b"1e3,f,-2, 3 ,4.5,",
        b"1_0,g,2,3,4,",
    ]
    file.write_bytes(head + b"\r\n".join(lines))
    place.score(file)
    assert [(one["row"], one["key"]) for one in answers(place.out)] == [(0, "a"), (5, "f")]
    reasons = {line["row"]: line["reason"] for line in place.rejects()}
    assert reasons == {
        1: "it has 4 fields, and the header 6",
        2: "it is not UTF-8",
        3: "feature 'feature_1': expected a number, got the string \"x\"",
        4: "feature 'feature_1' is missing and not nullable; expected a number",
        6: "feature 'feature_0': expected a number, got the string \"1_0\"",
    }


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": None}, "no column 'id' for --key"),
        ({"feature_2": None}, "no column 'feature_2', a feature that may not be missing"),
    ],
)
def test_columns_that_must_be_there(place: Place, change: dict[str, None], says: str) -> None:
    publish(place.home)
    columns = {name: values for name, values in rows(3).items() if name not in change}
    with pytest.raises(BadInput, match=says):
        place.score(write_parquet(place.file, columns))


def test_files_and_deployments_that_are_not_there(place: Place) -> None:
    with pytest.raises(NotFound, match="'churn' is published"):
        place.score()
    publish(place.home)
    with pytest.raises(NotFound, match="no file"):
        place.score()
    with pytest.raises(BadInput, match=r"neither \.parquet nor \.csv"):
        place.score(write_csv(place.file.with_suffix(".txt"), rows(1)))


def test_an_interrupted_run_keeps_what_is_done_and_goes_on(place: Place, tmp_path: Path) -> None:
    publish(place.home, HALF)
    columns = rows(500)
    columns["feature_1"][10] = columns["feature_1"][300] = None
    write_parquet(place.file, columns, group=170)
    whole = Place(tmp_path / "whole")
    whole.home, whole.file = place.home, place.file
    whole.out.parent.mkdir()
    whole.score()
    first = place.score(stop_after=3)
    assert first.state == "interrupted"
    assert first.table == ""
    assert 0 < first.rows < 500
    assert len(answers(place.out)) == sum(first.scored.values())
    second = place.score(stop_after=1)
    assert (second.before, second.state) == (first.rows, "interrupted")
    last = place.score()
    assert (last.state, last.before, last.rows) == ("finished", second.rows, 500)
    assert _sorted(answers(place.out)) == _sorted(answers(whole.out))
    assert place.rejects() == whole.rejects()
    assert place.table() == whole.table()


def _sorted(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda one: (one["variant"], one["row"]))


def test_a_finished_run_stands(place: Place) -> None:
    publish(place.home)
    write_parquet(place.file, rows(10))
    assert place.score().state == "finished"
    again = place.score(at=CLOCK + 1)
    assert (again.state, again.rows, again.table) == ("standing", 10, str(CLOCK))


def test_input_that_changed_is_refused_with_the_mend(place: Place) -> None:
    publish(place.home)
    write_parquet(place.file, rows(300))
    place.score(stop_after=1)
    write_parquet(place.file, rows(300, seed=1))
    with pytest.raises(Conflict, match=r"content has changed since; begin anew with --fresh"):
        place.score()
    assert place.score(fresh=True, at=CLOCK + 1).table == str(CLOCK + 1)
    assert len(answers(place.out)) == 300


def test_a_file_that_was_only_touched_goes_on(place: Place) -> None:
    publish(place.home)
    write_parquet(place.file, rows(300))
    place.score(stop_after=1)
    place.file.touch()
    assert place.score().state == "finished"


def test_another_version_or_another_question_is_refused(place: Place) -> None:
    publish(place.home)
    write_parquet(place.file, rows(300))
    place.score(stop_after=1)
    with pytest.raises(Conflict, match="--unit None, and now it is 'id'"):
        place.score(unit="id")
    publish(place.home, revision=2, slots=(model(place.home, "champion", 3),))
    with pytest.raises(Conflict, match=r"churn:1.*churn:3.*--fresh"):
        place.score()


def test_moved_weights_matter_only_where_units_are_assigned(place: Place) -> None:
    publish(place.home, HALF)
    write_parquet(place.file, rows(300))
    place.score(stop_after=1)
    publish(place.home, {"champion": 0.9, "challenger": 0.1}, revision=2)
    assert place.score().state == "finished"
    place.score(unit="id", fresh=True, stop_after=1)
    publish(place.home, HALF, revision=3)
    with pytest.raises(Conflict, match="the routing"):
        place.score(unit="id")


def test_the_model_s_failure_at_one_row_is_that_row_s(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(place.home)
    columns = rows(200)
    columns["feature_0"][77] = 99.0
    _fail_where(monkeypatch, lambda inputs: bool((inputs["X"][:, 0] == 99.0).any()))
    summary = place.score(write_parquet(place.file, columns))
    assert summary.scored == {"champion": 199}
    (line,) = place.rejects()
    assert (line["row"], line["reason"]) == (77, "out of order")


def test_a_model_that_fails_at_everything_ends_the_run(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(place.home)
    write_parquet(place.file, rows(200))
    place.score(stop_after=1)
    _fail_where(monkeypatch, lambda _: True)
    with pytest.raises(SeatrialError, match=r"churn:1 failed at each of 64 rows \(out of order\)"):
        place.score()
    monkeypatch.undo()
    assert place.score().scored == {"champion": 200}


def _fail_where(monkeypatch: pytest.MonkeyPatch, fails: Any) -> None:
    class Failing:
        out_of_process = False
        alone = False

        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def run(self, inputs: Any) -> Any:
            if fails(inputs):
                raise RuntimeFailure("out of order")
            return self.inner.run(inputs)

        def close(self) -> None:
            self.inner.close()

    monkeypatch.setattr("seatrial.batch.job.load", lambda slot, timeout: Failing(load(slot, timeout=timeout)))


def test_a_second_run_in_the_same_place_is_refused(place: Place) -> None:
    publish(place.home)
    write_parquet(place.file, rows(300))
    refused: list[str] = []

    def meanwhile(_: object) -> None:
        with pytest.raises(Conflict, match="another run") as caught:
            place.score()
        refused.append(str(caught.value))

    run(place.home, Ask("churn", place.file, "id", place.out), progress=meanwhile)
    assert refused


def test_lookups_find_what_was_scored_and_by_which_version(place: Place) -> None:
    publish(place.home, HALF)
    columns = rows(100)
    place.score(write_parquet(place.file, columns))
    for version in (1, 2):
        slot = model(place.home, "night", version, lookup=Lookup(scores=str(place.out)))
        runtime = LookupRuntime(slot, clock=lambda: CLOCK / 1e6)
        found = runtime.run({KEYS: np.array(columns["id"], dtype=object)})
        assert found["probabilities"][:, 1].tolist() == expected(place, version, columns)
