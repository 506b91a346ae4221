import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seatrial.ledger.importing import Columns, Imported, import_outcomes, review_columns
from seatrial.ledger.outcomes import derive_id, stored_value
from seatrial.ledger.reader import Reader
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.outcome_shapes import OutcomeField, OutcomeShape
from tests.ledger_events import PLAIN, SECOND, START, compacted, outcome, write_outcomes, write_rows

ARRIVAL = START + 30 * 86_400 * SECOND
BY_UNIT = Columns(unit="customer", at="when", value="churned")


def csv(home: Path, text: str, name: str = "labels.csv") -> Path:
    home.mkdir(parents=True, exist_ok=True)
    path = home / name
    path.write_text(text)
    return path


def stored(home: Path, deployment: str | None = None) -> list[dict[str, Any]]:
    with Reader(home).open(deployment) as view:
        query = (
            'SELECT *, epoch_us("at") AS at_us, epoch_us(received_at) AS received_us FROM outcomes ORDER BY unit, id'
        )
        found: list[dict[str, Any]] = view.sql(query).to_pylist()
        return found


def test_a_file_is_stored_as_if_each_line_had_been_posted(tmp_path: Path) -> None:
    file = csv(tmp_path, "customer,when,churned\n00123,2023-11-14T23:13:20Z,true\n4,2023-11-15 00:13:20+01:00,false\n")
    done = import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL)
    assert done == Imported(read=2, skipped=0, duplicate=0, matched=0, early=0, unmatched=2)
    first, second = stored(tmp_path)
    at = START + 3600 * SECOND
    assert (first["unit"], second["unit"]) == ("00123", "4"), "an identity is text, zeros and all"
    assert first["at_us"] == second["at_us"] == at
    assert first["received_us"] == ARRIVAL
    assert (first["value_kind"], first["value_number"], first["value_text"]) == ("boolean", 1.0, "true")
    for found in (first, second):
        assert found["id"] == derive_id(outcome="churned", unit=found["unit"], at=at)


def test_no_time_of_the_calendar_and_no_finite_number_are_skipped(tmp_path: Path) -> None:
    lines = ["a,infinity,1", "b,12000-01-01T00:00:00Z,1", "c,2023-11-15,nan", "d,2023-11-15,inf", "e,2023-11-15,1.5"]
    file = csv(tmp_path, "\n".join(["customer,when,churned", *lines]))
    done = import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL)
    assert (done.read, done.skipped, done.written) == (5, 4, 1)
    assert [found["unit"] for found in stored(tmp_path)] == ["e"]


def test_a_second_import_changes_nothing(tmp_path: Path) -> None:
    file = csv(tmp_path, "customer,when,churned\na,2023-11-15,1.5\nb,2023-11-15,2\n")
    import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL)
    before = stored(tmp_path)
    again = import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL + SECOND)
    assert again == Imported(read=2, skipped=0, duplicate=2, matched=0, early=0, unmatched=0)
    assert stored(tmp_path) == before


def test_a_corrected_value_is_a_revision(tmp_path: Path) -> None:
    text = "customer,when,churned\na,2023-11-15,1.5\nb,2023-11-15,2\n"
    import_outcomes(tmp_path, csv(tmp_path, text), "churned", BY_UNIT, now=ARRIVAL)
    corrected = csv(tmp_path, text.replace("1.5", "7.5"))
    assert import_outcomes(tmp_path, corrected, "churned", BY_UNIT, now=ARRIVAL + 1).written == 1
    assert [found["value_number"] for found in stored(tmp_path)] == [7.5, 2.0]


