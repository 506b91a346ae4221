"""Units against effect, as a one-file page."""

import altair as alt

from seatrial.analysis.power import Forecast, Need
from seatrial.reports.charts import VARIANT_COLOURS, wide_chart
from seatrial.reports.notebook import html
from seatrial.reports.page import Section, Table, render_page

_HEADER = (
    "metric",
    "effect",
    "relative",
    "one planned look",
    "days",
    "planned looks",
    "days",
    "looking at any time",
    "days",
)


_COLOURS = {
    "at one planned look": VARIANT_COLOURS[0],
    "looking at any time": VARIANT_COLOURS[1],
    "at planned looks": VARIANT_COLOURS[2],
}


def power_page(found: Forecast, title: str) -> str:
    """The page as one string of HTML; it asks no host for anything."""
    section = Section(
        heading="What it takes",
        sentences=found.sentences,
        charts=(units_by_effect(found.curve),) if found.curve else (),
        table=Table(_HEADER, tuple(_row(need) for need in found.needs)),
    )
    return render_page(title, found.design, [section])


def notebook_html(found: Forecast) -> str:
    """What a notebook shows: sentences and numbers, without scripts."""
    table = Table(_HEADER, tuple(_row(need) for need in found.needs))
    return html(found.sentences, table)


def units_by_effect(curve: tuple[Need, ...], *, height: int = 260) -> alt.Chart:
    """Units of all arms that each effect takes, by how one may look, on a scale of powers of ten."""
    relative = all(need.relative is not None for need in curve)
    data: list[dict[str, object]] = [
        {"effect": need.relative if relative else need.effect, "units": units, "how": how, "days": days}
        for need in curve
        for how, units, days in need.ways
    ]
    ways = [how for how in _COLOURS if any(row["how"] == how for row in data)]
    form = ".2~%" if relative else ".3~g"
    return (
        wide_chart(data, height)
        .mark_line(point={"size": 18})
        .encode(
            x=alt.X(
                "effect:Q",
                title="effect, relative to the control" if relative else "effect",
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(format=form, tickCount=8),
            ),
            y=alt.Y(
                "units:Q",
                title="units of all arms",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format="~s", tickCount=5),
            ),
            color=alt.Color(
                "how:N",
                title=None,
                scale=alt.Scale(domain=ways, range=[_COLOURS[how] for how in ways]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[
                alt.Tooltip("effect:Q", format=form),
                alt.Tooltip("units:Q", format=","),
                alt.Tooltip("days:Q", format=".3~g"),
                alt.Tooltip("how:N"),
            ],
        )
    )


def _row(need: Need) -> tuple[str, ...]:
    return (
        need.metric,
        f"{need.effect:.4g}",
        "" if need.relative is None else f"{need.relative:.3%}",
        "" if need.fixed is None else str(need.fixed),
        "" if need.fixed_days is None else f"{need.fixed_days:.3g}",
        "" if need.group_sequential is None else str(need.group_sequential),
        "" if need.group_sequential_days is None else f"{need.group_sequential_days:.3g}",
        "" if need.always_valid is None else str(need.always_valid),
        "" if need.always_valid_days is None else f"{need.always_valid_days:.3g}",
    )
