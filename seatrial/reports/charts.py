"""Charts as declarations (Vega-Lite, through Altair): one for the page, the report and the notebook.

Every chart takes frozen points and returns an ``altair.Chart`` whose colours work on light and dark grounds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import altair as alt

from seatrial.reports.points import DriftCell, TrafficPoint, VerdictPoint

VARIANT_COLOURS = ("#3b82c4", "#e08a1e", "#5aa469", "#a06cb8", "#c4574e", "#7a8794")
SEVERITY_COLOURS = {"none": "#9fc3ae", "moderate": "#e6b04a", "major": "#cf4a3f", "no-data": "#9aa3ad"}
_WIDTH: Any = "container"
_Rows = list[dict[str, object]]


def traffic_share(points: Sequence[TrafficPoint], *, height: int = 140) -> alt.Chart:
    """The share of users' requests that each variant was assigned, over time."""
    data: _Rows = [{"at": p.at // 1000, "variant": p.variant, "rows": p.rows} for p in points if p.role == "answer"]
    return (
        _chart(data, height)
        .mark_area(interpolate="step-after", opacity=0.85)
        .encode(
            x=_time(data),
            y=alt.Y("rows:Q", stack="normalize", title="share of requests", axis=alt.Axis(format="%", grid=False)),
            color=_variants(data),
            tooltip=[_at_tooltip(), alt.Tooltip("variant:N"), alt.Tooltip("rows:Q", title="requests")],
        )
    )


def requests(points: Sequence[TrafficPoint], *, height: int = 120) -> alt.Chart:
    """Requests per interval, by variant; shadows dashed."""
    data: _Rows = [
        {"at": p.at // 1000, "variant": p.variant, "role": p.role, "rows": p.rows, "failed": p.failed} for p in points
    ]
    return (
        _chart(data, height)
        .mark_line(interpolate="monotone", point={"size": 12})
        .encode(
            x=_time(data),
            y=alt.Y("rows:Q", title="requests", axis=alt.Axis(tickCount=4)),
            color=_variants(data),
            strokeDash=alt.StrokeDash(
                "role:N", legend=None, scale=alt.Scale(domain=["answer", "shadow"], range=[[], [4, 3]])
            ),
            tooltip=[
                _at_tooltip(),
                alt.Tooltip("variant:N"),
                alt.Tooltip("role:N"),
                alt.Tooltip("rows:Q", title="requests"),
                alt.Tooltip("failed:Q"),
            ],
        )
    )


def latency(points: Sequence[TrafficPoint], *, height: int = 120) -> alt.Chart:
    """Median (solid) and 99th percentile (dashed) latency of users' requests, by variant."""
    data: _Rows = [
        {"at": p.at // 1000, "variant": p.variant, "quantile": name, "ms": value}
        for p in points
        if p.role == "answer"
        for name, value in (("p50", p.p50_ms), ("p99", p.p99_ms))
    ]
    return (
        _chart(data, height)
        .mark_line(interpolate="monotone")
        .encode(
            x=_time(data),
            y=alt.Y("ms:Q", title="latency, ms", axis=alt.Axis(tickCount=4)),
            color=_variants(data),
            strokeDash=alt.StrokeDash(
                "quantile:N", title=None, scale=alt.Scale(domain=["p50", "p99"], range=[[], [4, 3]])
            ),
            tooltip=[
                _at_tooltip(),
                alt.Tooltip("variant:N"),
                alt.Tooltip("quantile:N"),
                alt.Tooltip("ms:Q", format=".3f"),
            ],
        )
    )


def verdict_over_time(points: Sequence[VerdictPoint], *, height: int = 160) -> alt.LayerChart:
    """The effect and its always-valid interval at every look: it may be read at any time."""
    data: _Rows = [
        {
            "at": p.at // 1000,
            "effect": p.effect,
            "lower": p.lower,
            "upper": p.upper,
            "verdict": p.verdict,
            "units": p.units,
        }
        for p in points
    ]
    base = _chart(data, height)
    tooltip = [
        _at_tooltip(),
        *(alt.Tooltip(f"{name}:Q", format="+.4f") for name in ("effect", "lower", "upper")),
        alt.Tooltip("units:Q"),
        alt.Tooltip("verdict:N"),
    ]
    ends = base.mark_rule(color=VARIANT_COLOURS[0], opacity=0.5).encode(x=_time(data), y="lower:Q", y2="upper:Q")
    band = base.mark_area(opacity=0.25, color=VARIANT_COLOURS[0], interpolate="step-after").encode(
        x=_time(data), y=alt.Y("lower:Q", title="challenger − champion"), y2="upper:Q"
    )
    line = base.mark_line(color=VARIANT_COLOURS[0], interpolate="step-after", point={"size": 14}).encode(
        x=_time(data), y="effect:Q", tooltip=tooltip
    )
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[3, 3], opacity=0.7).encode(y="zero:Q")
    return alt.layer(band, ends, line, zero).properties(width=_WIDTH, height=height)


def drift_heatmap(cells: Sequence[DriftCell], *, row_height: int = 14) -> alt.Chart:
    """Feature × window, coloured by severity; the features that moved most stand on top."""
    data = [
        {
            "window": datetime.fromtimestamp(c.window / 1e6, UTC).strftime("%d %b %H:%M:%S"),
            "start": c.window,
            "feature": c.feature,
            "severity": c.severity,
            "shift": round(c.shift, 4),
            "statistic": c.statistic,
            "says": c.sentence,
        }
        for c in cells
    ]
    features = {c.feature for c in cells}
    order = alt.EncodingSortField(field="shift", op="max", order="descending")
    return (
        _chart(data, max(60, row_height * len(features)))
        .mark_rect(stroke="#80808033")
        .encode(
            x=alt.X(
                "window:O",
                title=None,
                sort=alt.EncodingSortField(field="start", op="min"),
                axis=alt.Axis(labelAngle=-40, labelOverlap=True),
            ),
            y=alt.Y("feature:N", title=None, sort=order, axis=alt.Axis(labelLimit=180)),
            color=alt.Color(
                "severity:N",
                title=None,
                scale=alt.Scale(domain=list(SEVERITY_COLOURS), range=list(SEVERITY_COLOURS.values())),
                legend=alt.Legend(orient="top"),
            ),
            opacity=alt.condition("indexof(['none', 'no-data'], datum.severity) < 0", alt.value(1.0), alt.value(0.4)),
            tooltip=[
                alt.Tooltip("feature:N"),
                alt.Tooltip("severity:N"),
                alt.Tooltip("shift:Q"),
                alt.Tooltip("statistic:N"),
                alt.Tooltip("says:N"),
            ],
        )
    )


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


def _chart(data: _Rows, height: int) -> alt.Chart:
    return alt.Chart(alt.Data(values=data)).properties(width=_WIDTH, height=height)


def _time(data: _Rows) -> alt.X:
    """A time axis in UTC; a lone moment stands in the middle of a minute."""
    moments = {cast(int, point["at"]) for point in data}
    lone = [min(moments) - 30_000, max(moments) + 30_000] if len(moments) == 1 else alt.Undefined
    return alt.X(
        "at:T", title=None, scale=alt.Scale(type="utc", domain=lone), axis=alt.Axis(grid=False, labelOverlap=True)
    )


def _at_tooltip() -> alt.Tooltip:
    return alt.Tooltip(
        "at:T", title="at (UTC)", timeUnit="utcyearmonthdatehoursminutesseconds", format="%Y-%m-%d %H:%M:%S"
    )


def _variants(data: _Rows) -> alt.Color:
    """Champion and challenger keep their colours whatever else is there."""
    seen = {str(point["variant"]) for point in data}
    first = [name for name in ("champion", "challenger") if name in seen]
    names = [*first, *sorted(seen.difference(first))]
    colours = [VARIANT_COLOURS[i % len(VARIANT_COLOURS)] for i in range(len(names))]
    return alt.Color(
        "variant:N", title=None, scale=alt.Scale(domain=names, range=colours), legend=alt.Legend(orient="top")
    )
