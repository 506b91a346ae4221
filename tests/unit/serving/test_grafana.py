"""The ready dashboard: what it asks for exists, by name and by label, and its panels do not lie on each other."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from seatrial.serving.metric_table import FAMILIES, PREFIX

DASHBOARD: dict[str, Any] = json.loads((Path(__file__).parents[3] / "docs" / "grafana.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
ENDS = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}
LABELS = {f"{PREFIX}{f.name}{end}": {*f.labels, "le"} for f in FAMILIES for end in ENDS[f.kind]}
COUNTERS = {f"{PREFIX}{f.name}{end}" for f in FAMILIES for end in ENDS[f.kind] if f.kind != "gauge"}


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_every_metric_and_label_of_a_query_exists(title: str, query: str) -> None:
    names = re.findall(rf"\b{PREFIX}\w+", query)
    assert names, title
    assert set(names) <= set(LABELS)
    used = set(re.findall(r"(\w+)\s*[=!]~?\"", query))
    for listed in re.findall(r"\b(?:by|on) \(([^)]*)\)", query):
        used |= {label.strip() for label in listed.split(",")}
    assert used <= set.union(*(LABELS[name] for name in names))
    assert query.count("(") == query.count(")")


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_what_counts_is_asked_for_its_rate(title: str, query: str) -> None:
    for name in re.findall(rf"\b{PREFIX}\w+", query):
        asked = re.search(rf"(rate|increase)\({name}(\{{[^}}]*\}})?\[\$__rate_interval\]\)", query) is not None
        assert asked == (name in COUNTERS), title


def test_legends_name_labels_that_the_query_keeps() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            kept = {
                label.strip() for found in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in found.split(",")
            }
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, panel["title"]


def test_every_family_is_on_it() -> None:
    asked = " ".join(query for _, query in QUERIES)
    assert [f.name for f in FAMILIES if f"{PREFIX}{f.name}" not in asked] == []


def test_panels_have_an_identity_and_a_place_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_it_asks_the_reader_for_the_source_and_the_deployment() -> None:
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "deployment"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {"${datasource}"}
