"""Where a gateway is: one parsed URL."""

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from seatrial.spec.errors import BadInput

DATA_PLANE = "http://127.0.0.1:8080"
CONTROL = "http://127.0.0.1:8082"


class Address(NamedTuple):
    """A base URL, taken apart."""

    url: str
    secure: bool
    host: str
    port: int
    prefix: str


def parse_address(url: str) -> Address:
    """Reads a base URL.

    Raises:
        BadInput: It is no ``http://`` or ``https://`` URL, or carries a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadInput(f"{url!r} is not a URL; write one like {DATA_PLANE!r}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(f"{url!r} is not a gateway's URL; write one like {DATA_PLANE!r}")
    if parts.username or parts.password:
        raise BadInput("the URL of a gateway carries no user or password; give the bearer key as `key`")
    secure = parts.scheme == "https"
    return Address(url.rstrip("/"), secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"))


def headers(key: str | None, has_body: bool) -> dict[str, str]:
    """What every request carries."""
    made = {"Accept": "application/json"}
    if has_body:
        made["Content-Type"] = "application/json"
    if key:
        made["Authorization"] = f"Bearer {key}"
    return made


def key_or_environment(key: str | None) -> str | None:
    """The caller's key, else ``SEATRIAL_KEY``.

    Raises:
        BadInput: It cannot stand in a header; the message does not show it.
    """
    found = key if key is not None else os.environ.get("SEATRIAL_KEY") or None
    if found is not None and (not found.isascii() or not found.isprintable() or " " in found):
        raise BadInput("the key holds characters that no header can carry; use printable ASCII without spaces")
    return found
