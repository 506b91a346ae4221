"""From a snapshot, a unit and what its request carries to a decision; what can be worked out beforehand is."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from seatrial.routing.assign import draw, prefix
from seatrial.routing.attributes import NO_FEATURES, Attributes, Features
from seatrial.routing.crowds import NO_CROWDS, Crowds, taker
from seatrial.routing.decision import Decision
from seatrial.routing.destination import Destination
from seatrial.routing.first_match import FirstMatch
from seatrial.routing.rules.evaluating import Request
from seatrial.routing.rules.expression import Constant, asked_of
from seatrial.routing.rules.possible import may_hold
from seatrial.routing.seen import Seen
from seatrial.routing.snapshot import Entry, Shadow, Snapshot, never_lacked
from seatrial.spec.errors import BadInput, NotFound
from seatrial.spec.signature import Feature

_ALWAYS = Constant(True, "bool")


class Router:
    """Decides for one deployment at one revision; immutable.

    Entries are tried in order. One without a condition and without a crowd takes every request that comes to it; one
    whose rule fails (for a value that is missing, say) does not. A request that no entry takes goes to the default
    variant, for the reason ``rule`` and with no entry named.

    Args:
        snapshot: Whose entries.
        failed: Told the name of every entry whose rule failed, by whoever decides.
        crowds: Who knows the units of the snapshot's crowds; an entry whose crowd nobody knows takes nobody, and fails.

    Attributes:
        conditional: Whether which entry takes a request depends on what it carries.
        attributes: What is read of it, by rules and by bandits that choose by features.

    Raises:
        BadInput: No entry, an entry that is neither ``to`` nor a split, an unknown variant, weights that are no shares.
    """

    __slots__ = (
        "_by_context",
        "_conditions",
        "_context",
        "_destinations",
        "_only",
        "_rules",
        "_seen",
        "_shadows",
        "_variants",
        "attributes",
        "conditional",
    )

    def __init__(
        self, snapshot: Snapshot, failed: Callable[[str], None] = lambda _: None, crowds: Crowds = NO_CROWDS
    ) -> None:
        self._variants = frozenset(slot.variant for slot in snapshot.slots)
        if not snapshot.entries:
            raise BadInput(f"deployment {snapshot.deployment!r} has no routing entry; give it one with `to` or `split`")
        reached = _reached(snapshot.entries)
        self._seen = Seen(snapshot.entries, [key.name for key in snapshot.context])
        destinations = [Destination(entry, self._variants, self._seen.names) for entry in snapshot.entries]
        self._destinations = (*destinations, _left_over(snapshot, self._variants))
        self._by_context = any(entry.by_context is not None for entry in reached)
        rules = [
            (entry.name, entry.when or _ALWAYS, taker(entry.crowd, crowds))
            for entry in reached
            if not _takes_all(entry)
        ]
        self.conditional = bool(rules)
        needed = never_lacked(snapshot.slots, snapshot.transform)
        self.attributes = Attributes([rule for _, rule, _ in rules], carried(snapshot), needed, self._seen.features)
        self._rules = FirstMatch(rules, failed)
        self._conditions = tuple((rule, takes) for _, rule, takes in rules)
        self._only = self._destinations[0]
        asked = self.attributes.context
        self._context = tuple((key.name, at) for at, key in enumerate(snapshot.context) if key.name in asked)
        self._shadows = tuple((shadow, prefix(shadow.salt, shadow.variant)) for shadow in snapshot.shadows)

    def decide(self, unit: str, context: Sequence[Any] = (), features: Features = NO_FEATURES) -> Decision:
        """Where a request goes, and with which probability it could have gone there.

        Args:
            unit: Who it is for.
            context: Values of the declared context keys, in order.
            features: What it carries.
        """
        chosen = self._only if not self.conditional else self._choose(unit, context, features)
        if chosen.split is not None:
            return chosen.decisions[chosen.split.choose(unit)]
        return chosen.fixed or chosen.decide(unit, self._values(context, features))

    def _choose(self, unit: str, context: Sequence[Any], features: Features) -> Destination:
        return self._destinations[self._rules.find(self.attributes.read(features), self._named(context), unit)]

    def _values(self, context: Sequence[Any], features: Features) -> Sequence[Any]:
        """What bandits that choose by context see."""
        seen = self._seen
        return seen.values(context, self.attributes.read(features)) if seen.features else context

    def _named(self, context: Sequence[Any]) -> Features:
        """The context's values that rules read, by name; none where there are no values at all."""
        return {name: context[at] for name, at in self._context} if context else NO_FEATURES

    def recall(self, unit: str, context: Sequence[Any], features: Features) -> Decision:
        """`decide`, of a request that was decided before: nobody is told of rules that fail."""
        return self._recalled(unit, context, features).decide(unit, self._values(context, features))

    def chances(
        self, unit: str, context: Sequence[Any] = (), features: Features = NO_FEATURES
    ) -> tuple[str, dict[str, float]]:
        """The entry that takes a request ("" for none) and the chances by which its variant is drawn.

        Nobody is told of rules that fail.
        """
        taken = self._recalled(unit, context, features)
        return taken.entry, taken.chances(self._values(context, features))

    def _recalled(self, unit: str, context: Sequence[Any], features: Features) -> Destination:
        return self._destinations[
            self._rules.find(self.attributes.read(features), self._named(context), unit, told=False)
        ]

    def could_have(
        self, unit: str, context: Sequence[Any], features: Features, unknown: Collection[str]
    ) -> tuple[Decision, ...]:
        """The decisions that a request may have got, in the order of entries; nobody is told of rules that fail.

        Those of a bandit that chooses by unknown features are as if it had carried none of them.

        Args:
            unit: Who it was for.
            context: Values of the declared context keys, in order.
            features: What is known of what it carried.
            unknown: Features that it may have carried or not.
        """
        request = Request(self.attributes.read(features), self._named(context), unit)
        values = self._values(context, features)
        found: list[Decision] = []
        for (rule, takes), destination in zip(self._conditions, self._destinations, strict=False):
            if may_hold(rule, request, unknown):
                found.append(destination.decide(unit, values))
                # Who was in a crowd then may not be now.
                if takes is None and asked_of(rule, "features").isdisjoint(unknown):
                    return tuple(found)
        return (*found, self._destinations[len(self._conditions)].decide(unit, values))

    @property
    def chosen_by(self) -> frozenset[str]:
        """The features by which bandits choose."""
        return self._seen.features

    @property
    def by_unit(self) -> bool:
        """Whether a request's unit is all that decides."""
        return not (self._by_context or self.attributes.features or self.attributes.context)

    @property
    def possible(self) -> tuple[Decision, ...]:
        """Every decision that `decide` may come to, where nothing is chosen by context."""
        if not self.conditional:
            return self._only.possible
        return tuple(dict.fromkeys(d for destination in self._destinations for d in destination.possible))

    def force(self, variant: str) -> Decision:
        """The decision that a caller took himself: never evidence.

        Raises:
            NotFound: The deployment has no such variant.
        """
        if variant not in self._variants:
            raise NotFound(f"variant {variant!r} is not one of {', '.join(sorted(self._variants))}")
        return Decision(variant, "override", 1.0, "", False, "", 0)

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


def _reached(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries up to the first that takes everybody."""
    for position, entry in enumerate(entries):
        if _takes_all(entry):
            return entries[: position + 1]
    return entries


def _takes_all(entry: Entry) -> bool:
    return entry.when is None and entry.crowd is None


def _left_over(snapshot: Snapshot, variants: frozenset[str]) -> Destination:
    """Where a request goes that no entry takes."""
    return Destination(Entry(name="", to=snapshot.default, reason="rule"), variants)


def carried(snapshot: Snapshot) -> Sequence[Feature]:
    """What a request may carry: the default variant's features, then those of the others."""
    if snapshot.transform is not None:
        return snapshot.transform.signature.features
    slots = sorted(snapshot.slots, key=lambda slot: slot.variant != snapshot.default)
    return [feature for slot in slots for feature in slot.signature.features]
