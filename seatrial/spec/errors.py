"""The errors of the house, by whose fault they are; the edges (HTTP, command line) map them, nobody else does.

    SeatrialError          could not answer             503, exit 3
    ├── BadInput           the caller's fault           400, exit 2
    │   ├── NotFound       names what does not exist    404, exit 2
    │   ├── Conflict       fights with what is there    409, exit 2
    │   └── TooLarge       over a stated limit          413, exit 2
    └── Unavailable        ours, try again later        503, exit 3

A message is one sentence: what happened, with the offending value in it, and what to do next.
"""

from typing import ClassVar


class SeatrialError(Exception):
    """Something could not be done; the message is one sentence that names the value and the mend."""

    status: ClassVar[int] = 503
    exit_code: ClassVar[int] = 3


class BadInput(SeatrialError):
    """The caller sent something wrong."""

    status = 400
    exit_code = 2


class NotFound(BadInput):
    """The caller named something that does not exist."""

    status = 404


class Conflict(BadInput):
    """What the caller asks contradicts what is already there."""

    status = 409


class TooLarge(BadInput):
    """What the caller sent is over a limit, which the message states."""

    status = 413


class Unavailable(SeatrialError):
    """The system cannot do it now; trying again later may work.

    Attributes:
        retry_after: Seconds after which a repeat makes sense.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after
