"""Brings an alert to where the file wants it: a JSON webhook, and a line for the terminal.

A try is short and its failure is a value, never an exception: whoever tells alerts has more to do than wait for a
receiver that is away. The state counts the tries; after ``MOST_TRIES`` an alert is given up, and says so.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import requests

from seatrial.releases.records import Alert
from seatrial.spec.deployment import AlertSpec
from seatrial.spec.errors import BadInput
from seatrial.spec.events import covers

TIMEOUT = 3.0
MOST_TRIES = 5
SCHEMES = {"json://": "http://", "jsons://": "https://"}

# The library logs every path it posts to, and a path may carry a secret.
logging.getLogger("urllib3").setLevel(logging.WARNING)

Post = Callable[[str, bytes], int]
"""Posts a body to an address, gives back the status code; ``requests.RequestException`` when there was no answer."""


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
    except BadInput as error:
        return str(error)
    except requests.RequestException as error:
        return _why(error)
    return "" if 200 <= status < 300 else f"it answered {status}"


def _why(error: requests.RequestException) -> str:
    """What went wrong in a few words: what requests says quotes the address, which may hold a secret."""
    if isinstance(error, ValueError):
        return "it is not a web address"
    given: Any = error.args[0] if error.args else None
    cause = getattr(getattr(given, "reason", given), "__cause__", None)
    named = type(error).__name__
    return f"{named}: {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else named


def _post(address: str, body: bytes) -> int:
    headers = {"content-type": "application/json"}
    with requests.post(
        address, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
    ) as answer:
        return answer.status_code
