"""Brings an alert to where the file wants it: a JSON webhook, and a line for the terminal.

A try is short and its failure is a value, never an exception: whoever tells alerts has more to do than wait for a
receiver that is away. The state counts the tries; after ``MOST_TRIES`` an alert is given up, and says so.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import msgspec

from seatrial.releases.records import Alert
from seatrial.spec.deployment import AlertSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.events import covers

TIMEOUT = 3.0
MOST_TRIES = 5
SCHEMES = {"json://": "http://", "jsons://": "https://"}

# The client logs every address it posts to, and an address may carry a secret.
logging.getLogger("httpx").setLevel(logging.WARNING)

Post = Callable[[str, bytes], int]
"""Posts a body to an address and returns the status code; raises ``httpx.HTTPError`` when there was no answer."""


class Delivery(NamedTuple):
    """How one receiver took an alert: ``error`` is "" when it did."""

    to: str
    error: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook receives."""

    deployment: str
    event: str
    severity: str
    sentence: str
    at: str
    key: str
    details: msgspec.Raw


def deliver(alert: Alert, receivers: Sequence[AlertSpec], post: Post | None = None) -> tuple[Delivery, ...]:
    """Try every receiver that asks for this event, once each."""
    send = post or _post
    body = msgspec.json.encode(message_of(alert))
    return tuple(
        Delivery(receiver.to, _try(receiver.to, body, send))
        for receiver in receivers
        if covers(receiver.events, alert.event)
    )


def address_of(to: str) -> str:
    """The web address behind ``json://host:port/path`` or ``jsons://host/path``."""
    for scheme, real in SCHEMES.items():
        if to.startswith(scheme) and len(to) > len(scheme):
            return real + to.removeprefix(scheme)
    raise BadInput(f"alerts cannot be sent to {to!r}; write json://host:port/path, or jsons:// for HTTPS")


def message_of(alert: Alert) -> Message:
    """An alert as webhooks get it; ``at`` is RFC 3339."""
    return Message(
        deployment=alert.deployment,
        event=alert.event,
        severity=alert.severity,
        sentence=alert.sentence,
        at=_moment(alert).isoformat().replace("+00:00", "Z"),
        key=alert.key,
        details=msgspec.Raw(alert.details.encode()),
    )


def line_of(alert: Alert) -> str:
    """An alert as one line of a terminal."""
    return f"{_moment(alert):%Y-%m-%d %H:%M:%S} {alert.severity:8} {alert.deployment} {alert.event}: {alert.sentence}"


def _moment(alert: Alert) -> datetime:
    return datetime.fromtimestamp(alert.at / 1e6, UTC)


def _try(to: str, body: bytes, post: Post) -> str:
    try:
        status = post(address_of(to), body)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    except httpx.InvalidURL:
        return "it is not a web address"  # what httpx says may quote a secret, and errors are kept
    except BadInput as error:
        return str(error)
    return "" if 200 <= status < 300 else f"it answered {status}"


def _post(address: str, body: bytes) -> int:
    headers = {"content-type": "application/json"}
    return httpx.post(address, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False).status_code
