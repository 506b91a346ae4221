"""ADWIN: a window of errors that grows while its parts agree, and is dropped where an older and a newer one do not."""

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from seatrial.drift.concept.change import Change, Changes, numbers_of, require_chances

Floats = NDArray[np.float64]


class Adwin(msgspec.Struct, frozen=True, kw_only=True, tag="adwin"):
    """A detector with what it remembers; ``read`` gives the next one.

    What is remembered is an exponential histogram: at most ``buckets`` sums of 1, 2, 4, … errors each, so memory grows
    with the logarithm of the stream. After a change it starts anew.

    Attributes:
        delta: Chance of a false alarm at one check, in (0, 1), by the paper's bound.
        clock: Errors from one check to the next.
        buckets: Of each size, before the two oldest become one of twice the size.
        least: Errors that either part of a cut needs.
        grace: No check before the window holds more errors than this.
        seen: Errors read since the first.
        levels: Sums of 2^i errors, the oldest first.
        total, spread: Sum, and sum of squared distances from the mean, over the window.

    References:
        A. Bifet and R. Gavaldà, Learning from Time-Changing Data with Adaptive Windowing, SDM 2007: ADWIN2, with the
        cut of equation 3.1.
    """

    delta: float = 0.002
    clock: int = 32
    buckets: int = 5
    least: int = 5
    grace: int = 10
    seen: int = 0
    levels: tuple[tuple[float, ...], ...] = ()
    total: float = 0.0
    spread: float = 0.0

    @property
    def width(self) -> int:
        """Errors in the window."""
        return _width(self.levels)

    @property
    def mean(self) -> float | None:
        """Mean error of the window; None while it is empty."""
        width = self.width
        return self.total / width if width else None

    def read(self, errors: ArrayLike) -> tuple["Adwin", Changes]:
        """Read the next errors, shape [n], any finite numbers, in order of prediction time.

        Returns:
            The detector that has read them, and the changes; a stream read in pieces gives what it gives as a whole.
        """
        require_chances(delta=self.delta)
        window = _Window(self)
        drifts = []
        stream = numbers_of(errors)
        for at, error in enumerate(stream, start=self.seen):
            window.add(error)
            cut = window.cut() if window.width % self.clock == 0 and window.width > self.grace else None
            if cut is not None:
                drifts.append(Change(at, *cut))
                window = _Window(msgspec.structs.replace(self, levels=(), total=0.0, spread=0.0))
        read = msgspec.structs.replace(
            self,
            seen=self.seen + len(stream),
            levels=tuple(tuple(level) for level in window.levels),
            total=window.total,
            spread=window.spread,
        )
        return read, Changes(tuple(drifts))


class _Window:
    """A detector's window while it is read into."""

    def __init__(self, detector: Adwin) -> None:
        self.detector = detector
        self.levels = [list(level) for level in detector.levels]
        self.width = _width(detector.levels)
        self.total = detector.total
        self.spread = detector.spread

    def add(self, error: float) -> None:
        if self.width:
            self.spread += self.width * (error - self.total / self.width) ** 2 / (self.width + 1)
        self.width += 1
        self.total += error
        carried = error
        for level in self.levels:
            level.append(carried)
            if len(level) <= self.detector.buckets:
                return
            carried = level.pop(0) + level.pop(0)
        self.levels.append([carried])

    def cut(self) -> tuple[float, float] | None:
        """Means of the older and the newer part where they differ most beyond chance; None where they nowhere do."""
        sizes = [float(1 << i) for i, level in self._oldest_first() for _ in level]
        older = np.cumsum(sizes)
        newer, sums = self.width - older, np.cumsum([total for _, level in self._oldest_first() for total in level])
        able = (older >= self.detector.least) & (newer >= self.detector.least)
        older, newer, sums = older[able], newer[able], sums[able]
        before, after = sums / older, (self.total - sums) / newer
        excess = np.abs(before - after) - self._bound(older, newer)
        if not excess.size or excess.max() <= 0:
            return None
        best = int(np.argmax(excess))
        return float(before[best]), float(after[best])

    def _oldest_first(self) -> list[tuple[int, list[float]]]:
        return list(reversed(list(enumerate(self.levels))))

    def _bound(self, older: Floats, newer: Floats) -> Floats:
        """How far the means of two parts are apart by chance: Bernstein's bound, corrected for the number of cuts."""
        nats = np.log(2 * np.log(self.width) / self.detector.delta)
        inverse: Floats = 1 / (older - self.detector.least + 1) + 1 / (newer - self.detector.least + 1)
        bound: Floats = np.sqrt(2 * inverse * self.spread / self.width * nats) + 2 / 3 * nats * inverse
        return bound


def _width(levels: tuple[tuple[float, ...], ...]) -> int:
    return sum(len(level) << i for i, level in enumerate(levels))
