"""A column's findings in one plain sentence."""

from collections.abc import Sequence

from seatrial.drift.feature import FeatureProfile
from seatrial.drift.finding import Finding


def describe(reference: FeatureProfile, window: FeatureProfile, findings: Sequence[Finding]) -> str:
    """Say what was found, the most serious first; ``findings`` judged and in that order, empty for no-data."""
    name = reference.name
    if not findings:
        return f"{name}: no data ({window.rows} rows in the window, {reference.rows} in the reference)."
    first = findings[0]
    if first.severity != "none":
        rest = sum(finding.severity != "none" for finding in findings[1:])
        more = f", and {rest} more" if rest else ""
        return f"{name}: {first.severity}, {_words(first, reference, window)}{more}."
    seen = next((finding for finding in findings if finding.significant), None)
    if seen:
        return f"{name}: seen, below the threshold: {_words(seen, reference, window)}."
    return f"{name}: as in the reference."


def _words(finding: Finding, a: FeatureProfile, b: FeatureProfile) -> str:
    span = f"(99 %: {finding.lower:+.2f} to {finding.upper:+.2f})"
    match finding.measure:
        case "missing":
            return f"{b.missing_rate:.1%} of the rows have no value, {a.missing_rate:.1%} in the reference"
        case "unseen":
            return f"{b.unseen / b.present:.1%} of the values are categories that the reference does not list"
        case "range":
            return f"{b.outside / b.present:.1%} of the values are far outside the reference's range"
        case "constant":
            return "every row has the same value"
        case "mean":
            return f"the mean moved by {finding.effect:+.2f} standard deviations {span}"
        case "sd":
            return f"the standard deviation is {finding.effect:.2f} times the reference's"
        case "rule":
            return "a written rule is broken"
        case "psi":
            return f"the shape moved, PSI {finding.effect:.2f} beyond chance {span}"
