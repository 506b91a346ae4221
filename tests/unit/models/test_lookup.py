"""Answers from a table: by key, of one version, whole, until they are stale; swapped while others read."""

import threading
from pathlib import Path

import numpy as np
import pytest

from seatrial.models.lookup import KEYS, LOOK_SECONDS, LookupRuntime, Miss
from seatrial.models.runtimes import RuntimeFailure, load
from seatrial.models.score_table import current_table, key_bytes, open_table, table_file
from seatrial.spec.errors import SeatrialError
from tests.gateways import CLOCK, slot
from tests.scores import night, write_scores
from tests.waiting import wait_for

HOUR = 3_600_000_000


class Time:
    """A wall clock and a monotonic one that go when they are told to."""

    def __init__(self) -> None:
        self.now = CLOCK / 1e6
        self.passed = 0.0

    def runtime(self, scores: Path, **lookup: object) -> LookupRuntime:
        return LookupRuntime(night(scores, **lookup), clock=lambda: self.now, monotonic=lambda: self.passed)


def ask(runtime: LookupRuntime, *keys: str | None) -> list[float]:
    scores: list[float] = runtime.run({KEYS: np.array(keys, dtype=object)})["probabilities"][:, 1].tolist()
    return scores


def test_answers_are_the_version_s_own_output_tensors(tmp_path: Path) -> None:
    write_scores(tmp_path, {"ann": 0.25, "bob": 0.75}, started_at=CLOCK)
    outputs = Time().runtime(tmp_path).run({KEYS: np.array(["bob", "ann"], dtype=object)})
    assert outputs["label"].dtype == np.int64
    assert outputs["label"].tolist() == [1, 0]
    assert outputs["probabilities"].dtype == np.float32
    assert outputs["probabilities"].tolist() == [[0.25, 0.75], [0.75, 0.25]]


def test_one_key_that_is_not_there_is_a_miss_and_names_it(tmp_path: Path) -> None:
    write_scores(tmp_path, {"ann": 0.25}, started_at=CLOCK)
    runtime = Time().runtime(tmp_path)
    with pytest.raises(Miss, match="no answer for key 'eve'"):
        ask(runtime, "ann", "eve")
    with pytest.raises(Miss, match="names no key"):
        ask(runtime, None)
    assert (runtime.holds("ann"), runtime.holds("eve"), runtime.holds(None)) == (True, False, False)


def test_keys_of_any_length_and_letters(tmp_path: Path) -> None:
    keys = {"ü" * 400: 0.1, "x" * 1000: 0.2, "x" * 1001: 0.3, "\0": 0.4, " ": 0.5}
    write_scores(tmp_path, keys, started_at=CLOCK)
    assert ask(Time().runtime(tmp_path), *keys) == pytest.approx(list(keys.values()))


def test_no_scores_yet_then_there_are(tmp_path: Path) -> None:
    time = Time()
    runtime = time.runtime(tmp_path / "scores")
    with pytest.raises(RuntimeFailure, match=r"no scores in .*scores .*run `seatrial batch`"):
        ask(runtime, "ann")
    write_scores(tmp_path / "scores", {"ann": 0.25}, started_at=CLOCK)
    time.passed += LOOK_SECONDS
    assert ask(runtime, "ann") == [0.25]


def test_stale_scores_are_not_served(tmp_path: Path) -> None:
    write_scores(tmp_path, {"ann": 0.25}, started_at=CLOCK)
    time = Time()
    runtime = time.runtime(tmp_path, stale_after=7200.0)
    assert ask(runtime, "ann") == [0.25]
    time.now += 7201
    with pytest.raises(RuntimeFailure, match=r"2\.0 h old") as failure:
        ask(runtime, "ann")
    assert not isinstance(failure.value, Miss)
    write_scores(tmp_path, {"ann": 0.5}, started_at=CLOCK + 2 * HOUR)
    time.passed += LOOK_SECONDS
    assert ask(runtime, "ann") == [0.5]


def test_scores_of_another_version_are_not_served(tmp_path: Path) -> None:
    time = Time()
    for other in (slot("night", 3), slot("night", 2, digest="other")):
        write_scores(tmp_path, {"ann": 0.25}, started_at=CLOCK, of=other)
        with pytest.raises(RuntimeFailure, match=r"not of churn:2"):
            ask(time.runtime(tmp_path), "ann")


def test_a_table_that_cannot_be_read_leaves_the_one_before_it(tmp_path: Path) -> None:
    write_scores(tmp_path, {"ann": 0.25}, started_at=CLOCK)
    time = Time()
    runtime = time.runtime(tmp_path)
    assert ask(runtime, "ann") == [0.25]
    table_file(tmp_path, "7").write_bytes(b"no table at all" * 1000)
    (tmp_path / "current").write_text("7\n")
    time.passed += LOOK_SECONDS
    assert ask(runtime, "ann") == [0.25]
    with pytest.raises(SeatrialError, match="cannot be read as a table"):
        open_table(table_file(tmp_path, "7"))


def test_the_table_before_the_current_one_stays_and_older_ones_go(tmp_path: Path) -> None:
    names = [write_scores(tmp_path, {"ann": 0.25}, started_at=CLOCK + n) for n in range(4)]
    assert sorted(file.stem for file in (tmp_path / "tables").glob("*.lmdb")) == names[-2:]
    assert current_table(tmp_path) == names[-1]


def test_a_slot_with_a_lookup_is_loaded_without_its_model(tmp_path: Path) -> None:
    write_scores(tmp_path, {"ann": 0.25}, started_at=CLOCK)
    runtime = load(night(tmp_path))
    assert isinstance(runtime, LookupRuntime)
    assert ask(runtime, "ann") == [0.25]
    runtime.close()
    with pytest.raises(RuntimeFailure, match="closed"):
        ask(runtime, "ann")


def test_swaps_under_readers_never_mix_two_tables(tmp_path: Path) -> None:
    """Every table gives all of its keys one score of its own; a call that sees two scores saw two tables."""
    keys = [f"c{i}" for i in range(200)]
    swaps = 40
    write_scores(tmp_path, dict.fromkeys(keys, 0.0), started_at=CLOCK)
    ticks = iter(range(10**9))
    runtime = LookupRuntime(night(tmp_path), clock=lambda: CLOCK / 1e6, monotonic=lambda: float(next(ticks)))
    over = threading.Event()
    seen: list[set[float]] = [set() for _ in range(4)]
    wrong: list[object] = []

    def read(mine: set[float]) -> None:
        while not over.is_set():
            try:
                found = set(ask(runtime, *keys))
            except Exception as error:  # noqa: BLE001 - whatever a reader meets is told below
                wrong.append(error)
                return
            if len(found) != 1:
                wrong.append(found)
            mine |= found

    threads = [threading.Thread(target=read, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for swap in range(1, swaps + 1):
        score = swap / 64
        write_scores(tmp_path, dict.fromkeys(keys, score), started_at=CLOCK + swap)
        wait_for(lambda score=score: wrong or any(score in mine for mine in seen), what="the swap to be seen")
    over.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert set.union(*seen) == {swap / 64 for swap in range(swaps + 1)}


def test_keys_over_the_limit_go_by_digest() -> None:
    assert key_bytes("ann") == b"ann"
    assert len(key_bytes("x" * 501)) == 33
