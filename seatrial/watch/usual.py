"""Is drift against the training data only the hour? The same variant's same hours of earlier days answer.

Traffic has days and nights, and training data is all of them together, so every night may drift from it. A person is
told only of columns that are unlike these hours before, too: all of the last 28 days and, once there is one, the same
weekday of the weeks before; to be like one of the two is enough. On the first day there is nothing to ask, and every
alarm counts.
"""

from collections.abc import Sequence

from seatrial.drift import FeatureDrift, FeatureProfile, Severity, decide_window, worst
from seatrial.drift.decide import DRIFT, Finding, size_of
from seatrial.drift.severity import SEVERITIES
from seatrial.watch.window import Usual

CALM = 0.75
"""A condition is over when no significant effect is over this part of its threshold."""


def usual(
    sure: Sequence[FeatureDrift],
    windows: Sequence[FeatureProfile],
    pasts: Sequence[Sequence[FeatureProfile]],
    *,
    days: int,
    minimum_rows: int,
) -> Usual:
    """What is left of a window's alarms beside its past.

    A column's own measures are its family here: which windows are looked at is decided by the test against the
    training data, at the level of an alert, and this one only takes alarms away.

    Args:
        sure: Every column against the training data, as sure as an alert must be.
        windows: The same columns, counted.
        pasts: The same columns in each past that may explain them, in the same cells.
        days: Earlier days with rows.
        minimum_rows: Rows that a past needs before it explains anything.
    """
    compared = [
        [found for past in pasts if (found := _drift(past[i], window, minimum_rows)) is not None]
        for i, window in enumerate(windows)
    ]
    moved: dict[str, Severity] = {
        drift.feature: least
        for drift, found in zip(sure, compared, strict=False)  # a rule's columns come last, and have no past
        if (least := _least([drift.severity, *(worst(f.severity for f in findings) for findings in found)])) != "none"
    }
    known = any(compared)
    return Usual(
        days=days if known else 0,
        moved=moved,
        calm=known and all(any(_is_calm(findings) for findings in found) for found in compared if found),
    )


def _drift(past: FeatureProfile, window: FeatureProfile, minimum_rows: int) -> tuple[Finding, ...] | None:
    (found,) = decide_window([(past, window)], minimum_rows=minimum_rows)
    return None if found.state == "no-data" else tuple(f for f in found.findings if f.measure in DRIFT)


def _least(severities: Sequence[Severity]) -> Severity:
    return min(severities, key=SEVERITIES.index)


def _is_calm(findings: Sequence[Finding]) -> bool:
    return not any(finding.significant and size_of(finding, CALM) != "none" for finding in findings)
