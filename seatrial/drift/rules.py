"""Rules that a column, or a window as a whole, should keep, and what one window says of them.

    what         broken by                                                             moderate        major
    missing      rows without a value                                                  more than may   10 points more
    range        values below ``least`` or above ``most``                              more than may   5 points more
    values       values that are not listed                                            more than may   5 points more
    type         values of another type than the column's                              0.5 %           5 %
    duplicated   rows that repeat another row of the window                            more than may   5 points more

A rule that allows nothing is broken by one row. A rule that allows a share is broken when more is *shown*: when the
lower end of the exact interval lies beyond the share (Clopper and Pearson, Biometrika 26, 1934).
"""

from typing import Literal, NamedTuple

import msgspec
from scipy.special import betaincinv

from seatrial.drift.decide import FeatureDrift
from seatrial.drift.finding import Finding
from seatrial.drift.severity import Severity, worst

What = Literal["missing", "range", "values", "type", "duplicated"]

MORE: dict[What, float] = {"missing": 0.1, "range": 0.05, "values": 0.05, "type": 0.05, "duplicated": 0.05}
"""How far beyond what may be it is major."""


class Count(NamedTuple):
    """How one rule fared in a window.

    Attributes:
        column: The feature, or what the rule is about.
        what: Which rule.
        broken: Rows that break it.
        rows: Rows that could.
        allowed: The share that may.
        said: The rule in words: ``0 to 120``.
    """

    column: str
    what: What
    broken: int
    rows: int
    allowed: float
    said: str = ""


def severity_of(count: Count, alpha: float) -> Severity:
    """How badly a rule is broken; ``alpha``: the chance of saying so when exactly the allowed share breaks it."""
    if not count.rows or not count.broken:
        return "none"
    lower = lower_limit(count.broken, count.rows, alpha) if count.allowed > 0 else count.broken / count.rows
    if lower <= count.allowed:
        return "none"
    return "major" if lower >= count.allowed + MORE[count.what] else "moderate"


def lower_limit(hits: int, n: int, alpha: float) -> float:
    """Of a share, exact, one-sided at ``alpha``."""
    return float(betaincinv(hits, n - hits + 1, alpha)) if hits else 0.0


def with_rules(drifts: tuple[FeatureDrift, ...], counts: tuple[Count, ...], alpha: float) -> tuple[FeatureDrift, ...]:
    """The columns of a window with the rules that they broke: a broken column's drift is silenced.

    Columns that only a rule is about are added at the end.
    """
    found: dict[str, list[tuple[Count, Severity]]] = {}
    for count in counts:
        if (severity := severity_of(count, alpha)) != "none":
            found.setdefault(count.column, []).append((count, severity))
    known = tuple(_broken(drift, found.pop(drift.feature)) if drift.feature in found else drift for drift in drifts)
    more = tuple(
        _broken(FeatureDrift(feature=name, state="measured", rows=broken[0][0].rows), broken)
        for name, broken in found.items()
    )
    return known + more


def _broken(drift: FeatureDrift, broken: list[tuple[Count, Severity]]) -> FeatureDrift:
    findings = tuple(_finding(count, severity) for count, severity in broken)
    severity = worst(severity for _, severity in broken)
    said = "; ".join(_words(count) for count, _ in broken)
    return msgspec.structs.replace(
        drift,
        state="measured",
        severity="none",
        seen=False,
        quality=worst((drift.quality, severity)),
        findings=findings + drift.findings,
        sentence=f"{drift.feature}: {severity}, {said}.",
    )


def _finding(count: Count, severity: Severity) -> Finding:
    share = count.broken / count.rows
    return Finding("rule", share - count.allowed, share - count.allowed, share - count.allowed, 0.0, True, severity)


def _words(count: Count) -> str:
    share, may = f"{count.broken / count.rows:.2%}", f"{count.allowed:.2%} may"
    match count.what:
        case "missing":
            return f"{share} of the rows have no value, {may}"
        case "range":
            return f"{share} of the values are not within {count.said}, {may}"
        case "values":
            return f"{share} of the values are not one of {count.said}, {may}"
        case "type":
            return f"{share} of the values are of another type than {count.said}"
        case "duplicated":
            return f"{share} of the rows repeat another row of the window, {may}"
