"""Whether a model is quick enough to run on the event loop itself.

Handing a call to a thread and back costs some 40 µs; a model that takes 11 should not pay that. So calls are timed, and
a model runs inline while its 99th percentile is under 200 µs: fewer than one recent call in a hundred was slower. The
measure goes on in the threads, so a model that got slow leaves the loop at once (at the third slow call of some 256)
and comes back when it has been quick for a while (some 270 calls after a short trouble, 1 400 after a long one). Close
to the limit it is careful: with 1 call in 500 slow it is inline nearly always, with 1 in 100 seldom, with 1 in 50 not.

On a busy machine a quick call now and then looks slow, because its thread did not run, or another had the interpreter.
A model that computes in the calling thread and nowhere else is therefore judged by the processor time of its calls:
what is longer by the wall is not its doing, and handing it to a thread would make it worse. Every other model is judged
by the wall.
"""

INLINE_MICROSECONDS = 200.0
HANG_MICROSECONDS = 100_000.0
_FOLDED = 64
_WEIGHT = 1 / 256
_ROW_WEIGHT = 0.02
_LEAVE = 0.01
_RETURN = 0.004
_FEW = 8


class Pace:
    """A running measure of one model's calls; noted by any thread (a lost note does no harm).

    Attributes:
        inline: The model is measured quick. False until it was measured.
        row_us: Smoothed microseconds per row.
    """

    __slots__ = ("_quick", "_quick_us", "_seen", "_slow", "inline", "row_us")

    def __init__(self) -> None:
        self.inline = False
        self.row_us = INLINE_MICROSECONDS
        self._slow = 1.0
        self._seen = 0
        self._quick = 0
        self._quick_us = 0.0

    def fits(self, rows: int) -> bool:
        """Whether a call of this many rows is expected to stay under the limit."""
        return self.inline and (rows == 1 or rows * self.row_us <= INLINE_MICROSECONDS)

    def note(self, taken_us: float, rows: int) -> None:
        """Count one call of ``rows`` rows.

        A batch that nobody expected to fit says what a row costs, and nothing about the calls that would run inline.

        Args:
            taken_us: Microseconds that were the model's.
        """
        if rows == 1 and self.inline and taken_us <= INLINE_MICROSECONDS and self._quick < _FOLDED <= self._seen:
            self._quick += 1  # nearly every call; what it means is worked out with the next that is different
            self._quick_us += taken_us
            return
        expected = rows == 1 or rows * self.row_us <= INLINE_MICROSECONDS
        self._fold()
        self.row_us += (taken_us / rows - self.row_us) * (0.5 if self._seen < _FEW else _ROW_WEIGHT)
        if expected:
            self._judge(taken_us)

    def _judge(self, taken_us: float) -> None:
        self._seen += 1
        slow = float(taken_us > INLINE_MICROSECONDS)
        if taken_us > HANG_MICROSECONDS:
            slow = 16.0  # at once: the next one may not have the event loop
        weight = _WEIGHT if self.inline else max(_WEIGHT, 1 / self._seen)
        self._slow += (slow - self._slow) * weight
        self.inline = self._slow <= _LEAVE if self.inline else self._slow <= _RETURN and self._seen >= _FEW

    def _fold(self) -> None:
        """Take in the quick calls that were only counted."""
        if self._quick:
            self._slow *= (1 - _WEIGHT) ** self._quick
            self.row_us += (self._quick_us / self._quick - self.row_us) * (1 - (1 - _ROW_WEIGHT) ** self._quick)
            self._seen += self._quick
            self._quick, self._quick_us = 0, 0.0
