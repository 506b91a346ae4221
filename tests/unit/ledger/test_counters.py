import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.ledger.accounting import Account, accounts
from seatrial.ledger.counters import (
    DROPPED,
    LOGGED,
    SERVED,
    CounterFile,
    Histogram,
    parse_series,
    read_counters,
    read_file,
    retire,
    series,
)


def test_what_is_added_is_read(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path / "w0.counters", ["a", "b"])
    file.add(file.slot("a"), 3)
    file.add(file.slot("b"))
    file.add(file.slot("a"), 2**40)
    assert read_counters(tmp_path) == {"a": 3 + 2**40, "b": 1}
    assert file.value(file.slot("a")) == 3 + 2**40


def test_names_may_be_added_while_running_beyond_the_first_size(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path / "w0.counters", ["first"])
    early = file.slot("first")
    for number in range(1000):
        file.add(file.slot(f"name-{number}"), number)
        file.add(early)
    assert read_counters(tmp_path) == {"first": 1000} | {f"name-{number}": number for number in range(1000)}


def test_workers_are_summed_and_the_dead_stay(tmp_path: Path) -> None:
    for worker in ("w0", "w1"):
        file = CounterFile.create(tmp_path / f"{worker}.counters", ["n"])
        file.add(file.slot("n"), 5)
        file.close()
    assert read_counters(tmp_path) == {"n": 10}


def test_a_worker_that_comes_back_goes_on_counting(tmp_path: Path) -> None:
    for _ in range(3):
        file = CounterFile.create(tmp_path / "w0.counters", ["n"])
        file.add(file.slot("n"), 5)
        file.close()
    assert read_counters(tmp_path) == {"n": 15}


def test_counts_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "w0.counters"
    program = f"""
import os, pathlib, signal
from seatrial.ledger.counters import CounterFile
file = CounterFile.create(pathlib.Path({str(path)!r}), ["n"])
file.add(file.slot("n"), 41)
file.add(file.slot("late"), 1)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False)
    assert read_file(path) == {"n": 41, "late": 1}


def test_a_file_that_is_not_counters_is_left_out_of_sums_and_refused_for_writing(tmp_path: Path) -> None:
    (tmp_path / "w0.counters").write_bytes(b"x" * 1000)
    assert read_counters(tmp_path) == {}
    with pytest.raises(ValueError, match="is not a counter file"):
        CounterFile.create(tmp_path / "w0.counters")


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path / "w0.counters")
    file.slot("é" * 123)
    with pytest.raises(ValueError, match="over 246 bytes"):
        file.slot("x" * 247)


@pytest.mark.parametrize("value", ["plain", 'a "quote"', "back\\slash", "new\nline", "a,b={c}", ""])
def test_labels_read_back(value: str) -> None:
    assert parse_series(series("requests_total", deployment=value, reason="split")) == (
        "requests_total",
        {"deployment": value, "reason": "split"},
    )
    assert series("up") == "up"
    assert parse_series("up") == ("up", {})


def test_a_histogram_counts_into_its_buckets(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path / "w0.counters")
    histogram = Histogram(file, "latency_us", {"deployment": "d"}, bounds=(10, 100))
    for value in (0, 10, 11, 100, 101, 5000):
        histogram.observe(value)
    counters = read_counters(tmp_path)
    buckets = {edge: counters[series("latency_us_bucket", deployment="d", le=edge)] for edge in ("10", "100", "+Inf")}
    assert buckets == {"10": 2, "100": 2, "+Inf": 2}
    assert counters[series("latency_us_sum", deployment="d")] == 5222


def served(directory: Path, served: int, logged: int, dropped: int) -> CounterFile:
    file = CounterFile.create(directory / "w0.counters")
    file.add(file.slot(series(SERVED, deployment="d")), served)
    file.add(file.slot(series(LOGGED, deployment="d")), logged)
    file.add(file.slot(series(DROPPED, deployment="d", reason="disk")), dropped)
    return file


def test_what_a_dead_worker_left_open_is_booked_once_as_lost_in_the_crash(tmp_path: Path) -> None:
    served(tmp_path, 100, 90, 4).close()
    assert accounts(read_counters(tmp_path)) == {"d": Account(100, 90, {"disk": 4})}
    assert retire(tmp_path, "w0") == {"d": 6}
    assert retire(tmp_path, "w0") == {}
    account = accounts(read_counters(tmp_path))["d"]
    assert account == Account(100, 90, {"disk": 4, "crash": 6})
    assert account.balanced


def test_a_successor_of_the_same_name_books_it_too(tmp_path: Path) -> None:
    served(tmp_path, 100, 90, 4).close()
    served(tmp_path, 10, 10, 0)
    assert accounts(read_counters(tmp_path))["d"] == Account(110, 100, {"disk": 4, "crash": 6})


def test_a_worker_that_was_never_there_has_nothing_to_book(tmp_path: Path) -> None:
    assert retire(tmp_path, "w9") == {}


def test_in_flight_is_what_is_neither_logged_nor_dropped(tmp_path: Path) -> None:
    served(tmp_path, 10, 6, 1)
    account = accounts(read_counters(tmp_path))["d"]
    assert (account.in_flight, account.balanced) == (3, False)


def test_lost_rows_are_told_by_variant_where_it_is_known(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path / "w0.counters")
    file.add(file.slot(series(SERVED, deployment="d", role="answer")), 10)
    for reason, variant, rows in (("disk", "champion", 2), ("buffer", "champion", 1), ("disk", "", 3)):
        file.add(file.slot(series(DROPPED, deployment="d", reason=reason, variant=variant)), rows)
    file.add(file.slot(series(DROPPED, deployment="d", reason="crash")), 4)
    account = accounts(read_counters(tmp_path))["d"]
    assert account.dropped == {"disk": 5, "buffer": 1, "crash": 4}
    assert account.arms == {"champion": 3}
    assert account.balanced
