from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seatrial.ledger.columns import ENVELOPE, OUTCOME
from seatrial.ledger.reader import Reader
from tests.ledger_events import (
    PLAIN,
    SCHEMA,
    SECOND,
    START,
    append_plain,
    compacted,
    envelope,
    outcome,
    prediction_log,
    write_outcomes,
    write_rows,
)


def query(home: Path, sql: str, *parameters: object, deployment: str | None = "churn") -> list[dict[str, Any]]:
    with Reader(home).open(deployment) as view:
        found: list[dict[str, Any]] = view.sql(sql, list(parameters)).to_pylist()
        return found


def count(home: Path) -> tuple[int, int]:
    (found,) = query(home, "SELECT count(*) AS n, count(DISTINCT row_id) AS ids FROM rows")
    return found["n"], found["ids"]


def test_an_empty_ledger_has_both_views_with_their_columns(tmp_path: Path) -> None:
    with Reader(tmp_path).open("churn") as view:
        rows, outcomes = view.sql("SELECT * FROM rows"), view.sql("SELECT * FROM outcomes")
    assert rows.schema.names == ["row_id", *ENVELOPE.names]
    assert [rows.schema.field(field.name).type for field in ENVELOPE] == [field.type for field in ENVELOPE]
    assert outcomes.schema.equals(OUTCOME)
    assert (rows.num_rows, outcomes.num_rows) == (0, 0)


@pytest.mark.parametrize("where", ["nowhere", "spool", "table"])
def test_expected_columns_are_there_as_typed_nulls(tmp_path: Path, where: str) -> None:
    if where != "nowhere":
        write_rows(tmp_path, range(1))
    if where == "table":
        compacted(tmp_path)
    expected = [("feature.age", "number"), ("context.vip", "boolean"), ("prediction.value", "number")]
    with Reader(tmp_path).open("churn", expected) as view:  # type: ignore[arg-type]
        rows = view.sql("SELECT * FROM rows")
    assert [rows.schema.field(name).type for name, _ in expected] == [pa.float64(), pa.bool_(), pa.float64()]
    assert rows["feature.age"].null_count == rows.num_rows


def test_parameters_are_bound(tmp_path: Path) -> None:
    write_rows(tmp_path, range(5))
    found = query(tmp_path, 'SELECT request_id FROM rows WHERE "at" >= make_timestamptz(?)', START + 4 * SECOND)
    assert found == [{"request_id": "request-000000004"}]
    with Reader(tmp_path).open("churn") as view:
        named = view.sql("SELECT count(*) AS n FROM rows WHERE unit = $unit", {"unit": "unit-3"})
    assert named["n"].to_pylist() == [1]


def test_times_are_utc_whatever_the_machine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    write_rows(tmp_path, range(1))
    (found,) = query(tmp_path, 'SELECT CAST("at" AS VARCHAR) AS text, date_trunc(\'day\', "at") AS day FROM rows')
    assert found["text"] == "2023-11-14 22:13:20+00"
    assert found["day"].isoformat() == "2023-11-14T00:00:00+00:00"


def test_spool_and_table_are_one(tmp_path: Path) -> None:
    write_rows(tmp_path, range(10))
    compacted(tmp_path)
    write_rows(tmp_path, range(10, 25), worker="w1")
    assert count(tmp_path) == (25, 25)


@pytest.mark.parametrize("first", ["spool", "table"])
def test_a_row_that_comes_twice_is_read_once_and_the_first_counts(tmp_path: Path, first: str) -> None:
    write_rows(tmp_path, range(10), error="first")
    if first == "table":
        compacted(tmp_path)
    with prediction_log(tmp_path, "w1") as log:
        for number in range(5, 15):
            given = envelope(number, error="second", at=START + (number + 60) * SECOND)
            log.buffer(PLAIN).append(given, (), None, None, None, (0.0,))
    assert count(tmp_path) == (15, 15)
    assert query(tmp_path, "SELECT count(*) AS n FROM rows WHERE error = 'first'") == [{"n": 10}]


def test_rows_of_one_request_differ_by_instance_role_and_variant(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(1))
        append_plain(buffer, range(1), row=1)
        append_plain(buffer, range(1), role="shadow", variant="challenger")
        append_plain(buffer, range(1), role="shadow", variant="other")
    assert count(tmp_path) == (4, 4)


def revisions(*versions: dict[str, Any]) -> list[Any]:
    return [outcome(**({"unit": "u", "id": "one", "at": START} | version)) for version in versions]


