"""One OpenTelemetry span a request, with the decision as its attributes; only where `traces` names a collector.

Where traces are off nothing of this is loaded, and a request pays one look at an attribute. Where they are on, the
caller's W3C ``traceparent`` is the parent, and spans leave through a bounded queue and a thread of their own: a
collector that stalls loses spans, which are counted, and holds nothing up. Units, features and context are never in a
span.
"""

import threading
from collections import deque
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from seatrial.ledger.counters import series
from seatrial.serving.edge import Routes
from seatrial.serving.grpc_edge import Handle
from seatrial.serving.messages import Answer, Request, Response, refusal
from seatrial.serving.parts import ANSWERED, Part, Pending
from seatrial.serving.recording import Recorder
from seatrial.version import __version__

SPANS = "spans_total"
QUEUE = 4096
"""Spans that may wait; further ones are dropped."""

BATCH = 256
EXPORT_SECONDS = 0.5
MANY_PARTS = 32
"""So many decisions of one request are told; instances that are routed one by one may be thousands."""

_VERBS = frozenset((b"predict", b"infer", b"assign", b"predictions", b"outcomes"))
_CARRIED = (b"traceparent", b"tracestate")
_current: ContextVar[Span | None] = ContextVar("span", default=None)
_context = TraceContextTextMapPropagator()


class Tracing:
    """The spans of one worker.

    Args:
        exporter: Where they go; closed by `close`.
        recorder: Where it is counted what became of them.
        worker: This worker's name.
    """

    def __init__(self, exporter: SpanExporter, recorder: Recorder, worker: str) -> None:
        about = {"service.name": "seatrial", "service.version": __version__, "service.instance.id": worker}
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        self._sender = Sender(exporter, recorder, QUEUE)
        self._provider.add_span_processor(self._sender)
        self._tracer = self._provider.get_tracer("seatrial", __version__)

    @contextmanager
    def span(self, name: str, carried: Mapping[str, str], attributes: Mapping[str, str]) -> Iterator[Span]:
        """A request's span, to be ended by whoever asked for it; what is answered meanwhile notes itself in it."""
        parent = _context.extract(carried)
        span = self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)
        before = _current.set(span)
        try:
            yield span
        finally:
            _current.reset(before)

    def note(self, pending: Pending) -> None:
        """Write an answered request's decisions into its span."""
        span = _current.get()
        if span is None or not span.is_recording():
            return
        span.set_attribute("seatrial.deployment", pending.deployed.name)
        span.set_attribute("seatrial.request_id", pending.request_id)
        span.set_attribute("seatrial.rows", sum(len(part.rows) for part in pending.parts))
        if len(pending.parts) == 1:
            span.set_attributes(_decision(pending.parts[0]))
            return
        span.set_attribute("seatrial.decisions", len(pending.parts))
        for part in pending.parts[:MANY_PARTS]:
            span.add_event("decision", {**_decision(part), "seatrial.rows": len(part.rows)})

    def routes(self, routes: Routes) -> "TracedRoutes":
        """Routes whose requests that decide, answer or report have a span each."""
        return TracedRoutes(routes, self)

    def call(self, handle: Handle) -> Handle:
        """A gRPC inference with a span."""

        async def traced(body: bytes, context: Any) -> bytes:
            metadata = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
            with self.span("infer", metadata, {"rpc.system": "grpc", "rpc.method": "ModelInfer"}) as span:
                try:
                    return await handle(body, context)
                except BaseException:
                    span.set_status(Status(StatusCode.ERROR, str(context.details() or "the caller left")))
                    raise
                finally:
                    span.end()

        return traced

    def close(self, seconds: float) -> None:
        """Send what waits, for so many seconds at most."""
        self._sender.close(seconds)


