"""From a snapshot and a unit to a decision; whatever can be worked out beforehand is, when the router is made."""

import math
from typing import Literal

from seatrial.routing.assign import Split, draw, prefix
from seatrial.routing.decision import Decision
from seatrial.routing.snapshot import Entry, Shadow, Snapshot
from seatrial.spec.errors import BadInput, NotFound

_TOLERANCE = 1e-9
"""How far the weights of an entry may be from a sum of 1."""


class Router:
    """Decides for one deployment at one revision; immutable.

    Args:
        snapshot: Its entries are tried in order; one without a condition always decides, those after it never do.

    Raises:
        BadInput: No entry, an entry that is neither ``to`` nor a split, an unknown variant, weights that are no shares.
    """

    __slots__ = ("_decisions", "_fixed", "_shadows", "_split", "_variants")

    def __init__(self, snapshot: Snapshot) -> None:
        self._variants = frozenset(slot.variant for slot in snapshot.slots)
        if not snapshot.entries:
            raise BadInput(f"deployment {snapshot.deployment!r} has no routing entry; give it one with `to` or `split`")
        for entry in snapshot.entries:
            self._check(entry)
        entry = snapshot.entries[0]
        self._decisions = _decisions(entry)
        live = [arm for arm in entry.arms if arm.weight > 0]
        self._split = Split(entry.salt, live) if entry.to is None and len(live) > 1 else None
        self._fixed = None if self._split else self._decisions[entry.to or live[0].variant]
        self._shadows = tuple((shadow, prefix(shadow.salt, shadow.variant)) for shadow in snapshot.shadows)

    def decide(self, unit: str) -> Decision:
        """Where a unit's request goes, and with which probability it could have gone there."""
        if self._split is None:
            assert self._fixed is not None
            return self._fixed
        return self._decisions[self._split.choose(unit)]

    @property
    def possible(self) -> tuple[Decision, ...]:
        """Every decision that `decide` may come to."""
        return (self._fixed,) if self._fixed is not None else tuple(d for d in self._decisions.values() if d.propensity)

    def force(self, variant: str, reason: Literal["override", "explicit"]) -> Decision:
        """The decision that a caller took himself: never evidence.

        Raises:
            NotFound: The deployment has no such variant.
        """
        if variant not in self._variants:
            raise NotFound(f"variant {variant!r} is not one of {', '.join(sorted(self._variants))}")
        return Decision(variant, reason, 1.0, "", False, "", 0)

    def shadows(self, decision: Decision, request_id: str) -> tuple[Shadow, ...]:
        """Which variants get a copy of a request, beside the one that it was assigned to."""
        if not self._shadows:
            return ()
        return tuple(
            shadow
            for shadow, head in self._shadows
            if shadow.variant != decision.variant
            and shadow.entry in ("", decision.entry)
            and draw(head, request_id.encode()) < shadow.share
        )

    def _check(self, entry: Entry) -> None:
        if (entry.to is None) == (not entry.arms):
            raise BadInput(f"routing entry {entry.name!r} must have exactly one of `to` and `split`")
        named = [entry.to] if entry.to is not None else [arm.variant for arm in entry.arms]
        for variant in named:
            if variant not in self._variants:
                raise BadInput(f"routing entry {entry.name!r} names variant {variant!r}, which is not declared")
        if entry.to is None:
            _check_weights(entry)


def _check_weights(entry: Entry) -> None:
    weights = [arm.weight for arm in entry.arms]
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise BadInput(f"routing entry {entry.name!r} has a weight that is not a share: {weights}")
    if abs(math.fsum(weights) - 1) > _TOLERANCE:
        raise BadInput(f"the shares of routing entry {entry.name!r} sum to {math.fsum(weights):.6g}; make them 1")
    if len({arm.variant for arm in entry.arms}) != len(entry.arms):
        raise BadInput(f"routing entry {entry.name!r} names a variant twice")


def _decisions(entry: Entry) -> dict[str, Decision]:
    if entry.to is not None:
        return {entry.to: Decision(entry.to, "rule", 1.0, entry.name, False, entry.release, entry.phase)}
    contested = sum(arm.weight > 0 for arm in entry.arms) > 1
    return {
        arm.variant: Decision(arm.variant, entry.reason, arm.weight, entry.name, contested, entry.release, entry.phase)
        for arm in entry.arms
    }
