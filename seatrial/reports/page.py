"""One-file HTML: text, tables and live charts with everything inside, so that it opens anywhere, offline."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import altair as alt
from jinja2 import Environment, PackageLoader, StrictUndefined

from seatrial.reports.prose import prose

SCRIPTS = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
"""The chart bundle, in the order in which a page loads it."""


class Table(NamedTuple):
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(NamedTuple):
    """A part of a page: a heading, sentences, charts side by side, a table.

    Attributes:
        verdict: ``good``, ``warn``, ``bad`` or "" — colours the badge.
        badge: A word beside the heading, or "".
        id: By which the page's own charts find it; "": nothing does.
    """

    heading: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Any, ...] = ()
    table: Table | None = None
    badge: str = ""
    verdict: str = ""
    id: str = ""


def static_text(name: str) -> str:
    """One of the room's static files."""
    return files("seatrial.reports").joinpath("static", name).read_text("utf-8")


@cache
def environment() -> Environment:
    """The room's templates; an unknown name in one is an error."""
    made = Environment(loader=PackageLoader("seatrial.reports"), autoescape=True, undefined=StrictUndefined)
    made.filters["prose"] = prose
    return made


def chart_json(chart: alt.TopLevelMixin) -> str:
    """A chart's declaration as JSON that may stand inside a ``<script>`` element."""
    declaration = chart.to_dict(validate=False)
    return json.dumps(declaration, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """A whole page as one string of HTML."""
    return (
        environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            chart_json=chart_json,
            style=static_text("style.css"),
            scripts=[static_text(name) for name in SCRIPTS],
            theme=static_text("theme.js"),
        )
    )
