"""An analysis as a one-file page: effects with their intervals, how they came, units, segments, what can be trusted."""

from collections.abc import Sequence
from typing import Literal

from seatrial.analysis.verdicts import Analysis, Check, Comparison, Finding, How
from seatrial.experiments.judgement import Check as ReleaseCheck
from seatrial.reports.charts import verdict_over_time
from seatrial.reports.experiment_charts import (
    Arrival,
    EffectRow,
    cumulative_units,
    effects,
    sample_ratio,
    verdict_effects,
)
from seatrial.reports.notebook import html
from seatrial.reports.page import Section, Table, render_page
from seatrial.reports.points import VerdictPoint
from seatrial.stats.all_variants import AllVariants
from seatrial.stats.bayes import told
from seatrial.stats.interval import TestResult
from seatrial.stats.recommendation import Recommendation
from seatrial.stats.segments import Segments

Tone = Literal["good", "warn", "bad", ""]

TONES: dict[Recommendation, Tone] = {
    "ship": "good",
    "stop": "bad",
    "withheld": "bad",
    "no-difference": "",
    "wait": "warn",
}


def analysis_page(found: Analysis, title: str) -> str:
    """The page as one string of HTML; it asks no host for anything."""
    return render_page(title, _subtitle(found), sections(found))


def sections(found: Analysis) -> list[Section]:
    """The parts of the page, in order."""
    parts = [_result(found, comparison) for comparison in found.comparisons]
    parts += [part for comparison in found.comparisons for part in _over_time(comparison, found.control)]
    parts += [part for comparison in found.comparisons for part in _by_segment(comparison, found.control)]
    parts += variants_section(found.all_variants)
    parts += beside_section(
        [(c.treatment, finding.name, finding.tests) for c in found.comparisons for finding in c.metrics]
    )
    if found.arrivals:
        parts.append(_arrivals(found))
    return [*parts, trust_section(found.checks)]


def notebook_html(found: Analysis) -> str:
    """What a notebook shows: sentences and numbers, without scripts."""
    rows = [(c.treatment, *row) for c in found.comparisons for row in _rows(c)]
    return html(
        [said for one in found.comparisons for said in (one.sentence, *posterior(one, found.control))],
        Table(("treatment", *_HEADER), tuple(rows)),
        [check.sentence for check in found.checks if not check.ok],
    )


_HOWS: dict[How, str] = {
    "fixed": "one look at a planned end",
    "always-valid": "intervals that hold at every look",
    "group-sequential": "intervals that hold at the planned looks",
}


def _subtitle(found: Analysis) -> str:
    how = _HOWS[found.method]
    until = f", data until {found.until[:16]} UTC" if found.until else ""
    return f"against {found.control}, {how}{until}"


def _result(found: Analysis, comparison: Comparison) -> Section:
    return Section(
        heading=f"{comparison.treatment} against {found.control}",
        badge=comparison.recommendation,
        verdict=TONES[comparison.recommendation],
        sentences=(comparison.sentence, *posterior(comparison, found.control), *by_phase(comparison)),
        charts=verdict_effects([finding.verdict for finding in comparison.metrics]),
        table=Table(_HEADER, tuple(_rows(comparison))),
    )


def posterior(comparison: Comparison, control: str) -> tuple[str, ...]:
    """What a posterior says of the primary, with the expected loss of each choice."""
    primary = comparison.primary
    if primary.bayesian is None or primary.verdict.word == "no-data":
        return ()
    names = (comparison.treatment, control)
    return (f"{primary.name}: {told(primary.bayesian, share=primary.kind == 'proportion', names=names)}",)


def by_phase(comparison: Comparison) -> tuple[str, ...]:
    """Every metric's difference in each phase, where there are several."""
    return tuple(
        f"{finding.name}: the difference by phase is "
        + ", ".join(f"{p.name} {'no data' if p.effect is None else f'{p.effect:+.4g}'}" for p in finding.phases)
        + "."
        for finding in comparison.metrics
        if finding.phases
    )


_HEADER = ("metric", "part", "control", "treatment", "difference", "relative", "p", "verdict")


def _rows(comparison: Comparison) -> list[tuple[str, ...]]:
    return [
        (
            finding.name,
            finding.part,
            mean(finding.verdict.control_mean, share=finding.kind == "proportion"),
            mean(finding.verdict.treatment_mean, share=finding.kind == "proportion"),
            interval(finding.verdict.lower, finding.verdict.upper, share=False),
            interval(finding.verdict.relative_lower, finding.verdict.relative_upper, share=True),
            "" if finding.verdict.p_value is None else f"{finding.verdict.p_value:.3g}",
            finding.verdict.word,
        )
        for finding in comparison.metrics
    ]


