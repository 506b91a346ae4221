"""An answered row's envelope, which each benchmark changes as it needs."""

from seatrial.ledger.rows import Envelope

ENVELOPE = Envelope(
    request_id="",
    row=0,
    role="answer",
    key=None,
    at=0,
    unit="",
    unit_named=True,
    entry="everybody",
    reason="split",
    variant="champion",
    assigned_version="bench:1",
    answered_by="assigned",
    answered="champion",
    version="bench:1",
    propensity=0.5,
    contested=True,
    release="",
    phase=0,
    revision=1,
    status="ok",
    error="",
    latency_us=0,
)
