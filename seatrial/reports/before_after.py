"""A column before and after: the share of rows in each of its cells, side by side."""

from collections.abc import Sequence

import altair as alt

from seatrial.reports.charts import VARIANT_COLOURS

Shares = Sequence[tuple[str, float, float]]
"""Cells in order: what they hold, the share of the reference's rows, and of the window's."""

_ROW = 22


def before_after(shares: Shares, *, title: str) -> alt.Chart:
    """Two bars a cell, in the order given."""
    data = [
        {"cell": cell, "side": side, "share": share}
        for cell, reference, window in shares
        for side, share in (("reference", reference), ("window", window))
    ]
    return (
        alt.Chart(alt.Data(values=data), title=title)
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of rows", axis=alt.Axis(format="%", tickCount=4)),
            y=alt.Y("cell:N", title=None, sort=[cell for cell, _, _ in shares], axis=alt.Axis(labelLimit=160)),
            yOffset=alt.YOffset("side:N", sort=["reference", "window"]),
            color=alt.Color(
                "side:N",
                title=None,
                scale=alt.Scale(domain=["reference", "window"], range=[VARIANT_COLOURS[5], VARIANT_COLOURS[1]]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=[alt.Tooltip("cell:N"), alt.Tooltip("side:N"), alt.Tooltip("share:Q", format=".2%")],
        )
        .properties(width=300, height=_ROW * max(len(shares), 2))
    )
