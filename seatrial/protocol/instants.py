"""Points in time as they travel: RFC 3339 with an offset in, microseconds since 1970 UTC inside."""

from datetime import UTC, datetime, timedelta

from seatrial.spec.errors import BadInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def read_instant(text: object, what: str) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time.

    Args:
        text: Such as ``2026-05-01T12:00:00+02:00`` or ``…Z``.
        what: The field's name, for the message.

    Raises:
        BadInput: Not a string, not a time, or without an offset (whose noon is it?).
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
    try:
        return (moment - _EPOCH) // _MICROSECOND
    except OverflowError:
        raise BadInput(f"{what}: {text!r} is out of range") from None
