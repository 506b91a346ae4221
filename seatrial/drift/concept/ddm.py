"""DDM: the share of mistakes since the start, against the lowest that it ever was."""

import msgspec
from numpy.typing import ArrayLike

from seatrial.drift.concept.change import Change, Changes, mistakes_of


class Best(msgspec.Struct, frozen=True, array_like=True):
    """Where the share of mistakes with its standard error was lowest."""

    share: float
    error: float
    n: int


class Ddm(msgspec.Struct, frozen=True, kw_only=True, tag="ddm"):
    """A detector with what it remembers; ``read`` gives the next one. After a change it starts anew.

    It sees rises only, and its memory is the whole stream: a change late in a long one is found late.

    Attributes:
        warning, drift: Standard errors above the best share that are a warning, and an alarm.
        least: No judgement before more answers than this.
        seen: Answers read since the first.
        n, share: Answers since the last change, and the share of mistakes among them.
        best: Where that was lowest; None before ``least``.

    References:
        J. Gama, P. Medas, G. Castillo and P. Rodrigues, Learning with Drift Detection, SBIA 2004, section 2.1.
    """

    warning: float = 2.0
    drift: float = 3.0
    least: int = 30
    seen: int = 0
    n: int = 0
    share: float = 0.0
    best: Best | None = None

    def read(self, errors: ArrayLike) -> tuple["Ddm", Changes]:
        """Read the next answers, shape [n], 1 where wrong and 0 where right, in order of prediction time.

        Returns:
            The detector that has read them, and the changes; a stream read in pieces gives what it gives as a whole.
        """
        stream = mistakes_of(errors)
        n, share, best = self.n, self.share, self.best
        drifts, warnings = [], []
        for at, mistake in enumerate(stream, start=self.seen):
            n += 1
            share += (mistake - share) / n
            if n <= self.least:
                continue
            error = (max(share * (1 - share), 0.0) / n) ** 0.5
            if best is None or share + error <= best.share + best.error:
                best = Best(share, error, n)
            if share + error > best.share + self.drift * best.error:
                drifts.append(Change(at, best.share, (n * share - best.n * best.share) / (n - best.n)))
                n, share, best = 0, 0.0, None
            elif share + error > best.share + self.warning * best.error:
                warnings.append(at)
        read = msgspec.structs.replace(self, seen=self.seen + len(stream), n=n, share=share, best=best)
        return read, Changes(tuple(drifts), tuple(warnings))
