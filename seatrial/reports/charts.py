"""Charts as declarations (Vega-Lite, through Altair): one for the page, the report and the notebook.

Every chart takes frozen points and returns an ``altair.Chart`` whose colours work on light and dark grounds.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import altair as alt

from seatrial.reports.points import Bins, DriftCell, TrafficPoint, VerdictPoint

VARIANT_COLOURS = ("#3b82c4", "#e08a1e", "#5aa469", "#a06cb8", "#c4574e", "#7a8794")
SEVERITY_COLOURS = {"none": "#9fc3ae", "moderate": "#e6b04a", "major": "#cf4a3f", "no-data": "#9aa3ad"}
_OVERHANG = alt.ExprRef("min(0, width - 240)")
"""Where a legend of four begins: a narrow chart gives it the room above the names of its rows."""
_MINUTE = 60_000_000
_WIDTH: Any = "container"
_Rows = list[dict[str, object]]


def traffic_share(points: Sequence[TrafficPoint], bins: Bins, *, height: int = 140) -> alt.Chart:
    """The share of users' requests that each variant was assigned; an interval without any has no bar."""
    data = _stacked(_bars([p for p in points if p.role == "answer"], bins), bins)
    return (
        wide_chart(data, height)
        .mark_bar(opacity=0.85)
        .encode(
            x=_range(),
            x2="until:T",
            y=alt.Y(
                "low_share:Q",
                title="share of requests",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%", grid=False, tickCount=5),
            ),
            y2="high_share:Q",
            color=variants(data),
            tooltip=[*_traffic_tooltips(), alt.Tooltip("share:Q", format=".3~p")],
        )
    )


def requests(points: Sequence[TrafficPoint], bins: Bins, *, height: int = 120) -> alt.LayerChart:
    """Requests per interval, stacked by variant; how many of them a shadow was given is a dashed line."""
    data = _stacked(_bars([p for p in points if p.role == "answer"], bins), bins)
    copies = _bars([p for p in points if p.role == "shadow"], bins)
    colour = variants([*data, *copies])
    axis = {"title": "requests", "axis": alt.Axis(tickCount=4, tickMinStep=1, format="~s")}
    bars = (
        wide_chart(data, height)
        .mark_bar(opacity=0.85)
        .encode(
            x=_range(),
            x2="until:T",
            y=alt.Y("low:Q", **axis),
            y2="high:Q",
            color=colour,
            tooltip=_traffic_tooltips(),
        )
    )
    shadows = (
        wide_chart(copies, height)
        .mark_rule(strokeDash=[4, 3], strokeWidth=2)
        .encode(x="at:T", x2="until:T", y=alt.Y("rows:Q", **axis), color=colour, tooltip=_traffic_tooltips())
    )
    return alt.layer(*([bars, shadows] if copies else [bars])).properties(width=_WIDTH, height=height)


