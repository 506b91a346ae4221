"""Secrets stand in files only as ``${NAME}``; this room finds them, refuses literal ones and reads them late."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from seatrial.spec.errors import BadInput
from seatrial.spec.problems import did_you_mean

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TELLING = re.compile(r"(?i)(^|[_-])(key|apikey|token|secret|password|passwd|pwd|auth|signature|sig)($|[_-])")

_TELLING_HEADERS = frozenset(("authorization", "cookie", "proxy-authorization"))


def resolve(text: str, env: Mapping[str, str]) -> str:
    """Puts the environment's values in place of each ``${NAME}``.

    Raises:
        BadInput: A name is not set; the message names it, never a value.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in env:
            near = did_you_mean(name, env) if len(env) < 5 else "export it before starting"
            raise BadInput(f"the environment variable `{name}` is used as `${{{name}}}` but is not set; {near}")
        return env[name]

    return REFERENCE.sub(value, text)


def literal_secret(url: str) -> str | None:
    """What part of a URL holds a secret in plain letters: ``the password``, ``the parameter `token``` or None."""
    bare = REFERENCE.sub("", url)
    try:
        parts = urlsplit(bare)
        password = parts.password
    except ValueError:
        return None
    if password:
        return "the password"
    for name, value in parse_qsl(parts.query):
        if value and _TELLING.search(name):
            return f"the parameter `{name}`"
    return None


def tells_of_a_secret(name: str) -> bool:
    """Whether a header or parameter of that name carries a secret."""
    return _TELLING.search(name) is not None or name.lower() in _TELLING_HEADERS


def masked(url: str) -> str:
    """A URL with its password left out, for printing."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", url)
