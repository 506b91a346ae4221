"""Where a remote server is: the file's address and headers with their secrets put in, and how to speak of them."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from seatrial.routing.snapshot import Remote
from seatrial.spec.secrets import REFERENCE, resolve

_LEAST_HIDDEN = 3
"""A shorter secret is not looked for in what a server says: it would be found everywhere."""


class Address(NamedTuple):
    """An address with its secrets; never shown.

    Attributes:
        url: Whole, without a slash at its end.
        headers: As they are sent.
        hidden: The secrets, each with the ``${NAME}`` that stands for it.
    """

    url: str
    headers: dict[str, str]
    hidden: tuple[tuple[str, str], ...]

    def clean(self, text: str) -> str:
        """A text in which no secret stands, should a server have said one."""
        for secret, name in self.hidden:
            text = text.replace(secret, name)
        return text


def address_of(remote: Remote, environ: Mapping[str, str]) -> Address:
    """Put the secrets in.

    Raises:
        BadInput: A name is not set; the message names it.
    """
    quoted = {name: quote(value, safe="") for name, value in environ.items()}
    url = resolve(remote.address, quoted)
    headers = {name: resolve(value, environ) for name, value in remote.headers.items()}
    names = {name for text in (remote.address, *remote.headers.values()) for name in REFERENCE.findall(text)}
    hidden = {
        (secret, f"${{{name}}}")
        for name in names
        for secret in (environ[name], quoted[name])
        if len(secret) >= _LEAST_HIDDEN
    }
    return Address(url.rstrip("/"), headers, tuple(sorted(hidden, key=lambda pair: -len(pair[0]))))


def shown(remote: Remote) -> str:
    """The server, as a sentence names it: the file's own words, without user and query."""
    bare = re.sub(r"//[^/@]*@", "//", remote.address).partition("?")[0].rstrip("/")
    return f"{bare} ({remote.model})" if remote.model else bare
