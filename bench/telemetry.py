"""What telemetry costs a request of one call, in microseconds of CPU.

    .venv/bin/python -m bench.telemetry [--ray] [--save]

`path` is the request's own thread, `whole` the process: with traces on, spans are encoded in
another thread. `--ray` starts Ray to measure what handing the same numbers to it takes, which a
thread does every 5 s. The bar: under 20 µs on the path with traces off.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from bench.report import Line, store, table
from deployments.meters import RayMetrics
from deployments.telemetry import Otel, Outgoing
from router.answering import Decision
from router.observing import Observing
from tercet.answer import Answer, Step
from tercet.budget import Ask
from tercet.call import Call, Completion, Prompt
from tercet.catalog import Model
from tercet.content import Text
from tercet.ledger import Reservation, Settlement
from tercet.meters import Meters
from tercet.metrics import Reading, attempt_readings
from tercet.route import Route, Seat
from tercet.task import Profile, Task, turn
from tercet.telemetry import Tracer, attempt_end, attempt_work, call_end, call_work
from tercet.usage import Usage

RUNS = 20_000
NAME = "claude-haiku-5-5"
MODEL = Model(name=NAME, provider="anthropic", window_tokens=200_000, max_output_tokens=8_000)
USAGE = Usage(fresh_input=900, cache_read=100, output=200)
TASK = Task(id="req_1", key_id="k", model="auto", messages=(turn("user", "Hi"),), deadline_at=9e9)
PROFILE = Profile(
    kind="question",
    requires_design=False,
    is_critical=False,
    requires_implementation=False,
    is_routine=False,
    size_tokens=5,
    confidence=1.0,
    reasons=(),
)
SEAT = Seat(role="single", tier="tier3", model=NAME)
ROUTE = Route(name="tier3", composition="single", seats=(SEAT,), reason="quick", deadline_at=9e9)
SAID = Completion(
    attempt_id="att_1",
    model=NAME,
    parts=(Text("391"),),
    finish="stop",
    usage=USAGE,
    cost_nano_usd=700,
    first_token_s=0.5,
    latency_s=2.0,
)
ANSWER = Answer(
    parts=SAID.parts,
    model=NAME,
    finish="stop",
    steps=(Step(role="single", round=1, outcome=SAID),),
    settled_by="single",
)
ROW = Reservation(
    attempt_id="att_1",
    task_id="req_1",
    key_id="k",
    tier="tier3",
    provider="anthropic",
    model=NAME,
    role="single",
    round=1,
    ask=Ask(fixed_nano_usd=1, token_nano_usd=1, output_tokens=1),
    price_source="overlay",
    simulated=False,
    deadline_at=9e9,
    at=1,
)
END = Settlement(
    attempt_id="att_1",
    state="settled",
    outcome="complete",
    usage=USAGE,
    usage_source="provider",
    settled_nano_usd=700,
    upstream_id="msg_1",
    first_token_s=0.5,
    latency_s=2.0,
    at=3,
)


class Encoding(SpanExporter):
    """Encodes as for a collector, and sends nothing."""

    def export(self, spans) -> SpanExportResult:  # noqa: ANN001
        """Encode them."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Do nothing."""


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    parser.add_argument("--ray", action="store_true", help="measure Ray's own metrics too")
    chosen = parser.parse_args()
    lines = [measured("metrics alone, as traces are off", None)]
    for name, sampler in (("traces on, all sampled", "1.0"), ("traces on, 1 % sampled", "0.01")):
        os.environ |= {  # noqa: TID251  the SDK's own variables
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": sampler,
        }
        tracer = Otel(Outgoing(lambda _: None, Encoding()), {}, "bench")
        lines.append(measured(name, tracer))
        asyncio.run(tracer.close())
    if chosen.ray:
        lines.append(flushed())
    print(table(lines))
    if chosen.save:
        store("telemetry", lines)


def measured(name: str, tracer: Tracer | None) -> Line:
    """Return what a request takes."""
    observing = Observing(tracer=tracer)
    meters = Meters()
    request = asyncio.run(_requests(observing, meters, tracer, RUNS))
    return {"what": name, **request}


async def _requests(
    observing: Observing, meters: Meters, tracer: Tracer | None, runs: int
) -> dict[str, float]:
    with timed(runs) as took:
        for _ in range(runs):
            seen = observing.begin("/v1/chat/completions", None)
            task = seen.read(TASK)
            seen.decided(task, Decision(profile=PROFILE, route=ROUTE))
            attempt(task, meters, tracer)
            await seen.ended(ANSWER)
            seen.replied(200)
    return took


def attempt(task: Task, meters: Meters, tracer: Tracer | None) -> None:
    """Do what the proxy's side does."""
    if tracer is not None:
        prompt = Prompt(system="", messages=(), max_output_tokens=9, traceparent=task.traceparent)
        call = Call(
            task_id="req_1",
            key_id="k",
            tier="tier3",
            model=NAME,
            role="single",
            round=1,
            prompt=prompt,
            deadline_at=9e9,
        )
        asked = tracer.begin(call_work(call))
        made = tracer.begin(attempt_work(call, MODEL, "att_1"))
        made.end(attempt_end(END, SAID, drafts=False))
        asked.end(call_end(SAID))
    meters.note(attempt_readings(ROW, END))


def flushed() -> Line:
    """Return what handing over takes, where every request came between two flushes alone."""
    import ray

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    sink, runs = RayMetrics(), 2_000
    told: list[Reading] = []

    class Kept:
        """Keeps the numbers of one request."""

        def write(self, reading: Reading) -> None:
            """Keep it."""
            told.append(reading)

    observing, meters = Observing(), Meters()
    asyncio.run(_requests(observing, meters, None, 1))
    observing.meters.flush(Kept())
    meters.flush(Kept())
    for reading in told:
        sink.write(reading)
    with timed(runs) as took:
        for _ in range(runs):
            for reading in told:
                sink.write(reading)
    ray.shutdown()
    return {"what": f"handing {len(told)} numbers to Ray, one by one", **took}


@contextmanager
def timed(runs: int, clock: Callable[[], int] = time.thread_time_ns) -> Iterator[dict[str, float]]:
    """Fill in the microseconds of each run."""
    took: dict[str, float] = {}
    began, whole = clock(), time.process_time_ns()
    yield took
    took["path_us"] = (clock() - began) / runs / 1000
    took["whole_us"] = (time.process_time_ns() - whole) / runs / 1000


if __name__ == "__main__":
    main()
