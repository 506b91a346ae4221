"""Every measure of every column, of one window or of many at once: tests in arrays, one row a column.

A column's measures depend on its kind:

    numeric    missing, range, constant, psi, mean, sd (not of booleans, whose spread follows from their mean)
    category   missing, unseen, constant, psi
    missing    missing

Each is the statistic of its own module; what is here is which apply, and on which counts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.drift.cells import CountRows, pool_rows
from seatrial.drift.chi_squared import chi_squared_rows
from seatrial.drift.feature import FeatureProfile
from seatrial.drift.finding import Finding, Measure
from seatrial.drift.ks import largest_gaps
from seatrial.drift.mood import mood_rows
from seatrial.drift.proportions import compare_many
from seatrial.drift.psi import expected_psi, psi_rows
from seatrial.drift.spread import MomentRows, MovedRows, mean_shifts, sd_ratios

LEVEL = 0.99
_NORMAL = 2.5758293035489
"""Of the standard normal, what lies beyond on either side is 1 %."""

Pair = tuple[FeatureProfile, FeatureProfile]
Floats = NDArray[np.float64]

_ORDER: tuple[Measure, ...] = ("missing", "unseen", "range", "constant", "psi", "mean", "sd")
_VARIES = Finding("constant", 0.0, 0.0, 0.0, 1.0)
_ONE_CELL = Finding("psi", 0.0, 0.0, 0.0, 1.0)


class Taken(NamedTuple):
    """What was measured of one column.

    Attributes:
        findings: Every measure that applies, not yet judged.
        ks: Kolmogorov–Smirnov's gap over the reference's cells; None for categories, and without values.
    """

    findings: tuple[Finding, ...]
    ks: float | None = None


class _Found:
    """Findings by column, and the gaps."""

    def __init__(self, columns: int) -> None:
        self.findings: list[dict[Measure, Finding]] = [{} for _ in range(columns)]
        self.gaps: list[float | None] = [None] * columns

    def put(self, measure: Measure, columns: Sequence[int], *values: Floats) -> None:
        """``values``: effect, lower, upper and p-value, shape [columns] each."""
        rows = zip(*(value.tolist() for value in values), strict=True)
        for column, (effect, lower, upper, p) in zip(columns, rows, strict=True):
            self.findings[column][measure] = Finding(measure, effect, lower, upper, p)

    def taken(self) -> list[Taken]:
        return [
            Taken(tuple(found[name] for name in _ORDER if name in found), gap)
            for found, gap in zip(self.findings, self.gaps, strict=True)
        ]


def measure(pairs: Sequence[Pair]) -> list[Taken]:
    """Every measure that applies to each (reference, window), in their order; both sides have rows."""
    found = _Found(len(pairs))
    if pairs:
        _shares(pairs, found)
        full = [i for i, (a, b) in enumerate(pairs) if a.present and b.present]
        _numeric(pairs, [i for i in full if pairs[i][0].form == "numeric"], found)
        _categories(pairs, [i for i in full if pairs[i][0].form == "category"], found)
    return found.taken()


_Shares = list[tuple[int, Measure, int, int, int, int]]
"""Of a column: the measure, x of m rows of the reference and y of n of the window."""


def _shares(pairs: Sequence[Pair], found: _Found) -> None:
    """All measures that compare two shares, in one go."""
    asked: _Shares = []
    for column, (a, b) in enumerate(pairs):
        _ask(asked, column, a, b)
        if a.form != "missing" and a.present and b.present:
            found.findings[column]["constant"] = _VARIES
    x, m, y, n = zip(*(share[2:] for share in asked), strict=True)
    compared = compare_many(x, m, y, n, LEVEL)
    rows = zip(asked, *(values.tolist() for values in compared), strict=True)
    for (column, name, *_), effect, lower, upper, p in rows:
        if name == "constant":
            effect = lower = upper = 1.0
        elif name != "missing" and effect <= 0:  # only more of it is an incident
            p = 1.0
        found.findings[column][name] = Finding(name, effect, lower, upper, p)


def _ask(asked: _Shares, column: int, a: FeatureProfile, b: FeatureProfile) -> None:
    asked.append((column, "missing", a.missing, a.rows, b.missing, b.rows))
    m, n = a.present, b.present
    if a.form == "missing" or not m or not n:
        return
    if a.form == "category":
        # The reference lists what it saw most, so that a window has more rows that are not listed than it has itself.
        asked.append((column, "unseen", min(m, a.unseen + a.barely_listed), m, b.unseen, n))
    elif a.limits is not None:
        asked.append((column, "range", a.outside, m, b.outside, n))
    if _is_single(b) and not _is_single(a):
        # The chance that a window of the reference's own rows would fall into that one cell all together.
        cell = max(range(len(b.counts)), key=b.counts.__getitem__)
        asked.append((column, "constant", a.counts[cell], m, n, n))


def _is_single(profile: FeatureProfile) -> bool:
    """One value in every row that has one."""
    if profile.form == "numeric":
        same = profile.minimum is not None and profile.minimum == profile.maximum
        return same and profile.moments.n == profile.present
    return not profile.unseen and profile.present in profile.counts


def _categories(pairs: Sequence[Pair], columns: Sequence[int], found: _Found) -> None:
    if columns:
        _psi(_counts(pairs, columns), columns, found, ordered=False)


def _numeric(pairs: Sequence[Pair], columns: Sequence[int], found: _Found) -> None:
    """Both the variances and the ranks must say that a spread changed.

    With heavy tails a test of variances alone, corrected for kurtosis, alarmed in 2 to 3 % of windows where nothing had
    moved.
    """
    if not columns:
        return
    counts = _counts(pairs, columns)
    for column, gap in zip(columns, largest_gaps(counts.reference, counts.window).tolist(), strict=True):
        found.gaps[column] = gap
    _psi(counts, columns, found, ordered=True)
    reference, window = (MomentRows.of([pairs[i][side].moments for i in columns]) for side in (0, 1))
    _moved(found, "mean", columns, mean_shifts(reference, window, LEVEL))
    spread = sd_ratios(reference, window, LEVEL)
    varies = spread.known & np.array([pairs[i][0].kind != "boolean" for i in columns])
    p = np.maximum(spread.p_value, mood_rows(counts.reference, counts.window))
    _moved(found, "sd", columns, spread._replace(known=varies, p_value=p))


def _counts(pairs: Sequence[Pair], columns: Sequence[int]) -> CountRows:
    return CountRows.of([(pairs[i][0].counts, pairs[i][1].counts) for i in columns])


def _psi(counts: CountRows, columns: Sequence[int], found: _Found, *, ordered: bool) -> None:
    pooled = pool_rows(counts, ordered=ordered)
    value, error = psi_rows(pooled.reference, pooled.window, pooled.cells)
    m, n = pooled.reference.sum(axis=1), pooled.window.sum(axis=1)
    effect = value - expected_psi(n, m, pooled.cells)
    half = _NORMAL * error
    p = chi_squared_rows(pooled.reference, pooled.window).p_cautious
    found.put("psi", columns, effect, effect - half, effect + half, p)
    for row in np.flatnonzero(pooled.cells < 2).tolist():
        found.findings[columns[row]]["psi"] = _ONE_CELL


def _moved(found: _Found, measure: Measure, columns: Sequence[int], moved: MovedRows) -> None:
    there = np.flatnonzero(moved.known)
    found.put(measure, [columns[i] for i in there.tolist()], *(values[there] for values in moved[1:]))
