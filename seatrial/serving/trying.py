"""Whether a variant that keeps failing is tried, and what its breaker hears of an attempt; times are ticks."""

from seatrial.serving.deployed import Deployed
from seatrial.serving.parts import Part
from seatrial.serving.variant import Attempt

_FAILURES = ("error", "timeout")
"""What speaks against a version; a full queue does not."""


def tries(attempt: Attempt, now: int) -> bool:
    """Whether a breaker that is not closed lets this attempt try; otherwise it has failed."""
    breaker = attempt.variant.breaker
    attempt.probe = breaker.admits(now)
    if not attempt.probe:
        attempt.retry_after = breaker.retry_after(now)
        if breaker.locked:
            attempt.fail(breaker.locked_as, breaker.locked)
        else:
            attempt.fail("breaker", f"it kept failing and is left alone for {attempt.retry_after} s")
    return attempt.probe


def tell_breaker(attempt: Attempt, part: Part, deployed: Deployed, now: int) -> None:
    """Tell the breaker of its variant how an attempt went."""
    variant, breaker = attempt.variant, attempt.variant.breaker
    if attempt.recalled:
        return  # the model was not asked, or whoever asked it says how that went
    if attempt.read is not None:
        breaker.stood_in += attempt is not part.first
        if attempt.probe:
            breaker.passed()
    elif attempt.status in _FAILURES and attempt.refused is None and not part.overdue and not attempt.queued:
        answered = deployed.counts.answered_itself(variant.name) + breaker.stood_in
        inputs = attempt.digest() if attempt.status == "error" else None
        breaker.failed(now, answered, probe=attempt.probe, inputs=inputs)
    elif attempt.probe:
        breaker.withdrawn()