class TracedRoutes:
    """Routes whose requests that decide, answer or report have a span each.

    Args:
        routes: What answers.
    """

    def __init__(self, routes: Routes, tracing: Tracing) -> None:
        self._routes = routes
        self._tracing = tracing

    def handle(self, request: Request) -> Answer | Coroutine[Any, Any, Answer]:
        """As the routes do."""
        path = request.url.partition(b"?")[0]
        verb = path.rpartition(b"/")[2]
        if request.method != b"POST" or verb not in _VERBS:
            return self._routes.handle(request)
        carried = {
            name.decode(): request.headers[name].decode("latin-1") for name in _CARRIED if name in request.headers
        }
        about = {"http.request.method": "POST", "url.path": path[:200].decode("latin-1")}
        with self._tracing.span(verb.decode(), carried, about) as span:
            try:
                answer = self._routes.handle(request)
            except Exception as error:
                _end(span, refusal(error))
                raise
        if isinstance(answer, bytes | Response):
            _end(span, answer)
            return answer
        return self._later(answer, span)

    async def _later(self, coming: Coroutine[Any, Any, Answer], span: Span) -> Answer:
        before = _current.set(span)
        try:
            answer = await coming
        except Exception as error:
            _end(span, refusal(error))
            raise
        except BaseException:
            _end(span, None)
            raise
        finally:
            _current.reset(before)
        _end(span, answer)
        return answer


def _decision(part: Part) -> dict[str, str | float]:
    by = part.by or "none"
    answering = part.attempt.variant if by in ANSWERED else None
    return {
        "seatrial.variant": part.decision.variant,
        "seatrial.reason": part.decision.reason,
        "seatrial.propensity": part.decision.propensity,
        "seatrial.answered_by": by,
        "seatrial.model_version": "" if answering is None else answering.version,
        "seatrial.status": part.first.status,
    }


def _end(span: Span, answer: Answer | None) -> None:
    """End a request's span with its status; None: the caller left."""
    if answer is None:
        span.set_status(Status(StatusCode.ERROR, "the caller left"))
    else:
        status = answer.status if isinstance(answer, Response) else 200
        span.set_attribute("http.response.status_code", status)
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
    span.end()


class Sender(SpanProcessor):
    """A bounded queue of spans and the thread that sends them.

    Args:
        exporter: What sends; may block.
        recorder: Counts spans as `sent`, `failed` (the collector did not take them) or `dropped` (the queue was full).
        most: Spans that may wait.
    """

    def __init__(self, exporter: SpanExporter, recorder: Recorder, most: int) -> None:
        self._exporter = exporter
        self._recorder = recorder
        self._most = most
        self._waiting: deque[ReadableSpan] = deque()
        self._sent, self._failed, self._dropped = (
            recorder.counters.slot(series(SPANS, result=result)) for result in ("sent", "failed", "dropped")
        )
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Queue an ended span; never blocks."""
        if not span.context.trace_flags.sampled:
            return
        if self._closed or len(self._waiting) >= self._most:
            self._recorder.add_shared(self._dropped)
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def close(self, seconds: float) -> None:
        """Take no more and send what waits, for so many seconds at most; what is left then is dropped."""
        self._closed = True
        self._wake.set()
        self._thread.join(seconds)
        lost = len(self._waiting)
        self._waiting.clear()
        self._recorder.add_shared(self._dropped, lost)
        if not self._thread.is_alive():
            self._exporter.shutdown()

    def _run(self) -> None:
        while not self._closed or self._waiting:
            if len(self._waiting) < BATCH:
                self._wake.wait(EXPORT_SECONDS)
                self._wake.clear()
            batch = self._take()
            if batch:
                slot = self._sent if self._export(batch) else self._failed
                self._recorder.add_shared(slot, len(batch))

    def _take(self) -> Sequence[ReadableSpan]:
        try:
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        except IndexError:  # the queue was cleared meanwhile
            return []

    def _export(self, batch: Sequence[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 - whatever an exporter does, requests go on
            return False


def otlp_exporter(url: str) -> SpanExporter:
    """An exporter to a collector by OTLP over HTTP; without a path in the URL, to the usual ``/v1/traces``."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # an extra

    path = urlsplit(url).path
    whole = url if path.strip("/") else url.rstrip("/") + "/v1/traces"
    exporter: SpanExporter = OTLPSpanExporter(endpoint=whole, timeout=5)
    return exporter
