"""Where one routing entry sends a unit, once it has been chosen; worked out beforehand as far as it can be."""

import math
from collections.abc import Sequence
from typing import Any

from seatrial.routing.assign import Split
from seatrial.routing.by_context import ContextChoice
from seatrial.routing.decision import Decision
from seatrial.routing.snapshot import Entry
from seatrial.spec.errors import BadInput

_TOLERANCE = 1e-9
"""How far the weights of an entry may be from a sum of 1."""


class Destination:
    """Decides for the units of one entry; immutable.

    Args:
        entry: With ``to``, or with arms.
        variants: The deployment's.
        keys: Names of what a bandit may choose by (context keys, features), in the order of its values.

    Attributes:
        by_context: What chooses by context; None: what a request says of itself plays no part.
        split: What a unit is drawn by otherwise; None: every unit gets ``fixed``.
        decisions: By variant.
        entry: Its name.

    Raises:
        BadInput: It is neither ``to`` nor a split, names an unknown variant, or its weights are no shares.
    """

    __slots__ = ("by_context", "decisions", "entry", "fixed", "split")

    def __init__(self, entry: Entry, variants: frozenset[str], keys: Sequence[str] = ()) -> None:
        _check(entry, variants)
        self.entry = entry.name
        self.decisions = _decisions(entry)
        self.by_context = ContextChoice(entry, keys) if entry.by_context is not None else None
        live = [arm for arm in entry.arms if arm.weight > 0]
        drawn = entry.to is None and len(live) > 1 and self.by_context is None
        self.split = Split(entry.salt, live) if drawn else None
        self.fixed = None if self.split or self.by_context else self.decisions[entry.to or live[0].variant]

    def decide(self, unit: str, values: Sequence[Any] = ()) -> Decision:
        """Where a unit goes, and with which probability it could have gone there.

        Args:
            unit: Who.
            values: What a bandit may choose by, in order; empty: there is nothing.
        """
        if self.by_context is not None:
            return self.by_context.decide(unit, values)
        if self.split is None:
            assert self.fixed is not None
            return self.fixed
        return self.decisions[self.split.choose(unit)]

    def chances(self, values: Sequence[Any] = ()) -> dict[str, float]:
        """Of every variant that a unit may get; they sum to 1.

        Args:
            values: As `decide` takes them.
        """
        if self.by_context is not None:
            return dict(zip(self.decisions, self.by_context.chances(values), strict=True))
        return {decision.variant: decision.propensity for decision in self.possible}

    @property
    def possible(self) -> tuple[Decision, ...]:
        """Every decision that `decide` may come to."""
        return (self.fixed,) if self.fixed is not None else tuple(d for d in self.decisions.values() if d.propensity)


def _check(entry: Entry, variants: frozenset[str]) -> None:
    if (entry.to is None) == (not entry.arms):
        raise BadInput(f"routing entry {entry.name!r} must have exactly one of `to` and `split`")
    named = [entry.to] if entry.to is not None else [arm.variant for arm in entry.arms]
    for variant in named:
        if variant not in variants:
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
        reason = entry.reason if entry.reason in ("explicit", "cold-start") else "rule"
        return {entry.to: Decision(entry.to, reason, 1.0, entry.name, False, entry.release, entry.phase)}
    contested = sum(arm.weight > 0 for arm in entry.arms) > 1
    return {
        arm.variant: Decision(arm.variant, entry.reason, arm.weight, entry.name, contested, entry.release, entry.phase)
        for arm in entry.arms
    }
