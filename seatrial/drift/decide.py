"""What one window says about every column: drift, a broken column, nothing, or too little to say.

An alarm needs both a test that is significant among all tests of the window (Benjamini–Hochberg at q = 0.005, so that
when nothing moved at most one window in 200 has any) and an effect that matters in practice:

    measure    of what                                             moderate   major     is
    psi        cells of the reference, less what chance gives       > 0.1      > 0.25    drift
    mean       difference in standard deviations of the reference   ≥ 0.2      ≥ 0.5     drift
    sd         ratio of standard deviations, either way             ≥ 1.15     ≥ 1.5     drift
    missing    difference of the share of rows without a value      ≥ 0.02     ≥ 0.1     quality
    unseen     share of categories that the reference did not list  ≥ 0.005    ≥ 0.05    quality
    range      share of values far outside the reference's range    ≥ 0.005    ≥ 0.05    quality
    constant   one value only, where the reference has several      -          always    quality
    rule       a written rule; see ``drift.rules``                                       quality

A significant test below its threshold is *seen*. A quality incident is named before drift, and silences the drift of
its column: a column gone null says nothing about the world.
"""

import operator
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from seatrial.drift.benjamini_hochberg import benjamini_hochberg
from seatrial.drift.feature import FeatureProfile
from seatrial.drift.finding import Finding, Measure
from seatrial.drift.measuring import Pair, Taken, measure
from seatrial.drift.sentences import describe
from seatrial.drift.severity import Severity, worst

State = Literal["measured", "no-data"]

