"""HDDM-A: the share of mistakes since the start, against the share up to the point where its bound was lowest."""

import math

import msgspec
from numpy.typing import ArrayLike

from seatrial.drift.concept.change import Change, Changes, mistakes_of, require_chances


class Share(msgspec.Struct, frozen=True, array_like=True):
    """A share of mistakes and the answers behind it."""

    n: int = 0
    mean: float = 0.0


class HddmA(msgspec.Struct, frozen=True, kw_only=True, tag="hddm-a"):
    """A detector with what it remembers; ``read`` gives the next one. After a change it starts anew.

    Attributes:
        drift, warning: Chances of a false alarm and of a false warning at one answer, in (0, 1).
        both_sides: Whether a fall of the share is an alarm too.
        seen: Answers read since the first.
        all: All answers since the last change.
        lowest, highest: Those up to the best cut for a rise, and for a fall.

    References:
        I. Frías-Blanco et al., Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds, IEEE
        Trans. Knowl. Data Eng. 27(3), 2015: the A-test, corollary 3 and algorithm 1.
    """

    drift: float = 0.001
    warning: float = 0.005
    both_sides: bool = False
    seen: int = 0
    all: Share = Share()
    lowest: Share = Share()
    highest: Share = Share()

    def read(self, errors: ArrayLike) -> tuple["HddmA", Changes]:
        """Read the next answers, shape [n], 1 where wrong and 0 where right, in order of prediction time.

        Returns:
            The detector that has read them, and the changes; a stream read in pieces gives what it gives as a whole.
        """
        require_chances(drift=self.drift, warning=self.warning)
        stream = mistakes_of(errors)
        now = self
        drifts, warnings = [], []
        for at, mistake in enumerate(stream, start=self.seen):
            now = now._with(mistake)
            cut = now._cut(self.drift)
            if cut is not None:
                drifts.append(Change(at, cut.mean, _rest(now.all, cut)))
                now = msgspec.structs.replace(self, all=Share(), lowest=Share(), highest=Share())
            elif now._cut(self.warning) is not None:
                warnings.append(at)
        return msgspec.structs.replace(now, seen=self.seen + len(stream)), Changes(tuple(drifts), tuple(warnings))

    def _with(self, mistake: float) -> "HddmA":
        n = self.all.n + 1
        every = Share(n, self.all.mean + (mistake - self.all.mean) / n)
        low, high = self.lowest if self.lowest.n else every, self.highest if self.highest.n else every
        bound = self._bound(n)
        if low.mean + self._bound(low.n) >= every.mean + bound:
            low = every
        if high.mean - self._bound(high.n) <= every.mean - bound:
            high = every
        return msgspec.structs.replace(self, all=every, lowest=low, highest=high)

    def _bound(self, n: int) -> float:
        return math.sqrt(math.log(1 / self.drift) / (2 * n))

    def _cut(self, confidence: float) -> Share | None:
        """The older part, where the whole is further from it than Hoeffding's bound."""
        if _far(self.all.mean - self.lowest.mean, self.lowest, self.all, confidence):
            return self.lowest
        if self.both_sides and _far(self.highest.mean - self.all.mean, self.highest, self.all, confidence):
            return self.highest
        return None


def _far(gap: float, part: Share, every: Share, confidence: float) -> bool:
    if part.n == every.n:
        return False
    spread = (every.n - part.n) / part.n / every.n
    return gap >= math.sqrt(spread / 2 * math.log(2 / confidence))


def _rest(every: Share, part: Share) -> float:
    return (every.n * every.mean - part.n * part.mean) / (every.n - part.n)
