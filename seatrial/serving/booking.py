"""What an answered request leaves: counts, rows in the ledger, copies for the shadows."""

import asyncio

from seatrial.ledger.rows import AnsweredBy, Envelope
from seatrial.routing.assign import draw
from seatrial.serving.parts import ANSWERED, Part, Pending
from seatrial.serving.shadowing import Copy

_SAMPLE = b"features"


def count(pending: Pending, now: int) -> None:
    """Count a request's rows as served, before its answer is sent, so that none can go missing unnoticed.

    Args:
        now: Ticks at which it was answered.
    """
    counts = pending.deployed.counts
    pending.latency_us = latency_us = (now - pending.started) // 1000
    for part in pending.parts:
        first = part.first
        counts.add(counts.served, len(part.rows))
        counts.answered(first.variant.name, part.decision.reason, part.by or "none", first.status, latency_us)
        encoded = first.encoded
        if encoded is not None:
            if encoded.unseen:
                counts.add(counts.unseen, encoded.unseen)
            if encoded.extra:
                counts.add(counts.extra, encoded.extra)


def write(pending: Pending) -> None:
    """Write a row for each instance."""
    sample = pending.deployed.snapshot.log.sample
    pending.sampled = sample >= 1.0 or draw(_SAMPLE, pending.request_id.encode()) < sample
    for part in pending.parts:
        _write_part(pending, part, part.by or "none")


def offer_copies(pending: Pending) -> None:
    """Give the shadows their copies once the event loop has sent the answer."""
    deployed = pending.deployed
    if not deployed.lanes or (deployed.transform is not None and not pending.fed):
        return
    for part in pending.parts:
        for shadow in deployed.router.shadows(part.decision, pending.request_id):
            copy = Copy(
                shadow,
                part.decision,
                pending.request_id,
                pending.at,
                part.indices,
                part.keys,
                part.people,
                part.rows,
                pending.sampled,
                pending.size,
            )
            asyncio.get_running_loop().call_soon(deployed.lanes[shadow.variant].offer, copy)


def _write_part(pending: Pending, part: Part, by: AnsweredBy) -> None:
    deployed, decision, first = pending.deployed, part.decision, part.first
    answering = part.attempt if by in ANSWERED else None
    logged = answering or first
    variant = logged.variant
    prediction = deployed.fallback_predictions.get(variant.name) if by == "fallback" else None
    answered, version = (variant.name, variant.version) if answering else ("", "")
    for position, index in enumerate(part.indices):
        person = part.people[position]
        envelope = Envelope(
            pending.request_id,
            index,
            "answer",
            part.keys[position],
            pending.at,
            person.unit,
            person.named,
            decision.entry,
            decision.reason,
            decision.variant,
            first.variant.version,
            by,
            answered,
            version,
            decision.propensity,
            decision.contested,
            decision.release,
            decision.phase,
            deployed.revision,
            first.status,
            first.error,
            pending.latency_us,
            decision.chances,
        )
        variant.write(envelope, person, logged, position, sampled=pending.sampled, prediction=prediction)
