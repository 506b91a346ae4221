import asyncio
import itertools
import random
import threading
import uuid
from pathlib import Path
from typing import Any, ClassVar

import pytest

from seatrial.serving.engine import Engine
from seatrial.serving.identity import request_ids
from seatrial.serving.pace import Pace
from tests.gateways import CLOCK, GOOD, Scripted, bench, slot, snapshot


def noted(pace: Pace, times: int, taken: float) -> Pace:
    for _ in range(times):
        pace.note(taken, 1)
    return pace


def test_nothing_measured_is_not_inline() -> None:
    assert not Pace().fits(1)


def test_a_quick_model_is_inline_and_a_slow_one_is_not() -> None:
    assert noted(Pace(), 10, 20.0).fits(1)
    assert not noted(Pace(), 300, 500.0).fits(1)


def test_a_model_that_got_slow_leaves_and_comes_back() -> None:
    pace = noted(Pace(), 300, 20.0)
    noted(pace, 5, 400.0)
    assert not pace.fits(1)
    noted(pace, 50, 20.0)
    assert not pace.fits(1)
    noted(pace, 2000, 20.0)
    assert pace.fits(1)


def test_each_trial_that_fails_makes_the_next_one_wait_twice_as_long() -> None:
    pace, away = noted(Pace(), 300, 20.0), []
    for _ in range(9):
        noted(pace, 4, 400.0)
        assert not pace.fits(1)
        calls = 0
        while not pace.fits(1):
            noted(pace, 1, 20.0)
            calls += 1
        away.append(calls)
    assert away == [1024, 2048, 4096, 8192, 16384, 32768, 65536, 65536, 65536]
    noted(pace, 70_000, 20.0)  # it held out, and the past is forgotten
    noted(pace, 4, 400.0)
    noted(pace, 1024, 20.0)
    assert pace.fits(1)


def test_a_model_that_is_slow_in_threads_too_gets_no_trial() -> None:
    pace = noted(Pace(), 300, 20.0)
    noted(pace, 4, 400.0)
    for _ in range(2000):
        noted(pace, 9, 20.0)
        noted(pace, 1, 400.0)
        assert not pace.fits(1)


def test_a_batch_is_judged_by_what_its_other_rows_leave() -> None:
    """A batch of a quick model may take longer than the limit for one call, and says nothing against it."""
    pace = noted(Pace(), 300, 30.0)
    for _ in range(20):
        pace.note(210.0, 6)
    assert pace.fits(1)
    slow = noted(Pace(), 300, 30.0)
    noted(slow, 3, 400.0)
    slow.note(500.0, 3)
    assert not slow.fits(1)


def share_inline(slow: float, calls: int = 40_000) -> float:
    """Share of calls inline when so many of them take 400 µs and the others 50, in a fixed random order."""
    drawn, pace, inline = random.Random(7), Pace(), 0
    for _ in range(calls):
        inline += pace.fits(1)
        pace.note(400.0 if drawn.random() < slow else 50.0, 1)
    return inline / calls


@pytest.mark.parametrize(
    ("slow", "least", "most"),
    [(0.0, 0.999, 1.0), (0.005, 0.95, 1.0), (0.01, 0.0, 0.7), (0.02, 0.0, 0.1), (0.2, 0.0, 0.002)],
)
def test_it_is_the_99th_percentile_that_decides(slow: float, least: float, most: float) -> None:
    assert least <= share_inline(slow) <= most


def test_noise_is_not_held_against_a_model_whose_calls_usually_are_quick() -> None:
    drawn, pace = random.Random(11), noted(Pace(noisy_us=600.0), 300, 25.0)
    for _ in range(20_000):
        pace.note(drawn.uniform(200.0, 400.0) if drawn.random() < 0.1 else 25.0, 1)
        assert pace.fits(1)
    noted(pace, 40, 400.0)
    assert not pace.fits(1)  # that is what they usually take now
    slower = noted(Pace(noisy_us=600.0), 300, 25.0)
    noted(slower, 4, 5000.0)
    assert not slower.fits(1)


