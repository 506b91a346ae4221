"""Brings a message to where the file wants it: a JSON webhook, or any service that Apprise knows.

A try is short and its failure is a value, never an exception. Every message carries its id, in its body and as
``Idempotency-Key``, so that a receiver recognises a repeat.
"""

import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import requests
from requests.adapters import HTTPAdapter

from seatrial.releases.records import Alert
from seatrial.spec.errors import BadInput
from seatrial.watch import services
from seatrial.watch.telling import Message

TIMEOUT = 3.0
"""Seconds that a webhook may be silent."""
DEADLINE = 10.0
"""Seconds that an exchange may take as a whole: a server that drips a byte now and then is never silent."""
SERVICE_DEADLINE = 30.0
"""Likewise with a service of Apprise, the start of its process included."""
LASTING = frozenset({401, 403, 404, 405, 407, 408, 409, 421, 423, 425, 429})
"""Refusals (4xx) that are about the moment or the address; the others are about the message, and will not change."""
SCHEMES = {"json://": "http://", "jsons://": "https://"}
_KINDS = {"critical": "failure", "warning": "warning", "info": "info"}

# The library logs every path it posts to, and a path may carry a secret.
logging.getLogger("urllib3").setLevel(logging.WARNING)

Post = Callable[[str, bytes], int]
"""Posts a body to an address, gives back the status code; ``requests.RequestException`` when there was no answer."""


class Refusal(str):
    """Why a message was not taken, where the same message will not be taken later either."""


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
    if 200 <= status < 300:
        return ""
    said = f"it answered {status}"
    return Refusal(said) if 400 <= status < 500 and status not in LASTING else said


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
    """In a process of its own, which is ended when its time is over: a thread that hangs could not be."""
    asked = {
        "to": to,
        "title": message.title,
        "body": f"{message.text}\n({message.id})",
        "kind": _KINDS.get(message.severity, "info"),
        "seconds": SERVICE_DEADLINE,
    }
    with subprocess.Popen(
        [sys.executable, "-m", services.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libraries may quote the address
        start_new_session=True,
    ) as sending:
        try:
            said, _ = sending.communicate(json.dumps(asked).encode(), timeout=SERVICE_DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(sending.pid, signal.SIGKILL)
            return f"the service had not taken it after {SERVICE_DEADLINE:g} s"
    try:
        return str(json.loads(said))
    except ValueError:
        return f"the process that tells the service ended with {sending.returncode}"


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
        limit = _Limit()
        with requests.Session() as session:
            for scheme in SCHEMES.values():
                session.mount(scheme, _Seen(limit))
            try:
                with session.post(
                    address, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
                ) as answer:
                    if limit.is_over:  # what was cut off may look like a whole answer
                        raise requests.Timeout
                    return int(answer.status_code)
            except requests.RequestException as error:  # or like a reset, where the other end was still sending
                if limit.is_over:
                    raise requests.Timeout from error
                raise
            finally:
                limit.cancel()

    return post


class _Limit:
    """Ends the connections of an exchange when it has taken too long; whoever reads from them reads an end."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._over = threading.Event()
        self._timer = threading.Timer(DEADLINE, self._end)
        self._timer.daemon = True
        self._timer.start()

    def add(self, connected: socket.socket) -> None:
        self._sockets.append(connected)
        if self._over.is_set():
            self._end()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def cancel(self) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self._over.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # the plain one: what is encrypted need not say goodbye


class _Seen(HTTPAdapter):
    """Connections that a limit knows of.

    Args:
        limit: Of the exchange.
    """

    def __init__(self, limit: _Limit) -> None:
        self._limit = limit
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **more: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **more)
        plain, limit = pool.ConnectionCls, self._limit

        class Connection(plain):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                limit.add(self.sock)

        pool.ConnectionCls = Connection
        return pool