def latency(points: Sequence[TrafficPoint], bins: Bins, *, height: int = 120) -> alt.Chart:
    """Median (solid) and 99th percentile (dashed) latency of users' requests, by variant.

    A line is interrupted where a variant had no requests; an interval between two such is a point of its own.
    """
    measured = {(p.at, p.variant): p for p in points if p.role == "answer"}
    data: _Rows = [
        {"at": (at + bins.step // 2) // 1000, "variant": variant, "quantile": quantile, "ms": value}
        for variant in sorted({variant for _, variant in measured})
        for at in bins.starts
        for quantile, value in _quantiles(measured.get((at, variant)))
    ]
    return (
        wide_chart(data, height)
        .mark_line(point={"size": 14})
        .encode(
            x=time_axis(data, [bins.start // 1000, bins.end // 1000]),
            y=alt.Y("ms:Q", title="milliseconds", axis=alt.Axis(tickCount=4), scale=alt.Scale(zero=True)),
            color=variants(data),
            strokeDash=alt.StrokeDash(
                "quantile:N",
                title=None,
                scale=alt.Scale(domain=["p50", "p99"], range=[[1, 0], [4, 3]]),
                legend=None,
            ),
            tooltip=[
                at_tooltip(),
                alt.Tooltip("variant:N"),
                alt.Tooltip("quantile:N"),
                alt.Tooltip("ms:Q", format=".3f"),
            ],
        )
    )


def _bars(points: Sequence[TrafficPoint], bins: Bins) -> _Rows:
    return [
        {
            "at": p.at // 1000,
            "until": (p.at + bins.step) // 1000,
            "variant": p.variant,
            "role": p.role,
            "rows": p.rows,
            "failed": p.failed,
        }
        for p in points
    ]


def _stacked(bars: _Rows, bins: Bins) -> _Rows:
    """The bars of an interval one upon the other, in the order of the legend; as counts and as shares.

    An interval in which nothing happened has a bar of no height.
    """
    totals: Counter[object] = Counter()
    for bar in bars:
        totals[bar["at"]] += cast(int, bar["rows"])
    order, filled, stacked = _variant_names(bars), Counter[object](), []
    for bar in sorted(bars, key=lambda bar: order.index(str(bar["variant"]))):
        at, rows = bar["at"], cast(int, bar["rows"])
        low, high = filled[at], filled[at] + rows
        shares = {"low_share": low / totals[at], "high_share": high / totals[at], "share": rows / totals[at]}
        stacked.append({**bar, "low": low, "high": high, **shares})
        filled[at] = high
    nothing = {"rows": 0, "failed": 0, "low": 0, "high": 0, "low_share": 0.0, "high_share": 0.0, "share": 0.0}
    for start in bins.starts if order else ():
        if start // 1000 not in totals:
            until = (start + bins.step) // 1000
            stacked.append({"at": start // 1000, "until": until, "variant": order[0], "role": "answer", **nothing})
    return stacked


def _quantiles(point: TrafficPoint | None) -> tuple[tuple[str, float | None], ...]:
    return ("p50", point.p50_ms if point else None), ("p99", point.p99_ms if point else None)


def _traffic_tooltips() -> list[alt.Tooltip]:
    return [
        at_tooltip(),
        alt.Tooltip("variant:N"),
        alt.Tooltip("role:N"),
        alt.Tooltip("rows:Q", title="requests"),
        alt.Tooltip("failed:Q"),
    ]


def verdict_over_time(
    points: Sequence[VerdictPoint], *, height: int = 160, share: bool = False, title: str = ""
) -> alt.LayerChart:
    """The effect and its interval as it stood at every look.

    ``share``: the metric is a share, and its effect is drawn in points (hundredths). ``title`` names the axis.
    """
    scale = 100 if share else 1
    data: _Rows = [
        {
            "at": p.at // 1000,
            "effect": scale * p.effect,
            "lower": scale * p.lower,
            "upper": scale * p.upper,
            "verdict": p.verdict,
            "units": p.units,
        }
        for p in points
    ]
    base = wide_chart(data, height)
    title = title or "challenger − champion" + (", points" if share else "")
    tooltip = [
        at_tooltip(),
        *(alt.Tooltip(f"{name}:Q", format="+.4~r") for name in ("effect", "lower", "upper")),
        alt.Tooltip("units:Q"),
        alt.Tooltip("verdict:N"),
    ]
    ends = base.mark_rule(color=VARIANT_COLOURS[0], opacity=0.5).encode(x=time_axis(data), y="lower:Q", y2="upper:Q")
    band = base.mark_area(opacity=0.25, color=VARIANT_COLOURS[0], interpolate="step-after").encode(
        x=time_axis(data), y=alt.Y("lower:Q", title=title), y2="upper:Q"
    )
    line = base.mark_line(color=VARIANT_COLOURS[0], interpolate="step-after", point={"size": 14}).encode(
        x=time_axis(data), y="effect:Q", tooltip=tooltip
    )
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[3, 3], opacity=0.7).encode(y="zero:Q")
    return alt.layer(band, ends, line, zero).properties(width=_WIDTH, height=height)


def drift_heatmap(cells: Sequence[DriftCell], *, length: int | None = None, row_height: int = 14) -> alt.Chart:
    """Feature × time, coloured by severity; features stand in the order in which the cells name them first.

    ``length``: of a window, microseconds; None: the smallest step from one window to the next.
    """
    lasts = length or _smallest_step({c.window for c in cells})
    data: _Rows = [
        {
            "at": c.window // 1000,
            "until": (c.window + lasts) // 1000,
            "feature": c.feature,
            "severity": c.severity,
            "shift": round(c.shift, 4),
            "statistic": c.statistic,
            "says": c.sentence,
            "opens": c.opens,
        }
        for c in cells
    ]
    opening = {"cursor": "pointer"} if any(c.opens for c in cells) else {}
    features = list(dict.fromkeys(c.feature for c in cells))
    return (
        wide_chart(data, max(60, row_height * len(features)))
        .properties(padding={"top": 30, "left": 5, "right": 5, "bottom": 5})
        .mark_rect(stroke="#80808033", **opening)
        .encode(
            x=alt.X("at:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=clock_axis()),
            x2="until:T",
            y=alt.Y("feature:N", title=None, sort=features, axis=alt.Axis(labelLimit=180)),
            color=alt.Color(
                "severity:N",
                title=None,
                scale=alt.Scale(domain=list(SEVERITY_COLOURS), range=list(SEVERITY_COLOURS.values())),
                legend=alt.Legend(orient="none", direction="horizontal", legendX=_OVERHANG, legendY=-26),
            ),
            opacity=alt.condition("datum.severity == 'no-data'", alt.value(0.25), alt.value(0.9)),
            tooltip=[
                at_tooltip(),
                alt.Tooltip("feature:N"),
                alt.Tooltip("severity:N"),
                alt.Tooltip("shift:Q"),
                alt.Tooltip("statistic:N"),
                alt.Tooltip("says:N"),
            ],
        )
    )


def _smallest_step(starts: set[int]) -> int:
    ordered = sorted(starts)
    return min((b - a for a, b in pairwise(ordered)), default=_MINUTE)


def grid_image(
    values: Sequence[Sequence[float]], *, title: str, label: str, size: int = 180, top: float | None = None
) -> alt.Chart:
    """A small image as a heatmap: pixels by row and column, blue below zero and red above where values change sign.

    ``top`` fixes the darkest value, so that several images can be compared.
    """
    data = [{"row": r, "column": c, "value": value} for r, line in enumerate(values) for c, value in enumerate(line)]
    largest = top or max((abs(point["value"]) for point in data), default=1.0) or 1.0
    signed = any(point["value"] < 0 for point in data)
    scale = (
        alt.Scale(scheme="redblue", domain=[-largest, largest], reverse=True)
        if signed
        else alt.Scale(scheme="greys", domain=[0, largest])
    )
    axis = None
    return (
        alt.Chart(alt.Data(values=data), title=title)
        .mark_rect()
        .encode(
            x=alt.X("column:O", axis=axis),
            y=alt.Y("row:O", axis=axis),
            color=alt.Color("value:Q", title=label, scale=scale),
            tooltip=[alt.Tooltip("row:O"), alt.Tooltip("column:O"), alt.Tooltip("value:Q", format=".3f")],
        )
        .properties(width=size, height=size)
    )


def wide_chart(data: Sequence[Mapping[str, object]], height: int) -> alt.Chart:
    """An empty chart of inline rows, as wide as its place."""
    return alt.Chart(alt.Data(values=list(data))).properties(width=_WIDTH, height=height)


def time_axis(data: _Rows, whole: list[int] | None = None) -> alt.X:
    """A time axis in UTC, over ``whole`` where given; else a lone moment stands in the middle of a minute."""
    moments = {cast(int, point["at"]) for point in data}
    lone = [min(moments) - 30_000, max(moments) + 30_000] if len(moments) == 1 else alt.Undefined
    return alt.X("at:T", title=None, scale=alt.Scale(type="utc", domain=whole or lone), axis=clock_axis())


def _range() -> alt.X:
    """A time axis in UTC over the intervals that the data holds: a domain of its own makes Vega-Lite warn of ``x2``."""
    return alt.X("at:T", title=None, scale=alt.Scale(type="utc", nice=False), axis=clock_axis())


def clock_axis() -> alt.Axis:
    """Labels of 24 hours in UTC, a day where one begins; no more than have room."""
    label = (
        "utcFormat(datum.value, utcseconds(datum.value) ? '%H:%M:%S'"
        " : utchours(datum.value) + utcminutes(datum.value) ? '%H:%M' : '%d %b')"
    )
    return alt.Axis(
        grid=False,
        labelExpr=label,
        labelOverlap=True,
        labelSeparation=10,
        labelFlush=True,
        tickCount=alt.ExprRef("max(2, ceil(width / 90))"),
    )


def at_tooltip() -> alt.Tooltip:
    return alt.Tooltip(
        "at:T", title="at (UTC)", timeUnit="utcyearmonthdatehoursminutesseconds", format="%Y-%m-%d %H:%M:%S"
    )


def variants(data: _Rows) -> alt.Color:
    """Champion and challenger keep their colours whatever else is there."""
    names = _variant_names(data)
    colours = [VARIANT_COLOURS[i % len(VARIANT_COLOURS)] for i in range(len(names))]
    return alt.Color(
        "variant:N", title=None, scale=alt.Scale(domain=names, range=colours), legend=alt.Legend(orient="top")
    )


def _variant_names(data: _Rows) -> list[str]:
    seen = {str(point["variant"]) for point in data}
    first = [name for name in ("champion", "challenger") if name in seen]
    return [*first, *sorted(seen.difference(first))]
