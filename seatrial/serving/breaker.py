"""A circuit breaker: a version that keeps failing is left alone for a while, then tried with a few calls.

                       too large a share of enough calls failed
        closed ───────────────────────────────────────────────────► open ◄─────────────┐
           ▲                                                          │                │ a probe failed
           │  so many probes were answered                 `open_for` │                │
           └─────────────────────────────────────── half-open ◄───────┴──────────► half-open

One belongs to one version in one variant of one worker. It is a state machine that reads no clock: times come in.

A call that is answered costs nothing while it is closed. Nothing is noted of it: a window of time begins with a
failure, and how many calls were answered since is asked of the counters when the next failure comes. A window that
passes without enough failures is forgotten, and the next failure begins another.

What says nothing about the version is no failure: rows that do not fit, a queue that is full, time that passed mostly
in the queue, a caller who would not wait. Else too many requests for a healthy version would take it away altogether.

Nor is it news that the version fails again at inputs at which it has failed in this window: one client who sends a few
rows over and over at which the model raises would take it away from everybody. So an error counts once for each
different input, as a call and as a failure. But inputs may be few (a country, a weekday), and a version that is broken
must be left alone then too: while it has answered nobody at all since the window began, repeated ones count as well,
once `DIFFERENT` inputs have failed. A timeout counts each time, whatever the input: it holds a thread, and waiting is
what it costs. A probe that fails at an input that had failed before it opened says nothing either.
The breaker of a version that is in quarantine, or not loaded here, is *locked*: open for good, without probes.
"""

from collections.abc import Callable
from typing import Literal

from seatrial.ledger.rows import Status
from seatrial.routing.snapshot import BreakerPolicy

State = Literal["closed", "open", "half-open"]
Turn = Literal["opened", "closed"]

_NS = 1_000_000_000
_LONGEST_RETRY = 60

DIFFERENT = 5
"""Where a version answers nobody, so many inputs must have failed before repeated failures count."""

_REMEMBERED = 1024
"""So many failed inputs are told apart; with that many, further ones are different for all that matters."""


class Breaker:
    """The breaker of one version; used by the event loop only. Moments are monotonic nanoseconds.

    Args:
        policy: When it opens; None: never by itself.
        told: Called when it opens (from closed) and when it closes; None: nobody wants to know.

    Attributes:
        blocked: It is not closed, so that a call must ask `admits` first.
        locked, locked_as: Why it is locked ("": it is not), and what the attempts that it keeps off have come to.
        state: ``closed``, ``open`` or ``half-open``.
        stood_in: Calls answered in place of other variants, which the counters hold under those.
    """

    __slots__ = (
        "_answered_before",
        "_failures",
        "_passed",
        "_policy",
        "_probing",
        "_repeated",
        "_seen",
        "_since",
        "blocked",
        "locked",
        "locked_as",
        "state",
        "stood_in",
        "told",
    )

    def __init__(self, policy: BreakerPolicy | None, told: Callable[[Turn], None] | None = None) -> None:
        self._policy = policy
        self.told = told
        self.state: State = "closed"
        self.blocked = False
        self.locked = ""
        self.locked_as: Status = "quarantine"
        self.stood_in = 0
        self._since: int | None = None
        self._failures = 0
        self._repeated = 0
        self._seen: set[bytes] = set()
        self._answered_before = 0
        self._probing = 0
        self._passed = 0

    def admits(self, now: int) -> bool:
        """Whether a call may go to the version, as a probe; asked only while `blocked`.

        Each probe admitted ends with `passed`, `failed` or `withdrawn`; one that never does is forgotten in time.
        """
        policy = self._policy
        if self.locked or policy is None:
            return False
        assert self._since is not None
        over = now - self._since >= policy.open_for * _NS
        if self.state == "open" and over:
            self.state = "half-open"
            self._probing = self._passed = 0
        elif self.state == "half-open" and over:
            self._probing = 0  # they took longer than anybody waits: lost
        if self.state == "open" or self._probing + self._passed >= policy.probes:
            return False
        self._probing += 1
        self._since = now
        return True

    def failed(self, now: int, answered: int, *, probe: bool = False, inputs: bytes | None = None) -> None:
        """A call failed.

        Args:
            answered: Calls that the version ever answered; only differences matter.
            probe: It was admitted as a probe.
            inputs: What calls of equal inputs have in common; None: it counts whatever they were.
        """
        policy = self._policy
        if policy is None or (self.blocked and not probe):
            return  # it began before the breaker opened, which knows already
        if probe:
            if inputs is not None and inputs in self._seen:
                self.withdrawn()
            elif self.state == "half-open":
                self.state, self._since = "open", now
            return
        if self._since is None or now - self._since > policy.window * _NS:
            self._since, self._failures, self._answered_before = now, 0, answered
            self._repeated, self._seen = 0, set()
        self._note(inputs)
        if self._is_enough(policy, answered - self._answered_before):
            self.state, self._since = "open", now
            self._block()

    def _note(self, inputs: bytes | None) -> None:
        if inputs is not None and inputs in self._seen:
            self._repeated += 1
            return
        self._failures += 1
        if inputs is not None and len(self._seen) < _REMEMBERED:
            self._seen.add(inputs)

    def _is_enough(self, policy: BreakerPolicy, answered: int) -> bool:
        failures = self._failures
        if not answered and failures >= DIFFERENT:
            failures += self._repeated
        calls = failures + answered
        return calls >= policy.minimum_calls and failures >= policy.failures * calls

    def passed(self) -> None:
        """A probe was answered."""
        if self.state != "half-open" or self.locked:
            return  # another probe failed meanwhile, or the version was quarantined
        assert self._policy is not None
        self._probing = max(0, self._probing - 1)
        self._passed += 1
        if self._passed >= self._policy.probes:
            self._close()

    def withdrawn(self) -> None:
        """A probe came to nothing that says anything about the version."""
        self._probing = max(0, self._probing - 1)

    def lock(self, reason: str, status: Status = "quarantine") -> None:
        """Open for good: the version is quarantined, or not loaded."""
        self.locked, self.locked_as = reason, status
        self._block()

    def unlock(self) -> None:
        """The quarantine was lifted, or it is loaded."""
        if self.locked:
            self.locked = ""
            self._close()

    def retry_after(self, now: int) -> int:
        """Seconds after which it may admit a call again."""
        if self.locked or self._policy is None or self._since is None:
            return _LONGEST_RETRY
        left = self._policy.open_for - (now - self._since) / _NS
        return max(1, min(_LONGEST_RETRY, int(left) + 1))

    def adopt(self, other: "Breaker") -> None:
        """Go on from where the breaker of the same version was in the revision before, which tells nobody any more."""
        self.state, self.blocked = other.state, other.blocked
        self.locked, self.locked_as = other.locked, other.locked_as
        self._since, self._failures, self._answered_before = other._since, other._failures, other._answered_before
        self._repeated, self._seen = other._repeated, other._seen
        self._passed, self.stood_in = other._passed, other.stood_in
        other.told = None

    def retire(self) -> None:
        """Its version is served no more."""
        self._tell("closed")
        self.told = None

    def _block(self) -> None:
        self._tell("opened")
        self.blocked = True

    def _close(self) -> None:
        self._tell("closed")
        self.state, self.blocked, self._since = "closed", False, None

    def _tell(self, turn: Turn) -> None:
        if self.told is not None and self.blocked is (turn == "closed"):
            self.told(turn)
