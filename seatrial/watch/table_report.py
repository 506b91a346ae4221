"""Two compared tables as a one-file page: which columns moved, how far, and what they were before and after."""

from datetime import datetime

from seatrial.drift import FeatureDrift, Severity
from seatrial.reports.before_after import before_after
from seatrial.reports.charts import drift_heatmap
from seatrial.reports.page import Section, Table, render_page
from seatrial.reports.points import DriftCell
from seatrial.watch.tables import TableDrift, TableWindow, apart_severity, ranked

VERDICTS: dict[Severity, str] = {"none": "good", "moderate": "warn", "major": "bad"}
MOST_PICTURES = 12


def table_page(found: TableDrift, title: str) -> str:
    """The page as one string of HTML."""
    measured = [window for window in found.windows if window.state == "measured"]
    first = Section(
        heading="Result",
        badge=found.severity,
        verdict=VERDICTS[found.severity],
        sentences=(
            *filter(None, (found.first_sentence,)),
            f"{len(measured)} of {len(found.windows)} windows had enough rows.",
            f"The reference has {found.reference_rows} rows.",
            *(f"{note}." for note in found.notes),
        ),
        charts=(drift_heatmap(_cells(measured)),) if len(measured) > 1 else (),
    )
    shown = [window for window in measured if window.severity != "none"] or measured[-1:]
    return render_page(title, "Drift against a reference", [first, *(_section(window) for window in shown)])


def _section(window: TableWindow) -> Section:
    pictured = [drift.feature for drift in ranked(window.columns) if drift.feature in window.parts][:MOST_PICTURES]
    return Section(
        heading=window.start or "All rows",
        badge=window.severity,
        verdict=VERDICTS[window.severity],
        sentences=(window.sentence,),
        charts=tuple(before_after(window.parts[name], title=name) for name in pictured),
        table=Table(("column", "severity", "quality", "PSI", "mean shift", "says"), tuple(_rows(window))),
    )


def _rows(window: TableWindow) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(name, "", "major", "", "", why) for name, why in window.gone.items()]
    rows += [
        (d.feature, d.severity, d.quality, _number(d.psi), _number(d.shift), d.sentence) for d in ranked(window.columns)
    ]
    rows += [
        (name, apart_severity(s), "", "", "", f"told apart with AUC {s.auc:.3f} (99 %: {s.lower:.3f} to {s.upper:.3f})")
        for name, s in window.apart.items()
    ]
    rows += [
        (name, "", "", "", "", f"{100 * new.share:.1f} % of the ids are new (99 %: {new.lower:.3f} to {new.upper:.3f})")
        for name, new in window.new_ids.items()
    ]
    return rows


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def _cells(windows: list[TableWindow]) -> list[DriftCell]:
    order = [d.feature for d in ranked([d for window in windows for d in window.columns])]
    first = {name: place for place, name in reversed(list(enumerate(order)))}
    cells = [_cell(window, drift) for window in windows for drift in window.columns]
    return sorted(cells, key=lambda cell: (first[cell.feature], cell.window))


def _cell(window: TableWindow, drift: FeatureDrift) -> DriftCell:
    at = int(datetime.fromisoformat(window.start.replace("Z", "+00:00")).timestamp() * 1_000_000)
    severity = "no-data" if drift.state == "no-data" else max(drift.severity, drift.quality, key=tuple(VERDICTS).index)
    moved = window.shifts.get(drift.feature) or 0.0
    return DriftCell(at, drift.feature, severity, moved, "shift", drift.sentence)
