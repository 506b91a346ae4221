"""One measure of one column in one window, as it is kept and shown."""

from typing import Literal

import msgspec

from seatrial.drift.severity import Severity

Measure = Literal["psi", "mean", "sd", "missing", "unseen", "range", "constant", "rule"]


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measure of one column.

    Attributes:
        measure: Which.
        effect: In the measure's own unit (see the table of ``drift.decide``).
        lower, upper: Its 99 % interval.
        p_value: Of its test.
        significant: Among all tests of the window.
        severity: ``none`` unless it is significant and over its threshold.
    """

    measure: Measure
    effect: float
    lower: float
    upper: float
    p_value: float
    significant: bool = False
    severity: Severity = "none"