def test_an_old_file_imported_again_does_not_undo_a_correction(tmp_path: Path) -> None:
    text = "customer,when,churned\na,2023-11-15,1.5\nb,2023-11-15,2\n"
    import_outcomes(tmp_path, csv(tmp_path, text), "churned", BY_UNIT, now=ARRIVAL)
    import_outcomes(
        tmp_path, csv(tmp_path, text.replace("1.5", "7.5"), "mended.csv"), "churned", BY_UNIT, now=ARRIVAL + 1
    )
    again = import_outcomes(tmp_path, tmp_path / "labels.csv", "churned", BY_UNIT, now=ARRIVAL + 2)
    assert (again.duplicate, again.written) == (2, 0)
    assert [found["value_number"] for found in stored(tmp_path)] == [7.5, 2.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_field_that_is_no_finite_number_is_set_aside(tmp_path: Path, bad: float) -> None:
    table = pa.table({"customer": ["a", "b", "c"], "when": ["2023-11-15"] * 3, "amount": [1.5, bad, None]})
    pq.write_table(table, tmp_path / "p.parquet")
    columns = Columns(unit="customer", at="when", fields=("amount",))
    done = import_outcomes(tmp_path, tmp_path / "p.parquet", "purchase", columns, now=ARRIVAL)
    assert (done.read, done.unfit, done.written) == (3, 1, 2)
    assert [json.loads(found["fields"]) for found in stored(tmp_path)] == [{"amount": 1.5}, {"amount": None}]


def test_what_was_posted_before_is_a_duplicate(tmp_path: Path) -> None:
    at = START + 7_200 * SECOND
    write_outcomes(tmp_path, outcome("churned", unit="a", value="gold", at=at, received_at=at + 1))
    file = csv(tmp_path, "customer,when,churned\na,2023-11-15T00:13:20Z,gold\n")
    assert import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL).duplicate == 1


def test_given_ids_without_times_repeat_too(tmp_path: Path) -> None:
    file = csv(tmp_path, "id,customer\n1,a\n2,b\n2,b\n")
    columns = Columns(unit="customer", id="id")
    done = import_outcomes(tmp_path, file, "purchase", columns, now=ARRIVAL)
    assert (done.duplicate, done.unmatched) == (1, 2)
    assert [found["value_kind"] for found in stored(tmp_path)] == ["none", "none"]
    assert import_outcomes(tmp_path, file, "purchase", columns, now=ARRIVAL + 1).duplicate == 3


def test_of_two_lines_about_one_outcome_the_last_counts(tmp_path: Path) -> None:
    file = csv(tmp_path, "customer,when,churned\na,2023-11-15,1\na,2023-11-15,2\na,2023-11-15,3\n")
    done = import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL)
    assert (done.read, done.duplicate, done.written) == (3, 2, 1)
    assert [found["value_number"] for found in stored(tmp_path)] == [3.0]


def test_what_cannot_be_stored_is_skipped_and_counted(tmp_path: Path) -> None:
    lines = ["customer,when,churned", "a,2023-11-15T00:00:00Z,1", ",2023-11-15,1", "b,,1", "c,soon,1", "d,2023-11-15,"]
    done = import_outcomes(tmp_path, csv(tmp_path, "\n".join(lines)), "churned", BY_UNIT, now=ARRIVAL)
    assert (done.read, done.skipped, done.written) == (5, 4, 1)


@pytest.mark.parametrize("where", ["spool", "table"])
@pytest.mark.parametrize("deployment", ["", "churn"])
def test_matched_early_and_unmatched_are_told_apart(tmp_path: Path, where: str, deployment: str) -> None:
    write_rows(tmp_path, range(3), at=START)
    write_rows(tmp_path, range(5, 6), PLAIN._replace(deployment="fraud"), at=START)
    if where == "table":
        compacted(tmp_path)
    lines = [
        "customer,when,churned",
        "unit-0,2023-11-14T22:13:20Z,1",
        "unit-1,2023-11-14T22:08:20Z,1",
        "unit-2,2023-11-14T22:08:19Z,1",
        "unit-5,2023-11-15T22:13:20Z,1",
        "nobody,2023-11-15T22:13:20Z,1",
    ]
    file = csv(tmp_path, "\n".join(lines))
    done = import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL, deployment=deployment)
    mine = 0 if deployment else 1
    assert done == Imported(read=5, skipped=0, duplicate=0, matched=2 + mine, early=1, unmatched=2 - mine)


