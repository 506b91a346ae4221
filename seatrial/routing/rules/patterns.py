"""Regular expressions whose time grows with the text and no faster: RE2's."""

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def pattern(text: str) -> Any:
    """A compiled pattern with a ``search``.

    Raises:
        ImportError: RE2 is not installed.
        ValueError: It is no pattern; the message says why.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0] if error.args else "unknown"
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None