Q = 0.005
MINIMUM_ROWS = 100
THRESHOLDS: dict[str, tuple[float, float]] = {
    "psi": (0.1, 0.25),
    "mean": (0.2, 0.5),
    "sd": (1.15, 1.5),
    "missing": (0.02, 0.1),
    "unseen": (0.005, 0.05),
    "range": (0.005, 0.05),
    "constant": (0.0, 0.0),
    "rule": (0.0, 0.05),
}
QUALITY: frozenset[str] = frozenset({"missing", "unseen", "range", "constant", "rule"})
DRIFT: frozenset[str] = frozenset(THRESHOLDS) - QUALITY


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a window says about one column.

    Attributes:
        feature: The column's name.
        state: ``no-data`` below the minimum number of rows on either side; then everything else is at rest.
        rows: Of the window.
        severity: Of drift; ``none`` where a quality incident silences it.
        quality: Severity of the column's quality incident.
        seen: A significant difference, all of them below their thresholds.
        findings: Every measure taken: quality incidents, then the most serious first.
        ks: Kolmogorov–Smirnov's gap over the reference's cells; None for categories.
        sentence: All of it in words.
    """

    feature: str
    state: State
    rows: int
    severity: Severity = "none"
    quality: Severity = "none"
    seen: bool = False
    findings: tuple[Finding, ...] = ()
    ks: float | None = None
    sentence: str = ""

    def finding(self, measure: Measure) -> Finding | None:
        """The named measure, if it was taken."""
        return next((finding for finding in self.findings if finding.measure == measure), None)

    @property
    def psi(self) -> float | None:
        """Debiased PSI, if it was taken."""
        found = self.finding("psi")
        return found.effect if found else None

    @property
    def shift(self) -> float | None:
        """Mean shift in standard deviations of the reference, if it was taken."""
        found = self.finding("mean")
        return found.effect if found else None

    @property
    def incidents(self) -> tuple[Measure, ...]:
        """Quality measures that are over their thresholds, the most serious first."""
        return tuple(f.measure for f in self.findings if f.measure in QUALITY and f.severity != "none")


def decide_window(pairs: Sequence[Pair], *, q: float = Q, minimum_rows: int = MINIMUM_ROWS) -> tuple[FeatureDrift, ...]:
    """Decide on all columns of one window together.

    Args:
        pairs: (reference, window) per column; the window counted by ``profile_of_window``.
        q: False discovery rate over all tests of the window.
        minimum_rows: Rows that either side needs.
    """
    ((found,),) = decide_windows([pairs], levels=(q,), minimum_rows=minimum_rows)
    return found


def decide_windows(
    windows: Sequence[Sequence[Pair]], *, levels: Sequence[float] = (Q,), minimum_rows: int = MINIMUM_ROWS
) -> list[tuple[tuple[FeatureDrift, ...], ...]]:
    """Decide on many windows, each by itself, at one or more levels: columns are measured once, and all at once.

    Args:
        windows: The pairs of each.
        levels: False discovery rates over all tests of a window.
        minimum_rows: Rows that either side needs.

    Returns:
        Of each window, for each level in order, its columns.
    """
    enough = [[min(a.rows, b.rows) >= minimum_rows for a, b in pairs] for pairs in windows]
    asked = [
        pair
        for pairs, which in zip(windows, enough, strict=True)
        for pair, is_enough in zip(pairs, which, strict=True)
        if is_enough
    ]
    taken = iter(measure(asked))
    return [
        _at_levels(pairs, [next(taken) if is_enough else None for is_enough in which], levels)
        for pairs, which in zip(windows, enough, strict=True)
    ]


def _at_levels(
    pairs: Sequence[Pair], taken: Sequence[Taken | None], levels: Sequence[float]
) -> tuple[tuple[FeatureDrift, ...], ...]:
    p_values = np.array([finding.p_value for one in taken if one for finding in one.findings])
    quiet: tuple[FeatureDrift, ...] | None = None
    found = []
    for q in levels:
        marks = benjamini_hochberg(p_values, q)
        if marks.any():
            found.append(_concluded(pairs, taken, marks))
        else:  # the same at every level
            quiet = quiet if quiet is not None else _concluded(pairs, taken, marks)
            found.append(quiet)
    return tuple(found)


def _concluded(
    pairs: Sequence[Pair], taken: Sequence[Taken | None], marks: NDArray[np.bool_]
) -> tuple[FeatureDrift, ...]:
    significant = marks.tolist() if marks.any() else None
    found, at = [], 0
    for (a, b), one in zip(pairs, taken, strict=True):
        if one is None:
            found.append(FeatureDrift(feature=a.name, state="no-data", rows=b.rows, sentence=describe(a, b, ())))
            continue
        until = at + len(one.findings)
        mine = significant[at:until] if significant is not None else ()
        found.append(_conclude(a, b, one, mine) if True in mine else _at_rest(a, b, one))
        at = until
    return tuple(found)


def size_of(finding: Finding, ease: float = 1.0) -> Severity:
    """How large an effect is, whatever its test says.

    Args:
        finding: The measure.
        ease: Thresholds are multiplied by this; below 1 an effect counts earlier.
    """
    moderate, major = THRESHOLDS[finding.measure]
    match finding.measure:
        case "psi":
            size = finding.effect
        case "sd":
            size = max(finding.effect, 1 / finding.effect) - 1
            moderate, major = moderate - 1, major - 1
        case "constant":
            return "major" if finding.effect else "none"
        case _:
            size = abs(finding.effect)
    over = operator.gt if finding.measure == "psi" else operator.ge
    return "major" if over(size, major * ease) else "moderate" if over(size, moderate * ease) else "none"


def _conclude(a: FeatureProfile, b: FeatureProfile, taken: Taken, significant: Sequence[bool]) -> FeatureDrift:
    """Of a column with a significant finding."""
    findings = [_judged(one) if mark else one for one, mark in zip(taken.findings, significant, strict=True)]
    quality = worst(f.severity for f in findings if f.measure in QUALITY)
    drift = worst(f.severity for f in findings if f.measure not in QUALITY)
    findings.sort(key=_seriousness)
    return FeatureDrift(
        feature=a.name,
        state="measured",
        rows=b.rows,
        severity="none" if quality != "none" else drift,
        quality=quality,
        seen=quality == "none" == drift,
        findings=tuple(findings),
        ks=taken.ks,
        sentence=describe(a, b, findings),
    )


def _at_rest(a: FeatureProfile, b: FeatureProfile, taken: Taken) -> FeatureDrift:
    findings = tuple(sorted(taken.findings, key=_P_VALUE))
    sentence = describe(a, b, findings)
    return FeatureDrift(
        feature=a.name, state="measured", rows=b.rows, findings=findings, ks=taken.ks, sentence=sentence
    )


def _judged(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, significant=True, severity=size_of(finding))


_P_VALUE = operator.attrgetter("p_value")


def _seriousness(finding: Finding) -> tuple[bool, int, bool, float]:
    rank = ("major", "moderate", "none").index(finding.severity)
    incident = finding.measure in QUALITY and finding.severity != "none"
    return (not incident, rank, not finding.significant, finding.p_value)
