"""A release as a one-file page: what is known of it now, how that came about, its units, and what can be trusted."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from seatrial.analysis.page import (
    TONES,
    beside_section,
    interval,
    mean,
    trust_section,
    units_section,
    variants_section,
)
from seatrial.experiments.beside import bands, beside
from seatrial.experiments.judgement import Judgement, MetricJudgement
from seatrial.experiments.segments import MetricSegments
from seatrial.experiments.sentences import SHARES, told
from seatrial.experiments.several import Several
from seatrial.experiments.shadow.table import DIFFERING, HEADER, differing, lines
from seatrial.experiments.shown_items import PLACES, place_rows
from seatrial.experiments.spans import span_names
from seatrial.reports.charts import verdict_over_time
from seatrial.reports.experiment_charts import Arrival, EffectRow, effects, verdict_effects
from seatrial.reports.page import Section, Table, render_page
from seatrial.reports.points import VerdictPoint
from seatrial.spec.units import show_moment


def release_page(
    judgement: Judgement,
    history: Sequence[Judgement],
    arrivals: Sequence[Arrival],
    segments: Sequence[MetricSegments] = (),
) -> str:
    """The page as one string of HTML; it asks no host for anything.

    Args:
        judgement: Now.
        history: Every judgement that was kept of this release, the oldest first.
        arrivals: Units of the two arms as they came.
        segments: Effects by context key, where they were asked for.
    """
    parts = [_result(judgement), *_shadow(judgement), *_over_time(judgement, [*history, judgement])]
    parts += [_places(metric, judgement.champion) for metric in judgement.metrics if metric.places]
    parts += [_spans(metric) for metric in judgement.metrics if metric.spans]
    parts += [_segments(one) for one in segments]
    parts += beside_section([(judgement.challenger, m.name, m.fixed) for m in judgement.metrics])
    parts += [units_section(arrivals)] if arrivals else []
    versions = f"{judgement.challenger_version or judgement.challenger} against {judgement.champion_version}"
    subtitle = f"{versions}, {judgement.stage}, judged {show_moment(judgement.at)}"
    return render_page(judgement.deployment, subtitle, [*parts, trust_section(judgement.checks)])


def experiment_page(
    found: Several,
    arrivals: Sequence[Arrival] = (),
    segments: Mapping[str, Sequence[MetricSegments]] = MappingProxyType({}),
) -> str:
    """The page of an experiment of several challengers, as one string of HTML.

    Args:
        found: Now.
        arrivals: Units of every variant as they came.
        segments: Effects by context key, by challenger, where they were asked for.
    """
    parts = [_result(one, f"{one.challenger} against {one.champion}") for one in found.judgements]
    for challenger, effects_by in segments.items():
        parts += [_segments(one, challenger) for one in effects_by]
    parts += variants_section(found.all_variants)
    parts += beside_section([(one.challenger, m.name, m.fixed) for one in found.judgements for m in one.metrics])
    parts += [units_section(arrivals)] if arrivals else []
    checks = {(check.name, check.sentence): check for one in found.judgements for check in one.checks}
    how = "Holm" if found.family == "holm" else "e-BH"
    subtitle = f"{found.entry}: {len(found.judgements)} against {found.champion} as one family ({how}), judged "
    return render_page(
        found.deployment, f"{subtitle}{show_moment(found.at)}", [*parts, trust_section(list(checks.values()))]
    )


def _result(judgement: Judgement, heading: str = "Verdict") -> Section:
    return Section(
        heading=heading,
        badge=judgement.ended or judgement.recommendation,
        verdict=TONES[judgement.recommendation],
        sentences=(
            judgement.sentence if judgement.ended else f"{told(judgement)}",
            *beside(judgement),
        ),
        charts=verdict_effects([m.verdict for m in judgement.metrics if m.verdict.word != "no-data"]),
        table=Table(
            ("metric", "part", "champion", "challenger", "difference", "relative", "verdict", "what is known"),
            tuple(_row(metric) for metric in judgement.metrics),
        ),
    )


def _shadow(judgement: Judgement) -> list[Section]:
    found = judgement.shadow
    if found is None:
        return []
    pairs = Section(heading="In shadow", sentences=(found.sentence,), table=Table(HEADER, lines(found)))
    apart = Section(heading="Where they differ most", table=Table(DIFFERING, differing(found)))
    return [pairs, *([apart] if found.differ_most else [])]


def _row(metric: MetricJudgement) -> tuple[str, ...]:
    v, share = metric.verdict, metric.kind in SHARES
    return (
        metric.name,
        metric.part,
        mean(v.control_mean, share=share),
        mean(v.treatment_mean, share=share),
        interval(v.lower, v.upper, share=False),
        interval(v.relative_lower, v.relative_upper, share=True),
        v.word,
        metric.sentence.removeprefix(f"{metric.name}: "),
    )


def _places(metric: MetricJudgement, champion: str) -> Section:
    said = (
        "What stands first is taken more because it stands first. Shares with their intervals, by unit, for one look."
    )
    table = Table(PLACES, place_rows(metric, champion))
    return Section(heading=f"{metric.name} by place", sentences=(said,), table=table)


def _spans(metric: MetricJudgement) -> Section:
    said = (
        "Of units whose whole window has matured, each interval for one look. It describes, and decides nothing; the "
        "check of novelty tells whether the effect changes."
    )
    share, names = metric.kind in SHARES, span_names(metric.spans)
    rows = [
        EffectRow(name, one.effect, one.lower, one.upper, "effect in this span")
        for name, one in zip(names, metric.spans, strict=True)
        if one.effect is not None and one.lower is not None
    ]
    cells = tuple(
        (
            name,
            mean(one.champion, share=share),
            mean(one.challenger, share=share),
            "" if one.effect is None else f"{one.effect:+.4g}",
            interval(one.lower, one.upper, share=False) or "too few",
        )
        for name, one in zip(names, metric.spans, strict=True)
    )
    return Section(
        heading=f"{metric.name} by the time since exposure",
        sentences=(said,),
        charts=(effects(rows, title="difference"),) if rows else (),
        table=Table(("since exposure", "champion", "challenger", "difference", "interval"), cells),
    )


def _over_time(judgement: Judgement, history: Sequence[Judgement]) -> list[Section]:
    found = [(m, _points(m.name, history)) for m in judgement.metrics if m.part != "secondary"]
    shown = [(metric, points) for metric, points in found if len(points) > 1]
    charts = tuple(
        verdict_over_time(points, share=metric.kind in SHARES, title=f"{metric.name}: difference")
        for metric, points in shown
    )
    said = bands([metric for metric, _ in shown])
    return [Section(heading="As units came", sentences=said, charts=charts)] if charts else []


def _segments(found: MetricSegments, challenger: str = "") -> Section:
    rows = [
        EffectRow(one.name, one.shrunk, one.lower, one.upper, "differs" if one.differs else "as the others")
        for one in found.segments
        if one.shrunk is not None and one.lower is not None and one.upper is not None
    ]
    return Section(
        heading=f"{found.metric} by {found.by}{f', {challenger}' if challenger else ''}",
        sentences=(found.sentence,),
        charts=(effects(rows, title="difference, shrunk"),) if rows else (),
        table=Table(
            (found.by, "champion", "challenger", "effect", "shrunk", "interval", "p, adjusted"),
            tuple(
                (
                    one.name,
                    str(one.champion),
                    str(one.challenger),
                    "" if one.effect is None else f"{one.effect:+.4g}",
                    "" if one.shrunk is None else f"{one.shrunk:+.4g}",
                    interval(one.lower, one.upper, share=False),
                    "" if one.p_value is None else f"{one.p_value:.3g}",
                )
                for one in found.segments
            ),
        ),
    )


def _points(name: str, history: Sequence[Judgement]) -> list[VerdictPoint]:
    points = []
    for judgement in history:
        metric = next((m for m in judgement.metrics if m.name == name), None)
        if metric is None or metric.verdict.effect is None:
            continue
        v = metric.verdict
        if v.lower is not None and v.upper is not None:
            units = v.n_treatment + v.n_control
            points.append(VerdictPoint(judgement.at, name, v.effect or 0.0, v.lower, v.upper, v.word, units))
    return points
