"""Is drift against the training data only the hour? The same variant's same hours of earlier days answer.

Traffic has days and nights, and training data is all of them together, so every night may drift from it. A person is
told only of columns that are unlike these hours before, too: all of the last 28 days and, once there is one, the same
weekday of the weeks before; to be like one of the two is enough. On the first day there is nothing to ask, and every
alarm counts.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from seatrial.drift import FeatureDrift, FeatureProfile, Finding, Severity, decide_windows, worst
from seatrial.drift.decide import DRIFT, size_of
from seatrial.drift.over import CALM
from seatrial.drift.severity import SEVERITIES
from seatrial.watch.window import Usual


class Beside(NamedTuple):
    """A window, and what may explain it.

    Attributes:
        sure: Every column against the training data, as sure as an alert must be.
        windows: The same columns, counted.
        pasts: The same columns in each past that may explain them, in the same cells.
        days: Earlier days with rows.
    """

    sure: Sequence[FeatureDrift]
    windows: Sequence[FeatureProfile]
    pasts: Sequence[Sequence[FeatureProfile]]
    days: int


def usual(
    sure: Sequence[FeatureDrift],
    windows: Sequence[FeatureProfile],
    pasts: Sequence[Sequence[FeatureProfile]],
    *,
    days: int,
    minimum_rows: int,
) -> Usual:
    """What is left of a window's alarms beside its past; see ``Beside`` and ``usuals``."""
    (found,) = usuals([Beside(sure, windows, pasts, days)], minimum_rows=minimum_rows)
    return found


def usuals(asked: Sequence[Beside], *, minimum_rows: int) -> list[Usual]:
    """What is left of the alarms of many windows, each beside its own past.

    A column's own measures are its family here: which windows are looked at is decided by the test against the
    training data, at the level of an alert, and this one only takes alarms away.

    Args:
        asked: The windows.
        minimum_rows: Rows that a past needs before it explains anything.
    """
    alone = [[(past[i], window)] for one in asked for i, window in enumerate(one.windows) for past in one.pasts]
    found = (_drift(drift) for ((drift,),) in decide_windows(alone, minimum_rows=minimum_rows))
    return [_usual(one, found) for one in asked]


def _usual(one: Beside, found: Iterator[tuple[Finding, ...] | None]) -> Usual:
    """``found``: of each column beside each past, in order; it is read as far as this window goes."""
    compared = [[drift for _ in one.pasts if (drift := next(found)) is not None] for _ in one.windows]
    moved: dict[str, Severity] = {
        drift.feature: least
        for drift, findings in zip(one.sure, compared, strict=False)  # a rule's columns come last, and have no past
        if (least := _least([drift.severity, *(worst(f.severity for f in beside) for beside in findings)])) != "none"
    }
    known = any(compared)
    return Usual(
        days=one.days if known else 0,
        moved=moved,
        calm=known and all(any(_is_calm(beside) for beside in findings) for findings in compared if findings),
    )


def _drift(found: FeatureDrift) -> tuple[Finding, ...] | None:
    return None if found.state == "no-data" else tuple(f for f in found.findings if f.measure in DRIFT)


def _least(severities: Sequence[Severity]) -> Severity:
    return min(severities, key=SEVERITIES.index)


def _is_calm(findings: Sequence[Finding]) -> bool:
    return not any(finding.significant and size_of(finding, CALM) != "none" for finding in findings)
