"""An OpenTelemetry collector on loopback that keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A span as it arrived."""

    part: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, object]
    is_error: bool


@dataclass(slots=True)
class Collector:
    url: str
    status: int = 200
    raw: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Seen]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.raw]
        return [
            _seen(str(_values(resource.resource.attributes)["tercet.part"]), span)
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.raw.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(kept.status)
            self.end_headers()

        def log_message(self, *_) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Collector(f"http://127.0.0.1:{server.server_port}/v1/traces")
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield kept
        server.shutdown()


def _seen(part: str, span) -> Seen:
    return Seen(
        part=part,
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        is_error=span.status.code == 2,
    )


def _values(attributes) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in attributes}


def _value(value) -> object:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(one) for one in value.array_value.values]
    return getattr(value, kind)
