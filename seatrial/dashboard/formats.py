"""How numbers, moments and words look on a page."""

from datetime import UTC, datetime

from seatrial.reports.charts import VARIANT_COLOURS
from seatrial.routing.snapshot import Entry

GOOD, WARN, BAD = "good", "warn", "bad"

TONES: dict[str, str] = {
    "better": GOOD,
    "non-inferior": GOOD,
    "ship": GOOD,
    "promoted": GOOD,
    "worse": BAD,
    "stop": BAD,
    "rolled-back": BAD,
    "withheld": WARN,
    "paused": WARN,
    "proposed": WARN,
    "moderate": WARN,
    "major": BAD,
    "warning": WARN,
    "critical": BAD,
}
"""Word → tone; every other word is neutral."""


def tone(word: str) -> str:
    """The tone of a word, or ""."""
    return TONES.get(word, "")


def number(value: float | None, *, signed: bool = False) -> str:
    """Four significant digits, or a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:+.4g}" if signed else f"{value:.4g}"


def interval(lower: float | None, upper: float | None) -> str:
    """``[lower, upper]``; an end that does not exist is infinite."""
    if lower is None and upper is None:
        return "–"
    low = "−∞" if lower is None else number(lower, signed=True)
    high = "∞" if upper is None else number(upper, signed=True)
    return f"[{low}, {high}]"


def percent(share: float) -> str:
    """``12.5%``, without needless digits."""
    return f"{100 * share:.3g}%"


def moment(microseconds: int) -> str:
    """``2026-11-23 09:15:02``, UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def arms(entry: Entry) -> list[dict[str, object]]:
    """The arms of a routing entry, ready to be drawn as a bar."""
    pairs = [(entry.to, 1.0)] if entry.to else [(arm.variant, arm.weight) for arm in entry.arms]
    return [
        {"variant": variant, "weight": weight, "percent": percent(weight), "colour": colour_of(str(variant), i)}
        for i, (variant, weight) in enumerate(pairs)
    ]


def colour_of(variant: str, position: int) -> str:
    """Champion and challenger have colours of their own, as in the charts."""
    fixed = {"champion": 0, "challenger": 1}
    return VARIANT_COLOURS[fixed.get(variant, 2 + position % (len(VARIANT_COLOURS) - 2))]


def span(microseconds: int) -> str:
    """A length of time in its largest whole unit: ``5 s``, ``2 min``, ``1 h``."""
    seconds = microseconds / 1e6
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.3g} s"
