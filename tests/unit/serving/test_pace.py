import asyncio
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


def noted(pace: Pace, times: int, wall: float, processor: float | None = None) -> Pace:
    for _ in range(times):
        pace.note(wall, 1, processor)
    return pace


def test_nothing_measured_is_not_inline() -> None:
    assert not Pace().fits(1)


def test_a_quick_model_is_inline_and_a_slow_one_is_not() -> None:
    assert noted(Pace(), 10, 20.0).fits(1)
    assert not noted(Pace(), 300, 500.0, 500.0).fits(1)


def test_a_model_that_got_slow_leaves_and_comes_back() -> None:
    pace = noted(Pace(), 300, 20.0)
    noted(pace, 5, 400.0, 400.0)
    assert not pace.fits(1)
    noted(pace, 50, 20.0)
    assert not pace.fits(1)
    noted(pace, 1000, 20.0)
    assert pace.fits(1)


def share_inline(slow: float, calls: int = 40_000) -> float:
    """Share of calls inline when so many of them take 400 µs and the others 50, in a fixed random order."""
    drawn, pace, inline = random.Random(7), Pace(), 0
    for _ in range(calls):
        inline += pace.fits(1)
        taken = 400.0 if drawn.random() < slow else 50.0
        pace.note(taken, 1, taken if pace.careful else None)
        pace.careful = max(0, pace.careful - 1)
    return inline / calls


@pytest.mark.parametrize(
    ("slow", "least", "most"),
    [(0.0, 0.999, 1.0), (0.002, 0.9, 1.0), (0.01, 0.0, 0.5), (0.02, 0.0, 0.02), (0.2, 0.0, 0.0)],
)
def test_it_is_the_99th_percentile_that_decides(slow: float, least: float, most: float) -> None:
    assert least <= share_inline(slow) <= most


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
        asyncio.run(ask(3))
        assert asyncio.run(ask(20)) == {False}
        model.takes = 50_000
        asyncio.run(ask(1500))
        assert asyncio.run(ask(20)) == {True}


def test_one_hang_is_enough_to_leave() -> None:
    pace = noted(Pace(), 300, 20.0)
    pace.note(300_000.0, 1)
    assert not pace.fits(1)


def test_a_thread_that_did_not_run_is_not_the_models_fault() -> None:
    pace = noted(Pace(), 300, 20.0)
    noted(pace, 50, 3000.0, 20.0)
    assert pace.fits(1)


def test_long_calls_make_the_next_be_timed_by_the_processor() -> None:
    pace = noted(Pace(), 10, 20.0)
    pace.careful = 0
    noted(pace, 3, 3000.0)
    assert pace.careful > 0


def test_on_a_busy_machine_the_second_clock_rests() -> None:
    """One call in a hundred is held up by others; the processor's clock is asked for few of the rest."""
    pace = noted(Pace(), 300, 20.0)
    careful = 0
    for call in range(20_000):
        wall = 3000.0 if call % 100 == 0 else 20.0
        if pace.careful:
            pace.careful -= 1
            careful += 1
            pace.note(wall, 1, 20.0)
        else:
            pace.note(wall, 1)
        assert pace.inline
    assert careful < 20_000 * 0.05


def test_several_long_calls_in_a_row_are_looked_into_though_the_clock_rests() -> None:
    pace = noted(Pace(), 300, 20.0)
    noted(pace, 50, 3000.0, 20.0)
    pace.careful = 0
    noted(pace, 1, 20.0)
    noted(pace, 2, 3000.0)
    assert pace.careful == 0
    noted(pace, 1, 3000.0)
    assert pace.careful > 0
    noted(pace, 5, 3000.0, 3000.0)
    assert not pace.fits(1)


def test_batches_fit_by_what_a_row_costs() -> None:
    pace = noted(Pace(), 20, 20.0)
    assert pace.fits(5)
    assert not pace.fits(50)


def test_the_engine_measures_by_both_clocks_and_keeps_other_processes_off_the_loop() -> None:
    wall = iter(range(0, 10**9, 50_000))
    processor = iter(range(0, 10**9, 10_000))
    engine = Engine(Scripted(), ticks=lambda: next(wall), processor_ticks=lambda: next(processor))
    for _ in range(40):
        engine.run({"X": [[0.0]]}, 1)  # type: ignore[dict-item]
    assert engine.fits(1)
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
