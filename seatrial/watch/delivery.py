"""Brings a message to where the file wants it: a JSON webhook, or any service that Apprise knows.

A try is short and its failure is a value, never an exception. Every message carries its id, in its body and as
``Idempotency-Key``, so that a receiver recognises a repeat.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests

from seatrial.releases.records import Alert
from seatrial.spec.errors import BadInput
from seatrial.watch.telling import Message

TIMEOUT = 3.0
SCHEMES = {"json://": "http://", "jsons://": "https://"}
APPRISE = "alerts to other services than webhooks need Apprise: pip install 'seatrial[alerts]'"
_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}

# The library logs every path it posts to, and a path may carry a secret.
logging.getLogger("urllib3").setLevel(logging.WARNING)

Post = Callable[[str, bytes], int]
"""Posts a body to an address, gives back the status code; ``requests.RequestException`` when there was no answer."""


def deliver(to: str, message: Message, post: Post | None = None) -> str:
    """Try one receiver once; why it did not take the message, "" when it did.

    Args:
        to: The address, its secrets put in.
        message: What is sent.
        post: For webhooks; None: over HTTP.
    """
    if not is_webhook(to):
        return _through_apprise(to, message)
    body = msgspec.json.encode(message)
    try:
        status = (post or _posting(message.id))(address_of(to), body)
    except BadInput as error:
        return str(error)
    except requests.RequestException as error:
        return _why(error)
    return "" if 200 <= status < 300 else f"it answered {status}"


def is_webhook(to: str) -> bool:
    """Whether an address is a webhook of ours; else it is one of Apprise."""
    return to.partition("://")[0].lower() in ("json", "jsons")


def address_of(to: str) -> str:
    """The web address behind ``json://host:port/path`` or ``jsons://host/path``."""
    for scheme, real in SCHEMES.items():
        if to.lower().startswith(scheme) and len(to) > len(scheme):
            return real + to[len(scheme) :]
    raise BadInput("it is not a web address; write json://host:port/path, or jsons:// for HTTPS")


def line_of(alert: Alert) -> str:
    """An alert as one line of a terminal."""
    at = datetime.fromtimestamp(alert.at / 1e6, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} {alert.severity:8} {alert.deployment} {alert.event}: {alert.sentence}"


def _through_apprise(to: str, message: Message) -> str:
    try:
        import apprise  # an extra: a hundred services, for whoever wants one of them
    except ModuleNotFoundError:
        return APPRISE
    said = apprise.Apprise()
    if not said.add(to):
        return f"Apprise does not know an address of {to.partition('://')[0]}:// like this"
    kind = _KINDS.get(message.severity, "info")
    taken = said.notify(title=message.title, body=f"{message.text}\n({message.id})", notify_type=kind)
    return "" if taken else "the service did not take it"


def _why(error: requests.RequestException) -> str:
    """What went wrong in a few words: what requests says quotes the address, which may hold a secret."""
    if isinstance(error, ValueError):
        return "it is not a web address"
    given: Any = error.args[0] if error.args else None
    cause = getattr(getattr(given, "reason", given), "__cause__", None)
    named = type(error).__name__
    return f"{named}: {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else named


def _posting(notice: str) -> Post:
    headers = {"content-type": "application/json", "idempotency-key": notice}

    def post(address: str, body: bytes) -> int:
        with requests.post(
            address, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as answer:
            return int(answer.status_code)

    return post
