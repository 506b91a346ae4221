"""Decisions as they are recorded: what was observed beside what was decided, so that the past can be decided again."""

import msgspec

from seatrial.control.change import LOOP
from seatrial.control.decide import Action, Observed, decide, row_of
from seatrial.control.learning import REWEIGHED, can_be_decided_again, decided_again
from seatrial.releases.records import AuditEntry
from seatrial.releases.state import State
from seatrial.spec.errors import SeatrialError

DECIDED = "decide"
"""The audit's name for a decision."""


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded decision that today's table would not come to.

    Attributes:
        id: Position in the audit.
        recorded: The row and actions of then.
        today: The row and actions that the same observation leads to now.
    """

    deployment: str
    id: int
    at: int
    recorded: str
    today: str


class Decided(msgspec.Struct, frozen=True):
    """What a decision came to.

    Attributes:
        row: The row of the release's table that decided.
        actions: What was to be done, in order.
    """

    row: str
    actions: tuple[Action, ...]


def decided(observed: Observed) -> Decided:
    """The decision on what was observed."""
    return Decided(row_of(observed).name, decide(observed))


def entry_of(observed: Observed, decision: Decided) -> AuditEntry:
    """The audit entry of a decision."""
    doing = ", ".join(action.kind for action in decision.actions) or "wait"
    because = f" ({', '.join(observed.because)})" if observed.because else ""
    trouble = f": {observed.trouble}" if observed.trouble else ""
    missing = f": {', '.join(observed.unmeasured)}" if decision.row == "canary: no data" else ""
    shut = {"closed": f": {observed.closed}", "held back": f": {observed.held_back}"}.get(decision.row, "")
    return AuditEntry(
        deployment=observed.deployment,
        at=observed.at,
        action=DECIDED,
        actor=LOOP,
        why=decision.row,
        sentence=f"Decided to {doing}: {decision.row}{because}{trouble}{missing}{shut}.",
        revision=observed.revision,
        release=observed.release,
        observed=msgspec.json.encode(observed).decode(),
        decision=msgspec.json.encode(decision).decode(),
    )


def observed_of(entry: AuditEntry) -> Observed:
    """What a recorded decision saw."""
    return msgspec.json.decode(entry.observed, type=Observed)


def decision_of(entry: AuditEntry) -> Decided:
    """What a recorded decision came to."""
    return msgspec.json.decode(entry.decision, type=Decided)


def verify(state: State, deployment: str | None = None) -> list[Mismatch]:
    """Decide every recorded observation again; what comes out otherwise than it did then.

    Args:
        deployment: Only this one's; None: every one's.
    """
    return [found for entry in replayed(state, deployment) for found in _again(entry)]


def replayed(state: State, deployment: str | None = None) -> list[AuditEntry]:
    """The recorded decisions that ``verify`` comes to again: of releases, and on the weights of bandits."""
    names = [deployment] if deployment is not None else [each.deployment for each in state.deployments.all()]
    releases = [entry for name in names for entry in state.audit.of(name, action=DECIDED)]
    weights = [entry for name in names for entry in state.audit.of(name, action=REWEIGHED)]
    return [*releases, *(entry for entry in weights if can_be_decided_again(entry))]


def passed_over(state: State, deployment: str) -> int:
    """How many recorded reweighings by context ``verify`` cannot come to again, since their sums are not recorded."""
    return sum(not can_be_decided_again(entry) for entry in state.audit.of(deployment, action=REWEIGHED))


def _again(entry: AuditEntry) -> list[Mismatch]:
    try:
        if entry.action == REWEIGHED:
            today = decided_again(entry)
        else:
            today = msgspec.json.encode(decided(observed_of(entry))).decode()
    except (msgspec.MsgspecError, ValueError, SeatrialError) as error:
        today = f"what was observed cannot be read any more: {error}"
    if today == entry.decision:
        return []
    return [Mismatch(deployment=entry.deployment, id=entry.id, at=entry.at, recorded=entry.decision, today=today)]
