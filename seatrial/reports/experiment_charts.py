"""Charts of an experiment: effects with their intervals, units as they came, and the share that each variant got."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt

from seatrial.reports.charts import VARIANT_COLOURS, time_axis, variants, wide_chart
from seatrial.stats.verdict import Verdict

WORD_COLOURS = {
    "better": "#3f9a68",
    "non-inferior": "#3f9a68",
    "equivalent": "#7a8794",
    "inconclusive": "#7a8794",
    "no-data": "#b5bcc4",
    "worse": "#cf4a3f",
    "as the others": "#7a8794",
    "differs": "#e08a1e",
}
_ROW = 30


class EffectRow(NamedTuple):
    """One effect with its interval; an end of None is open.

    Attributes:
        name: What is measured, or of whom.
        effect, lower, upper: In the chart's unit.
        word: Its verdict; gives the colour.
        line: Its margin as a signed effect; None: zero alone.
    """

    name: str
    effect: float
    lower: float | None
    upper: float | None
    word: str
    line: float | None = None


class Arrival(NamedTuple):
    """Units of a variant that were first exposed from ``at`` (microseconds since 1970 UTC) to the next.

    Attributes:
        expected: How many of that interval's units its share then leads one to expect.
    """

    at: int
    variant: str
    units: int
    expected: float


def effects(rows: Sequence[EffectRow], *, title: str, share: bool = False) -> alt.LayerChart:
    """Every effect as a dot in its interval, a row each; its margin is a short bar. Open ends reach the edge.

    ``share``: effects are fractions, drawn as percentages.
    """
    reach = [x for row in rows for x in (row.effect, row.lower, row.upper, row.line, 0.0) if x is not None]
    room = 0.06 * ((max(reach) - min(reach)) or 1.0)
    low, high = min(reach) - room, max(reach) + room
    data: list[dict[str, object]] = [
        {
            "name": row.name,
            "effect": row.effect,
            "lower": low if row.lower is None else row.lower,
            "upper": high if row.upper is None else row.upper,
            "word": row.word,
            "line": row.line,
        }
        for row in rows
    ]
    form = ".2%" if share else ".4~g"
    axis = alt.Axis(format="+%" if share else "+~g", tickCount=6)
    names = [row.name for row in rows]
    words = list(dict.fromkeys(row.word for row in rows))
    base = wide_chart(data, max(2, len(rows)) * _ROW).encode(
        y=alt.Y("name:N", title=None, sort=names, axis=alt.Axis(labelLimit=190, grid=False, ticks=False, domain=False)),
        color=alt.Color(
            "word:N",
            title=None,
            scale=alt.Scale(domain=words, range=[WORD_COLOURS.get(word, "#7a8794") for word in words]),
            legend=alt.Legend(orient="top"),
        ),
        tooltip=[
            alt.Tooltip("name:N"),
            *(alt.Tooltip(f"{key}:Q", format=f"+{form}") for key in ("effect", "lower", "upper")),
            alt.Tooltip("word:N"),
        ],
    )
    scale = alt.Scale(domain=[low, high], nice=False)
    whisker = base.mark_rule(strokeWidth=3, opacity=0.55).encode(
        x=alt.X("lower:Q", title=title, scale=scale, axis=axis), x2="upper:Q"
    )
    dot = base.mark_point(filled=True, size=70, opacity=1).encode(x=alt.X("effect:Q", scale=scale))
    zero = alt.Chart(alt.Data(values=[{"zero": 0}])).mark_rule(strokeDash=[3, 3], opacity=0.7).encode(x="zero:Q")
    layers = [zero, whisker, dot]
    margins = [point for point in data if point["line"] is not None]
    if margins:
        layers.append(
            alt.Chart(alt.Data(values=margins))
            .mark_tick(thickness=2, size=16, color=VARIANT_COLOURS[1])
            .encode(
                x=alt.X("line:Q", scale=scale),
                y=alt.Y("name:N", sort=names),
                tooltip=[alt.Tooltip("name:N"), alt.Tooltip("line:Q", title="margin", format=f"+{form}")],
            )
        )
    return alt.layer(*layers).properties(width="container", height=max(2, len(rows)) * _ROW)


def cumulative_units(arrivals: Sequence[Arrival], *, height: int = 140) -> alt.Chart:
    """Units exposed so far, by variant."""
    data = _cumulated(arrivals)
    return (
        wide_chart(data, height)
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=time_axis(data),
            y=alt.Y("units:Q", title="units so far", axis=alt.Axis(format="~s", tickCount=4)),
            color=variants(data),
            tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("units:Q", format=",")],
        )
    )


def sample_ratio(arrivals: Sequence[Arrival], *, height: int = 140) -> alt.LayerChart:
    """The share of all units so far that each variant got, and what it was to get, dashed."""
    data = _cumulated(arrivals)
    settled = [point[key] for point in data[len(data) // 4 :] for key in ("share", "wanted")]
    low, high = max(0.0, min(settled, default=0.0) - 0.02), min(1.0, max(settled, default=1.0) + 0.02)
    scale = alt.Scale(domain=[low, high], clamp=True, zero=False, nice=False)
    axis = {"title": "share of units so far", "scale": scale, "axis": alt.Axis(format=".3~%", tickCount=4)}
    base = wide_chart(data, height).encode(x=time_axis(data), color=variants(data))
    tooltip = [alt.Tooltip("variant:N"), *(alt.Tooltip(f"{key}:Q", format=".2%") for key in ("share", "wanted"))]
    got = base.mark_line(interpolate="step-after", strokeWidth=2).encode(y=alt.Y("share:Q", **axis), tooltip=tooltip)
    wanted = base.mark_line(strokeDash=[4, 3], strokeWidth=1.5).encode(y=alt.Y("wanted:Q", **axis))
    return alt.layer(wanted, got).properties(width="container", height=height)


def verdict_effects(verdicts: Sequence[Verdict]) -> tuple[Any, ...]:
    """Effects on the relative scale in one chart; those that have none, each in its own unit."""
    relative = [v for v in verdicts if v.relative_effect is not None]
    plain = [v for v in verdicts if v.relative_effect is None and v.effect is not None and _has_end(v)]
    rows = [effect_row(v, relative=True) for v in relative]
    charts = [effects(rows, title="effect, relative to the control", share=True)] if rows else []
    return (*charts, *(effects([effect_row(v, relative=False)], title="effect, in its unit") for v in plain))


def effect_row(verdict: Verdict, *, relative: bool) -> EffectRow:
    """A verdict as a row of a chart."""
    line = None
    if verdict.role == "guardrail" and verdict.margin and (verdict.margin_scale == "relative") == relative:
        line = -verdict.margin if verdict.want == "higher" else verdict.margin
    effect = verdict.relative_effect if relative else verdict.effect
    ends = (verdict.relative_lower, verdict.relative_upper) if relative else (verdict.lower, verdict.upper)
    return EffectRow(verdict.metric, effect or 0.0, *ends, verdict.word, line)


def _has_end(verdict: Verdict) -> bool:
    return verdict.lower is not None or verdict.upper is not None


def _cumulated(arrivals: Sequence[Arrival]) -> list[dict[str, Any]]:
    """Every variant at every moment, whether or not it got units then."""
    names = sorted({arrival.variant for arrival in arrivals})
    came: dict[int, dict[str, Arrival]] = {}
    for arrival in arrivals:
        came.setdefault(arrival.at, {})[arrival.variant] = arrival
    units, expected, data = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0), []
    for at in sorted(came):
        for name, arrival in came[at].items():
            units[name] += arrival.units
            expected[name] += arrival.expected
        total = sum(units.values())
        data += [
            {
                "at": at // 1000,
                "variant": name,
                "units": units[name],
                "share": units[name] / total,
                "wanted": expected[name] / total,
            }
            for name in names
        ]
    return data
