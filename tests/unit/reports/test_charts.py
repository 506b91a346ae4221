"""Charts are checked by drawing them: Vega's own compiler must accept each, and show what a reader looks for."""

import json
from typing import Any

import pytest
import vl_convert

from seatrial.reports import charts
from seatrial.reports.points import Bins, DriftCell, TrafficPoint, VerdictPoint

T0 = 1_790_000_000_000_000
SECOND = 1_000_000
BINS = Bins(T0, 10 * SECOND, 6)


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


def point(place: int, variant: str, rows: int, *, role: Any = "answer") -> TrafficPoint:
    return TrafficPoint(T0 + place * BINS.step, variant, role, rows, 0, 0.4, 1.5)


def values(chart: Any) -> list[dict[str, Any]]:
    data = chart.to_dict()["data"]["values"]
    assert isinstance(data, list)
    return data


def test_share_of_traffic_shows_the_variants_that_answer_users_and_no_shadow() -> None:
    drawing = svg(charts.traffic_share(traffic(), BINS))
    assert "champion" in drawing
    assert "challenger" in drawing
    assert "popular" not in drawing


def test_one_interval_of_traffic_is_a_bar_of_its_own_length_and_the_empty_ones_are_zero() -> None:
    bars = values(charts.traffic_share([point(2, "champion", 7)], BINS))
    (bar,) = [b for b in bars if b["rows"]]
    assert (bar["at"], bar["until"]) == (T0 // 1000 + 20_000, T0 // 1000 + 30_000)
    assert (bar["low_share"], bar["high_share"]) == (0, 1)
    assert sorted(b["at"] - T0 // 1000 for b in bars) == [0, 10_000, 20_000, 30_000, 40_000, 50_000]
    assert {b["high_share"] for b in bars if not b["rows"]} == {0}


def test_shares_fill_an_interval_whoever_is_missing_and_an_empty_interval_has_none() -> None:
    points = [point(0, "challenger", 1), point(0, "champion", 3), point(3, "challenger", 5)]
    found = values(charts.traffic_share(points, BINS))
    bars = {(b["at"] - T0 // 1000, b["variant"]): (b["low_share"], b["high_share"]) for b in found if b["rows"]}
    assert bars == {(0, "champion"): (0, 0.75), (0, "challenger"): (0.75, 1), (30_000, "challenger"): (0, 1)}


def test_requests_are_stacked_and_shadows_are_lines_of_their_own() -> None:
    points = [point(0, "champion", 3), point(0, "challenger", 1), point(0, "challenger", 4, role="shadow")]
    bars, shadows = charts.requests(points, BINS).layer
    assert [(b["variant"], b["low"], b["high"]) for b in values(bars) if b["rows"]] == [
        ("champion", 0, 3),
        ("challenger", 3, 4),
    ]
    assert [(b["variant"], b["rows"]) for b in values(shadows)] == [("challenger", 4)]
    assert "<svg" in svg(charts.requests(points, BINS))


def test_champion_and_challenger_keep_their_colours_whoever_else_is_there() -> None:
    for points in (traffic(), [p for p in traffic() if p.variant != "popular"]):
        scale = charts.requests(points, BINS).to_dict()["layer"][0]["encoding"]["color"]["scale"]
        assert scale["domain"][:2] == ["champion", "challenger"]
        assert scale["range"][:2] == list(charts.VARIANT_COLOURS[:2])


def test_latency_draws_both_quantiles_in_milliseconds() -> None:
    chart = charts.latency(traffic(), BINS)
    assert {row["ms"] for row in values(chart)} == {0.4, 1.5, None}
    drawing = svg(chart)
    assert "p50" in drawing
    assert "p99" in drawing


def test_a_pause_interrupts_latency_and_a_lone_interval_is_a_point() -> None:
    chart = charts.latency([point(0, "champion", 3), point(4, "champion", 3)], BINS)
    p50 = [row["ms"] for row in values(chart) if row["quantile"] == "p50"]
    assert p50 == [0.4, None, None, None, 0.4, None]
    assert chart.to_dict()["mark"]["point"]


@pytest.mark.parametrize(
    ("step", "wanted", "unwanted"),
    [(60 * SECOND, "17:30", "05:30"), (3600 * SECOND, "18:00", "06 PM"), (86_400 * SECOND, "04 Oct", "AM")],
)
def test_time_is_told_in_24_hours_of_utc(step: int, wanted: str, unwanted: str) -> None:
    evening = 1_789_923_600_000_000  # 2026-09-20 17:00 UTC
    drawing = svg(
        charts.traffic_share([TrafficPoint(evening, "champion", "answer", 1, 0, 1, 1)], Bins(evening, step, 40))
    )
    assert wanted in drawing
    assert unwanted not in drawing


def test_verdict_draws_the_interval_and_the_line_at_zero() -> None:
    points = [
        VerdictPoint(T0 + i * 10**6, "accuracy", 0.03, 0.03 - 1 / i, 0.03 + 1 / i, "better", i) for i in (1, 2, 3)
    ]
    drawing = charts.verdict_over_time(points).to_dict()
    marks = [layer["mark"]["type"] for layer in drawing["layer"]]
    assert marks == ["area", "rule", "line", "rule"]
    assert "challenger − champion" in svg(charts.verdict_over_time(points))


def test_the_effect_on_a_share_is_drawn_in_points() -> None:
    chart = charts.verdict_over_time([VerdictPoint(T0, "accuracy", 0.03, -0.01, 0.07, "better", 9)], share=True)
    (row,) = chart.to_dict()["layer"][0]["data"]["values"]
    assert (row["effect"], row["lower"], round(row["upper"], 9)) == (3, -1, 7)
    assert "challenger − champion, points" in svg(chart)


def test_drift_stands_in_the_order_given_on_a_continuous_axis() -> None:
    drawing = charts.drift_heatmap(cells()).to_dict()
    assert drawing["encoding"]["y"]["sort"] == ["age", "income", "<b>"]
    assert drawing["encoding"]["x"]["type"] == "temporal"
    assert {row["until"] - row["at"] for row in drawing["data"]["values"]} == {60_000}
    one = charts.drift_heatmap(cells()[:3], length=3600 * SECOND).to_dict()
    assert {row["until"] - row["at"] for row in one["data"]["values"]} == {3_600_000}


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


@pytest.mark.parametrize("draw", [charts.verdict_over_time, charts.drift_heatmap])
def test_no_points_is_an_empty_chart_and_no_error(draw: Any) -> None:
    assert "<svg" in svg(draw([]))


@pytest.mark.parametrize("draw", [charts.traffic_share, charts.requests, charts.latency])
def test_no_traffic_is_an_empty_chart_and_no_error(draw: Any) -> None:
    assert "<svg" in svg(draw([], BINS))
