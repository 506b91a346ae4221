"""Outcomes on their way to the ledger: whose they may be, and what they are called."""

from collections.abc import Callable, Iterable, Sequence
from uuid import uuid4

from seatrial.ledger.outcomes import derive_id
from seatrial.ledger.rows import Outcome
from seatrial.protocol.outcomes import OutcomeGiven
from seatrial.serving.deployed import Deployed
from seatrial.spec.errors import BadInput


def stored(
    given: Sequence[OutcomeGiven],
    find: Callable[[str], Deployed],
    served: Iterable[Deployed],
    now: int,
    token: Callable[[], str] = lambda: uuid4().hex,
) -> list[Outcome]:
    """Outcomes as the ledger keeps them.

    Args:
        given: Checked outcomes.
        find: The deployment of a name; raises when there is none.
        served: All deployments.
        now: Arrival, microseconds since 1970 UTC.
        token: Draws an identity for an outcome with neither id nor time.

    Raises:
        BadInput: An outcome that no deployment declares (or not the one named), with those that are declared.
    """
    declared = {name for deployed in served for name in deployed.snapshot.outcomes}
    return [_stored(one, find, declared, now, token) for one in given]


def _stored(
    given: OutcomeGiven, find: Callable[[str], Deployed], declared: set[str], now: int, token: Callable[[], str]
) -> Outcome:
    known = declared if given.deployment is None else set(find(given.deployment).snapshot.outcomes)
    if given.outcome not in known:
        whose = "any deployment" if given.deployment is None else f"deployment {given.deployment!r}"
        listed = ", ".join(sorted(known)) or "none"
        raise BadInput(f"outcome {given.outcome[:100]!r} is not declared by {whose}; declared: {listed}")
    deployment = given.deployment or ""
    return Outcome(
        outcome=given.outcome,
        id=given.id
        or derive_id(
            outcome=given.outcome,
            deployment=deployment,
            unit=given.unit,
            request_id=given.request_id,
            row=given.row,
            key=given.key,
            item=given.item,
            at=given.at,
            token=token,
        ),
        deployment=deployment,
        unit=given.unit,
        request_id=given.request_id,
        row=given.row,
        key=given.key,
        item=given.item,
        value=given.value,
        withdrawn=given.withdrawn,
        fields=given.fields,
        at=now if given.at is None else given.at,
        received_at=now,
    )
