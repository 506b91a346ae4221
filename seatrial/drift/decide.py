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
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from seatrial.drift.benjamini_hochberg import benjamini_hochberg
from seatrial.drift.cells import pool_categories, pool_ordered
from seatrial.drift.chi_squared import chi_squared
from seatrial.drift.feature import FeatureProfile
from seatrial.drift.ks import ks_binned
from seatrial.drift.moments import Moments
from seatrial.drift.mood import mood
from seatrial.drift.proportions import compare_shares
from seatrial.drift.psi import expected_psi, psi, psi_error
from seatrial.drift.sentences import describe
from seatrial.drift.severity import Severity, worst
from seatrial.drift.spread import mean_shift, sd_ratio

Measure = Literal["psi", "mean", "sd", "missing", "unseen", "range", "constant", "rule"]
State = Literal["measured", "no-data"]

Q = 0.005
MINIMUM_ROWS = 100
LEVEL = 0.99
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


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One measure of one column.

    Attributes:
        measure: Which.
        effect: In the measure's own unit (see the table above).
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


def decide_window(
    pairs: Sequence[tuple[FeatureProfile, FeatureProfile]], *, q: float = Q, minimum_rows: int = MINIMUM_ROWS
) -> tuple[FeatureDrift, ...]:
    """Decide on all columns of one window together.

    Args:
        pairs: (reference, window) per column; the window counted by ``profile_of_window``.
        q: False discovery rate over all tests of the window.
        minimum_rows: Rows that either side needs.
    """
    measured = [measure(a, b) if min(a.rows, b.rows) >= minimum_rows else None for a, b in pairs]
    every = [finding.p_value for findings in measured if findings for finding in findings]
    marks = iter(benjamini_hochberg(every, q).tolist())
    return tuple(
        FeatureDrift(feature=a.name, state="no-data", rows=b.rows, sentence=describe(a, b, ()))
        if findings is None
        else _conclude(a, b, [_judge(finding, next(marks)) for finding in findings])
        for (a, b), findings in zip(pairs, measured, strict=True)
    )


def measure(reference: FeatureProfile, window: FeatureProfile) -> tuple[Finding, ...]:
    """Every measure that applies to this kind of column, not yet judged."""
    taken = (take(reference, window) for take in _MEASURES[reference.form])
    return tuple(finding for finding in taken if finding is not None)


def _missing(a: FeatureProfile, b: FeatureProfile) -> Finding:
    return Finding("missing", *compare_shares(a.missing, a.rows, b.missing, b.rows, LEVEL))


def _unseen(a: FeatureProfile, b: FeatureProfile) -> Finding | None:
    """Good and Turing: as many rows are expected to be new as the reference saw categories once."""
    if not a.present or not b.present:
        return None
    expected = min(a.present, a.unseen + a.singletons)
    return _increase(Finding("unseen", *compare_shares(expected, a.present, b.unseen, b.present, LEVEL)))


def _range(a: FeatureProfile, b: FeatureProfile) -> Finding | None:
    if not a.present or not b.present or a.limits is None:
        return None
    return _increase(Finding("range", *compare_shares(a.outside, a.present, b.outside, b.present, LEVEL)))


def _constant(a: FeatureProfile, b: FeatureProfile) -> Finding | None:
    """The chance that a window of the reference's own rows would fall into that one cell all together."""
    if not a.present or not b.present:
        return None
    if not _is_single(b) or _is_single(a):
        return Finding("constant", 0.0, 0.0, 0.0, 1.0)
    cell = int(np.argmax(b.counts))
    p = compare_shares(a.counts[cell], a.present, b.present, b.present, LEVEL).p_value
    return Finding("constant", 1.0, 1.0, 1.0, p)


def _psi(a: FeatureProfile, b: FeatureProfile) -> Finding | None:
    if not a.present or not b.present:
        return None
    left, right = (pool_ordered if a.form == "numeric" else pool_categories)(a.counts, b.counts)
    if len(left) < 2:
        return Finding("psi", 0.0, 0.0, 0.0, 1.0)
    effect = psi(left, right) - expected_psi(b.present, a.present, len(left))
    half = 2.5758293035489 * psi_error(left, right)
    return Finding("psi", effect, effect - half, effect + half, chi_squared(left, right).p_cautious)


def _mean(a: FeatureProfile, b: FeatureProfile) -> Finding | None:
    moved = mean_shift(a.moments, b.moments, LEVEL)
    return moved and Finding("mean", *moved)


def _sd(a: FeatureProfile, b: FeatureProfile) -> Finding | None:
    """Not for booleans, whose spread follows from their mean.

    Both the variances and the ranks must say so: with heavy tails a test of variances alone, corrected for kurtosis,
    alarmed in 2 to 3 % of windows where nothing had moved.
    """
    moved = None if a.kind == "boolean" else sd_ratio(a.moments, b.moments, LEVEL)
    if moved is None:
        return None
    return Finding("sd", *moved._replace(p_value=max(moved.p_value, mood(a.counts, b.counts))))


_MEASURES: dict[str, tuple[Callable[[FeatureProfile, FeatureProfile], Finding | None], ...]] = {
    "numeric": (_missing, _range, _constant, _psi, _mean, _sd),
    "category": (_missing, _unseen, _constant, _psi),
    "missing": (_missing,),
}


def _is_single(profile: FeatureProfile) -> bool:
    """One value in every row that has one."""
    if profile.form == "numeric":
        return (
            profile.minimum is not None and profile.minimum == profile.maximum and _all_finite(profile.moments, profile)
        )
    return sum(count > 0 for count in profile.counts) == 1 and not profile.unseen


def _all_finite(moments: Moments, profile: FeatureProfile) -> bool:
    return moments.n == profile.present


def _increase(finding: Finding) -> Finding:
    """Only more of it is an incident."""
    return finding if finding.effect > 0 else msgspec.structs.replace(finding, p_value=1.0)


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


def _judge(finding: Finding, significant: bool) -> Finding:
    severity = size_of(finding) if significant else "none"
    return msgspec.structs.replace(finding, significant=significant, severity=severity)


def _conclude(a: FeatureProfile, b: FeatureProfile, findings: list[Finding]) -> FeatureDrift:
    quality = worst(f.severity for f in findings if f.measure in QUALITY)
    drift = worst(f.severity for f in findings if f.measure not in QUALITY)
    findings.sort(key=_seriousness)
    return FeatureDrift(
        feature=a.name,
        state="measured",
        rows=b.rows,
        severity="none" if quality != "none" else drift,
        quality=quality,
        seen=quality == "none" == drift and any(f.significant for f in findings),
        findings=tuple(findings),
        ks=ks_binned(a.counts, b.counts).statistic if a.form == "numeric" and a.present and b.present else None,
        sentence=describe(a, b, tuple(findings)),
    )


def _seriousness(finding: Finding) -> tuple[bool, int, bool, float]:
    rank = ("major", "moderate", "none").index(finding.severity)
    incident = finding.measure in QUALITY and finding.severity != "none"
    return (not incident, rank, not finding.significant, finding.p_value)
