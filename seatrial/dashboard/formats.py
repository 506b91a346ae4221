"""How numbers, moments and words look on a page."""

from datetime import UTC, datetime

from seatrial.reports.charts import VARIANT_COLOURS
from seatrial.reports.prose import GAP, count
from seatrial.routing.snapshot import Entry

GOOD, WARN, BAD = "good", "warn", "bad"
NOTHING = "–"

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
    "in command": GOOD,
    "no drift": GOOD,
}
"""Word → tone; every other word is neutral."""


def tone(word: str) -> str:
    """The tone of a word, or ""."""
    return TONES.get(word, "")


def number(value: float | None, *, signed: bool = False) -> str:
    """Four significant digits, thousands apart, or a dash where there is none."""
    if value is None:
        return NOTHING
    if abs(value) >= 1000:
        return f"{value:+,.0f}".replace(",", GAP) if signed else count(round(value))
    return _signed(f"{value:+.4g}") if signed else f"{value:.4g}"


def measured(value: float | None, *, share: bool) -> str:
    """A metric's value: a share in percent, else a number."""
    return f"{100 * value:.4g}{GAP}%" if share and value is not None else number(value)


def difference(value: float | None, *, share: bool) -> str:
    """An effect on a metric: on a share in points, else a number; always with its sign."""
    return f"{_signed(f'{100 * value:+.3g}')}{GAP}points" if share and value is not None else number(value, signed=True)


def interval(lower: float | None, upper: float | None, *, share: bool) -> str:
    """``-0.55 to +0.46 points``; with one end ``at least`` or ``at most``."""
    if lower is None and upper is None:
        return NOTHING
    if upper is None:
        return f"at least {difference(lower, share=share)}"
    if lower is None:
        return f"at most {difference(upper, share=share)}"
    first = difference(lower, share=share).removesuffix(f"{GAP}points")
    return f"{first} to {difference(upper, share=share)}"


def probability(value: float | None) -> str:
    """A p-value: three significant digits, none below a ten-thousandth."""
    if value is None:
        return NOTHING
    return "< 0.0001" if value < 0.0001 else f"{value:.3g}"


def _signed(text: str) -> str:
    return "0" if text in ("+0", "-0") else text


def percent(share: float) -> str:
    """``12.5 %``, without needless digits."""
    return f"{100 * share:.3g}{GAP}%"


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
            return f"{seconds / size:.0f}{GAP}{unit}"
    return f"{seconds:.3g}{GAP}s"