def mean(value: float | None, *, share: bool) -> str:
    """A mean as a table shows it."""
    return "" if value is None else f"{100 * value:.4g}%" if share else f"{value:.5g}"


def interval(lower: float | None, upper: float | None, *, share: bool) -> str:
    """Both ends, an open one as an ellipsis; "" where there is none."""
    if lower is None and upper is None:
        return ""
    low, high = ("…" if end is None else f"{end:+.2%}" if share else f"{end:+.4g}" for end in (lower, upper))
    return f"{low} to {high}"


def _over_time(comparison: Comparison, control: str) -> list[Section]:
    shown = [f for f in comparison.metrics if len(f.looks) > 1]
    if not shown:
        return []
    charts = [
        verdict_over_time(points(finding), share=finding.kind == "proportion", title=_axis(finding))
        for finding in shown
    ]
    return [
        Section(
            heading=f"{comparison.treatment} against {control}, as units came",
            sentences=("Each band holds at every look together: it may be read at any time.",),
            charts=tuple(charts),
        )
    ]


def _axis(finding: Finding) -> str:
    return f"{finding.name}: difference{', points' if finding.kind == 'proportion' else ''}"


def points(finding: Finding) -> list[VerdictPoint]:
    """A metric's looks as a chart takes them."""
    return [
        VerdictPoint(k.at, finding.name, k.effect, k.lower, k.upper, k.word, k.n_treatment + k.n_control)
        for k in finding.looks
    ]


def segments_told(finding: Finding, found: Segments) -> str:
    """What a metric's segments show, and which show nothing, in words."""
    told = [one.name for one in found.segments if one.differs]
    said = ["No segment is shown to differ."]
    if told:
        said = [f"{', '.join(told)} differ{'s' if len(told) == 1 else ''} from the rest."]
    if found.segments:
        said.append(f"Effects are drawn towards the common one, {found.common or 0.0:+.4g}.")
    if finding.covariates:
        said.append("They are not adjusted for covariates.")
    if found.left_out:
        said.append(f"Too few units: {', '.join(found.left_out)}.")
    return " ".join([*said, found.note])


def _by_segment(comparison: Comparison, control: str) -> list[Section]:
    found = [(finding, column, found) for finding in comparison.metrics for column, found in finding.segments.items()]
    return [_segment_section(comparison, control, *one) for one in found if one[2].segments]


def _segment_section(comparison: Comparison, control: str, finding: Finding, column: str, found: Segments) -> Section:
    rows = [
        EffectRow(one.name, one.shrunk, *one.interval, "differs" if one.differs else "as the others")
        for one in found.segments
    ]
    return Section(
        heading=f"{finding.name} by {column}, {comparison.treatment} against {control}",
        sentences=(segments_told(finding, found),),
        charts=(effects(rows, title="difference, shrunk"),),
        table=Table(
            (column, "effect", "shrunk", "interval", "p, adjusted"),
            tuple(
                (s.name, f"{s.effect:+.4g}", f"{s.shrunk:+.4g}", interval(*s.interval, share=False), f"{s.p_value:.3g}")
                for s in found.segments
            ),
        ),
    )


def _arrivals(found: Analysis) -> Section:
    arrivals = [
        Arrival(day.at, name, day.units.get(name, 0), share * sum(day.units.values()))
        for day in found.arrivals
        for name, share in found.shares.items()
    ]
    return units_section(arrivals)


def units_section(arrivals: Sequence[Arrival]) -> Section:
    """Units as they came, and the share that each variant got."""
    return Section(heading="Units", charts=(cumulative_units(arrivals), sample_ratio(arrivals)))


def variants_section(found: Sequence[AllVariants]) -> list[Section]:
    """One test over all variants, of each share of units."""
    return [Section(heading="All variants at once", sentences=tuple(one.sentence for one in found))] if found else []


def beside_section(found: Sequence[tuple[str, str, Sequence[TestResult]]]) -> list[Section]:
    """Classical results, by treatment and metric."""
    rows = tuple(
        (
            treatment,
            name,
            test.method,
            "" if test.p_value is None else f"{test.p_value:.3g}",
            interval(test.lower, test.upper, share=False),
            test.note,
        )
        for treatment, name, tests in found
        for test in tests
    )
    table = Table(("treatment", "metric", "method", "p", "difference", "note"), rows)
    return [Section(heading="Shown beside, never acted on", table=table)] if rows else []


def trust_section(checks: Sequence[Check | ReleaseCheck]) -> Section:
    """Checks of trust, the failed ones first."""
    failed = [check for check in checks if not check.ok]
    bad = any(check.withholds for check in failed)
    return Section(
        heading="Can it be trusted?",
        badge="no" if bad else "look" if failed else "yes",
        verdict="bad" if bad else "warn" if failed else "good",
        sentences=tuple(check.sentence for check in (*failed, *(c for c in checks if c.ok))),
    )
