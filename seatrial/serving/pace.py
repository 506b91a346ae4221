"""Whether a model is quick enough to run on the event loop itself.

Handing a call to a thread and back costs some 40 µs; a model that takes 11 should not pay that. So calls are timed, and
a model runs inline while its 99th percentile is under 200 µs: fewer than one recent call in a hundred was slower. One
that got slow leaves the loop at the fourth slow call in a row, one that hangs at once. It comes back on trial when it
has spent some thousand calls in threads, few of them slow; each trial that fails makes the next one wait twice as long.
(Calls in threads are held up by one another, so what they say of a model is not enough to let it in, or to keep it out
for ever.)

On a busy machine a quick call now and then looks slow, because its thread did not run, or another had the interpreter.
A model that computes in the calling thread and nowhere else is therefore judged by the processor time of its calls:
what is longer by the wall is not its doing, and handing it to a thread would make it worse. Every other model is judged
by the wall. The processor's clock charges a call with interrupts and switches of threads too (on a busy virtual machine
one call in fifty of a model of 25 µs was seen at 200 to 350), so by that clock a call is slow beyond three times the
limit, or beyond the limit itself when calls usually are.
"""

INLINE_MICROSECONDS = 200.0
HANG_MICROSECONDS = 100_000.0
NOISY_MICROSECONDS = 3 * INLINE_MICROSECONDS
_FOLDED = 64
_WEIGHT = 1 / 1024
_THREADS_WEIGHT = 1 / 256
_ROW_WEIGHT = 0.02
_LEAVE = 0.01
_ON_TRIAL = 0.005
_RETURN = 0.05
_IN_A_ROW = 4
_FEW = 8
_SHORTEST_AWAY, _LONGEST_AWAY = 1024, 65_536


class Pace:
    """A running measure of one model's calls; noted by any thread (a lost note does no harm).

    Args:
        noisy_us: Calls up to so many microseconds are not slow while a row usually costs less than the limit.

    Attributes:
        inline: The model is measured quick. False until it was measured.
        row_us: Smoothed microseconds per row.
    """

    __slots__ = (
        "_away",
        "_noisy_us",
        "_quick",
        "_quick_us",
        "_seen",
        "_slow",
        "_stayed",
        "_streak",
        "_wait",
        "inline",
        "row_us",
    )

    def __init__(self, noisy_us: float = INLINE_MICROSECONDS) -> None:
        self._noisy_us = noisy_us
        self.inline = False
        self.row_us = INLINE_MICROSECONDS
        self._slow = 1.0
        self._seen = 0
        self._quick = 0
        self._quick_us = 0.0
        self._streak = 0
        self._stayed = 0
        self._away = 0
        self._wait = 0

    def fits(self, rows: int) -> bool:
        """Whether a call of this many rows is expected to stay under the limit."""
        return self.inline and (rows == 1 or rows * self.row_us <= INLINE_MICROSECONDS)

    def note(self, taken_us: float, rows: int) -> None:
        """Count one call of ``rows`` rows.

        A batch says of one of its rows what the others, at the usual cost, leave of its time. One that nobody expected
        to fit says what a row costs, and nothing about the calls that would run inline.

        Args:
            taken_us: Microseconds that were the model's.
        """
        if rows == 1 and self.inline and taken_us <= INLINE_MICROSECONDS and self._quick < _FOLDED <= self._seen:
            self._quick += 1  # nearly every call; what it means is worked out with the next that is different
            self._quick_us += taken_us
            return
        self._fold()
        expected = rows == 1 or rows * self.row_us <= INLINE_MICROSECONDS
        one_us = taken_us - (rows - 1) * self.row_us
        self.row_us += (taken_us / rows - self.row_us) * (0.5 if self._seen < _FEW else _ROW_WEIGHT)
        if expected:
            self._judge(one_us)

    def _judge(self, one_us: float) -> None:
        self._seen += 1
        slow = one_us > (self._noisy_us if self.row_us <= INLINE_MICROSECONDS else INLINE_MICROSECONDS)
        self._streak = self._streak + 1 if slow else 0
        if self.inline:
            self._stayed += 1
            self._slow += (slow - self._slow) * _WEIGHT
            if self._slow > _LEAVE or self._streak >= _IN_A_ROW or one_us > HANG_MICROSECONDS:
                self._leave()
            return
        self._away += 1
        self._slow += (slow - self._slow) * max(_THREADS_WEIGHT, 1 / self._seen)
        if self._away >= self._wait and self._seen >= _FEW and self._slow <= _RETURN:
            self.inline, self._slow, self._stayed = True, min(self._slow, _ON_TRIAL), 0

    def _leave(self) -> None:
        held_out = self._stayed >= _LONGEST_AWAY
        self._wait = _SHORTEST_AWAY if held_out else min(_LONGEST_AWAY, max(_SHORTEST_AWAY, 2 * self._wait))
        self.inline, self._away = False, 0

    def _fold(self) -> None:
        """Take in the quick calls that were only counted."""
        if self._quick:
            self._slow *= (1 - _WEIGHT) ** self._quick
            self.row_us += (self._quick_us / self._quick - self.row_us) * (1 - (1 - _ROW_WEIGHT) ** self._quick)
            self._seen += self._quick
            self._stayed += self._quick
            self._quick, self._quick_us, self._streak = 0, 0.0, 0
