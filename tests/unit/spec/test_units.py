"""Shares, durations and amounts: exact forms, and errors that show them."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatrial.spec import units
from seatrial.spec.errors import BadInput


@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("0%", 0.0), ("100%", 1.0), ("100.0%", 1.0), ("0.1%", 0.001), ("33.3%", 0.333), ("05%", 0.05)],
)
def test_share(text: str, share: float) -> None:
    assert units.parse_share(text) == share


@pytest.mark.parametrize(
    "value",
    [5, 0.05, "5", "5 %", "-5%", "101%", "100.1%", "%", "5%%", "1e1%", ".5%", "5.%", "٥%", "5%\n", None, True, [], {}],
)
def test_share_refused(value: object) -> None:
    with pytest.raises(BadInput, match=r"like `5%` or `0\.5%`"):
        units.parse_share(value)


def test_bare_number_shows_what_it_probably_meant() -> None:
    with pytest.raises(BadInput, match=r"`0\.05` is not a share.*write `5%`"):
        units.parse_share(0.05)
    with pytest.raises(BadInput, match=r"for 50 percent write `50%`"):
        units.parse_share(50)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("50ms", 0.05), ("30s", 30), ("30m", 1800), ("12h", 43200), ("7d", 604800), ("1.5h", 5400), ("0s", 0)],
)
def test_duration(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", [30, "30", "30 m", "1h30m", "m", "-1s", "1w", "1M", "5us", "30min", "3s\n", None, 1.5]
)
def test_duration_refused(value: object) -> None:
    with pytest.raises(BadInput, match="like `50ms`, `30s`, `30m`, `12h` or `7d`"):
        units.parse_duration(value)


def test_percent_may_pass_a_hundred() -> None:
    assert units.parse_percent("150%") == 1.5
    with pytest.raises(BadInput, match="150"):
        units.parse_share("150%")


@pytest.mark.parametrize(
    ("value", "form", "amount"),
    [
        ("0.1%", "share", 0.001),
        ("5ms", "duration", 0.005),
        (0.5, "number", 0.5),
        (3, "number", 3.0),
        (0, "number", 0.0),
    ],
)
def test_amount(value: object, form: str, amount: float) -> None:
    read = units.parse_amount(value)
    assert (read.form, read.value) == (form, amount)


@pytest.mark.parametrize("value", [-1, float("inf"), float("nan"), "0.5", True, None, "5 ms", 1e16])
def test_amount_refused(value: object) -> None:
    with pytest.raises(BadInput, match="in the metric's unit"):
        units.parse_amount(value)


@given(st.integers(0, 100_000))
def test_share_is_the_nearest_float_and_comes_back(thousandths: int) -> None:
    text = f"{thousandths // 1000}.{thousandths % 1000:03d}%"
    share = units.parse_share(text)
    assert share == float(Fraction(thousandths, 100_000))
    assert units.parse_share(units.show_share(share)) == share


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_duration_comes_back(count: int, unit: str) -> None:
    seconds = units.parse_duration(f"{count}{unit}")
    assert units.parse_duration(units.show_duration(seconds)) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.05, "50ms"),
        (30, "30s"),
        (1800, "30m"),
        (86400, "1d"),
        (90000, "25h"),
        (5400, "90m"),
        (1.5, "1.5s"),
        (0, "0s"),
    ],
)
def test_show_duration(seconds: float, text: str) -> None:
    assert units.show_duration(seconds) == text


def test_show_quotes_and_shortens() -> None:
    assert units.show(True) == "`true`"
    assert units.show(None) == "`null`"
    assert units.show("a\n b") == "`a b`"
    assert re.fullmatch(r"`x{57}\.\.\.`", units.show("x" * 1000))
