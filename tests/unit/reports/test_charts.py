"""Charts are checked by drawing them: Vega's own compiler must accept each, and show what a reader looks for."""

import json
from typing import Any

import pytest
import vl_convert

from seatrial.reports import charts
from seatrial.reports.points import DriftCell, TrafficPoint, VerdictPoint

T0 = 1_790_000_000_000_000


def svg(chart: Any) -> str:
    drawing = chart.to_dict()  # validates against Vega-Lite's schema
    drawing["width"] = drawing["width"] if isinstance(drawing.get("width"), int) else 600
    return str(vl_convert.vegalite_to_svg(json.dumps(drawing)))


def traffic() -> list[TrafficPoint]:
    return [
        TrafficPoint(T0 + i * 10_000_000, variant, role, 100 + i, i % 2, 0.4, 1.5)
        for i in range(4)
        for variant, role in (("challenger", "answer"), ("champion", "answer"), ("popular", "shadow"))
    ]


def cells() -> list[DriftCell]:
    return [
        DriftCell(T0 + w * 60_000_000, name, severity, shift, "psi", f"{name} moved")
        for w in range(2)
        for name, severity, shift in (("age", "none", 0.01), ("income", "major", 0.9), ("<b>", "no-data", 0.0))
    ]


def test_share_of_traffic_shows_the_variants_that_answer_users_and_no_shadow() -> None:
    drawing = svg(charts.traffic_share(traffic()))
    assert "champion" in drawing
    assert "challenger" in drawing
    assert "popular" not in drawing


def test_champion_and_challenger_keep_their_colours_whoever_else_is_there() -> None:
    for points in (traffic(), [p for p in traffic() if p.variant != "popular"]):
        scale = charts.requests(points).to_dict()["encoding"]["color"]["scale"]
        assert scale["domain"][:2] == ["champion", "challenger"]
        assert scale["range"][:2] == list(charts.VARIANT_COLOURS[:2])


def test_latency_draws_both_quantiles_in_milliseconds() -> None:
    chart = charts.latency(traffic())
    assert {row["ms"] for row in chart.to_dict()["data"]["values"]} == {0.4, 1.5}
    drawing = svg(chart)
    assert "p50" in drawing
    assert "p99" in drawing


def test_verdict_draws_the_interval_and_the_line_at_zero() -> None:
    points = [
        VerdictPoint(T0 + i * 10**6, "accuracy", 0.03, 0.03 - 1 / i, 0.03 + 1 / i, "better", i) for i in (1, 2, 3)
    ]
    drawing = charts.verdict_over_time(points).to_dict()
    marks = [layer["mark"]["type"] for layer in drawing["layer"]]
    assert marks == ["area", "rule", "line", "rule"]
    assert "challenger − champion" in svg(charts.verdict_over_time(points))


def test_drift_heatmap_has_a_row_per_feature_and_a_colour_per_severity() -> None:
    drawing = svg(charts.drift_heatmap(cells()))
    for word in ("age", "income", "&lt;b&gt;", "major", "no-data"):
        assert word in drawing
    assert charts.SEVERITY_COLOURS["major"] in drawing


@pytest.mark.parametrize("values", [[[0.0, 0.0]], [[-1.0, 2.0], [0.5, 0.0]], [[1.0]]])
def test_grid_image_draws_one_cell_a_pixel(values: list[list[float]]) -> None:
    drawing = charts.grid_image(values, title="what moved", label="sd").to_dict()
    assert len(drawing["data"]["values"]) == sum(len(line) for line in values)
    assert "what moved" in svg(charts.grid_image(values, title="what moved", label="sd"))


def test_a_signed_image_is_symmetric_about_zero_so_that_white_means_unmoved() -> None:
    scale = charts.grid_image([[-0.2, 0.6]], title="", label="").to_dict()["encoding"]["color"]["scale"]
    assert scale["domain"] == [-0.6, 0.6]


@pytest.mark.parametrize(
    "draw", [charts.traffic_share, charts.requests, charts.latency, charts.verdict_over_time, charts.drift_heatmap]
)
def test_no_points_is_an_empty_chart_and_no_error(draw: Any) -> None:
    assert "<svg" in svg(draw([]))
