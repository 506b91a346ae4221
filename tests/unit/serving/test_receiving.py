"""Places for messages that arrive: never more than there are, none lost, the newest first, a stalled one gives way."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.serving.receiving import Receiving
from seatrial.spec.errors import Overloaded


class Calls:
    """Calls by number, each of which reads until it is told that its message is whole."""

    def __init__(self, receiving: Receiving) -> None:
        self._receiving = receiving
        self._whole: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[int]] = []
        self.reading: list[int] = []

    async def begin(self) -> None:
        number = len(self.tasks)
        self._whole.append(asyncio.Event())

        async def read() -> int:
            self.reading.append(number)
            try:
                await self._whole[number].wait()
            finally:
                self.reading.remove(number)
            return number

        self.tasks.append(asyncio.get_running_loop().create_task(self._receiving.receive(read)))
        await settled()

    async def end(self, number: int) -> None:
        self._whole[number].set()
        await settled()

    async def leave(self, number: int) -> None:
        self.tasks[number].cancel()
        await settled()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(("begin", "end", "leave", "both")), st.integers(0, 30)), max_size=40),
)
def test_as_many_read_as_there_are_places_for(most: int, steps: list[tuple[str, int]]) -> None:
    """Whoever comes, ends or leaves, and in whatever order: no place is lost and none is given twice."""

    async def play() -> None:
        receiving = Receiving(most, patience=1e9)
        calls = Calls(receiving)
        for step, which in steps:
            still = [number for number, task in enumerate(calls.tasks) if not task.done()]
            if step == "begin" or not still:
                await calls.begin()
                continue
            number = still[which % len(still)]
            if step == "end":
                await calls.end(number)
            elif step == "leave":
                await calls.leave(number)
            else:  # the place passed on is that of a caller who leaves in the same turn
                calls.tasks[still[-1]].cancel()
                await calls.end(still[0])
            under_way = sum(not task.done() for task in calls.tasks)
            assert len(calls.reading) == min(most, under_way) == receiving.taken
        await calls.close()
        assert receiving.taken == 0

    run(play)


def test_the_newest_is_read_first() -> None:
    async def play() -> None:
        calls = Calls(Receiving(1, patience=1e9))
        for _ in range(4):
            await calls.begin()
        order = [calls.reading[0]]
        for _ in range(3):
            await calls.end(order[-1])
            order.append(calls.reading[0])
        assert order == [0, 3, 2, 1]
        await calls.close()

    run(play)


def test_with_one_more_than_may_wait_the_oldest_is_turned_away() -> None:
    async def play() -> None:
        calls = Calls(Receiving(1, waiting=2, patience=1e9))
        for _ in range(4):
            await calls.begin()
        with pytest.raises(Overloaded, match="2 calls wait to be read"):
            await calls.tasks[1]
        assert [task.done() for task in calls.tasks] == [False, True, False, False]
        await calls.close()

    run(play)


def test_while_nobody_waits_a_slow_message_may_come() -> None:
    async def play() -> None:
        receiving = Receiving(2, patience=0.0)
        calls = Calls(receiving)
        await calls.begin()
        await calls.begin()
        receiving._look()
        await settled()
        assert calls.reading == [0, 1]
        await calls.close()

    run(play)


def test_as_many_as_wait_get_the_places_of_those_that_stall() -> None:
    async def play() -> None:
        receiving = Receiving(3, patience=0.0)
        calls = Calls(receiving)
        for _ in range(5):
            await calls.begin()
        for number in (0, 1):
            with pytest.raises(Overloaded, match="others waited while this message came"):
                await calls.tasks[number]
        assert not calls.tasks[2].done()
        await settled()
        assert sorted(calls.reading) == [2, 3, 4]
        await calls.close()

    run(play)


def test_while_places_come_free_none_is_taken_away() -> None:
    async def play() -> None:
        receiving = Receiving(2, patience=0.0)
        calls = Calls(receiving)
        for _ in range(4):
            await calls.begin()
        await calls.end(1)  # one came free since the last look
        receiving._look()
        await settled()
        assert sorted(calls.reading) == [0, 3]
        receiving._look()
        await settled()
        assert sorted(calls.reading) == [2, 3]
        await calls.close()

    run(play)
