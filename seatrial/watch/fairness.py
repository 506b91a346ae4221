"""The fairness monitor: rates by declared groups, with intervals, and the gaps between groups.

    chosen         answers that are positive
    right          labelled answers that are the label
    found          positive labels that were answered so (equal opportunity)
    false alarms   negative labels that were answered positive (with `found`: equalised odds)

Every two groups are compared. A gap alerts when its whole interval lies beyond what the file allows; intervals hold for
all pairs and rates together, and the pair is shown whose interval begins furthest out. Groups with too few rows are
named.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seatrial.drift import Profile, Severity, worst
from seatrial.experiments.source import Source
from seatrial.ledger.sql import quoted
from seatrial.spec.deployment import Deployment, FairnessMonitor, MetricSpec
from seatrial.watch import reading
from seatrial.watch.budget import lasting, per_window
from seatrial.watch.groups import Flags, GroupShare, column_of, gaps_between, groups_of, left_out, shares, surest_gap
from seatrial.watch.labels import read_labelled
from seatrial.watch.reading import Span
from seatrial.watch.window import GroupRate, RateGap, Signal, Window, unmeasured

MOST_ALPHA = 0.025
MOST_NAMED = 5
"""Groups that are named when they are left out, the largest first."""


class _Rows(NamedTuple):
    """A window's answers: units, groups by name, and for each rate who is a hit and who counts."""

    units: NDArray[Any]
    by: dict[str, NDArray[Any]]
    rates: dict[str, tuple[Flags, Flags]]


def fairness_window(deployment: Deployment, span: Span, source: Source, profile: Profile, variants: int) -> Window:
    """Judge one window of one variant."""
    monitor = deployment.monitors.fairness
    assert monitor is not None
    rows = _read(monitor, span, source, profile)
    if isinstance(rows, str):
        return _no_data(deployment, span, rows, 0)
    alpha = per_window(lasting(monitor, span), variants, MOST_ALPHA) / len(rows.by) / len(rows.rates)
    rates: list[GroupRate] = []
    gaps: list[RateGap] = []
    widest = 0.0
    for by, values in rows.by.items():
        groups = groups_of(values.tolist(), monitor.minimum_rows)
        pairs = max(1, len(groups) * (len(groups) - 1) // 2)
        for rate, (hits, of) in rows.rates.items():
            found = shares(groups, values, rows.units, hits, of, alpha / pairs, monitor.minimum_rows)
            rates += [_rate(by, rate, share) for share in found]
            between = gaps_between(found)
            widest = max(widest, *(gap.measured.value for gap in between), 0.0)
            gap = surest_gap(between)
            if gap is not None:
                gaps.append(RateGap(by=by, rate=rate, high=gap.high, low=gap.low, **gap.measured._asdict()))
    left = _left_out(rows, monitor.minimum_rows)
    if not gaps:
        few = f"no two groups of {', '.join(rows.by)} have {monitor.minimum_rows} rows each{left and f'; {left}'}"
        return _no_data(deployment, span, few, len(rows.units))
    severity = worst(severity_of(gap, monitor.at_most) for gap in gaps)
    return Window(
        deployment=deployment.deployment,
        monitor="fairness",
        variant=span.variant,
        version=span.version,
        start=span.start,
        end=span.end,
        rows=len(rows.units),
        drift=Signal(severity, severity, calm=widest <= monitor.at_most),
        rates=tuple(rates),
        gaps=tuple(gaps),
        sentence=_sentence(span.variant, gaps, monitor.at_most) + (f" Not compared: {left}." if left else ""),
    )


def severity_of(gap: RateGap, at_most: float) -> Severity:
    """How bad a gap is: its whole interval beyond what is allowed, or beyond twice that."""
    return "major" if gap.lower > 2 * at_most else "moderate" if gap.lower > at_most else "none"


def _read(monitor: FairnessMonitor, span: Span, source: Source, profile: Profile) -> _Rows | str:
    """The window's answers, or why there are none to judge."""
    names = reading.column_names(source)
    answer = reading.answered_label(names)
    positive = monitor.positive or _positive(profile)
    if answer is None:
        return "no label was answered"
    if positive is None:
        return "which answer is the positive one is not known; write `positive`"
    columns = {by: column_of(by) for by in monitor.by}
    absent = [by for by, column in columns.items() if column not in names]
    if absent:
        return f"{absent[0]} is not logged"
    metric = MetricSpec(
        kind="accuracy",
        outcome=monitor.outcome or "",
        value=monitor.value,
        within=monitor.within,
        grace=monitor.grace,
    )
    more = {by: f"CAST({quoted(column)} AS VARCHAR)" for by, column in columns.items()}
    table = read_labelled(source, span, metric, answer, more, positive=positive)
    chosen = np.array([text == positive for text in table["answer"].to_pylist()], dtype=np.bool_)
    everyone = np.ones(table.num_rows, dtype=np.bool_)
    rates: dict[str, tuple[Flags, Flags]] = {"chosen": (chosen, everyone)}
    if monitor.outcome is not None:
        correct, truth = _floats(table["correct"]), _floats(table["positive"])
        rates |= {
            "right": (correct == 1, np.isfinite(correct)),
            "found": (chosen, truth == 1),
            "false alarms": (chosen, truth == 0),
        }
    return _Rows(_texts(table["unit"]), {by: _texts(table[by]) for by in monitor.by}, rates)


def _positive(profile: Profile) -> str | None:
    """The second of two classes."""
    classes = next((column.categories for column in profile.prediction if column.name == "label"), ())
    return classes[1] if len(classes) == 2 else None


def _left_out(rows: _Rows, minimum: int) -> str:
    """Groups that nothing is said of, and how many rows they have; "" of none."""
    left = [
        f"{by} {one.group} ({one.rows})" for by, values in rows.by.items() for one in left_out(values.tolist(), minimum)
    ]
    if not left:
        return ""
    more = f" and {len(left) - MOST_NAMED} more" if len(left) > MOST_NAMED else ""
    return f"{', '.join(left[:MOST_NAMED])}{more} with too few rows"


def _rate(by: str, rate: str, share: GroupShare) -> GroupRate:
    return GroupRate(by=by, group=share.group, rate=rate, rows=share.rows, **share.measured._asdict())


def _no_data(deployment: Deployment, span: Span, why: str, rows: int) -> Window:
    return unmeasured(deployment.deployment, "fairness", span, f"the groups of {span.variant}", why, rows)


_SAID = {
    "chosen": "of the answers are positive",
    "right": "of the labelled answers are right",
    "found": "of the positive labels were found",
    "false alarms": "of the negative labels were answered positive",
}


def _sentence(variant: str, gaps: list[RateGap], at_most: float) -> str:
    last = max(gaps, key=lambda gap: (severity_of(gap, at_most) != "none", gap.lower, gap.value))
    span = f"{100 * last.lower:.1f} to {100 * last.upper:.1f}"
    said = (
        f"{variant}, {_SAID[last.rate]}: {last.by} {last.high} and {last.low} are {100 * last.value:.1f} points apart "
        f"({span}), {100 * at_most:.3g} may be"
    )
    loud = sum(severity_of(gap, at_most) != "none" for gap in gaps)
    return (
        f"{said}; {loud} of {len(gaps)} gaps are wider for certain." if loud else f"{said}; none is wider for certain."
    )


def _floats(column: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _texts(column: Any) -> NDArray[Any]:
    return np.array(column.to_pylist(), dtype=object)