def test_requests_and_keys_match_their_instances(tmp_path: Path) -> None:
    write_rows(tmp_path, range(2), row=0, key="a", at=START)
    write_rows(tmp_path, range(2), row=1, key="b", at=START)
    places = ("000000000,1", "000000001,2", "000000001,")
    text = "request,place,when\n" + "".join(f"request-{place},2023-11-15\n" for place in places)
    by_place = Columns(request_id="request", row="place", at="when")
    done = import_outcomes(tmp_path, csv(tmp_path, text), "clicked", by_place, now=ARRIVAL)
    assert (done.matched, done.unmatched) == (2, 1)
    by_key = Columns(key="key", at="when")
    done = import_outcomes(
        tmp_path, csv(tmp_path, "key,when\nb,2023-11-15\nc,2023-11-15\n"), "seen", by_key, now=ARRIVAL
    )
    assert (done.matched, done.unmatched) == (1, 1)


def test_parquet_with_fields_and_names_that_need_quotes(tmp_path: Path) -> None:
    table = pa.table(
        {
            "it's {me}": [7, 8],
            'the "time"': pa.array([START, START], pa.timestamp("us")),
            "amount": [1.5, None],
            "items": [3, 4],
        }
    )
    pq.write_table(table, tmp_path / "o'clock.parquet")
    columns = Columns(unit="it's {me}", at='the "time"', fields=("items", "amount"))
    import_outcomes(tmp_path, tmp_path / "o'clock.parquet", "it's", columns, now=ARRIVAL)
    first, second = stored(tmp_path)
    assert (first["outcome"], first["unit"], first["at_us"]) == ("it's", "7", START)
    assert [first["fields"], second["fields"]] == ['{"amount":1.5,"items":3}', '{"amount":null,"items":4}']


@pytest.mark.parametrize("value", [7, 7.0, -0.25, 0.1, 1e16, 1e300, 123456789.125, True, False, "7", "gold"])
def test_values_are_stored_as_posts_are(tmp_path: Path, value: Any) -> None:
    pq.write_table(
        pa.table({"u": ["a"], "t": pa.array([START], pa.timestamp("us")), "v": [value]}), tmp_path / "v.parquet"
    )
    import_outcomes(tmp_path, tmp_path / "v.parquet", "o", Columns(unit="u", at="t", value="v"), now=ARRIVAL)
    (found,) = stored(tmp_path)
    assert (found["value_kind"], found["value_number"], found["value_text"]) == tuple(stored_value(value))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns(at="when"), "name the column of the unit, the request id or the key"),
        (Columns(unit="customer"), "name the column of the time or of the id"),
        (Columns(unit="client", at="when"), r"labels\.csv has no column 'client'; it has customer, when, churned"),
        (
            Columns(unit="customer", at="churned"),
            "the times in column 'churned' are numbers; write them as",
        ),
    ],
)
def test_what_the_caller_got_wrong_is_said(tmp_path: Path, columns: Columns, message: str) -> None:
    file = csv(tmp_path, "customer,when,churned\na,2023-11-15,1\n")
    with pytest.raises(BadInput, match=message):
        import_outcomes(tmp_path, file, "churned", columns, now=ARRIVAL)


def test_a_file_that_is_not_there_or_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"nope\.csv"):
        import_outcomes(tmp_path, tmp_path / "nope.csv", "churned", BY_UNIT, now=ARRIVAL)
    with pytest.raises(BadInput, match=r"fake\.parquet cannot be read"):
        import_outcomes(tmp_path, csv(tmp_path, "no parquet", "fake.parquet"), "churned", BY_UNIT, now=ARRIVAL)


FOLLOWED = OutcomeShape(name="followed", fields=(OutcomeField("visits", "integer"), OutcomeField("note", "string")))
CHURNED = OutcomeShape(name="churned", label=True, kinds=("number",))


def test_cells_of_another_kind_than_declared_are_left_out_and_counted(tmp_path: Path) -> None:
    file = csv(
        tmp_path, "customer,when,visits,note\na,2023-11-15,3,7\nb,2023-11-15,1.5,x\nc,2023-11-15,,y\n,2023-11-15,1,z\n"
    )
    columns = Columns(unit="customer", at="when", fields=("visits", "note"))
    done = import_outcomes(tmp_path, file, "followed", columns, now=ARRIVAL, shape=FOLLOWED)
    assert (done.read, done.written, done.unfit, done.skipped) == (4, 2, 1, 1)
    kept = [found["fields"] for found in stored(tmp_path)]
    assert kept == [
        '{"note":"7","visits":3.0}',
        '{"note":"y","visits":null}',
    ]
    labels = csv(tmp_path, "customer,when,churned\na,2023-11-15,1\nb,2023-11-15,gone\n")
    done = import_outcomes(tmp_path, labels, "churned", BY_UNIT, now=ARRIVAL, shape=CHURNED)
    assert (done.written, done.unfit, done.skipped) == (1, 1, 0)


