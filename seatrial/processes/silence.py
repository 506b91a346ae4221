"""How long a worker has been silent: pure, looks and their times come in.

Only time in which the supervisor itself went on looking counts. After a pause of the whole machine (a laptop that
slept, a virtual machine that was moved) every pulse is old, and nobody hangs.
"""

LONGEST_LOOK = 2.0
"""Most seconds that pass for one look; the supervisor looks once a second."""


class Silence:
    """What is known of one worker's pulse."""

    def __init__(self) -> None:
        self._pulse: int | None = None
        self._looked: float | None = None
        self._silent = 0.0

    def look(self, pulse: int | None, now: float) -> float:
        """Note what a look saw; gives the seconds for which the pulse has not changed.

        Args:
            pulse: What the worker last said; None: it has not begun to (it is loading), which is no silence.
            now: Monotonic seconds.
        """
        passed = 0.0 if self._looked is None else min(now - self._looked, LONGEST_LOOK)
        self._looked = now
        self._silent = self._silent + passed if pulse is not None and pulse == self._pulse else 0.0
        self._pulse = pulse
        return self._silent
