import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seatrial.ledger.log import PredictionLog
from seatrial.ledger.reader import Reader
from seatrial.ledger.redaction import Redactor
from seatrial.ledger.rows import Envelope
from seatrial.ledger.spool import StreamWriter
from tests.ledger_events import FEATURES, PLAIN, SCHEMA, Clock, append_plain, envelope, prediction_log
from tests.waiting import wait_for


def rows(home: Path, deployment: str = "churn") -> list[dict[str, Any]]:
    with Reader(home).open(deployment) as view:
        found: list[dict[str, Any]] = view.sql("SELECT * FROM rows ORDER BY row_id").to_pylist()
        return found


def test_a_row_reads_back_as_it_was_appended(tmp_path: Path) -> None:
    given = envelope(5, key="k", row=2, role="app", error="späť", propensity=0.125)
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(SCHEMA)
        assert buffer.append(given, ("DE", 7), FEATURES, ["Köln"], [[1.0, -2.5]], ("yes", 0.75))
        log.flush()
        (found,) = rows(tmp_path)
    at = found.pop("at")
    assert int(at.timestamp() * 1_000_000) == given.at
    assert found == {
        **{name: value for name, value in given._asdict().items() if name not in ("at", "chances")},
        "row_id": "request-000000005/2/app/champion",
        "sampled": True,
        "context.country": "DE",
        "context.visits": 7,
        "feature.age": 41.5,
        "feature.orders": 3,
        "feature.member": True,
        "feature.city": "Köln",
        "feature.embedding": [1.0, -2.5],
        "prediction.label": "yes",
        "prediction.score": 0.75,
    }


def test_chances_are_a_column_where_a_bandit_chooses_by_context(tmp_path: Path) -> None:
    drawn = (0.1 + 0.2, 0.0, 0.7)
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(SCHEMA._replace(chances=True))
        for number, chances in enumerate((drawn, (), drawn)):
            assert buffer.append(envelope(number, chances=chances), ("DE", 7), None, None, None, None)
        log.flush()
        found = rows(tmp_path)
    assert [one["chances"] for one in found] == [list(drawn), None, list(drawn)]