@pytest.mark.parametrize(
    ("columns", "shape", "words"),
    [
        (Columns(unit="customer", at="when", fields=("churned",)), FOLLOWED, "'churned' is not a field of 'followed'"),
        (BY_UNIT, FOLLOWED, "'followed' has fields and no plain value"),
        (Columns(unit="customer", at="when"), CHURNED, "'churned' is a label: name the column that holds the truth"),
        (BY_UNIT, CHURNED, "column 'churned' is of type BOOLEAN, but a number is declared"),
        (BY_UNIT._replace(request_id="when"), CHURNED, "joins by its unit or by its request id"),
    ],
)
def test_a_file_that_is_not_what_is_declared_is_refused(
    tmp_path: Path, columns: Columns, shape: OutcomeShape, words: str
) -> None:
    file = csv(tmp_path, "customer,when,churned\na,2023-11-15,true\nb,2023-11-15,false\n")
    with pytest.raises(BadInput, match=words):
        import_outcomes(tmp_path, file, shape.name, columns, now=ARRIVAL, shape=shape)


def test_labels_of_text_and_of_truth_are_read_as_declared(tmp_path: Path) -> None:
    file = csv(tmp_path, "customer,when,churned\na,2023-11-15,01\nb,2023-11-15,2\n")
    strings = OutcomeShape(name="churned", label=True, kinds=("string",))
    assert import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL, shape=strings).written == 2
    assert [(one["value_kind"], one["value_text"]) for one in stored(tmp_path)] == [("string", "01"), ("string", "2")]
    file = csv(tmp_path, "customer,when,churned\nc,2023-11-15,TRUE\nd,2023-11-15,maybe\n")
    truths = OutcomeShape(name="churned", label=True, kinds=("boolean",))
    done = import_outcomes(tmp_path, file, "churned", BY_UNIT, now=ARRIVAL, shape=truths)
    assert (done.written, done.unfit) == (1, 1)
    assert stored(tmp_path)[-1]["value_text"] == "true"


REVIEWED = (
    "request_id,row,unit,at,champion,challenger,stratum,pairs,probability,review,population,disagreements,age,label\n"
    "r1,0,u,2023-11-15T00:00:00.5Z,no,yes,no or yes,40,0.5,2023-11-16T00:00:00Z/0,900,60,31,yes\n"
    "r2,1,v,2023-11-15T00:00:01Z,no,no,both no,840,0.1,2023-11-16T00:00:00Z/0,900,60,,\n"
)


def test_a_review_is_known_by_its_columns_and_its_labels_keep_their_sizes(tmp_path: Path) -> None:
    file = csv(tmp_path, REVIEWED, "review.csv")
    columns = review_columns(file)
    assert columns is not None
    done = import_outcomes(tmp_path, file, "judged", columns, now=ARRIVAL)
    assert (done.read, done.skipped, done.written) == (2, 1, 1), "a row that nobody judged says nothing"
    (found,) = stored(tmp_path)
    assert (found["request_id"], found["row"], found["unit"], found["value_text"]) == ("r1", 0, None, "yes")
    assert json.loads(found["fields"]) == {
        "review.disagreements": 60,
        "review.id": "2023-11-16T00:00:00Z/0",
        "review.pairs": 40,
        "review.population": 900,
        "review.probability": 0.5,
        "review.stratum": "no or yes",
    }
    assert import_outcomes(tmp_path, file, "judged", columns, now=ARRIVAL + 1).written == 0


def test_another_file_is_no_review(tmp_path: Path) -> None:
    assert review_columns(csv(tmp_path, "customer,when,label\na,2023-11-15,1\n")) is None
    assert review_columns(tmp_path / "nothing.csv") is None
    assert review_columns(csv(tmp_path, "\x00", "odd.parquet")) is None
