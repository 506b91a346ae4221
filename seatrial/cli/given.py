"""What an option gives: the text itself, the text of a file (``@FILE``), or what comes on standard input (``-``)."""

import sys
from pathlib import Path

from seatrial.spec.errors import BadInput


def given(option: str, text: str) -> str:
    """The text that an option stands for.

    Args:
        option: Its name, for messages.
        text: As it was written.

    Raises:
        BadInput: A file that cannot be read, or is no text.
    """
    try:
        if text == "-":
            return sys.stdin.read()
        return Path(text[1:]).read_text("utf-8") if text.startswith("@") else text
    except OSError as error:
        raise BadInput(f"{option}: {text[1:]!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{option}: {text[1:] or 'standard input'!r} is not UTF-8 text; convert it.") from None
