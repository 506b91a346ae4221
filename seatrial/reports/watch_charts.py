"""The watch over time: a metric as labels said it and as it was thought to be, and what happened meanwhile.

Both charts have one time axis, so that an alert stands below the window that it is about, and beside the release that
may have caused it.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt

from seatrial.reports.charts import SEVERITY_COLOURS, VARIANT_COLOURS, at_tooltip, clock_axis, wide_chart
from seatrial.reports.points import Moment, PerformancePoint

LINES = {"realised": VARIANT_COLOURS[0], "estimated": VARIANT_COLOURS[1]}
TONES = {"good": "#2f8f5b", "warn": SEVERITY_COLOURS["moderate"], "bad": SEVERITY_COLOURS["major"], "": "#7a8794"}
_EXTENT = 56
"""Width of the labels left of a chart, so that both begin at the same place."""


def performance_over_time(
    points: Sequence[PerformancePoint],
    moments: Sequence[Moment],
    *,
    metric: str,
    span: tuple[int, int],
    share: bool = False,
    height: int = 170,
) -> alt.LayerChart:
    """A point and an interval a window, the baseline as a step, releases as upright lines.

    Args:
        points: In order of time.
        moments: Of them, those of releases are drawn.
        metric: Its name, for the title.
        span: The time that is shown, microseconds.
        share: It is a share, and is drawn in percent.
        height: Pixels.
    """
    data: list[dict[str, object]] = [
        {
            "at": (p.start + p.end) // 2000,
            "from": p.start // 1000,
            "until": p.end // 1000,
            "line": p.line,
            "value": p.value,
            "lower": p.lower,
            "upper": p.upper,
            "baseline": p.baseline,
            "version": p.version,
            "labels": p.labels,
        }
        for p in points
    ]
    style = ".1%" if share else ".4~r"
    axis = alt.Axis(format=".0%" if share else "~r", tickCount=5, minExtent=_EXTENT, maxExtent=_EXTENT)
    base = wide_chart(data, height)
    colour = alt.Color(
        "line:N",
        title=None,
        scale=alt.Scale(domain=list(LINES), range=list(LINES.values())),
        legend=alt.Legend(orient="top"),
    )
    tooltip = [
        at_tooltip(),
        alt.Tooltip("line:N"),
        *(alt.Tooltip(f"{name}:Q", format=style) for name in ("value", "lower", "upper", "baseline")),
        alt.Tooltip("labels:Q"),
        alt.Tooltip("version:N"),
    ]
    y = alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=axis)
    x = _axis(span)
    ends = base.mark_rule(opacity=0.45, strokeWidth=2).encode(x=x, y=alt.Y("lower:Q", title=None), y2="upper:Q")
    line = base.mark_line(strokeWidth=2).encode(
        x=x,
        y=y,
        strokeDash=alt.StrokeDash(
            "line:N",
            title=None,
            legend=alt.Legend(orient="top"),
            scale=alt.Scale(domain=list(LINES), range=[[1, 0], [5, 3]]),
        ),
    )
    dots = base.mark_point(filled=True, size=34).encode(x=x, y=y, tooltip=tooltip)
    step = (
        base.transform_filter("datum.baseline != null && datum.line == 'realised'")
        .mark_rule(strokeDash=[3, 3], opacity=0.8)
        .encode(x=alt.X("from:T"), x2="until:T", y="baseline:Q")
    )
    layers: list[Any] = [part.encode(color=colour) for part in (ends, line, dots)]
    marks = [{"at": m.at // 1000, "word": m.word, "says": m.sentence} for m in moments if m.lane == "releases"]
    upright = (
        alt.Chart(alt.Data(values=marks))
        .mark_rule(color=TONES[""], opacity=0.7)
        .encode(x=alt.X("at:T"), tooltip=[at_tooltip(), alt.Tooltip("word:N"), alt.Tooltip("says:N")])
    )
    title = alt.Title(metric, anchor="start", offset=2)
    return alt.layer(*([upright] if marks else []), step, *layers).properties(
        width="container", height=height, title=title
    )


def moments_over_time(moments: Sequence[Moment], *, span: tuple[int, int], height: int = 56) -> alt.Chart:
    """Alerts in one lane, what became of releases in the other, each with its words."""
    data: list[dict[str, object]] = [
        {"at": m.at // 1000, "lane": m.lane, "word": m.word, "tone": m.tone, "says": m.sentence} for m in moments
    ]
    return (
        wide_chart(data, height)
        .mark_point(filled=True, size=80, opacity=0.85)
        .encode(
            x=_axis(span),
            y=alt.Y(
                "lane:N",
                title=None,
                scale=alt.Scale(domain=["releases", "alerts"]),
                axis=alt.Axis(minExtent=_EXTENT, maxExtent=_EXTENT, grid=True),
            ),
            shape=alt.Shape(
                "lane:N", legend=None, scale=alt.Scale(domain=["releases", "alerts"], range=["diamond", "circle"])
            ),
            color=alt.Color("tone:N", legend=None, scale=alt.Scale(domain=list(TONES), range=list(TONES.values()))),
            tooltip=[at_tooltip(), alt.Tooltip("word:N"), alt.Tooltip("says:N")],
        )
    )


def _axis(span: tuple[int, int]) -> alt.X:
    start, end = span
    return alt.X(
        "at:T",
        title=None,
        scale=alt.Scale(type="utc", nice=False, domain=[start // 1000, max(end, start + 1_000_000) // 1000]),
        axis=clock_axis(),
    )