def test_absent_values_are_null_and_a_row_without_features_says_so(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(SCHEMA)
        assert buffer.append(envelope(1), (None, None), np.full(3, np.nan), [None], [None], (None, None))
        assert buffer.append(envelope(2), (), None, None, None, None)
        log.flush()
        missing, unsampled = rows(tmp_path)
    typed = [name for name in missing if "." in name]
    assert all(missing[name] is None and unsampled[name] is None for name in typed)
    assert (missing["sampled"], unsampled["sampled"]) == (True, False)


def test_features_are_picked_by_their_positions(tmp_path: Path) -> None:
    schema = SCHEMA._replace(number_index=(2, 0, 4), texts=("b", "a"), text_index=(1, 0), vectors=())
    with prediction_log(tmp_path) as log:
        features = np.array([10.0, 11.0, 12.0, 13.0, 1.0])
        assert log.buffer(schema).append(envelope(), ("DE", 1), features, ["A", "B"], None, ("yes", 0.5))
        log.flush()
        (found,) = rows(tmp_path)
    assert (found["feature.age"], found["feature.orders"], found["feature.member"]) == (12.0, 10, True)
    assert (found["feature.a"], found["feature.b"]) == ("A", "B")


def test_the_row_given_may_be_reused(tmp_path: Path) -> None:
    features = FEATURES.copy()
    with prediction_log(tmp_path) as log:
        log.buffer(SCHEMA).append(envelope(), ("DE", 7), features, [""], [None], ("yes", 0.5))
        features[:] = -1.0
        log.flush()
        (found,) = rows(tmp_path)
    assert found["feature.age"] == 41.5


def test_an_integer_column_holds_no_fraction_and_no_infinity(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(SCHEMA)
        for number, value in enumerate([2.5, np.inf, 1e300, -4.0]):
            buffer.append(envelope(number), ("DE", 7), np.array([1.0, value, 0.0]), None, None, None)
        log.flush()
        assert [row["feature.orders"] for row in rows(tmp_path)] == [None, None, None, -4]


@pytest.mark.parametrize(
    ("context", "prediction"),
    [
        ((3, 7), ("yes", 0.5)),
        (("DE", "seven"), ("yes", 0.5)),
        (("DE", 7), ("yes", "high")),
        (("\ud800", 7), ("y", 0.5)),
    ],
)
def test_a_row_that_does_not_fit_is_dropped_alone_and_counted(
    tmp_path: Path, context: tuple[Any, ...], prediction: tuple[Any, ...]
) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(SCHEMA)
        buffer.append(envelope(1), ("DE", 7), FEATURES, [""], [None], ("yes", 0.5))
        buffer.append(envelope(2), context, FEATURES, [""], [None], prediction)
        buffer.append(envelope(3), ("DE", 7), FEATURES, [""], [None], ("no", 0.25))
        log.flush()
        assert [row["request_id"][-1] for row in rows(tmp_path)] == ["1", "3"]
        assert (log.logged, log.dropped) == (2, {"malformed": 1})


@pytest.mark.parametrize("wrong", [envelope(at=0.5), envelope(row="0"), tuple(envelope())[:-1], envelope(entry=[])])
def test_an_envelope_that_does_not_fit_is_dropped_at_once(tmp_path: Path, wrong: Envelope) -> None:
    with prediction_log(tmp_path) as log:
        assert not log.buffer(PLAIN).append(wrong, (), None, None, None, (1.0,))
        assert log.dropped == {"malformed": 1}


def test_a_row_of_features_of_another_width_is_dropped(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        assert not log.buffer(SCHEMA).append(envelope(), ("DE", 7), np.zeros(2), [""], [None], ("yes", 0.5))
        assert log.dropped == {"malformed": 1}


def test_memory_is_bounded_and_the_rest_is_counted(tmp_path: Path) -> None:
    limit = 1 << 20
    with prediction_log(tmp_path, byte_limit=limit) as log:
        buffer = log.buffer(PLAIN)
        taken = sum(buffer.append(envelope(n, unit="x" * 10_000), (), None, None, None, (1.0,)) for n in range(1000))
        assert 0 < taken < 1000
        assert log.dropped == {"buffer": 1000 - taken}
        assert log.held < limit + 20_000
        log.flush()
        assert log.logged == taken
        assert log.held == 0
        assert buffer.append(envelope(2000), (), None, None, None, (1.0,))


def test_more_rows_than_a_chunk_holds(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(9000))
        log.flush()
        assert [row["prediction.value"] for row in rows(tmp_path)] == [float(n) for n in range(9000)]


def test_the_thread_writes_by_itself(tmp_path: Path) -> None:
    with prediction_log(tmp_path, flush_seconds=0.01) as log:
        append_plain(log.buffer(PLAIN), range(3))
        wait_for(lambda: len(rows(tmp_path)) == 3, what="the rows in the spool")


def test_closing_writes_what_waits_and_refuses_more(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(3))
        log.close()
        assert not buffer.append(envelope(9), (), None, None, None, (1.0,))
        assert log.dropped == {"closed": 1}
    assert len(rows(tmp_path)) == 3


def test_two_signatures_of_one_deployment_are_one_table(tmp_path: Path) -> None:
    other = PLAIN._replace(prediction=(("value", "string"), ("extra", "boolean")))
    with prediction_log(tmp_path) as log:
        assert log.buffer(PLAIN) is log.buffer(PLAIN)
        append_plain(log.buffer(PLAIN), range(1))
        log.buffer(other).append(envelope(1), (), None, None, None, ("high", True))
        log.flush()
        first, second = rows(tmp_path)
    columns = ("prediction.value", "prediction.value#string", "prediction.extra")
    assert [first[name] for name in columns] == [0.0, None, None]
    assert [second[name] for name in columns] == [None, "high", True]


def test_deployments_do_not_mix(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        append_plain(log.buffer(PLAIN), range(2))
        append_plain(log.buffer(PLAIN._replace(deployment="a b/ü%")), range(5))
        log.flush()
        assert (len(rows(tmp_path)), len(rows(tmp_path, "a b/ü%"))) == (2, 5)
        assert Reader(tmp_path).deployments() == ["a b/ü%", "churn"]


def test_redacted_columns_hold_hashes(tmp_path: Path) -> None:
    redactor = Redactor(tmp_path)
    hashes = {"feature.city": redactor.digest, "feature.age": redactor.redact, "context.country": redactor.redact}
    with prediction_log(tmp_path) as log:
        log.buffer(SCHEMA, hashes).append(envelope(), ("DE", 7), FEATURES, ["Berlin"], [None], ("yes", 0.5))
        log.flush()
        (found,) = rows(tmp_path)
    assert found["feature.city"] == redactor.digest("Berlin")
    assert found["feature.age"] == redactor.redact("41.5")
    assert found["context.country"] == redactor.redact("DE")
    written = b"".join(path.read_bytes() for path in (tmp_path / "ledger").rglob("*.arrow"))
    assert b"Berlin" not in written


def test_rows_are_booked_by_deployment(tmp_path: Path) -> None:
    logged: dict[str, int] = {}
    dropped: list[tuple[str, str, str, int]] = []
    log = PredictionLog(
        tmp_path,
        "w0",
        clock=Clock(),
        flush_seconds=3600.0,
        on_logged=lambda name, n: logged.update({name: logged.get(name, 0) + n}),
        on_dropped=lambda *drop: dropped.append(drop),
    )
    append_plain(log.buffer(PLAIN), range(4))
    append_plain(log.buffer(PLAIN._replace(deployment="other")), range(2))
    log.buffer(PLAIN).append(envelope(8), (), None, None, None, ("text",))
    log.close()
    assert logged == {"churn": 4, "other": 2}
    assert dropped == [("churn", "malformed", "champion", 1)]


def test_rows_that_the_disk_refuses_are_booked_by_variant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StreamWriter, "write", full)
    dropped: list[tuple[str, str, str, int]] = []
    log = PredictionLog(
        tmp_path, "w0", clock=Clock(), flush_seconds=3600.0, on_dropped=lambda *drop: dropped.append(drop)
    )
    buffer = log.buffer(PLAIN)
    for number, arm in enumerate(("champion", "challenger", "champion")):
        buffer.append(envelope(number, variant=arm), (), None, None, None, (1.0,))
    buffer.append(envelope(3, role="shadow", variant="challenger"), (), None, None, None, (1.0,))
    log.close()
    assert sorted(dropped) == [
        ("churn", "disk", "", 1),
        ("churn", "disk", "challenger", 1),
        ("churn", "disk", "champion", 2),
    ]
    assert log.dropped == {"disk": 4}


def test_threads_may_append_together(tmp_path: Path) -> None:
    with prediction_log(tmp_path, flush_seconds=0.001) as log:
        buffer = log.buffer(PLAIN)
        ranges = [range(start, start + 2000) for start in range(0, 8000, 2000)]
        threads = [threading.Thread(target=append_plain, args=(buffer, numbers)) for numbers in ranges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log.flush()
        assert {row["prediction.value"] for row in rows(tmp_path)} == set(map(float, range(8000)))


def test_a_clock_that_goes_back_loses_no_row(tmp_path: Path) -> None:
    with prediction_log(tmp_path) as log:
        buffer = log.buffer(PLAIN)
        append_plain(buffer, range(10))
        append_plain(buffer, range(10, 20), at=5)
        log.flush()
        assert len(rows(tmp_path)) == 20