@pytest.mark.parametrize("compact_after", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([{"value": 1.0}], (1.0, 0)),
        ([{"value": 1.0, "received_at": START + 1}, {"value": 1.0, "received_at": START + 9}], (1.0, 1)),
        ([{"value": 1.0, "received_at": START + 1}, {"value": 2.0, "received_at": START + 9}], (2.0, 9)),
        ([{"value": 2.0, "received_at": START + 9}, {"value": 1.0, "received_at": START + 1}], (2.0, 9)),
        (
            [{"value": v, "received_at": START + t} for v, t in ((1.0, 1), (2.0, 2), (1.0, 3), (1.0, 4))],
            (1.0, 3),
        ),
        ([{"value": 1.0}, {"value": None, "withdrawn": True, "received_at": START + 5}], None),
        (
            [{"value": None, "withdrawn": True, "received_at": START + 5}, {"value": 3.0, "received_at": START + 6}],
            (3.0, 6),
        ),
    ],
)
def test_the_latest_revision_counts_with_the_time_it_first_arrived(
    tmp_path: Path, versions: list[dict[str, Any]], expected: tuple[float, int] | None, compact_after: int
) -> None:
    for number, revision in enumerate(revisions(*versions)):
        write_outcomes(tmp_path, revision, worker=f"w{number}")
        if number + 1 == compact_after:
            compacted(tmp_path)
    found = query(tmp_path, "SELECT value_number AS v, epoch_us(received_at) AS r FROM outcomes")
    assert found == ([] if expected is None else [{"v": expected[0], "r": START + expected[1]}])


def test_a_repeat_without_a_time_is_no_revision(tmp_path: Path) -> None:
    first = outcome(unit="u", id="one", value=1.0, at=START, received_at=START)
    again = outcome(unit="u", id="one", value=1.0, at=START + SECOND, received_at=START + SECOND)
    write_outcomes(tmp_path, first, again)
    (found,) = query(tmp_path, 'SELECT epoch_us("at") AS at_us FROM outcomes')
    assert found == {"at_us": START}


def test_another_field_or_time_is_a_revision(tmp_path: Path) -> None:
    base: dict[str, Any] = {"unit": "u", "id": "one", "value": 1.0}
    write_outcomes(
        tmp_path,
        outcome(**base, at=1, received_at=10, fields={"amount": 1}),
        outcome(**base, at=1, received_at=11, fields={"amount": 2}),
        outcome(**base, at=2, received_at=12, fields={"amount": 2}),
    )
    (found,) = query(tmp_path, 'SELECT epoch_us("at") AS at_us, epoch_us(received_at) AS r, fields FROM outcomes')
    assert found == {"at_us": 2, "r": 12, "fields": '{"amount":2}'}


def test_the_same_id_under_another_name_or_deployment_is_another_outcome(tmp_path: Path) -> None:
    write_outcomes(
        tmp_path,
        outcome("purchase", unit="u", id="one"),
        outcome("refund", unit="u", id="one"),
        outcome("purchase", unit="u", id="one", deployment="churn"),
    )
    assert len(query(tmp_path, "SELECT * FROM outcomes")) == 3


def test_a_deployment_sees_its_own_outcomes_and_those_of_nobody(tmp_path: Path) -> None:
    for number, deployment in enumerate(["", "churn", "fraud"]):
        write_outcomes(tmp_path, outcome(unit=f"u{number}", deployment=deployment))
    units = "SELECT unit FROM outcomes ORDER BY unit"
    assert [found["unit"] for found in query(tmp_path, units)] == ["u0", "u1"]
    assert [found["unit"] for found in query(tmp_path, units, deployment=None)] == ["u0", "u1", "u2"]


def test_a_view_does_not_move_while_it_is_open(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(5))
        log.flush()
        with Reader(tmp_path).open("churn") as view:
            append_plain(buffer, range(5, 9))
            log.flush()
            assert view.sql("SELECT count(*) AS n FROM rows")["n"].to_pylist() == [5]
        assert count(tmp_path) == (9, 9)


def test_a_type_that_changes_opens_a_column_in_spool_and_table_alike(tmp_path: Path) -> None:
    write_rows(tmp_path, range(3))
    changed = PLAIN._replace(prediction=(("value", "string"),))
    with prediction_log(tmp_path, "w1") as log:
        log.buffer(changed).append(envelope(7), (), None, None, None, ("high",))
    sql = 'SELECT "prediction.value" AS n, "prediction.value#string" AS s FROM rows ORDER BY row_id'
    before = query(tmp_path, sql)
    compacted(tmp_path)
    assert query(tmp_path, sql) == before
    assert before[-1] == {"n": None, "s": "high"}


def test_names_that_differ_by_case_are_two_columns(tmp_path: Path) -> None:
    schema = SCHEMA._replace(context=(("Age", "string"), ("age", "string")), numbers=(), number_index=(), vectors=())
    with prediction_log(tmp_path) as log:
        log.buffer(schema).append(envelope(), ("A", "a"), None, None, None, None)
    (found,) = query(tmp_path, "SELECT * FROM rows")
    assert (found["context.Age"], found["context.age#string"]) == ("A", "a")


def test_nothing_is_left_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "home", range(5))
    query(tmp_path / "home", "SELECT count(*) FROM rows")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