def test_a_few_calls_are_no_measure() -> None:
    assert not noted(Pace(), 7, 20.0).fits(1)
    assert noted(Pace(), 8, 20.0).fits(1)


def test_a_served_model_goes_to_threads_and_back_as_it_is_measured(tmp_path: Path) -> None:
    """On a clock that the model moves; where it runs is seen by the model itself."""

    class Timed(Scripted):
        now = 0
        takes = 50_000

        def run(self, inputs: Any) -> Any:
            self.threads.add(threading.current_thread() is threading.main_thread())
            self.now += self.takes
            return super().run(inputs)

        threads: ClassVar[set[bool]] = set()

    model = Timed()
    engine = Engine(model, ticks=lambda: model.now, processor_ticks=lambda: model.now)

    with bench(tmp_path) as here:
        here.serve(snapshot(slots=(slot("champion", 1, timeout=60.0),)), champion=engine)

        async def ask(times: int) -> set[bool]:
            model.threads.clear()
            for _ in range(times):
                await here.gateway.predict("churn", GOOD)
            return set(model.threads)

        asyncio.run(ask(8))
        assert asyncio.run(ask(20)) == {True}
        model.takes = 300_000
        asyncio.run(ask(4))
        assert asyncio.run(ask(20)) == {False}
        model.takes = 50_000
        asyncio.run(ask(1500))
        assert asyncio.run(ask(20)) == {True}


def test_one_hang_is_enough_to_leave() -> None:
    pace = noted(Pace(), 300, 20.0)
    pace.note(300_000.0, 1)
    assert not pace.fits(1)


def test_batches_fit_by_what_a_row_costs() -> None:
    pace = noted(Pace(), 20, 20.0)
    assert pace.fits(5)
    assert not pace.fits(50)


def test_a_row_costs_what_nearly_all_rows_cost() -> None:
    """The oracle is the mean: one call in a thousand that took 50 times as long does not make a row look dear."""
    pace, drawn = noted(Pace(), 300, 20.0), random.Random(3)
    for _ in range(20_000):
        pace.note(1000.0 if drawn.random() < 0.001 else 20.0, 1)
    assert 19.0 < pace.row_us < 60.0


def clocks(wall_ns: int, processor_ns: int) -> dict[str, Any]:
    """Clocks by which every call takes so long."""
    wall, processor = itertools.count(0, wall_ns), itertools.count(0, processor_ns)
    return {"ticks": lambda: next(wall), "processor_ticks": lambda: next(processor)}


@pytest.mark.parametrize("alone", [True, False])
def test_a_model_that_computes_alone_is_judged_by_its_threads_time_and_others_by_the_wall(alone: bool) -> None:
    engine = Engine(Scripted(alone=alone), **clocks(3_000_000, 10_000))
    for _ in range(40):
        engine.run({"X": [[0.0]]}, 1)  # type: ignore[dict-item]
    assert engine.fits(1) is alone


def test_other_processes_are_kept_off_the_loop() -> None:
    away = Engine(Scripted(out_of_process=True))
    noted(away.pace, 50, 1.0)
    assert not away.fits(1)


def test_request_ids_are_uuids_of_version_7_in_time_order() -> None:
    now = [CLOCK]
    next_id = request_ids(lambda: now[0])
    made = []
    for _ in range(1000):
        made.append(next_id())
        now[0] += 1000
    assert made == sorted(made)
    assert len(set(made)) == 1000
    first = uuid.UUID(made[0])
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first.int >> 80 == CLOCK // 1000


@pytest.mark.parametrize("entropy", [b"\x00", b"\xff"])
def test_request_ids_with_extreme_randomness_are_still_uuids(entropy: bytes) -> None:
    made = uuid.UUID(request_ids(lambda: CLOCK, lambda n: entropy * n)())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
