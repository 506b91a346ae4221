"""Calls that run together: who is merged, when a batch starts, and what becomes of it when something goes wrong."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from seatrial.serving.batch_check import differs, is_fixed
from seatrial.serving.batch_split import answer
from seatrial.serving.batching import Batches, Batching, Ticket
from seatrial.serving.threads import Shed, Threads
from tests.gateways import BINARY
from tests.waiting import wait_for

Arrays = Mapping[str, np.ndarray[Any, Any]]


class Uncounted:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def ran(self, rows: int) -> None:
        self.rows.append(rows)

    def waited(self, nanoseconds: int) -> None:
        pass


class Doubles:
    """A model that doubles; it fails where a value is bad, and as it is told."""

    def __init__(self, bad: Sequence[float] = (), together: bool | None = True) -> None:
        self.bad = set(bad)
        self.together = together
        self.calls: list[int] = []
        self.failures = 0
        self.broken = False
        self.only_single = False
        self.short = False

    def run(self, tensors: Arrays, rows: int) -> dict[str, np.ndarray[Any, Any]]:
        given = tensors["X"]
        assert len(given) == rows
        self.calls.append(rows)
        if self.failures:
            self.failures -= 1
            raise ValueError("not this time")
        if self.broken or self.bad & set(given[:, 0].tolist()) or (self.only_single and rows > 1):
            raise ValueError("out of order")
        return {"Y": (given * 2)[:1] if self.short else given * 2}


class Asked:
    """A call of the model above."""

    def __init__(self, model: Doubles, *values: float) -> None:
        self.model = model
        self.x = np.array(values).reshape(-1, 1)
        self.y: list[float] | None = None
        self.error = ""

    @property
    def answered(self) -> bool:
        return self.y is not None

    def run(self) -> None:
        try:
            self.take(self.model.run({"X": self.x}, len(self.x)), len(self.x))
        except ValueError as error:
            self.error = str(error)

    def take(self, outputs: Arrays, rows: int) -> None:
        if len(outputs["Y"]) != rows:
            self.error = "short"
        elif np.isnan(outputs["Y"]).any():
            self.error = "no number"
        else:
            self.y = outputs["Y"][:, 0].tolist()

    def blame(self, error: str) -> None:
        self.error = error


def batching(rows: int = 64, delay: float = 0.0, timeout: float = 60.0, size: int | None = None) -> Batching:
    made = Batching(rows, delay, timeout, Uncounted())
    made.size = size or rows
    return made


def tickets(calls: Sequence[Asked], how: Batching | None = None) -> list[Ticket]:
    one = how or batching()
    return [one.ticket(call, {"X": call.x}, len(call.x)) for call in calls]


def split(model: Doubles, calls: Sequence[Asked]) -> None:
    waiting = tickets(calls)
    for ticket in answer(waiting, model, lambda _: None):
        ticket.tell()
    assert all(ticket.future.done() for ticket in waiting)


# A batch and its rows.


def test_rows_go_back_to_their_calls_by_count() -> None:
    model = Doubles()
    calls = [Asked(model, 1), Asked(model, 2, 3, 4), Asked(model), Asked(model, 5, 6)]
    split(model, calls)
    assert [call.y for call in calls] == [[2], [4, 6, 8], [], [10, 12]]
    assert model.calls == [6]


@pytest.mark.parametrize("bad", range(64))
def test_one_bad_row_of_64_fails_alone(bad: int) -> None:
    model = Doubles(bad=[bad])
    calls = [Asked(model, value) for value in range(64)]
    split(model, calls)
    assert [call.y for call in calls] == [None if value == bad else [2 * value] for value in range(64)]
    assert [call.error for call in calls if call.error] == ["out of order"]
    assert len(model.calls) == 13


def test_a_model_that_fails_at_everything_costs_a_few_calls_more_than_without_batches() -> None:
    model = Doubles()
    model.broken = True
    calls = [Asked(model, value) for value in range(64)]
    split(model, calls)
    assert {call.error for call in calls} == {"out of order"}
    assert len(model.calls) == 64 + 6


def test_an_answer_that_cannot_be_read_is_that_calls_alone() -> None:
    model = Doubles()
    calls = [Asked(model, 1), Asked(model, np.nan), Asked(model, 3)]
    split(model, calls)
    assert [(call.y, call.error) for call in calls] == [([2], ""), (None, "no number"), ([6], "")]
    assert model.calls == [3]


def test_a_failure_that_no_call_repeats_is_still_counted_once() -> None:
    """A model that fails now and then must not look better because a batch is asked again."""
    model = Doubles()
    model.failures = 1
    calls = [Asked(model, value) for value in range(8)]
    split(model, calls)
    assert all(call.answered for call in calls)
    (blamed,) = [call.error for call in calls if call.error]
    assert blamed == "failed in a batch of 8 and answered when asked again: not this time"


def test_a_failure_that_a_bad_row_explains_is_counted_once() -> None:
    model = Doubles(bad=[3])
    calls = [Asked(model, value) for value in range(8)]
    split(model, calls)
    assert [call.error for call in calls if call.error] == ["out of order"]


def test_a_model_that_never_answered_a_batch_and_answers_alone_gets_no_more() -> None:
    model = Doubles(together=None)
    model.only_single = True
    calls = [Asked(model, value) for value in range(4)]
    split(model, calls)
    assert all(call.answered and not call.error for call in calls)
    assert model.together is False


def test_a_model_whose_answer_has_other_rows_gets_no_more() -> None:
    model = Doubles()
    model.short = True
    calls = [Asked(model, value) for value in range(4)]
    split(model, calls)
    assert [(call.y, call.error) for call in calls] == [([2 * value], "") for value in range(4)]
    assert (model.together, model.calls) == (False, [4, 1, 1, 1, 1])


def test_a_broken_model_that_nobody_knows_is_not_taken_for_one_without_batches() -> None:
    model = Doubles(together=None)
    model.broken = True
    split(model, [Asked(model, value) for value in range(4)])
    assert model.together is None


def test_callers_who_left_are_not_computed_even_when_a_batch_is_split() -> None:
    model = Doubles(bad=[0])
    calls = [Asked(model, value) for value in range(4)]
    waiting = tickets(calls)
    run = model.run

    def leave(tensors: Arrays, rows: int) -> dict[str, np.ndarray[Any, Any]]:
        for ticket in waiting[2:]:
            ticket.future.cancel()
        return run(tensors, rows)

    model.run = leave  # type: ignore[method-assign]
    answer(waiting, model, lambda _: None)
    assert model.calls == [4, 2, 1, 1]
    assert [call.y for call in calls] == [None, [2], None, None]


# Who is merged, and when.


class Harness:
    """Batches whose model waits until it is let go, on a clock that stands still unless it is moved."""

    def __init__(self, threads: int = 4, waiting: int = 256, abreast: int = 1) -> None:
        self.now = 0
        self.threads = Threads(threads, waiting)
        self.batches = Batches(self.threads, self._answer, abreast=abreast, ticks=lambda: self.now)
        self.ran: list[list[Ticket]] = []
        self.gate = threading.Semaphore(0)

    def _answer(self, taken: Sequence[Ticket]) -> Sequence[Ticket]:
        self.ran.append(list(taken))
        assert self.gate.acquire(timeout=20)
        return taken

    def join(self, how: Batching, *rows: int, width: int = 1) -> list[Ticket]:
        model = Doubles()
        joined = []
        for n in rows:
            call = Asked(model, *range(n))
            joined.append(how.ticket(call, {"X": np.zeros((n, width))}, n))
            self.batches.join(joined[-1])
        return joined

    def runs(self, batches: int) -> list[list[Ticket]]:
        wait_for(lambda: len(self.ran) >= batches, what=f"{batches} batches")
        return self.ran

    def let_go(self, batches: int = 100) -> None:
        self.gate.release(batches)
        wait_for(lambda: self.threads.held == 0, what="no call waiting")


def test_an_idle_model_runs_a_call_at_once_and_a_busy_one_lets_a_batch_form() -> None:
    harness, how = Harness(), batching()
    first = harness.join(how, 1)
    assert harness.runs(1) == [first]
    rest = harness.join(how, *[1] * 20)
    assert harness.ran == [first]
    harness.let_go()
    assert harness.ran == [first, rest]


def test_a_batch_has_no_more_rows_than_the_file_says_and_keeps_the_order() -> None:
    harness, how = Harness(), batching(rows=8)
    first = harness.join(how, 1)
    harness.runs(1)
    rest = harness.join(how, 3, 3, 3, 1, 20, 8, 1)
    harness.let_go()
    assert harness.ran == [first, rest[:2], rest[2:4], rest[4:5], rest[5:6], rest[6:]]


def test_variants_and_shapes_never_mix() -> None:
    harness, one, other = Harness(), batching(), batching()
    first = harness.join(one, 1)
    harness.runs(1)
    a = harness.join(one, 1)
    b = harness.join(other, 1)
    c = harness.join(one, 1, width=2)
    a += harness.join(one, 1)
    b += harness.join(other, 1)
    harness.let_go()
    assert harness.ran == [first, a, b, c]


def test_callers_who_left_are_dropped_before_they_are_computed_and_keep_their_place_until_then() -> None:
    harness, how = Harness(waiting=10), batching()
    first = harness.join(how, 1)
    harness.runs(1)
    rest = harness.join(how, 1, 1, 1)
    rest[1].future.cancel()
    assert harness.threads.held == 4
    harness.let_go()
    assert harness.ran == [first, [rest[0], rest[2]]]


def test_too_many_are_shed() -> None:
    harness, how = Harness(threads=1, waiting=2), batching()
    harness.join(how, 1, 1, 1)
    with pytest.raises(Shed, match="3 calls wait"):
        harness.join(how, 1)
    harness.let_go()


def test_as_many_batches_run_at_once_as_there_are_cores() -> None:
    harness, how = Harness(abreast=2), batching()
    a = harness.join(how, 1)
    harness.runs(1)
    b = harness.join(how, 1)
    harness.runs(2)
    rest = harness.join(how, 1, 1)
    assert harness.ran == [a, b]
    harness.let_go()
    assert harness.ran == [a, b, rest]


def test_an_idle_model_waits_for_company_where_the_file_says_so() -> None:
    harness, how = Harness(), batching(rows=3, delay=30.0)
    some = harness.join(how, 1, 1)
    assert harness.ran == []
    some += harness.join(how, 1)
    assert harness.runs(1) == [some]
    late = harness.join(how, 1)
    harness.now += int(31e9)
    harness.gate.release()
    assert harness.runs(2) == [some, late]
    harness.let_go()


def test_a_batch_that_hangs_does_not_hold_the_next_one_up() -> None:
    harness, how = Harness(), batching(timeout=0.02)
    hanging = harness.join(how, 1)
    harness.runs(1)
    rest = harness.join(how, 1, 1)
    harness.now += int(0.01 * 1e9)
    assert harness.runs(2) == [hanging, rest]
    harness.let_go()


def test_closing_cancels_what_waits() -> None:
    harness, how = Harness(), batching()
    (first,) = harness.join(how, 1)
    harness.runs(1)
    (waiting,) = harness.join(how, 1)
    harness.batches.close()
    harness.threads.close()
    assert waiting.future.cancelled()
    with pytest.raises(Shed, match="being closed"):
        harness.join(how, 1)
    harness.gate.release(2)
    first.future.result(20)


def test_batches_grow_while_they_stay_well_within_the_timeout_and_shrink_when_they_do_not() -> None:
    how = Batching(64, 0.0, 1.0, Uncounted())
    sizes = []
    for _ in range(6):
        sizes.append(how.size)
        how.note(how.size, int(0.2e9))
    assert sizes == [4, 8, 16, 32, 64, 64]
    how.note(10, int(0.2e9))
    how.note(64, int(0.4e9))
    assert how.size == 64
    how.note(40, int(0.6e9))
    assert how.size == 20
    for _ in range(9):
        how.note(how.size, int(2e9))
    assert how.size == 1


# Which models take batches.


def test_a_signature_with_a_fixed_number_of_rows_is_told() -> None:
    import msgspec

    assert is_fixed(BINARY) is None
    (label, scores) = BINARY.outputs
    summed = msgspec.structs.replace(scores, shape=(1, 2))
    assert is_fixed(msgspec.structs.replace(BINARY, outputs=(label, summed))) == "probabilities"


def test_answers_that_depend_on_the_rows_beside_them_are_told() -> None:
    rows = np.array([[1.0], [2.0], [4.0]], dtype=np.float32)
    singles = [{"Y": rows[i : i + 1]} for i in range(2)]
    assert differs({"Y": rows}, singles) is None
    assert differs({"Y": rows * np.float32(1 + 1e-6)}, singles) is None
    assert differs({"Y": rows / rows.sum()}, singles) == "Y"
    assert differs({"Y": rows}, [{"Y": np.zeros((2, 1))}]) == "Y"
    words = np.array([["a"], ["b"]], dtype=object)
    assert differs({"Y": words}, [{"Y": words[:1]}]) is None
    assert differs({"Y": words}, [{"Y": words[1:]}]) == "Y"
    nothing = np.array([[np.nan], [np.inf]])
    assert differs({"Y": nothing}, [{"Y": nothing[:1]}, {"Y": nothing[1:]}]) is None
