"""What leaves for a collector, what is lost on the way, and what no provider is sent."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from deployments.proxy import TierProxy
from deployments.telemetry import MOST_WAITING, Otel, Outgoing
from deployments.tracing import tracer_of
from tercet.call import Call, Prompt
from tercet.config import load
from tercet.metrics import Reading
from tercet.task import turn
from tercet.telemetry import Work

if TYPE_CHECKING:
    from conftest import Listening

WORK = Work("work", "internal", None, {})
PARENT = f"00-{'1' * 32}-{'2' * 16}-01"
ANSWER = (
    b"event: message_start\n"
    b'data: {"type": "message_start", "message":'
    b' {"id": "msg_1", "usage": {"input_tokens": 10, "cache_read_input_tokens": 7,'
    b' "output_tokens": 1}}}\n\n'
    b"event: content_block_delta\n"
    b'data: {"type": "content_block_delta", "index": 0,'
    b' "delta": {"type": "text_delta", "text": "Hello"}}\n\n'
    b"event: message_delta\n"
    b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"},'
    b' "usage": {"output_tokens": 5}}\n\n'
    b'event: message_stop\ndata: {"type": "message_stop"}\n\n'
)


class Failing(SpanExporter):
    """A collector that takes nothing; it may be made to hang first."""

    def __init__(self, released: threading.Event | None = None) -> None:
        self._released = released

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._released is not None:
            self._released.wait(30)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        return


@pytest.fixture
def kept() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(kept: InMemorySpanExporter) -> Otel:
    return Otel(SimpleSpanProcessor(kept), {}, "tier1")


def lost(told: list[Reading]) -> dict[str, float]:
    found: dict[str, float] = {}
    for reading in told:
        found[reading.labels[0]] = found.get(reading.labels[0], 0) + reading.value
    return found


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_traced_unless_a_collector_is_named(env: dict[str, str]) -> None:
    assert tracer_of(env, "tier1", lambda _: None) is None


def test_a_proxy_and_a_gateway_that_trace_nothing_do_not_load_the_sdk() -> None:
    code = (
        "import sys, deployments.proxy, router.replica\n"
        "from deployments.tracing import tracer_of\n"
        "tracer_of({}, 'x', print)\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')"
        " or name == 'deployments.telemetry'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.strip() == "[]"


def test_a_span_tells_its_children_whose_they_are(
    kept: InMemorySpanExporter, tracing: Otel
) -> None:
    parent = tracing.begin(Work("asked", "server", PARENT, {"tercet.tier": "tier1"}))
    child = tracing.begin(Work("asks", "client", parent.traceparent, {}))
    child.end({}, "overloaded")
    parent.end({"tercet.outcome": "failed"})

    asks, asked = kept.get_finished_spans()
    assert asked.context is not None
    assert asked.parent is not None
    assert asks.parent is not None
    assert f"{asked.context.trace_id:032x}" == "1" * 32
    assert f"{asked.parent.span_id:016x}" == "2" * 16
    assert asks.parent.span_id == asked.context.span_id
    assert asks.attributes == {"error.type": "overloaded"}
    assert asked.attributes == {"tercet.tier": "tier1", "tercet.outcome": "failed"}
    assert [span.status.is_ok for span in (asks, asked)] == [False, True]


def test_what_a_collector_does_not_take_is_counted() -> None:
    told: list[Reading] = []
    outgoing = Outgoing(told.extend, Failing())
    tracing = Otel(outgoing, {}, "tier1")
    for _ in range(7):
        tracing.begin(WORK).end({})
    outgoing.force_flush()

    assert lost(told) == {"export": 7}
    asyncio.run(tracing.close())


def test_spans_beyond_the_queue_are_dropped_at_once_and_counted() -> None:
    told: list[Reading] = []
    released = threading.Event()
    tracing = Otel(Outgoing(told.extend, Failing(released)), {}, "tier1")
    for _ in range(MOST_WAITING + 100):
        tracing.begin(WORK).end({})

    assert lost(told) == {"queue": 100}
    released.set()
    asyncio.run(tracing.close())
    assert lost(told) == {"queue": 100, "export": MOST_WAITING}


def test_the_end_of_a_replica_does_not_wait_for_a_collector_that_hangs() -> None:
    released = threading.Event()
    tracing = Otel(Outgoing(lambda _: None, Failing(released)), {}, "tier1")
    tracing.begin(WORK).end({})
    began = time.monotonic()
    asyncio.run(tracing.close())

    assert 1.0 < time.monotonic() - began < 10.0
    released.set()


def test_an_api_is_sent_no_trace_and_its_count_is_told_in_genai_words(
    listening: "Listening",
    kept: InMemorySpanExporter,
    tracing: Otel,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)

    async def main() -> list[str]:
        async with listening() as provider:
            monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
            provider.answers(ANSWER)
            proxy = TierProxy("tier1", load(), tracer=tracing)
            async for _ in proxy.call(call()):
                pass
            await proxy.close()
            return [name for post in provider.posts for name in post.headers]

    sent = asyncio.run(main())
    assert "x-client-request-id" in sent
    assert [name for name in sent if name in {"traceparent", "tracestate", "baggage"}] == []
    attempt, asked = kept.get_finished_spans()
    assert (attempt.name, asked.name) == ("chat claude-opus-5-5", "call tier1")
    assert asked.parent is not None
    assert f"{asked.parent.span_id:016x}" == "2" * 16
    said = attempt.attributes or {}
    assert said["gen_ai.usage.input_tokens"] == 17
    assert said["gen_ai.usage.cache_read.input_tokens"] == 7
    assert said["gen_ai.usage.output_tokens"] == 5
    assert said["gen_ai.response.id"] == "msg_1"


def test_the_sdk_of_claude_makes_no_spans_of_its_own_and_sends_no_trace() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _SDK], capture_output=True, text=True, timeout=90, check=True
    )
    assert said.stdout.split() == ["answered", "0", "False"]


# In a process of its own: who sets the global provider sets it for good.
_SDK = f"""
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from deployments.claude import Claude
from deployments.provider import Ended
from tercet.call import Prompt
from tercet.config import load
from tercet.task import turn

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
heads = []

async def serve(reader, writer):
    heads.append(await reader.readuntil(b"\\r\\n\\r\\n"))
    body = {ANSWER!r}
    writer.write(b"HTTP/1.1 200 OK\\r\\ncontent-type: text/event-stream\\r\\ncontent-length: %d"
                 b"\\r\\nconnection: close\\r\\n\\r\\n" % len(body) + body)
    await writer.drain()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    claude = Claude("a-key", url, load().rules.limits)
    prompt = Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=9)
    with trace.get_tracer("a caller").start_as_current_span("outer"):
        async for event in claude.stream("claude-opus-5-5", prompt, "att_1"):
            if isinstance(event, Ended):
                print("answered")
    await claude.close()

asyncio.run(main())
print(len([s for s in kept.get_finished_spans() if s.name != "outer"]))
print(any(b"traceparent" in head.lower() for head in heads))
"""


def call() -> Call:
    prompt = Prompt(
        system="", messages=(turn("user", "Hi"),), max_output_tokens=100, traceparent=PARENT
    )
    return Call(
        task_id="req_1",
        key_id="default",
        tier="tier1",
        model="claude-opus-5-5",
        role="brain",
        round=1,
        prompt=prompt,
        deadline_at=time.time() + 600,
        wants_deltas=True,
    )
