"""Whether a model is quick enough to run on the event loop itself.

Handing a call to a thread and back costs some 40 µs; a model that takes 11 should not pay that. So calls are timed, and
a model runs inline while its 99th percentile is under 200 µs: fewer than one recent call in a hundred was slower. The
measure goes on in the threads, so a model that got slow leaves the loop at once (at the third slow call of some 256)
and comes back when it has been quick for a while (some 270 calls after a short trouble, 1 400 after a long one). Close
to the limit it is careful: with 1 call in 500 slow it is inline nearly always, with 1 in 100 seldom, with 1 in 50 not.

On a busy machine a quick call now and then looks slow, because its thread did not run. So a call that took long by the
wall makes the next ones be timed by the processor's clock too, and what is slow by that clock is the model's. It is a
system call, and not free: it is asked only when long calls come near the limit, and when three of them have shown whose
doing they are, it rests for some thousand calls. Meanwhile a long call counts as theirs did; several in a row say that
something has changed.
"""

INLINE_MICROSECONDS = 200.0
HANG_MICROSECONDS = 100_000.0
_CAREFUL_CALLS = 32
_RESTING_CALLS = 4096
_IN_A_ROW = 3
_FOLDED = 64
_WEIGHT = 1 / 256
_BLAME_WEIGHT = 1 / 2
_ENOUGH = 3
_LEAVE = 0.01
_RETURN = 0.004
_FEW = 8


class Pace:
    """A running measure of one model's calls; noted by any thread (a lost note does no harm).

    Attributes:
        inline: The model is measured quick. False until it was measured.
        row_us: Smoothed microseconds per row.
        careful: So many calls are still to be timed by the processor's clock.
    """

    __slots__ = ("_blame", "_look_at", "_quick", "_seen", "_shown", "_slow", "_streak", "careful", "inline", "row_us")

    def __init__(self) -> None:
        self.inline = False
        self.row_us = INLINE_MICROSECONDS
        self.careful = _CAREFUL_CALLS
        self._slow = 1.0
        self._seen = 0
        self._quick = 0
        self._blame = 1.0
        self._look_at = 0
        self._shown = 0
        self._streak = 0

    def fits(self, rows: int) -> bool:
        """Whether a call of this many rows is expected to stay under the limit."""
        return self.inline and (rows == 1 or rows * self.row_us <= INLINE_MICROSECONDS)

    def note(self, wall_us: float, rows: int, processor_us: float | None = None) -> None:
        """Count one call of ``rows`` rows.

        A batch that nobody expected to fit says what a row costs, and nothing about the calls that would run inline.

        Args:
            wall_us: Microseconds it took.
            processor_us: Microseconds its thread ran, where that was measured.
        """
        if rows == 1 and self.inline and wall_us <= INLINE_MICROSECONDS and self._quick < _FOLDED <= self._seen:
            self._quick += 1  # nearly every call; what it means is worked out with the next that is different
            return
        expected = rows == 1 or rows * self.row_us <= INLINE_MICROSECONDS
        taken = wall_us if processor_us is None else min(wall_us, processor_us)
        self.row_us += (taken / rows - self.row_us) * (0.5 if self._seen < _FEW else 0.02)
        if expected:
            self._judge(wall_us, taken, measured=processor_us is not None)

    def _judge(self, wall_us: float, taken: float, *, measured: bool) -> None:
        self._fold()
        self._seen += 1
        slow = 0.0
        if wall_us > HANG_MICROSECONDS:
            slow = 16.0  # at once: the next one may not have the event loop
        elif wall_us > INLINE_MICROSECONDS:
            slow = self._long(taken > INLINE_MICROSECONDS, measured=measured)
        else:
            self._streak = 0
        weight = _WEIGHT if self.inline else max(_WEIGHT, 1 / self._seen)
        self._slow += (slow - self._slow) * weight
        self.inline = self._slow <= _LEAVE if self.inline else self._slow <= _RETURN and self._seen >= _FEW

    def _fold(self) -> None:
        """Take in the quick calls that were only counted."""
        if self._quick:
            self._slow *= (1 - _WEIGHT) ** self._quick
            self._seen += self._quick
            self._quick = self._streak = 0

    def _long(self, busy: bool, *, measured: bool) -> float:
        """How far a call that was long by the wall is the model's doing, from 0 to 1."""
        if measured:
            self._blame += (busy - self._blame) * _BLAME_WEIGHT
            self._shown += 1
            if self._shown >= _ENOUGH:
                self._shown, self._look_at = 0, self._seen + _RESTING_CALLS
            return float(busy)
        self._streak += 1
        near = self._slow > _LEAVE / 2 and self._seen >= self._look_at
        if near or self._streak >= _IN_A_ROW:
            self.careful = _CAREFUL_CALLS
        return self._blame
