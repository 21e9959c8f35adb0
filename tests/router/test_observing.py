"""What is counted of requests over HTTP."""

import asyncio

from fakes.gateway import OPUS, Says, failing, run
from fakes.gateway import gateway as gateway_of

from tercet.metrics import Reading


class Kept:
    """A sink that adds up what it is handed."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, ...], float] = {}

    def write(self, reading: Reading) -> None:
        key = (reading.metric.removeprefix("tercet_"), *reading.labels)
        self.told[key] = self.told.get(key, 0) + reading.value

    def of(self, metric: str) -> dict[tuple[str, ...], float]:
        return {key[1:]: value for key, value in self.told.items() if key[0] == metric}


def told(site) -> Kept:
    sink = Kept()
    site.office.observing.meters.flush(sink)
    return sink


def test_an_answer_is_counted_with_its_route_and_why() -> None:
    async def scenario(site) -> Kept:
        await site.ask()
        await site.ask(model="auto")
        return told(site)

    sink = run(scenario)
    assert sink.of("requests_total") == {
        ("openai_chat", OPUS, "single", "answered"): 1,
        ("openai_chat", "tier3", "single", "answered"): 1,
    }
    assert sink.of("routes_total") == {
        ("maths", OPUS, "named"): 1,
        ("maths", "tier3", "plan"): 1,
    }
    assert sink.of("request_seconds").keys() == {(OPUS,), ("tier3",)}
    assert sink.of("requests_in_flight") == {(): 0}


def test_a_stream_is_in_flight_until_it_is_over() -> None:
    async def main() -> tuple[Kept, Kept]:
        says = Says(gate=asyncio.Event())
        async with gateway_of(says) as site:
            asking = asyncio.create_task(site.ask(stream=True))
            await says.asked.wait()
            during = told(site)
            assert says.gate is not None
            says.gate.set()
            await asking
            await site.idle()
            return during, told(site)

    during, after = asyncio.run(main())
    assert during.of("requests_in_flight") == {(): 1}
    assert during.of("requests_total") == {}
    assert after.of("requests_in_flight") == {(): 0}
    assert after.of("requests_total") == {("openai_chat", OPUS, "single", "answered"): 1}


def test_who_left_is_counted_as_such_and_is_in_flight_no_more() -> None:
    async def main() -> Kept:
        says = Says(gate=asyncio.Event())
        async with gateway_of(says) as site:
            asking = asyncio.create_task(site.ask())
            await says.asked.wait()
            asking.cancel()
            await asyncio.wait([asking])
            await site.idle()
            return told(site)

    sink = asyncio.run(main())
    assert sink.of("requests_total") == {("openai_chat", OPUS, "single", "abandoned"): 1}
    assert sink.of("requests_in_flight") == {(): 0}
    assert sink.of("request_seconds") == {}


def test_a_failure_a_refusal_and_a_repetition_are_told_apart() -> None:
    async def scenario(site) -> Kept:
        await site.ask(idempotency="once", temperature="hot")
        await site.ask(model="tier1", key="junior")
        first = await site.ask(idempotency="twice")
        again = await site.ask(idempotency="twice")
        assert (first.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        return told(site)

    sink = run(scenario)
    assert sink.of("requests_total") == {
        ("openai_chat", "none", "none", "refused"): 2,
        ("openai_chat", OPUS, "single", "answered"): 1,
        ("openai_chat", "none", "none", "replayed"): 1,
    }
    assert sink.of("routes_total")["none", "none", "refused_key"] == 1

    async def failed(site) -> Kept:
        await site.ask()
        return told(site)

    sink = run(failed, failing("overloaded"))
    assert sink.of("requests_total") == {("openai_chat", OPUS, "single", "failed"): 1}


def test_without_a_tracer_a_call_carries_the_callers_own_trace() -> None:
    header = f"00-{'1' * 32}-{'2' * 16}-01"
    says = Says()

    async def scenario(site) -> None:
        site.http.headers["traceparent"] = header
        await site.ask()

    run(scenario, says)
    assert says.calls[0].prompt.traceparent == header
