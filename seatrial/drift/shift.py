"""One number per column and window for a heatmap or a picture of what moved."""

from collections.abc import Sequence

from seatrial.drift.feature import FeatureProfile

MOST = 10.0
"""Where the scale ends: a constant that was left is shown at its end."""


def shifts(pairs: Sequence[tuple[FeatureProfile, FeatureProfile]]) -> dict[str, float | None]:
    """Scaled mean shift of each column: (mean of the window − mean of the reference) / sd of the reference.

    A column with the reference's mean exactly is 0; a constant reference that was left is ±10, where the scale ends;
    a category's is the total variation between its cells (0 to 1); None where either side has no values.
    """
    return {reference.name: _shift(reference, window) for reference, window in pairs}


def _shift(a: FeatureProfile, b: FeatureProfile) -> float | None:
    if not a.present or not b.present:
        return None
    if a.form == "category":
        return sum(abs(x / a.present - y / b.present) for x, y in zip(a.counts, b.counts, strict=True)) / 2
    gap = b.moments.mean - a.moments.mean
    if a.form == "missing" or gap == 0:
        return 0.0 if a.form == "numeric" else None
    sd = a.moments.sd
    limit = MOST if gap > 0 else -MOST
    return limit if sd <= abs(gap) / MOST else gap / sd
