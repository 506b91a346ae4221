"""Clients that we did not write read what the edge says: httpx its HTTP, prometheus_client its metrics."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.edges import edge
from tests.gateways import GOOD, Bench, bench, snapshot


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as found:
        found.serve(snapshot())
        yield found


@pytest.fixture
def client(here: Bench) -> Iterator[httpx.Client]:
    with edge(here) as served, httpx.Client(base_url=f"http://127.0.0.1:{served.port}") as found:
        yield found


def test_httpx_predicts_streams_and_is_refused(client: httpx.Client) -> None:
    body = {"unit": "u", "features": GOOD}
    assert client.post("/v1/deployments/churn/predict", json=body).json()["prediction"] == 0
    lines = (f'{{"outcome": "churned", "unit": "u{i}"}}\n'.encode() for i in range(5))
    assert client.post("/v1/outcomes", content=lines).json()["stored"] == 5
    refused = client.post("/v1/deployments/churn/predict", content=b"x" * ((1 << 20) + 1))
    assert refused.status_code == 413
    assert "error" in refused.json()


def test_metrics_parse_and_add_up(here: Bench, client: httpx.Client) -> None:
    for _ in range(7):
        client.post("/v1/deployments/churn/predict", json={"features": GOOD})
    here.recorder.rows.flush()
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert sum(sample.value for sample in families["seatrial_requests"].samples) == 7
    assert sum(sample.value for sample in families["seatrial_rows_logged"].samples) == 7
    latency = families["seatrial_request_latency_seconds"]
    assert latency.type == "histogram"
    assert {s.value for s in latency.samples if s.name.endswith("_count")} == {7.0}
    buckets = [s.value for s in latency.samples if s.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == 7.0


def test_the_open_inference_health_bodies_are_json(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json()["live"] is True
    assert client.get("/v2/health/ready").json()["ready"] is True
    assert client.get("/v2/models/churn/ready").json() == {"name": "churn", "ready": True}
    assert {"name", "version", "extensions"} <= set(client.get("/v2").json())
    assert {"name", "platform", "inputs", "outputs"} <= set(client.get("/v2/models/churn").json())
