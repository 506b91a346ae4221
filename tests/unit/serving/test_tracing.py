"""One span a request with its decision, under the caller's trace; a stalled collector loses spans, counted."""

import asyncio
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from seatrial.ledger.counters import read_counters, series
from seatrial.processes.extras import require_extras
from seatrial.serving.messages import Answer, Request
from seatrial.serving.routes import Routes
from seatrial.serving.tracing import SPANS, TracedRoutes, Tracing, otlp_exporter
from seatrial.spec.errors import BadInput
from seatrial.spec.settings import SettingsError, load_settings
from tests.gateways import GOOD, bench, broken, quick, slow, snapshot

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PREDICT = "/v1/deployments/churn/predict"


class Site:
    """A gateway with traces."""

    def __init__(self, home: Path, exporter: SpanExporter) -> None:
        self.tracing: Tracing | None = None
        self._home = home
        self._exporter = exporter

    def open(self) -> Iterator["Site"]:
        with bench(self._home, watch=lambda pending: self.tracing.note(pending)) as self.bench:  # type: ignore[union-attr]
            self.tracing = Tracing(self._exporter, self.bench.recorder, "w0")
            self.routes: TracedRoutes = self.tracing.routes(Routes(self.bench.gateway))
            yield self
            self.tracing.close(5.0)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        named = {name.encode(): value.encode() for name, value in headers.items()}
        request = Request(b"POST", path.encode(), named, json.dumps(body).encode(), True)

        async def ask() -> Answer:
            answer = self.routes.handle(request)
            return await answer if asyncio.iscoroutine(answer) else answer  # type: ignore[return-value]

        return asyncio.run(ask())

    def spans(self) -> tuple[ReadableSpan, ...]:
        assert self.tracing is not None
        assert isinstance(self._exporter, InMemorySpanExporter)
        self.tracing.close(5.0)
        return self._exporter.get_finished_spans()

    def counts(self) -> dict[str, int]:
        counters = read_counters(self.bench.recorder.directory)
        return {result: counters[series(SPANS, result=result)] for result in ("sent", "failed", "dropped")}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    yield from Site(tmp_path, InMemorySpanExporter()).open()


def told(span: ReadableSpan) -> Mapping[str, Any]:
    return dict(span.attributes or {})


def test_a_prediction_is_a_span_with_its_decision(site: Site) -> None:
    site.bench.serve(snapshot({"champion": 0.25, "challenger": 0.75}))
    answer = site.post(PREDICT, {"unit": "u1", "features": GOOD}, traceparent=f"00-{TRACE}-{CALLER}-01")
    assert isinstance(answer, bytes)
    said = json.loads(answer)
    (span,) = site.spans()
    assert span.name == "predict"
    assert format(span.context.trace_id, "032x") == TRACE
    assert span.parent is not None
    assert format(span.parent.span_id, "016x") == CALLER
    attributes = told(span)
    assert attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": PREDICT,
        "seatrial.deployment": "churn",
        "seatrial.request_id": said["request_id"],
        "seatrial.rows": 1,
        "seatrial.variant": said["variant"],
        "seatrial.reason": "split",
        "seatrial.propensity": {"champion": 0.25, "challenger": 0.75}[said["variant"]],
        "seatrial.answered_by": "assigned",
        "seatrial.model_version": said["model_version"],
        "seatrial.status": "ok",
    }
    assert span.resource.attributes["service.instance.id"] == "w0"
    assert site.counts() == {"sent": 1, "failed": 0, "dropped": 0}


@pytest.mark.parametrize("engine", [quick, slow])
def test_who_answered_when_the_assigned_variant_failed(site: Site, engine: Any) -> None:
    site.bench.serve(snapshot({"champion": 0.0, "challenger": 1.0}), challenger=engine(broken()))
    site.post(PREDICT, {"unit": "u1", "features": GOOD})
    (span,) = site.spans()
    attributes = told(span)
    assert (attributes["seatrial.variant"], attributes["seatrial.status"]) == ("challenger", "error")
    assert (attributes["seatrial.answered_by"], attributes["seatrial.model_version"]) == ("default", "churn:1")


@pytest.mark.parametrize("engine", [quick, slow])
def test_a_failure_is_a_span_with_an_error(site: Site, engine: Any) -> None:
    site.bench.serve(snapshot(), champion=engine(broken()))
    with pytest.raises(Exception, match="no answer to request"):
        site.post(PREDICT, {"features": GOOD})
    with pytest.raises(Exception, match="no deployment is called"):
        site.post("/v1/deployments/chrun/predict", {"features": GOOD})
    failed, refused = site.spans()
    assert (told(failed)["http.response.status_code"], failed.status.status_code) == (503, StatusCode.ERROR)
    assert (told(failed)["seatrial.answered_by"], told(failed)["seatrial.model_version"]) == ("none", "")
    assert (told(refused)["http.response.status_code"], refused.status.status_code) == (404, StatusCode.UNSET)


def test_instances_routed_one_by_one_are_events(site: Site) -> None:
    site.bench.serve(snapshot({"champion": 0.5, "challenger": 0.5}))
    site.post(PREDICT, {"instances": [{"features": GOOD, "unit": f"u{number}"} for number in range(20)]})
    (span,) = site.spans()
    assert told(span)["seatrial.decisions"] == 2
    assert "seatrial.variant" not in told(span)
    rows = {
        str(told_of["seatrial.variant"]): told_of["seatrial.rows"]
        for told_of in (e.attributes or {} for e in span.events)
    }
    assert set(rows) == {"champion", "challenger"}
    assert sum(int(n) for n in rows.values()) == 20  # type: ignore[arg-type]


