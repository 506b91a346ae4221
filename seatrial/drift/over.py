"""Whether windows show that something is over: a test that finds nothing may only have seen too little.

It is over when the effect is below three quarters of its threshold and the upper end of its 99 % interval is below the
threshold: the rows could have shown it, had it been there. Windows add up: effects are weighted by rows, and so are the
parts of their intervals. A written rule is over when no more than may is shown to break it: when the upper end of the
exact interval is below the share that may, and, where nothing may, when no row did.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scipy.special import betaincinv

from seatrial.drift.decide import THRESHOLDS, Q, size_of
from seatrial.drift.finding import Finding
from seatrial.drift.rules import Count

CALM = 0.75
"""Below this part of its threshold an effect is gone."""


class Part(NamedTuple):
    """One measure of a column in one window of ``rows`` rows."""

    rows: int
    finding: Finding


def together(parts: Sequence[Part]) -> Finding:
    """One measure over several windows, at least one, as if they were one.

    The reference's own chance is taken for a window's: its part of the interval becomes narrower, too.
    """
    if len(parts) == 1:
        return parts[0].finding
    rows = sum(part.rows for part in parts)
    effect = sum(part.rows * part.finding.effect for part in parts) / rows
    below = sum((part.rows * (part.finding.effect - part.finding.lower)) ** 2 for part in parts) ** 0.5 / rows
    above = sum((part.rows * (part.finding.upper - part.finding.effect)) ** 2 for part in parts) ** 0.5 / rows
    return Finding(parts[-1].finding.measure, effect, effect - below, effect + above, 1.0)


def is_over(finding: Finding) -> bool:
    """Whether a measure is clearly below its threshold, and could be seen to be above it."""
    if size_of(finding, CALM) != "none":
        return False
    threshold = THRESHOLDS[finding.measure][0]
    match finding.measure:
        case "constant":
            return True
        case "psi":
            return finding.upper <= threshold
        case "sd":
            return finding.lower > 0 and max(finding.upper, 1 / finding.lower) < threshold
        case _:
            return max(finding.upper, -finding.lower) < threshold


def is_kept(counts: Iterable[Count]) -> bool:
    """Whether the rules of one column are kept for certain, over all windows that were counted; of none: no."""
    found: dict[tuple[str, float, str], tuple[int, int]] = {}
    for count in counts:
        broken, rows = found.get((count.what, count.allowed, count.said), (0, 0))
        found[count.what, count.allowed, count.said] = (broken + count.broken, rows + count.rows)
    if not found:
        return False
    return all(
        upper_limit(broken, rows, Q) < allowed if allowed > 0 else not broken
        for (_, allowed, _), (broken, rows) in found.items()
    )


def upper_limit(hits: int, n: int, alpha: float) -> float:
    """Of a share, exact, one-sided at ``alpha`` (Clopper and Pearson, Biometrika 26, 1934)."""
    return float(betaincinv(hits + 1, n - hits, 1 - alpha)) if hits < n else 1.0


def is_over_in(windows: Sequence["Evidence"], column: str, measures: Iterable[str]) -> bool:
    """Whether every one of these measures of a column is over, by all windows together.

    Args:
        windows: What each of them measured, in order of time.
        column: Which.
        measures: By which it showed; ``rule`` is judged by what was counted.
    """
    for measure in measures:
        if measure == "rule":
            if not is_kept(count for window in windows for count in window.counts if count.column == column):
                return False
            continue
        parts = [
            Part(found.rows, finding)
            for window in windows
            if (found := window.columns.get(column)) is not None
            for finding in found.findings
            if finding.measure == measure and found.rows
        ]
        if not parts or not is_over(together(parts)):
            return False
    return True


class Measures(NamedTuple):
    """What was measured of one column in one window."""

    rows: int
    findings: tuple[Finding, ...]


class Evidence(NamedTuple):
    """What one window can say of columns, and of the rules that are written for them."""

    columns: Mapping[str, Measures]
    counts: tuple[Count, ...] = ()
