"""Looks into the ledger that are made again each minute, and less often where one costs much."""

from collections.abc import Callable

EVERY, COST = 60.0, 20.0
"""A look is made again after so many seconds, or so many times what the last one cost."""
_SECOND = 1_000_000


class Rounds:
    """When which look is due; one that raises is due again at once.

    Args:
        monotonic: Seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._due: dict[str, int] = {}

    def go(self, name: str, now: int, look: Callable[[], object]) -> None:
        """Make a look if it is due. Raises what it raises."""
        if now < self._due.get(name, 0):
            return
        began = self._monotonic()
        look()
        cost = self._monotonic() - began
        self._due[name] = now + round(max(EVERY, COST * cost) * _SECOND)
