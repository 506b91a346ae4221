"""Who is in the files, before any exclusion."""

from typing import NamedTuple


class Crowd(NamedTuple):
    """All units of the files, or all clusters where those are what is drawn.

    Attributes:
        units: By variant, before any exclusion.
        both: How many met several variants.
        one: One of them.
        until: The last moment in the files; None without times.
        what: ``unit`` or ``cluster``.
    """

    units: dict[str, int]
    both: int
    one: str
    until: str | None
    what: str = "unit"
