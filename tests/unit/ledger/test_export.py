from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from seatrial.ledger.explain import explain
from seatrial.ledger.export import Exported, export_rows
from seatrial.spec.errors import BadInput, NotFound
from tests.ledger_events import (
    PLAIN,
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


def exported(home: Path, *outcomes: str, **given: Any) -> tuple[Exported, list[dict[str, Any]]]:
    out = home / "train.parquet"
    done = export_rows(home, "churn", out, outcomes=outcomes, **given)
    return done, pq.read_table(out).to_pylist()


@pytest.mark.parametrize("compact", [True, False])
def test_fifty_instances_in_one_request_three_outcomes_by_key(tmp_path: Path, compact: bool) -> None:
    with prediction_log(tmp_path) as log:
        for row in range(50):
            given = envelope(1, row=row, key=f"item-{row}", at=START)
            log.buffer(PLAIN).append(given, (), None, None, None, (float(row),))
    write_outcomes(
        tmp_path,
        *(outcome("clicked", request_id="request-000000001", key=f"item-{row}", value=True) for row in (3, 14, 41)),
    )
    if compact:
        compacted(tmp_path)
    done, rows = exported(tmp_path, "clicked")
    assert done == Exported(50, {"clicked": 3})
    assert [row["row"] for row in rows] == list(range(50))
    assert [row["row"] for row in rows if row["outcome.clicked"] is not None] == [3, 14, 41]


@pytest.mark.parametrize(
    ("joined_by", "rows"),
    [
        ({"request_id": "request-000000001", "row": 1}, [(1, 1)]),
        ({"request_id": "request-000000001", "key": "b"}, [(1, 1)]),
        ({"request_id": "request-000000001"}, [(1, 0), (1, 1)]),
        ({"key": "a"}, [(1, 0), (2, 0)]),
        ({"key": "a", "unit": "v"}, [(2, 0)]),
        ({"unit": "u"}, [(1, 0), (1, 1)]),
        ({"request_id": "request-000000009"}, []),
        ({"unit": "nobody"}, []),
    ],
)
def test_the_join_key_decides_which_rows(
    tmp_path: Path, joined_by: dict[str, Any], rows: list[tuple[int, int]]
) -> None:
    with prediction_log(tmp_path) as log:
        for request, row, key, unit in [(1, 0, "a", "u"), (1, 1, "b", "u"), (2, 0, "a", "v"), (2, 1, "c", "w")]:
            given = envelope(request, row=row, key=key, unit=unit, at=START)
            log.buffer(PLAIN).append(given, (), None, None, None, (0.0,))
        shadow = envelope(1, key="a", unit="u", at=START, role="shadow", variant="challenger")
        log.buffer(PLAIN).append(shadow, (), None, None, None, (0.0,))
    write_outcomes(tmp_path, outcome("clicked", value=1.0, at=START + SECOND, **joined_by))
    _, found = exported(tmp_path, "clicked", shadows=True)
    joined = [(int(r["request_id"][-1]), r["row"]) for r in found if r["outcome.clicked"] is not None]
    assert len(found) == 5
    assert joined == rows
    assert all(r["role"] == "answer" for r in found if r["outcome.clicked"] is not None)


def test_by_unit_the_first_outcome_after_the_row_counts(tmp_path: Path) -> None:
    hour = 3600 * SECOND
    write_rows(tmp_path, range(1), unit="u", at=START)
    write_rows(tmp_path, range(1, 2), unit="u", at=START + 10 * hour)
    for hours, value in ((-1, 1.0), (2, 2.0), (5, 3.0), (11, 4.0)):
        write_outcomes(tmp_path, outcome("churned", unit="u", value=value, at=START + hours * hour))
    done, rows = exported(tmp_path, "churned")
    assert [row["outcome.churned"] for row in rows] == [2.0, 4.0]
    assert done.joined == {"churned": 2}
    assert [row["outcome.churned"] for row in exported(tmp_path, "churned", within=90 * 60.0)[1]] == [None, 4.0]


def test_five_minutes_of_skew_are_tolerated(tmp_path: Path) -> None:
    write_rows(tmp_path, range(2), at=START)
    write_outcomes(tmp_path, outcome("churned", unit="unit-0", value=1.0, at=START - 300 * SECOND))
    write_outcomes(tmp_path, outcome("churned", unit="unit-1", value=1.0, at=START - 301 * SECOND))
    assert [row["outcome.churned"] for row in exported(tmp_path, "churned")[1]] == [1.0, None]


def test_values_fields_and_several_outcomes_are_columns(tmp_path: Path) -> None:
    write_rows(tmp_path, range(2), at=START)
    write_outcomes(
        tmp_path,
        outcome("plan", unit="unit-0", value="gold"),
        outcome("purchase", unit="unit-1", value=True, fields={"amount": 9.5, "new": False, "": "x", 'q"/~.': "gold"}),
    )
    done, (first, second) = exported(tmp_path, "plan", "purchase", "never")
    assert done.joined == {"plan": 1, "purchase": 1, "never": 0}
    assert (first["outcome.plan"], first["outcome.purchase"], first["outcome.never"]) == ("gold", None, None)
    assert (second["outcome.purchase"], second["outcome.purchase.amount"]) == (1.0, 9.5)
    assert second["outcome.purchase.new"] is False
    assert (second["outcome.purchase."], second['outcome.purchase.q"/~.']) == ("x", "gold")
    assert second["prediction.value"] == 1.0


def test_rows_are_chosen_by_time_without_shadows(tmp_path: Path) -> None:
    write_rows(tmp_path, range(10))
    write_rows(tmp_path, range(10, 12), role="shadow")
    since, until = START + 3 * SECOND, START + 6 * SECOND
    done, rows = exported(tmp_path, since=since, until=until)
    assert [row["request_id"][-1] for row in rows] == ["3", "4", "5"]
    assert done == Exported(3, {})
    assert exported(tmp_path)[0].rows == 10
    assert exported(tmp_path, shadows=True)[0].rows == 12


def test_csv_is_written_too_and_other_endings_are_refused(tmp_path: Path) -> None:
    write_rows(tmp_path, range(3))
    export_rows(tmp_path, "churn", tmp_path / "out.csv")
    assert pyarrow.csv.read_csv(tmp_path / "out.csv").num_rows == 3
    with pytest.raises(BadInput, match=r"'out\.xlsx' ends in no known format; use \.parquet or \.csv"):
        export_rows(tmp_path, "churn", tmp_path / "out.xlsx")


def test_a_field_of_mixed_types_is_text(tmp_path: Path) -> None:
    write_rows(tmp_path, range(3), at=START)
    for number, amount in enumerate((2, "many", None)):
        write_outcomes(tmp_path, outcome("purchase", unit=f"unit-{number}", fields={"amount": amount}))
    assert [row["outcome.purchase.amount"] for row in exported(tmp_path, "purchase")[1]] == ["2", "many", None]


def test_what_is_not_there_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    write_rows(tmp_path, range(1))
    with pytest.raises(NotFound, match="no rows of 'chrun'; it has rows of churn"):
        export_rows(tmp_path, "chrun", tmp_path / "out.csv")
    with pytest.raises(NotFound, match="make it first"):
        export_rows(tmp_path, "churn", tmp_path / "none" / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_an_outcome_nobody_declares_and_nobody_sent_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path, range(1))
    write_outcomes(tmp_path, outcome("clicked", unit="u", value=True))
    with pytest.raises(BadInput, match="'churn' has no outcome 'nope'; it declares bought, paid"):
        exported(tmp_path, "nope", declared=("bought", "paid"))
    assert not (tmp_path / "train.parquet").exists()
    assert "clicked" in exported(tmp_path, "clicked", declared=("bought",))[0].joined  # declared once, and still there


def test_a_request_is_explained_with_its_shadows_and_outcomes(tmp_path: Path) -> None:
    write_rows(tmp_path, range(3), at=START)
    with prediction_log(tmp_path, "w1") as log:
        append_plain(log.buffer(PLAIN), range(1, 2), role="shadow", variant="challenger")
    write_outcomes(tmp_path, outcome(request_id="request-000000001", value=1.0), outcome(unit="unit-1"))
    write_outcomes(tmp_path, outcome(unit="unit-2"))
    found = explain(tmp_path, "request-000000001")
    assert found.deployment == "churn"
    assert [(row["role"], row["variant"]) for row in found.rows] == [("answer", "champion"), ("shadow", "challenger")]
    assert {(o["row_id"], o.get("request_id"), o.get("unit")) for o in found.outcomes} == {
        ("request-000000001/0/answer/champion", "request-000000001", None),
        ("request-000000001/0/answer/champion", None, "unit-1"),
    }
    assert "key" not in found.rows[0], "what is not there is left out"


def test_a_request_nobody_knows(tmp_path: Path) -> None:
    write_rows(tmp_path, range(1))
    with pytest.raises(NotFound, match="no row of request 'nope'"):
        explain(tmp_path, "nope")
