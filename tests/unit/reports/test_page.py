import re

from seatrial.reports.charts import grid_image
from seatrial.reports.page import SCRIPTS, Section, Table, render_page, static_text


def page() -> str:
    chart = grid_image([[0.0, 1.0]], title="</script><script>alert(1)</script>", label="ink")
    return render_page(
        "Mail <room>",
        "an hour",
        [
            Section("Verdict", ("The challenger is <better>.",), (chart,), badge="better", verdict="good"),
            Section("Numbers", table=Table(("a", "b"), (("1", "<2>"),))),
        ],
    )


def test_what_is_written_into_a_page_is_text_not_markup() -> None:
    html = page()
    assert "Mail &lt;room&gt;" in html
    assert "The challenger is &lt;better&gt;." in html
    assert '<td data-label="b">&lt;2&gt;</td>' in html
    assert "<script>alert(1)" not in html


def test_a_page_asks_no_host_for_anything() -> None:
    markup = re.sub(r"<script>.*?</script>", "<script></script>", page(), flags=re.DOTALL)
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", markup) == []
    assert re.findall(r"@import|url\(", static_text("style.css")) == []


def test_the_chart_bundle_stands_inside_the_page_with_its_licences_beside_it() -> None:
    html = page()
    for name in SCRIPTS:
        assert static_text(name)[:200] in html
    licences = static_text("LICENSES.txt")
    for name in ("htmx", "vega-6", "vega-lite", "vega-embed"):
        assert name in licences
