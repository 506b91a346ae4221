"""The watch of a deployment as a one-file page: what moved, when, what it did to performance, who was told."""

from datetime import UTC, datetime

from seatrial.drift.finding import Finding
from seatrial.reports.before_after import before_after
from seatrial.reports.charts import drift_heatmap
from seatrial.reports.page import Section, Table, render_page
from seatrial.reports.watch_charts import moments_over_time, performance_over_time
from seatrial.watch.seen import Opened, WatchSeen
from seatrial.watch.table_report import VERDICTS

ROW = 14
MEASURES = {
    "psi": "shape (PSI less chance)",
    "mean": "mean, in sd of the reference",
    "sd": "spread, ratio of sd",
    "missing": "missing rate, difference",
    "unseen": "unseen categories, share",
    "range": "far outside the range, share",
    "constant": "one value only",
}


def seen_page(seen: WatchSeen) -> str:
    """The page as one string of HTML."""
    title = f"{seen.deployment}: the watch"
    about = f"{seen.version or seen.variant} ({seen.variant}), {_time(seen.span[0])} to {_time(seen.span[1])} UTC"
    sections = [_drift(seen), _over_time(seen), *(_opened(one) for one in seen.opened)]
    return render_page(title, about, sections)


def numbers(opened: Opened) -> Table:
    """The measures of an opened cell."""
    rows = tuple(_row(finding) for finding in opened.drift.findings)
    return Table(("measure", "effect", "99 % interval", "p", "severity"), rows)


def _drift(seen: WatchSeen) -> Section:
    hidden = (f"{seen.hidden} columns that moved less are not shown.",) if seen.hidden else ()
    return Section(
        heading="Drift: column × time",
        badge=seen.severity,
        verdict=VERDICTS.get(seen.severity, ""),  # type: ignore[call-overload]
        sentences=(*seen.sentences, *hidden) or ("No window is complete yet.",),
        charts=(drift_heatmap(seen.cells, length=seen.length, row_height=ROW),) if seen.cells else (),
    )


def _over_time(seen: WatchSeen) -> Section:
    charts = []
    if seen.performance:
        charts.append(
            performance_over_time(
                seen.performance, seen.moments, metric=seen.metric or "estimate", span=seen.span, share=seen.share
            )
        )
    if seen.moments:
        charts.append(moments_over_time(seen.moments, span=seen.span))
    said = [] if seen.performance else ["Performance is not known: no window of labels has matured."]
    said += [] if seen.moments else ["No alert, and no step of a release."]
    rows = tuple((_time(m.at), m.lane.removesuffix("s"), m.word, m.sentence) for m in reversed(seen.moments))
    table = Table(("at (UTC)", "what", "word", "says"), rows) if rows else None
    return Section(heading="Performance, alerts and releases", sentences=tuple(said), charts=tuple(charts), table=table)


def _opened(opened: Opened) -> Section:
    drift = opened.drift
    severity = max(drift.severity, drift.quality, key=tuple(VERDICTS).index)
    return Section(
        heading=f"{drift.feature}, {_time(opened.start)} to {_time(opened.end)}",
        badge=severity,
        verdict=VERDICTS[severity],
        sentences=opened.sentences,
        charts=(before_after(opened.parts, title=f"{drift.feature}: before and after"),) if opened.parts else (),
        table=numbers(opened) if drift.findings else None,
        id=opened.id,
    )


def _row(finding: Finding) -> tuple[str, ...]:
    p = "< 0.0001" if finding.p_value < 0.0001 else f"{finding.p_value:.3g}"
    interval = f"{finding.lower:.3g} to {finding.upper:.3g}"
    word = finding.severity if finding.severity != "none" else "seen" if finding.significant else "none"
    return MEASURES[finding.measure], f"{finding.effect:.3g}", interval, p, word


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
