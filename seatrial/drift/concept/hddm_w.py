"""HDDM-W: a fading share of mistakes up to the point where its bound was lowest, against the one since."""

import math

import msgspec
from numpy.typing import ArrayLike

from seatrial.drift.concept.change import Change, Changes, mistakes_of, require_chances


class Fading(msgspec.Struct, frozen=True, array_like=True):
    """An exponentially weighted share: its mean, the sum of its squared weights, and whether it has any answer."""

    mean: float = 0.0
    weight: float = 1.0
    begun: bool = False


class Side(msgspec.Struct, frozen=True, array_like=True):
    """The answers up to the best cut, those since, and the bound that made it the best (None before the first)."""

    older: Fading = Fading()
    newer: Fading = Fading()
    bound: float | None = None


class HddmW(msgspec.Struct, frozen=True, kw_only=True, tag="hddm-w"):
    """A detector with what it remembers; ``read`` gives the next one. After a change it starts anew.

    Attributes:
        drift, warning: Chances of a false alarm and of a false warning at one answer, in (0, 1).
        fading: The weight of the newest answer, in (0, 1): small remembers long.
        both_sides: Whether a fall of the share is an alarm too.
        seen: Answers read since the first.
        all: All answers since the last change.
        rise, fall: The two sides.

    References:
        I. Frías-Blanco et al., Online and Non-Parametric Drift Detection Methods Based on Hoeffding's Bounds, IEEE
        Trans. Knowl. Data Eng. 27(3), 2015: the W-test, corollary 5 and algorithm 2 (McDiarmid's inequality).
    """

    drift: float = 0.001
    warning: float = 0.005
    fading: float = 0.05
    both_sides: bool = False
    seen: int = 0
    all: Fading = Fading()
    rise: Side = Side()
    fall: Side = Side()

    def read(self, errors: ArrayLike) -> tuple["HddmW", Changes]:
        """Read the next answers, shape [n], 1 where wrong and 0 where right, in order of prediction time.

        Returns:
            The detector that has read them, and the changes; a stream read in pieces gives what it gives as a whole.
        """
        require_chances(drift=self.drift, warning=self.warning, fading=self.fading)
        stream = mistakes_of(errors)
        now = self
        drifts, warnings = [], []
        for at, mistake in enumerate(stream, start=self.seen):
            now = now._with(mistake)
            moved = now._moved(self.drift)
            if moved is not None:
                drifts.append(Change(at, moved.older.mean, moved.newer.mean))
                now = msgspec.structs.replace(self, all=Fading(), rise=Side(), fall=Side())
            elif now._moved(self.warning) is not None:
                warnings.append(at)
        return msgspec.structs.replace(now, seen=self.seen + len(stream)), Changes(tuple(drifts), tuple(warnings))

    def _with(self, mistake: float) -> "HddmW":
        every = self._faded(self.all, mistake)
        half = _bound(every.weight, self.drift)
        rise, fall = self.rise, self.fall
        if rise.bound is None or every.mean + half < rise.bound:
            rise = Side(every, Fading(), every.mean + half)
        else:
            rise = Side(rise.older, self._faded(rise.newer, mistake), rise.bound)
        if fall.bound is None or every.mean - half > fall.bound:
            fall = Side(every, Fading(), every.mean - half)
        else:
            fall = Side(fall.older, self._faded(fall.newer, mistake), fall.bound)
        return msgspec.structs.replace(self, all=every, rise=rise, fall=fall)

    def _faded(self, share: Fading, mistake: float) -> Fading:
        weight = self.fading**2 + (1 - self.fading) ** 2 * share.weight
        if not share.begun:
            return Fading(mistake, weight, True)
        return Fading(self.fading * mistake + (1 - self.fading) * share.mean, weight, True)

    def _moved(self, confidence: float) -> Side | None:
        if _far(self.rise, confidence) and self.rise.newer.mean > self.rise.older.mean:
            return self.rise
        if self.both_sides and _far(self.fall, confidence) and self.fall.newer.mean < self.fall.older.mean:
            return self.fall
        return None


def _bound(weight: float, confidence: float) -> float:
    return math.sqrt(weight * math.log(1 / confidence) / 2)


def _far(side: Side, confidence: float) -> bool:
    """Whether the two parts are further apart, either way, than McDiarmid's bound."""
    if not side.newer.begun:
        return False
    return abs(side.newer.mean - side.older.mean) > _bound(side.older.weight + side.newer.weight, confidence)
