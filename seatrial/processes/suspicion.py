"""Which versions are to blame for crashes of workers: pure, times come in.

A version that was *under way* at two crashes within a minute goes into quarantine; to be loaded is no guilt. What is
under way is exact on the event loop, which does one thing at a time; calls in threads are under way beside others, so
an innocent version can be there twice as well. Therefore the default variant is blamed last: at a crash that makes both
it and another version guilty, the other one goes, and the default's account starts again. If workers go on crashing
under the default alone, it goes next.

SIGKILL comes from outside, from a person or from a kernel without memory, and says less: then the default, under way
nearly always, is not blamed at all, because nobody answers in its place.
"""

import signal
from collections.abc import Sequence

from seatrial.ledger.underway import Suspect

CRASHES = 2
WITHIN_SECONDS = 60.0


class Suspicion:
    """Crashes so far, by version that was under way."""

    def __init__(self) -> None:
        self._crashes: dict[Suspect, list[tuple[float, str]]] = {}

    def crash(
        self, suspects: Sequence[Suspect], how: str, code: int, now: float, silent: float = 0.0
    ) -> dict[Suspect, tuple[str, ...]]:
        """Note a crash; gives the versions that it makes guilty, each with its crashes in words.

        Args:
            suspects: What was under way.
            how: The crash, in words.
            code: How the process ended: an exit code, or a signal's number below zero.
            now: Monotonic seconds.
            silent: Seconds for which it hung before the supervisor killed it for that; 0: it did not. It began to go
                wrong that long ago, and the kill says nothing of somebody outside.
        """
        from_outside = code == -signal.SIGKILL and not silent
        for suspect in suspects:
            if not (from_outside and suspect.default):
                recent = [
                    crash for crash in self._crashes.get(suspect, []) if now - silent - crash[0] <= WITHIN_SECONDS
                ]
                self._crashes[suspect] = [*recent, (now, how)]
        guilty = {
            suspect: tuple(said for _, said in self._crashes[suspect])
            for suspect in suspects
            if len(self._crashes.get(suspect, ())) >= CRASHES
        }
        for suspect in guilty:
            del self._crashes[suspect]
        others = {suspect: crashes for suspect, crashes in guilty.items() if not suspect.default}
        return others or guilty


def ended(code: int, silent: float = 0.0) -> str:
    """How a process ended, in words; ``silent`` as in `Suspicion.crash`."""
    if silent:
        return f"hanging for {silent:.0f} s"
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
