"""Traces through OpenTelemetry's SDK: only this file knows it, and `tracing` alone imports it.

No span is ever the current one of a context: parents come as W3C strings, as they cross replicas.
A collector may be slow, or not there: requests do not notice, and what is lost is counted.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from threading import Lock, Thread
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from deployments.tracing import Note
from tercet.metrics import dropped
from tercet.telemetry import Attributes, Work, error_attributes, resource_attributes

CONTENT = "TERCET_TRACE_CONTENT"
OPT_IN, DRAFTS = "OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental"
MOST_WAITING = 2048
"""Spans that wait for a collector; more are dropped."""
CLOSE_S = 2.0
"""How long the end of a replica waits for its last spans to leave."""

_WIRE = TraceContextTextMapPropagator()
_KINDS = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL, "client": SpanKind.CLIENT}

logger = logging.getLogger(__name__)


class Otel:
    """Begins the spans of one replica; see `tercet.telemetry.Tracer`."""

    def __init__(self, processor: SpanProcessor, env: Mapping[str, str], part: str) -> None:
        """Hand spans to a processor; what is sampled follows from `OTEL_TRACES_SAMPLER`."""
        resource = Resource.create(resource_attributes(part, env))
        # It ends by `close`: at the interpreter's exit it would wait for a collector that is down.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tercet")
        self.tells_content = env.get(CONTENT) == "1"
        self.tells_drafts = DRAFTS in env.get(OPT_IN, "").split(",")

    def begin(self, work: Work) -> "Traced":
        """Begin a span."""
        context = Context()
        if work.parent is not None:
            context = _WIRE.extract({"traceparent": work.parent}, context)
        kind = _KINDS[work.kind]
        return Traced(self._tracer.start_span(work.name, context, kind, work.attributes))

    async def close(self) -> None:
        """Send what is left, but do not wait long for a collector that does not answer."""
        last = Thread(target=self._provider.shutdown, daemon=True)
        last.start()
        await asyncio.to_thread(last.join, CLOSE_S)


class Traced:
    """A span under way; see `tercet.telemetry.Traced`."""

    def __init__(self, span: Span) -> None:
        """Take a span that has begun."""
        self._span = span

    @property
    def traceparent(self) -> str:
        """Its W3C trace context."""
        seen = self._span.get_span_context()
        return f"00-{seen.trace_id:032x}-{seen.span_id:016x}-{seen.trace_flags:02x}"

    def end(self, attributes: Attributes, error: str | None = None) -> None:
        """End it."""
        if self._span.is_recording():
            self._span.set_attributes(attributes)
            if error is not None:
                self._span.set_attributes(error_attributes(error))
                self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Outgoing(SpanProcessor):
    """Sends spans in batches from a thread; a bounded queue, because the SDK counts no drops."""

    def __init__(self, note: Note, exporter: SpanExporter | None = None) -> None:
        """Begin the thread; spans leave over OTLP unless told else."""
        self._waiting = 0
        self._lock = Lock()
        self._note = note
        # It tells of every try; what is lost is told once here, and counted.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        heard = _Heard(exporter or OTLPSpanExporter(), self._sent)
        self._batches = BatchSpanProcessor(heard, max_queue_size=2 * MOST_WAITING)

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Do nothing: a span is sent when it is over."""

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span, or drop it if too many wait."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            is_full = self._waiting >= MOST_WAITING
            self._waiting += not is_full
        if is_full:
            self._note([dropped("queue", 1)])
        else:
            self._batches.on_end(span)

    def shutdown(self) -> None:
        """Send what is left and end the thread."""
        self._batches.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits now."""
        return self._batches.force_flush(timeout_millis)

    def _sent(self, count: int, *, has_arrived: bool) -> None:
        with self._lock:
            self._waiting -= count
        if not has_arrived:
            self._note([dropped("export", count)])


class _Sent(Protocol):
    """Told how many spans left the queue, and whether they got anywhere."""

    def __call__(self, count: int, *, has_arrived: bool) -> None: ...


class _Heard(SpanExporter):
    """An exporter whose results are heard."""

    def __init__(self, exporter: SpanExporter, sent: _Sent) -> None:
        self._exporter = exporter
        self._sent = sent
        self._is_lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            has_arrived = result is SpanExportResult.SUCCESS
            self._sent(len(spans), has_arrived=has_arrived)
        if not has_arrived and not self._is_lost:
            logger.warning("the collector takes no spans; see that OTEL_EXPORTER_OTLP_* are right")
        self._is_lost = not has_arrived
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
