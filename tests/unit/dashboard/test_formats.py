import pytest

from seatrial.dashboard.formats import difference, interval, measured, number, probability
from seatrial.reports.prose import GAP


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (number(None), "–"),
        (number(0.0008636), "0.0008636"),
        (number(12345.6), "12_346"),
        (number(-12345.6, signed=True), "-12_346"),
        (measured(0.6692, share=True), "66.92_%"),
        (measured(0.6692, share=False), "0.6692"),
        (measured(None, share=True), "–"),
        (difference(0.0, share=True), "0_points"),
        (difference(0.0, share=False), "0"),
        (interval(-0.005506, 0.00463, share=True), "-0.551 to +0.463_points"),
        (interval(-1.5, 0.25, share=False), "-1.5 to +0.25"),
        (interval(None, 0.00463, share=True), "at most +0.463_points"),
        (interval(-0.005506, None, share=True), "at least -0.551_points"),
        (interval(None, None, share=True), "–"),
        (probability(3e-7), "< 0.0001"),
        (probability(0.04321), "0.0432"),
    ],
)
def test_numbers_as_a_page_shows_them(shown: str, wanted: str) -> None:
    assert shown == wanted.replace("_", GAP)
