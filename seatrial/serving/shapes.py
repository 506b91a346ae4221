"""Requests that went through their attempts, as the short way's JSON."""

from typing import Any

from seatrial.serving.parts import ANSWERED, Part, Pending
from seatrial.spec.errors import Late, Overdue, Overloaded, Unavailable


def one(pending: Pending) -> dict[str, Any]:
    """The answer to ``features``. Raises Unavailable when nobody answered."""
    (part,) = pending.parts
    if part.by == "none":
        raise unanswered(pending)
    return {"request_id": pending.request_id, **_decided(part), **_answer(pending, part, 0)}


def several(pending: Pending) -> dict[str, Any]:
    """The answer to ``instances`` that share one decision. Raises Unavailable when nobody answered."""
    (part,) = pending.parts
    if part.by == "none":
        raise unanswered(pending)
    predictions = [_keyed(part, position, _answer(pending, part, position)) for position in range(len(part.rows))]
    return {"request_id": pending.request_id, **_decided(part), "predictions": predictions}


def each(pending: Pending) -> dict[str, Any]:
    """The answer to instances that were routed one by one: every prediction names its own decision.

    Raises:
        Unavailable: Nobody answered any of them; where only some have no answer, those say ``error``.
    """
    if all(part.by == "none" for part in pending.parts):
        raise unanswered(pending)
    predictions: list[Any] = [None] * sum(len(part.rows) for part in pending.parts)
    for part in pending.parts:
        decided = _decided(part)
        for position, index in enumerate(part.indices):
            found = {"error": part.attempt.error} if part.by == "none" else _answer(pending, part, position)
            predictions[index] = _keyed(part, position, {**decided, **found})
    return {"request_id": pending.request_id, "predictions": predictions}


def unanswered(pending: Pending) -> Unavailable:
    """Why there is no answer, in one sentence; an error by how the last attempt ended."""
    part = pending.parts[0]
    tried = f"{part.first.variant.name!r} failed ({part.first.error})"
    if part.attempt is not part.first:
        tried += f", so did the default {part.attempt.variant.name!r} ({part.attempt.error})"
    kind = Overdue if part.overdue else _UNANSWERED.get(part.attempt.status, Unavailable)
    sentence = f"no answer to request {pending.request_id}: {tried}; a `fallback` would answer then"
    return kind(sentence, retry_after=part.attempt.retry_after)


_UNANSWERED: dict[str, type[Unavailable]] = {"shed": Overloaded, "timeout": Late}


def _decided(part: Part) -> dict[str, Any]:
    answering = part.attempt.variant.version if part.by in ANSWERED else None
    return {
        "variant": part.decision.variant,
        "model_version": answering,
        "reason": part.decision.reason,
        "answered_by": part.by,
    }


def _answer(pending: Pending, part: Part, position: int) -> dict[str, Any]:
    if part.attempt.read is not None:
        return part.attempt.read.answers[position]
    return pending.deployed.fallback or {}


def _keyed(part: Part, position: int, answer: dict[str, Any]) -> dict[str, Any]:
    key = part.keys[position]
    return answer if key is None else {"key": key, **answer}
