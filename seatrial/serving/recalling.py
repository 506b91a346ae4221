"""An attempt at rows that its variant may have answered before, or is answering right now."""

from collections.abc import Callable
from concurrent.futures import Future
from copy import deepcopy

from seatrial.serving.caching import Flight, PredictionCache
from seatrial.serving.variant import Attempt


def recall(attempt: Attempt, cache: PredictionCache, now: int) -> bool:
    """Settle the attempt with the answer that is kept, or because its rows do not fit; False: it is to be computed.

    Args:
        now: Monotonic nanoseconds.
    """
    if attempt.key is not None:
        return False  # it was looked for when the request came
    if attempt.encoded is None and not attempt.read_rows():
        return True
    assert attempt.encoded is not None
    attempt.key = cache.key(attempt.encoded.tensors)
    outputs = cache.get(attempt.key, now)
    if outputs is None:
        return False
    attempt.take(outputs, len(attempt.rows))
    attempt.recalled = True
    return True


def remember(attempt: Attempt, cache: PredictionCache, now: int) -> None:
    """Keep the answer of an attempt that was computed here and now, if it is one."""
    cache.counts.add(cache.counts.miss)
    _keep(attempt, cache, now)


def board(attempt: Attempt, cache: PredictionCache, start: Callable[[], "Future[None]"]) -> Flight:
    """Wait for the computation of the same rows that is under way, or ``start`` it; raises what that raises."""
    assert attempt.key is not None
    flight = cache.flights.get(attempt.key)
    if flight is not None and flight.aboard and not flight.future.done():
        flight.aboard += 1
        cache.counts.add(cache.counts.shared)
        return flight
    flight = cache.flights[attempt.key] = Flight(attempt, start())
    cache.counts.add(cache.counts.miss)
    return flight


def land(attempt: Attempt, flight: Flight, cache: PredictionCache, now: int) -> None:
    """The computation is over: the first to hear it keeps the answer, and everybody takes it."""
    pilot: Attempt = flight.pilot
    assert attempt.key is not None
    if cache.flights.get(attempt.key) is flight:
        del cache.flights[attempt.key]
        _keep(pilot, cache, now)
    if attempt is pilot:
        return
    attempt.recalled = True
    if pilot.outputs is None or pilot.read is None:
        attempt.fail(pilot.status, pilot.error)
    else:
        own = {name: deepcopy(one) if one.dtype == object else one for name, one in pilot.outputs.items()}
        attempt.take(own, len(attempt.rows))


def leave(attempt: Attempt, flight: Flight, cache: PredictionCache) -> None:
    """The request waits no longer, for whatever reason."""
    flight.leave()
    if not flight.aboard and attempt.key is not None and cache.flights.get(attempt.key) is flight:
        del cache.flights[attempt.key]


def _keep(attempt: Attempt, cache: PredictionCache, now: int) -> None:
    if attempt.key is not None and attempt.outputs is not None and attempt.status == "ok":
        cache.keep(attempt.key, attempt.outputs, now)
