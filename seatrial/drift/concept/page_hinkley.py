"""Page and Hinkley: how far the running sum of "more than the mean so far" has climbed from its lowest point."""

from typing import Literal

import msgspec
from numpy.typing import ArrayLike

from seatrial.drift.concept.change import Change, Changes, numbers_of


class Climb(msgspec.Struct, frozen=True, array_like=True):
    """One side of the test.

    Attributes:
        sum: Fading sum of deviations from the mean, each less the tolerance.
        lowest: Its lowest so far.
        n, total: Number and sum of the errors up to there.
    """

    sum: float = 0.0
    lowest: float = 0.0
    n: int = 0
    total: float = 0.0


class PageHinkley(msgspec.Struct, frozen=True, kw_only=True, tag="page-hinkley"):
    """A detector with what it remembers; ``read`` gives the next one. After a change it starts anew.

    Attributes:
        threshold: How far the sum climbs before it is an alarm, in the unit of the errors.
        tolerance: Deviations below this are allowed for, in the same unit.
        fading: The sums are multiplied by this at every error, in (0, 1].
        least: Errors before any alarm.
        watches: Rises of the error, falls, or both.
        seen: Errors read since the first.
        n, mean, total: Number, mean and sum of the errors since the last change.
        rise, fall: The two sides.

    References:
        E. Page, Continuous Inspection Schemes, Biometrika 41, 1954; D. Hinkley, Inference about the Change-Point from
        Cumulative Sum Tests, Biometrika 58, 1971. Fading: J. Gama, R. Sebastião and P. Rodrigues, On Evaluating Stream
        Learning Algorithms, Mach. Learn. 90, 2013.
    """

    threshold: float = 50.0
    tolerance: float = 0.005
    fading: float = 0.9999
    least: int = 30
    watches: Literal["rise", "fall", "both"] = "both"
    seen: int = 0
    n: int = 0
    mean: float = 0.0
    total: float = 0.0
    rise: Climb = Climb()
    fall: Climb = Climb()

    def read(self, errors: ArrayLike) -> tuple["PageHinkley", Changes]:
        """Read the next errors, shape [n], any finite numbers, in order of prediction time.

        Returns:
            The detector that has read them, and the changes; a stream read in pieces gives what it gives as a whole.
        """
        stream = numbers_of(errors)
        n, mean, total, rise, fall = self.n, self.mean, self.total, self.rise, self.fall
        drifts = []
        for at, error in enumerate(stream, start=self.seen):
            n += 1
            mean += (error - mean) / n
            total += error
            rise = self._climbed(rise, error - mean, n, total)
            fall = self._climbed(fall, mean - error, n, total)
            alarmed = self._alarmed(n, rise, fall)
            if alarmed is not None:
                before, after = alarmed.total / alarmed.n, (total - alarmed.total) / (n - alarmed.n)
                drifts.append(Change(at, before, after))
                n, mean, total, rise, fall = 0, 0.0, 0.0, Climb(), Climb()
        read = msgspec.structs.replace(
            self, seen=self.seen + len(stream), n=n, mean=mean, total=total, rise=rise, fall=fall
        )
        return read, Changes(tuple(drifts))

    def _climbed(self, side: Climb, deviation: float, n: int, total: float) -> Climb:
        height = self.fading * side.sum + deviation - self.tolerance
        if n == 1 or height < side.lowest:
            return Climb(height, height, n, total)
        return Climb(height, side.lowest, side.n, side.total)

    def _alarmed(self, n: int, rise: Climb, fall: Climb) -> Climb | None:
        if n < self.least:
            return None
        if self.watches != "fall" and rise.sum - rise.lowest > self.threshold:
            return rise
        if self.watches != "rise" and fall.sum - fall.lowest > self.threshold:
            return fall
        return None
