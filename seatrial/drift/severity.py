"""How bad it is, in three words that every room uses."""

from collections.abc import Iterable
from typing import Literal

Severity = Literal["none", "moderate", "major"]
SEVERITIES: tuple[Severity, ...] = ("none", "moderate", "major")


def worst(severities: Iterable[Severity]) -> Severity:
    """The most severe; ``none`` of nothing."""
    return max(severities, key=SEVERITIES.index, default="none")
