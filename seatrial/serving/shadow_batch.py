"""A shadow's copies, computed together when several wait: in the shadow's own thread, so that no live request waits."""

import time
from collections.abc import Hashable, Sequence

from seatrial.serving.batching import Ticket
from seatrial.serving.variant import Attempt, Variant

MOST_ROWS = 64
"""A copy of more rows is computed by itself."""


def most_rows(variant: Variant) -> int:
    """Rows of copies that may be computed together now; 1 where each is computed by itself."""
    if variant.batching is None or variant.engine.together is False:
        return 1
    return variant.batching.size


def breathe() -> None:
    """Let the event loop have the interpreter if it waits for it, rather than when it may force us."""
    time.sleep(0)


def run_together(variant: Variant, attempts: Sequence[Attempt]) -> None:
    """Run attempts of a variant in as few calls as it takes; whatever goes wrong is kept in each, never raised."""
    batching = variant.batching
    if batching is None or len(attempts) == 1:
        for attempt in attempts:
            breathe()
            attempt.run()
        return
    kinds: dict[Hashable, list[Ticket]] = {}
    for attempt in attempts:
        breathe()
        if len(attempt.rows) > MOST_ROWS:
            attempt.run()
        elif attempt.read_rows() and attempt.encoded is not None:
            ticket = batching.ticket(attempt, attempt.encoded.tensors, len(attempt.rows))
            kinds.setdefault(ticket.kind, []).append(ticket)
    for tickets in kinds.values():
        variant.engine.answer(tickets)
