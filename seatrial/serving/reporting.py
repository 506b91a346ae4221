"""Outcomes on their way to the ledger: whose they may be, and what they are called."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import uuid4

from seatrial.ledger.outcomes import derive_id
from seatrial.ledger.rows import ALIAS, Outcome
from seatrial.protocol.aliases import AliasGiven
from seatrial.protocol.outcome_shapes import check_shape
from seatrial.protocol.outcomes import OutcomeGiven
from seatrial.serving.deployed import Deployed
from seatrial.spec.errors import BadInput
from seatrial.spec.outcome_shapes import OutcomeShape


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
        BadInput: An outcome that no deployment declares (or not the one named), with those that are declared; or one
            that does not have the shape declared. Of several, the message says which.
    """
    declared = _declared(served)
    where = [f"outcome {index}: " if len(given) > 1 else "" for index in range(len(given))]
    return [_stored(one, find, declared, now, token, at) for one, at in zip(given, where, strict=True)]


def stored_aliases(given: Sequence[AliasGiven], now: int) -> list[Outcome]:
    """Aliases as the ledger keeps them: outcomes of a reserved name, whose identity is the alias.

    Args:
        given: Checked aliases.
        now: Arrival, microseconds since 1970 UTC.
    """
    return [
        Outcome(
            outcome=ALIAS,
            id=one.alias,
            deployment="",
            unit=one.unit,
            request_id=None,
            row=None,
            key=one.alias,
            item=None,
            value=None,
            withdrawn=one.unit is None,
            fields={},
            at=now if one.at is None else one.at,
            received_at=now,
        )
        for one in given
    ]


Declared = Mapping[str, Sequence[OutcomeShape | None]]
"""By name of an outcome, its shape in every deployment that declares it."""


def _declared(deployments: Iterable[Deployed]) -> Declared:
    found: dict[str, list[OutcomeShape | None]] = {}
    for deployed in deployments:
        for name in deployed.snapshot.outcomes:
            found.setdefault(name, []).append(deployed.snapshot.shape(name))
    return found


def _check(given: OutcomeGiven, declared: Declared) -> None:
    """Whether it is declared, and has a declared shape: one of them, where several deployments share the name."""
    if given.outcome not in declared:
        whose = "any deployment" if given.deployment is None else f"deployment {given.deployment!r}"
        listed = ", ".join(sorted(declared)) or "none"
        raise BadInput(f"outcome {given.outcome[:100]!r} is not declared by {whose}; declared: {listed}")
    first: BadInput | None = None
    for shape in declared[given.outcome]:
        try:
            if shape is not None:
                check_shape(given, shape)
            return
        except BadInput as error:
            first = first or error
    if first is not None:
        raise first


def _stored(
    given: OutcomeGiven,
    find: Callable[[str], Deployed],
    declared: Declared,
    now: int,
    token: Callable[[], str],
    where: str,
) -> Outcome:
    known = declared if given.deployment is None else _declared([find(given.deployment)])
    try:
        _check(given, known)
    except BadInput as error:
        raise BadInput(f"{where}{error}") from None
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
