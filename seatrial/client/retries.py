"""When a call is sent again: only where a repeat is harmless, and only while there is time."""

from typing import Literal

from seatrial.client.messages import Call

Failure = Literal["broken", "later"]
"""``broken``: the connection failed before a whole answer came; ``later``: the other side said 429 or 503."""

MOST_TRIES = 3
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0


def pause(call: Call, failure: Failure, tried: int, remaining: float, retry_after: float | None = None) -> float | None:
    """Seconds to wait before the next try, or None to give up.

    Args:
        tried: Tries so far, from 1.
        remaining: Seconds until the caller's time is up.
        retry_after: What the other side asked for.
    """
    if not call.repeatable or (failure == "later" and not call.patient) or (tried >= MOST_TRIES and not call.patient):
        return None
    growing = 0.0 if tried == 1 and failure == "broken" else min(FIRST_PAUSE * 2 ** min(tried, 10), LONGEST_PAUSE)
    wait = max(growing, min(retry_after or 0.0, LONGEST_PAUSE))
    return wait if wait < remaining else None
