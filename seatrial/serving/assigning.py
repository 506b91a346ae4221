"""Decisions without answers, for applications that keep their own model servers, and the rows that they write back.

A row must carry the probability with which its variant was really chosen. Applications report what they were told, but
the number is worked out again here, from the unit and the snapshots of this gateway: a row whose variant no snapshot
would have given that unit is kept as an ``override``, which is never evidence. Where rules read features that the row
lacks, the snapshot it names must have an entry that may have decided so.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from seatrial.ledger.rows import Envelope
from seatrial.protocol.bodies import AppPrediction, AssignBody, read_name
from seatrial.protocol.instants import read_instant
from seatrial.routing.decision import Decision
from seatrial.routing.people import Person
from seatrial.serving.deployed import Deployed
from seatrial.serving.variant import Attempt, Variant
from seatrial.spec.errors import BadInput

_SAME = 1e-9
"""Propensities this close are the same number, sent through JSON."""


class Ready(NamedTuple):
    """A row that has passed every check."""

    variant: Variant
    envelope: Envelope
    person: Person
    attempt: Attempt | None
    prediction: tuple[Any, ...] | None


def assign(deployed: Deployed, body: AssignBody, ids: Callable[[], str]) -> dict[str, Any]:
    """Decide.

    Returns:
        ``request_id``, ``variant``, ``model_version``, ``reason``, ``propensity`` and the ``revision`` that decided.

    Raises:
        BadInput: A bad unit or context, a variant that does not exist, or a feature is missing that a rule reads and
            every version needs.
    """
    request_id = read_name(body.request_id, "request_id") or ids()
    person = deployed.people.read(body.unit, body.context, request_id)
    if body.variant is None:
        features = body.features or {}
        deployed.router.attributes.check(features)
        decision = deployed.router.decide(person.unit, person.context, features)
    else:
        decision = deployed.router.force(body.variant)
    return {
        "request_id": request_id,
        "variant": decision.variant,
        "model_version": deployed.variants[decision.variant].version,
        "reason": decision.reason,
        "propensity": decision.propensity,
        "revision": deployed.revision,
    }


def check(given: AppPrediction, deployed: Deployed, recent: Sequence[Deployed], now: int) -> Ready:
    """Make a ledger row of what an application computed.

    Args:
        given: What it sent.
        deployed: The deployment, as it is served now.
        recent: Revisions that were served before, latest first: the decision may be one of theirs.
        now: Microseconds since 1970 UTC.

    Raises:
        BadInput: A field is wrong, the variant does not exist, or the prediction has another shape than the task's.
    """
    request_id = read_name(given.request_id, "request_id") or ""
    person = deployed.people.read(given.unit, given.context, request_id)
    known = [revision for revision in (deployed, *recent) if given.variant in revision.variants]
    if not known:
        raise BadInput(f"variant {given.variant[:100]!r} is not one of {', '.join(sorted(deployed.variants))}")
    decided, decision = _decision(given, person, known)
    variant = decided.variants[given.variant]
    failed = given.error is not None
    prediction = None if failed else _prediction(given, variant)
    attempt = None
    if given.features is not None:
        attempt = Attempt(variant, [given.features])
        attempt.encode()
    envelope = Envelope(
        request_id=request_id,
        row=given.row,
        role="app",
        key=read_name(given.key, "key"),
        at=now if given.at is None else min(now, read_instant(given.at, "at")),
        unit=person.unit,
        unit_named=person.named,
        entry=decision.entry,
        reason=decision.reason,
        variant=variant.name,
        assigned_version=variant.version,
        answered_by="none" if failed else "assigned",
        answered="" if failed else variant.name,
        version="" if failed else variant.version,
        propensity=decision.propensity,
        contested=decision.contested,
        release=decision.release,
        phase=decision.phase,
        revision=decided.revision,
        status="error" if failed else "ok",
        error=(given.error or "")[:200],
        latency_us=round((given.latency_ms or 0.0) * 1000),
        chances=decision.chances,
    )
    return Ready(variant, envelope, person, attempt, prediction)


def write(ready: Ready) -> None:
    """Log a checked row."""
    ready.variant.write(
        ready.envelope, ready.person, ready.attempt, 0, sampled=ready.attempt is not None, prediction=ready.prediction
    )


def _decision(given: AppPrediction, person: Person, revisions: Sequence[Deployed]) -> tuple[Deployed, Decision]:
    """The decision that gave this unit this variant, by the newest revision that would have.

    Raises:
        BadInput: Rules read features that the row lacks, and what it says leaves open which decision it was.
    """
    if given.reason != "override":
        for deployed in revisions:
            if given.revision in (None, deployed.revision):
                decision = _worked_out(given, person, deployed) or _told(given, person, deployed)
                if decision is not None:
                    return deployed, decision
    return revisions[0], revisions[0].router.force(given.variant)


def _worked_out(given: AppPrediction, person: Person, deployed: Deployed) -> Decision | None:
    """The decision of a revision, where what was sent is all that it reads, and it is the one that was told."""
    if given.features is None and deployed.router.attributes.features:
        return None
    decision = deployed.router.recall(person.unit, person.context, given.features or {})
    return decision if _fits(decision, given) else None


def _told(given: AppPrediction, person: Person, deployed: Deployed) -> Decision | None:
    """The decision that was told, where it depends on features that were not sent: one that the revision may have made.

    What depends on them cannot be worked out again, so it is believed only of a revision that is named.
    """
    unknown = deployed.router.attributes.features.difference(given.features or ())
    if not unknown or (given.reason, given.propensity, given.revision) == (None, None, None):
        return None
    chosen_by = unknown & deployed.router.chosen_by
    if chosen_by and given.reason == "bandit":
        names = ", ".join(sorted(chosen_by))
        raise BadInput(f"a bandit chooses by {names}, which the row lacks; give them in its `features`")
    if given.revision is None:
        if given.features is not None:
            return None
        raise _needs(unknown, "give them in its `features`, or the `revision` that decided")
    may_be = deployed.router.could_have(person.unit, person.context, given.features or {}, unknown)
    found = [
        decision
        for decision in dict.fromkeys(may_be)
        if _fits(decision, given) and given.reason in (None, decision.reason)
    ]
    if len(found) > 1 and any(decision.contested for decision in found):
        names = " or ".join(repr(decision.entry) for decision in found)
        raise _needs(unknown, f"so it is unknown whether entry {names} decided; give its `features`")
    return found[0] if found else None


def _fits(decision: Decision, given: AppPrediction) -> bool:
    told = decision.propensity if given.propensity is None else given.propensity
    return decision.variant == given.variant and abs(decision.propensity - told) <= _SAME


def _needs(unknown: Collection[str], otherwise: str) -> BadInput:
    names = ", ".join(sorted(unknown))
    return BadInput(f"routing rules read {names}, which the row lacks; {otherwise}")


def _prediction(given: AppPrediction, variant: Variant) -> tuple[Any, ...]:
    answer: Mapping[str, Any] = {"prediction": given.prediction, "score": given.score, "scores": given.scores}
    kept = variant.answers.keep(answer)
    if kept is None:
        columns = ", ".join(f"{name} ({kind})" for name, kind in variant.answers.columns)
        raise BadInput(
            f"prediction {str(given.prediction)[:60]!r} does not fit the columns of {variant.name}: {columns}; "
            "give `prediction` the bare answer, with `score` or `scores` beside it"
        )
    return kept
