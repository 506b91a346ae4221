"""The value that routing gives to everybody else."""

from typing import Literal, NamedTuple

Reason = Literal["split", "canary", "bandit", "rule", "explicit", "cold-start", "override"]


class Decision(NamedTuple):
    """Why a request goes where it goes.

    Attributes:
        variant: The variant the request is assigned to.
        reason: Why.
        propensity: The probability, under the policy of this snapshot, that this variant would be chosen; in (0, 1].
        entry: Name of the routing entry that decided.
        contested: At least two variants had a chance above zero: a row of this decision may be evidence.
        release: Identity of the release that owns the entry's weights, or "".
        phase: Number of the period of constant weights within that release (0 outside one).
        chances: Of every arm of the entry in its order, where they depend on the context; else empty.
    """

    variant: str
    reason: Reason
    propensity: float
    entry: str
    contested: bool
    release: str
    phase: int
    chances: tuple[float, ...] = ()
