import threading
from pathlib import Path
from typing import Any

import pytest

from seatrial.ledger import outcomes as module
from seatrial.ledger.outcomes import OutcomeLog, StoredValue, derive_id, encode, stored_value
from seatrial.ledger.reader import Reader
from seatrial.spec.errors import BadInput, Unavailable
from tests.ledger_events import START, Clock, outcome, write_outcomes


def stored(home: Path) -> list[dict[str, Any]]:
    with Reader(home).open("churn") as view:
        found: list[dict[str, Any]] = view.sql("SELECT * FROM outcomes ORDER BY id").to_pylist()
        return found


def test_an_outcome_reads_back_as_it_was_appended(tmp_path: Path) -> None:
    given = outcome(
        unit="u", request_id="r", row=3, key="k", item="shoe", value=2.5, fields={"amount": 3, "gift": None}, id="mine"
    )
    write_outcomes(tmp_path, given)
    (found,) = stored(tmp_path)
    assert int(found.pop("at").timestamp() * 1e6) == int(found.pop("received_at").timestamp() * 1e6) == START
    assert found == {
        "outcome": "purchase",
        "id": "mine",
        "deployment": "",
        "unit": "u",
        "request_id": "r",
        "row": 3,
        "key": "k",
        "item": "shoe",
        "value_kind": "number",
        "value_number": 2.5,
        "value_text": "2.5",
        "withdrawn": False,
        "fields": '{"amount":3,"gift":null}',
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, StoredValue("none", None, None)),
        (True, StoredValue("boolean", 1.0, "true")),
        (False, StoredValue("boolean", 0.0, "false")),
        ("7", StoredValue("string", None, "7")),
        (7, StoredValue("number", 7.0, "7")),
        (7.0, StoredValue("number", 7.0, "7")),
        (-0.25, StoredValue("number", -0.25, "-0.25")),
        (1e300, StoredValue("number", 1e300, "1e+300")),
    ],
)
def test_values_are_stored_by_kind(value: Any, expected: StoredValue) -> None:
    assert stored_value(value) == expected


def test_derived_ids_are_pinned() -> None:
    # printf '7:churned0:3:u-1----16:1700000000000000' | sha256sum | cut -c1-32
    assert derive_id(outcome="churned", unit="u-1", at=START) == "9bcaaa8f597317d3696c6464aa65d96f"


def test_a_derived_id_repeats_and_every_part_of_it_counts() -> None:
    parts: dict[str, Any] = {
        "outcome": "o",
        "deployment": "d",
        "unit": "u",
        "request_id": "r",
        "row": 1,
        "key": "k",
        "item": "i",
        "at": START,
    }
    assert derive_id(**parts) == derive_id(**parts)
    changed = [{**parts, name: (2 if isinstance(value, int) else "x")} for name, value in parts.items()]
    absent = [{**parts, name: None} for name in ("unit", "request_id", "row", "key", "item")]
    ids = [derive_id(**each) for each in (parts, *changed, *absent)]
    assert len(set(ids)) == len(ids)


def test_parts_cannot_run_into_each_other() -> None:
    assert derive_id(outcome="a", deployment="bc", at=1) != derive_id(outcome="ab", deployment="c", at=1)
    assert derive_id(outcome="a", unit="1:b", at=1) != derive_id(outcome="a", unit=None, request_id="1:b", at=1)


def test_without_a_time_every_post_is_new() -> None:
    assert derive_id(outcome="o", unit="u") != derive_id(outcome="o", unit="u")
    assert derive_id(outcome="o", unit="u", token=lambda: "drawn") == "drawn"


def test_another_way_of_acknowledging_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="acknowledge: shared is not built yet"):
        OutcomeLog(tmp_path, "w0", clock=Clock(), acknowledge="shared")


def test_no_outcomes_are_stored_at_once(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    assert log.append([]).result(0) is None
    log.close()


def test_many_threads_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = []
    real = module.StreamWriter.write

    def counted(self: Any, batch: Any) -> None:
        syncs.append(batch.num_rows)
        real(self, batch)

    monkeypatch.setattr(module.StreamWriter, "write", counted)
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    futures: list[Any] = []

    def post(start: int) -> None:
        futures.extend(log.append([outcome(unit=f"u{n}")]) for n in range(start, start + 250))

    threads = [threading.Thread(target=post, args=(start,)) for start in range(0, 1000, 250)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for future in futures:
        future.result(20)
    log.close()
    assert len(stored(tmp_path)) == 1000
    assert sum(syncs) == 1000
    assert len(syncs) < 1000, "outcomes that wait together are written together"


def test_an_outcome_that_cannot_be_stored_fails_alone(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    bad, good = log.append([outcome(unit=7)]), log.append([outcome(unit="u")])
    with pytest.raises(BadInput, match="cannot be stored"):
        bad.result(20)
    good.result(20)
    log.close()
    assert [found["unit"] for found in stored(tmp_path)] == ["u"]


def test_after_closing_outcomes_are_refused(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    log.close()
    with pytest.raises(Unavailable):
        log.append([outcome(unit="u")]).result(0)


def test_revisions_in_one_call_count_in_their_order(tmp_path: Path) -> None:
    log = OutcomeLog(tmp_path, "w0", clock=Clock())
    log.append([outcome(unit="u", value=value) for value in (3.0, 1.0, 2.0)]).result(20)
    log.close()
    assert [found["value_number"] for found in stored(tmp_path)] == [2.0]


def test_encoding_keeps_times_that_say_more_than_the_arrival() -> None:
    batch = encode([outcome(unit="u", at=5, received_at=9), outcome(unit="u", at=5, received_at=9)])
    assert [int(at.value) for at in batch["at"]] == [5, 5]
    assert [int(at.value) for at in batch["received_at"]] == [9, 10]
