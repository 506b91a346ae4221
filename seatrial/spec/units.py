"""The spellings of the deployment file: shares (``5%``), durations (``50ms 30s 30m 12h 7d``), memory
(``64MiB``) and amounts of a margin.

Each has exactly one form, so that a number never means two things. The patterns are shared with the JSON Schema.
"""

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from seatrial.spec.errors import BadInput

ROWS_PATTERN = r"[1-9][0-9]{0,8} rows"
DIGITS = r"[0-9]{1,12}(\.[0-9]{1,12})?"
SHARE_PATTERN = r"(100(\.0{1,12})?|[0-9]{1,2}(\.[0-9]{1,12})?)%"
PERCENT_PATTERN = rf"{DIGITS}%"
DURATION_PATTERN = rf"{DIGITS}(ms|s|m|h|d)"
BYTES_PATTERN = r"[1-9][0-9]{0,5}(KiB|MiB|GiB)"
SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}

SHARE_FORMS = "a share is written with a percent sign, from `0%` to `100%`, like `5%` or `0.5%`"
PERCENT_FORMS = "it is written with a percent sign, like `2%` or `0.5%`"
DURATION_FORMS = "a duration is a number and a unit, like `50ms`, `30s`, `30m`, `12h` or `7d`"
WINDOW_FORMS = "it is a duration above zero, like `1h` or `1d`, or a number of rows, like `5000 rows`"
BYTES_FORMS = "it is a whole number and a unit, like `64MiB` or `1GiB`"
AMOUNT_FORMS = "it is in the metric's unit: `0.1%` for shares, `5ms` for latencies, a number like `0.50` for values"
MARGIN_FORMS = (
    "a margin is written `{relative: 2%}` or `{absolute: x}` with x in the metric's unit (`0.1%`, `5ms` or `0.50`)"
)


class Amount(NamedTuple):
    """One absolute amount: ``0.1%`` is a fraction, ``5ms`` is seconds, ``0.50`` is in the metric's own unit."""

    form: Literal["share", "duration", "number"]
    value: float
    text: str


def show(value: object) -> str:
    """A value as an error message quotes it, in backticks and at most 60 characters long."""
    text = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    text = " ".join(text.split())
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"


def parse_share(value: object) -> float:
    """Reads ``5%`` as 0.05; between 0 and 1.

    Raises:
        BadInput: It is no share; the message shows the form (and what a bare number probably meant).
    """
    if isinstance(value, str) and re.fullmatch(SHARE_PATTERN, value):
        return _percent(value)
    raise BadInput(f"{show(value)} is not a share: {SHARE_FORMS}{_perhaps_percent(value)}")


def parse_percent(value: object) -> float:
    """Reads ``2%`` as 0.02, without an upper limit: a relative margin may pass 100%."""
    if isinstance(value, str) and re.fullmatch(PERCENT_PATTERN, value):
        return _percent(value)
    raise BadInput(f"{show(value)} is not a percentage: {PERCENT_FORMS}{_perhaps_percent(value)}")


def parse_duration(value: object) -> float:
    """Reads ``50ms``, ``30m``, ``7d`` as seconds.

    Raises:
        BadInput: It is no duration; the message shows the forms.
    """
    match = re.fullmatch(DURATION_PATTERN, value) if isinstance(value, str) else None
    if match is None:
        raise BadInput(f"{show(value)} is not a duration: {DURATION_FORMS}")
    unit = match.group(2)
    return float(Decimal(match.group(0)[: -len(unit)]) * SECONDS[unit])


class Rows(NamedTuple):
    """How many rows a window holds."""

    number: int


def parse_window(value: object) -> float | Rows:
    """Reads the length of a window: ``1h`` as seconds, ``5000 rows`` as rows.

    Raises:
        BadInput: It is neither, or no time at all; the message shows the forms.
    """
    if isinstance(value, str) and re.fullmatch(ROWS_PATTERN, value):
        return Rows(int(value.removesuffix(" rows")))
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        raise BadInput(f"{show(value)} is no length of a window: {WINDOW_FORMS}")
    seconds = parse_duration(value)
    if not seconds:
        raise BadInput(f"{show(value)} must be more than zero")
    return seconds


def parse_bytes(value: object) -> int:
    """Reads ``64MiB`` as 67108864.

    Raises:
        BadInput: It is no amount of memory; the message shows the forms.
    """
    match = re.fullmatch(BYTES_PATTERN, value) if isinstance(value, str) else None
    if match is None:
        raise BadInput(f"{show(value)} is not an amount of memory: {BYTES_FORMS}")
    unit = match.group(1)
    return int(match.group(0).removesuffix(unit)) << {"KiB": 10, "MiB": 20, "GiB": 30}[unit]


def parse_amount(value: object) -> Amount:
    """Reads the amount of an absolute margin in any of its three forms."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e15:
        return Amount("number", float(value), str(value))
    if isinstance(value, str) and re.fullmatch(PERCENT_PATTERN, value):
        return Amount("share", _percent(value), value)
    if isinstance(value, str) and re.fullmatch(DURATION_PATTERN, value):
        return Amount("duration", parse_duration(value), value)
    raise BadInput(f"{show(value)} is not an amount: {AMOUNT_FORMS}")


def parse_label(value: object) -> str:
    """Reads a label, a text, a number or a boolean, as the text that answers and outcomes are compared with."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, str) and 0 < len(value) <= 200:
        return value
    raise BadInput(f"{show(value)} is no label: write a text, a number, `true` or `false`")


def show_share(share: float) -> str:
    """Writes 0.05 as ``5%``."""
    return f"{_plain(Decimal(repr(float(share))) * 100)}%"


def show_duration(seconds: float) -> str:
    """Writes 1800.0 as ``30m``: the largest unit in which the number is whole, else seconds or milliseconds."""
    exact = Decimal(repr(float(seconds)))
    for unit in ("d", "h", "m", "s"):
        count = exact / SECONDS[unit]
        if count >= 1 and count == count.to_integral_value():
            return f"{_plain(count)}{unit}"
    if exact == 0:
        return "0s"
    return f"{_plain(exact)}s" if exact >= 1 else f"{_plain(exact * 1000)}ms"


def show_count(n: int) -> str:
    """Writes 12345 as ``12 345``."""
    return f"{n:,}".replace(",", " ")


def show_moment(microseconds: int) -> str:
    """Writes microseconds since 1970 UTC as ``2026-11-23 09:15Z``."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%MZ")


def _percent(text: str) -> float:
    return float(Decimal(text[:-1]) / 100)


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _perhaps_percent(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and value == 1:
        return "; for all of it write `100%`, for 1 percent `1%`"
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
        return f"; for {value:g} write `{show_share(value)}`"
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 100:
        return f"; for {value:g} percent write `{value:g}%`"
    return ""
