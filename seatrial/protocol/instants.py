"""Points in time as they travel: RFC 3339 with an offset in, microseconds since 1970 UTC inside."""

from datetime import UTC, datetime, timedelta

from seatrial.spec.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
FIRST = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
"""The years 1 to 9999 in UTC: an offset reaches beyond them, and no calendar date is there."""


def read_instant(text: object, what: str) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time.

    Args:
        text: Such as ``2026-05-01T12:00:00+02:00`` or ``…Z``.
        what: The field's name, for the message.

    Raises:
        BadInput: Not a string, not a time, without an offset (whose noon is it?), or no date of the calendar in UTC.
    """
    if not isinstance(text, str):
        raise BadInput(f"{what}: expected a time such as 2026-05-01T12:00:00Z, got {text!r}")
    try:
        if len(text) < 19 or text[10] not in "Tt ":
            raise ValueError
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{what}: expected a time such as 2026-05-01T12:00:00Z, got {text[:60]!r}") from None
    if moment.tzinfo is None:
        raise BadInput(f"{what}: {text!r} has no offset; write {text}Z if it is UTC")
    instant = (moment - _EPOCH) // _MICROSECOND
    if not FIRST <= instant <= LAST:
        raise BadInput(f"{what}: {text!r} is out of range; expected a time within the years 1 to 9999 UTC")
    return instant
