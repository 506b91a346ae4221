"""A request under way, cut into *parts*: the instances that one variant was assigned to; nearly always there is one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seatrial.ledger.rows import AnsweredBy, Status
from seatrial.protocol.features import Row
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.deployed import Deployed
from seatrial.serving.lookups import attempt_of
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import BadInput

ANSWERED: frozenset[AnsweredBy] = frozenset(("assigned", "default", "cache"))
"""How a variant's own answer is said to have come."""

Shape = Callable[["Pending"], Any]


class Part:
    """The instances of a request that one variant was assigned to, on their way to an answer.

    Attributes:
        decision: Why that variant; the same for all of them.
        indices: Their places in the request.
        attempt: The attempt under way, or the one that decided.
        first: The assigned variant's own attempt.
        by: How it was answered; None while open.
        deadline: Ticks by which the caller wants an answer; None: whatever the variants' own limits allow.
        waited: Nanoseconds that the request waited for the event loop.
        overdue: That time passed without one.
        unable: Why a variant, by name, cannot answer in the way that was asked.
    """

    __slots__ = (
        "attempt",
        "by",
        "deadline",
        "decision",
        "first",
        "indices",
        "keys",
        "overdue",
        "people",
        "rows",
        "unable",
        "waited",
    )

    def __init__(
        self,
        decision: Decision,
        variant: Variant,
        indices: Sequence[int],
        keys: Sequence[str | None],
        people: Sequence[Person],
        rows: Sequence[Row],
        places: Sequence[int | None] | None = None,
    ) -> None:
        self.decision = decision
        self.indices = indices
        self.keys = keys
        self.people = people
        self.rows = rows
        self.first = self.attempt = attempt_of(variant, rows, places, keys, people)
        self.by: AnsweredBy | None = None
        self.deadline: int | None = None
        self.waited = 0
        self.overdue = False
        self.unable: Mapping[str, BadInput] = {}

    def is_unable(self) -> bool:
        """Whether the attempt is one of a variant that cannot answer in the way that was asked; then it has failed."""
        why = self.unable.get(self.attempt.variant.name)
        if why is None:
            return False
        self.attempt.refuse(why)
        return True

    def feed(self, rows: Sequence[Row]) -> None:
        """Go on with the rows that a transform made of the request's."""
        self.rows = rows
        self.first = self.attempt = attempt_of(self.first.variant, rows, None, self.keys, self.people)

    def settle(self, deployed: Deployed) -> None:
        """Look at the attempt that ended: answered, on to the next one, or the end of the ladder.

        Rows that the assigned variant refuses and the default one takes are that variant's failure, so that nobody is
        turned away for having been drawn into a test. A variant that the caller named himself refuses for itself.

        Raises:
            BadInput: The rows fit neither what the assigned variant takes nor what the default one does; after a miss
                it is enough that they do not fit the default.
        """
        attempt, first = self.attempt, self.first
        if deployed.transform is not None:
            first.refused = attempt.refused = None  # these rows are the transform's, and no caller sent them
        if attempt.read is not None:
            self.by = "default" if attempt is not first else "cache" if attempt.recalled else "assigned"
        elif first.refused is not None and attempt.refused is not None and self._last(deployed):
            raise first.refused
        elif attempt is first and attempt.variant is not deployed.default:
            self.attempt = attempt_of(deployed.default, self.rows, None, self.keys, self.people)
        elif attempt.refused is not None and first.status == "miss" and deployed.fallback is None:
            raise attempt.refused  # the default computes what the table lacks, and these rows do not fit it
        else:
            self.by = "none" if deployed.fallback is None else "fallback"

    def _last(self, deployed: Deployed) -> bool:
        """Nobody else may be asked whether the rows fit."""
        return self.attempt.variant is deployed.default or self.decision.reason == "override"

    def give_up(self, status: Status, error: str) -> None:
        """Stop waiting for the attempt. A thread may still be at it, so what counts from here on is another object."""
        waiting = self.attempt
        settled = Attempt(waiting.variant, self.rows)
        settled.probe = waiting.probe
        settled.encoded = waiting.encoded
        settled.fail(status, error)
        if self.first is waiting:
            self.first = settled
        self.attempt = settled

    def leave(self) -> None:
        """The caller is gone: nobody waits for what is still open."""
        if self.by is None:
            self.give_up("timeout", "the caller left before the answer")
            self.by = "none"


class Pending:
    """A request under way.

    Attributes:
        shape: Makes the answer of it once every part is closed.
        at: Server time of the decision, microseconds since 1970 UTC.
        started: Ticks at which it began.
        size: Bytes in which it came; 0 where nobody knows.
        fed: The deployment's transform has made its rows.
    """

    __slots__ = ("at", "deployed", "fed", "latency_us", "parts", "request_id", "sampled", "shape", "size", "started")

    def __init__(
        self,
        deployed: Deployed,
        request_id: str,
        at: int,
        started: int,
        parts: Sequence[Part],
        shape: Shape,
        size: int = 0,
    ) -> None:
        self.deployed = deployed
        self.request_id = request_id
        self.at = at
        self.started = started
        self.parts = parts
        self.shape = shape
        self.size = size
        self.latency_us = 0
        self.sampled = True
        self.fed = False
