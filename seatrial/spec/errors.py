"""The errors of the house, by whose fault they are; the edges (HTTP, command line) map them, nobody else does.

    SeatrialError          could not answer             503, exit 3
    ├── BadInput           the caller's fault           400, exit 2
    │   ├── NotFound       names what does not exist    404, exit 2
    │   ├── Conflict       fights with what is there    409, exit 2
    │   └── TooLarge       over a stated limit          413, exit 2
    ├── NoData             nothing was recorded yet     503, exit 3
    └── Unavailable        ours, try again later        503, exit 3
        ├── Overloaded     too much waits already       503, exit 3
        └── Late           no answer in time            503, exit 3
            └── Overdue    not within the caller's own  504, exit 3

Each carries its cause, and ``CAUSES`` says what a cause is in HTTP and in gRPC. A message is one sentence: what
happened, with the offending value in it, and what to do next.
"""

from typing import ClassVar, NamedTuple


class Cause(NamedTuple):
    """One cause of a refusal, as the edges say it.

    Attributes:
        status: Of HTTP.
        code: Of gRPC, by name; None where gRPC itself sees to it, or has nothing like it.
        meaning: What happened, for the documentation.
    """

    status: int
    code: str | None
    meaning: str


CAUSES: dict[str, Cause] = {
    "bad input": Cause(400, "INVALID_ARGUMENT", "what was sent cannot be read, or does not fit what is deployed"),
    "no key": Cause(401, "UNAUTHENTICATED", "the key is missing or wrong"),
    "not found": Cause(404, "NOT_FOUND", "nothing has that name, version or address"),
    "method": Cause(405, None, "the address is there and takes another method"),
    "slow": Cause(408, None, "the request took too long to arrive"),
    "conflict": Cause(409, "FAILED_PRECONDITION", "it contradicts what is already there"),
    "too large": Cause(413, "INVALID_ARGUMENT", "the body, plain or inflated, or its number of rows is over a limit"),
    "expectation": Cause(417, None, "an `Expect` that cannot be met"),
    "headers": Cause(431, None, "the headers are over the limit"),
    "bug": Cause(500, "INTERNAL", "an error of the server's own"),
    "unsupported": Cause(501, "UNIMPLEMENTED", "a call of an extension that is done in another way here"),
    "unavailable": Cause(503, "UNAVAILABLE", "no variant answered and there is no fallback; or loading or stopping"),
    "overloaded": Cause(503, "RESOURCE_EXHAUSTED", "too much waits already, or it waited too long itself"),
    "late": Cause(503, "DEADLINE_EXCEEDED", "no variant answered within its `timeout`"),
    "overdue": Cause(504, "DEADLINE_EXCEEDED", "no answer within the request's own `timeout_ms` or gRPC deadline"),
}
"""Every cause of a refusal. The table in the documentation is this one."""


class SeatrialError(Exception):
    """Something could not be done; the message is one sentence that names the value and the mend."""

    cause: ClassVar[str] = "unavailable"
    status: ClassVar[int] = CAUSES["unavailable"].status
    exit_code: ClassVar[int] = 3


class BadInput(SeatrialError):
    """The caller sent something wrong."""

    cause = "bad input"
    status = CAUSES[cause].status
    exit_code = 2


class NoData(SeatrialError):
    """There is nothing yet to answer from; nobody's fault."""


class NotFound(BadInput):
    """The caller named something that does not exist."""

    cause = "not found"
    status = CAUSES[cause].status


class Conflict(BadInput):
    """What the caller asks contradicts what is already there."""

    cause = "conflict"
    status = CAUSES[cause].status


class TooLarge(BadInput):
    """What the caller sent is over a limit, which the message states."""

    cause = "too large"
    status = CAUSES[cause].status


class Unavailable(SeatrialError):
    """The system cannot do it now; trying again later may work.

    Attributes:
        retry_after: Seconds after which a repeat makes sense.
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """Too much waits already; shed rather than queued."""

    cause = "overloaded"


class Late(Unavailable):
    """No answer within a time limit of ours."""

    cause = "late"


class Overdue(Late):
    """No answer within the time that the caller gave."""

    cause = "overdue"
    status = CAUSES[cause].status