def test_every_verb_has_a_span_and_health_has_none(site: Site) -> None:
    site.bench.serve(snapshot())
    site.post("/v1/deployments/churn/assign", {"unit": "u"})
    site.post("/v1/outcomes", {"outcome": "churned", "unit": "u"})
    inputs = [
        {"name": "age", "datatype": "FP64", "shape": [1], "data": [40.0]},
        {"name": "income", "datatype": "FP64", "shape": [1], "data": [2000.0]},
        {"name": "country", "datatype": "BYTES", "shape": [1], "data": ["FR"]},
    ]
    site.post("/v2/models/churn/infer", {"inputs": inputs, "parameters": {"unit": "u"}})
    site.routes.handle(Request(b"GET", b"/v2/health/live", {}, b"", True))
    spans = site.spans()
    assert [span.name for span in spans] == ["assign", "outcomes", "infer"]
    assert told(spans[2])["seatrial.reason"] == "split"
    text = str([told(span) for span in spans])
    assert "2000" not in text


def test_a_caller_who_samples_nothing_gets_no_span(site: Site) -> None:
    site.bench.serve(snapshot())
    site.post(PREDICT, {"features": GOOD}, traceparent=f"00-{TRACE}-{CALLER}-00")
    assert site.spans() == ()
    assert site.counts() == {"sent": 0, "failed": 0, "dropped": 0}


class Stalled(SpanExporter):
    """A collector that takes nothing until the gate is opened."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.got = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.gate.wait(20)
        self.got += len(spans)
        return SpanExportResult.SUCCESS


def test_a_stalled_collector_loses_spans_and_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seatrial.serving.tracing.QUEUE", 5)
    exporter = Stalled()
    opened = Site(tmp_path, exporter).open()
    site = next(opened)
    site.bench.serve(snapshot())
    for _ in range(40):
        assert isinstance(site.post(PREDICT, {"features": GOOD}), bytes)
    assert site.counts()["dropped"] >= 40 - 2 * 5
    exporter.gate.set()
    next(opened, None)
    assert site.counts() == {"sent": exporter.got, "failed": 0, "dropped": 40 - exporter.got}


class Refusing(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        raise ConnectionError("nobody is there")


def test_what_the_collector_does_not_take_is_counted(tmp_path: Path) -> None:
    opened = Site(tmp_path, Refusing()).open()
    site = next(opened)
    site.bench.serve(snapshot())
    site.post(PREDICT, {"features": GOOD})
    next(opened, None)
    assert site.counts() == {"sent": 0, "failed": 1, "dropped": 0}


def test_a_collector_gets_them_by_http(tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `telemetry` is not installed")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        opened = Site(tmp_path, otlp_exporter(f"http://127.0.0.1:{server.server_port}")).open()
        site = next(opened)
        site.bench.serve(snapshot())
        site.post(PREDICT, {"features": GOOD})
        next(opened, None)
        assert site.counts() == {"sent": 1, "failed": 0, "dropped": 0}
    finally:
        server.shutdown()
        server.server_close()
    ((path, body),) = got
    sent = ExportTraceServiceRequest.FromString(body).resource_spans[0]
    assert path == "/v1/traces"
    names = {attribute.key for attribute in sent.scope_spans[0].spans[0].attributes}
    assert {"seatrial.variant", "seatrial.propensity"} <= names


def test_without_traces_there_is_the_quick_way_and_nothing_is_watched(tmp_path: Path) -> None:
    with bench(tmp_path) as here:
        assert here.gateway._watched is False
        assert here.gateway._answering._watch is None


def test_the_setting(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path).traces is None
    assert load_settings({"SEATRIAL_TRACES": "off"}, tmp_path).traces is None
    on = load_settings({"SEATRIAL_TRACES": "http://127.0.0.1:4318"}, tmp_path)
    assert on.traces == "http://127.0.0.1:4318"
    with pytest.raises(SettingsError, match="is no collector; write its URL"):
        load_settings({"SEATRIAL_TRACES": "on"}, tmp_path)
    with pytest.raises(BadInput, match=r"pip install 'seatrial\[telemetry\]'"):
        require_extras(on, "opentelemetry_of_nobody.exporter")
    require_extras(load_settings({}, tmp_path), "opentelemetry_of_nobody.exporter")


class Call:
    """A gRPC call's context, as much of it as traces look at."""

    def __init__(self, details: str = "", **metadata: str) -> None:
        self._details, self._metadata = details, tuple(metadata.items())

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def details(self) -> str:
        return self._details


def test_a_grpc_inference_is_a_span_under_the_callers_trace(site: Site) -> None:
    site.bench.serve(snapshot())
    assert site.tracing is not None

    async def handle(body: bytes, _: object) -> bytes:
        await asyncio.sleep(0)
        await site.bench.gateway.predict("churn", GOOD)
        if body == b"bad":
            raise ValueError("as grpc aborts")
        return b"answer"

    traced = site.tracing.call(handle)
    assert asyncio.run(traced(b"good", Call(traceparent=f"00-{TRACE}-{CALLER}-01"))) == b"answer"
    with pytest.raises(ValueError, match="aborts"):
        asyncio.run(traced(b"bad", Call(details="no such model")))
    good, bad = site.spans()
    assert format(good.context.trace_id, "032x") == TRACE
    assert (told(good)["seatrial.variant"], told(good)["rpc.method"]) == ("champion", "ModelInfer")
    assert (bad.status.status_code, bad.status.description) == (StatusCode.ERROR, "no such model")


def test_a_worker_without_traces_loads_nothing_of_them() -> None:
    program = (
        "import sys, seatrial.serving.worker; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
