"""Traces of whole requests, over the hop between gateway and proxies, to a collector's socket."""

import asyncio
import json
import socket

import httpx2
import pytest
from fakes.collector import collector
from fakes.upstreams import upstreams
from ray import serve

from deployments.proxy import TierProxy
from deployments.serve import deploy
from router.ingress import Ingress
from tercet.config import load

KEY = "app-test-key"
TRACE = "1" * 32
CALLER = f"00-{TRACE}-{'2' * 16}-01"
SERVER, INTERNAL, CLIENT = 2, 1, 3


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Yield a folder and an environment of simulated upstreams, without a collector."""
    with upstreams(tmp_path) as started:
        monkeypatch.setenv("TERCET_API_KEY", KEY)
        monkeypatch.setenv("TERCET_LEDGER", str(tmp_path / "ledger.sqlite3"))
        monkeypatch.setenv("TERCET_SIMULATED", "1")
        for provider in ("ANTHROPIC", "GEMINI"):
            monkeypatch.setenv(f"{provider}_API_KEY", "a-secret-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", started.url)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", started.url)
        yield tmp_path


@pytest.fixture
def traced(home, monkeypatch):
    with collector() as started:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", started.url)
        yield started


def run(scenario):
    """Run one coroutine function with a client of a whole gateway, and everything to its end."""
    config = load()
    handles = {
        tier: serve.run(deploy(TierProxy, tier, tier, config), name=tier, _local_testing_mode=True)
        for tier in config.catalog.tiers
    }

    async def whole():
        ingress = Ingress(config, handles)
        transport = httpx2.ASGITransport(ingress.__serve_build_asgi_app__())
        headers = {"authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://gateway", headers=headers
        ) as http:
            found = await scenario(http)
        await ingress.close()
        for handle in handles.values():
            await handle.close.remote()
        return found

    return asyncio.run(whole())


def asking(content="What is 17 * 23?", model="claude-haiku-5-5", headers=None, **fields):
    async def scenario(http) -> httpx2.Response:
        body = {"model": model, "messages": [{"role": "user", "content": content}], **fields}
        return await http.post("/v1/chat/completions", json=body, headers=headers or {})

    return scenario


def named(spans, name):
    (found,) = [span for span in spans if span.name == name]
    return found


def test_a_request_its_call_and_its_attempt_are_one_trace_across_the_hop(traced) -> None:
    reply = run(asking())

    request = named(traced.spans, "POST /v1/chat/completions")
    call = named(traced.spans, "call tier3")
    attempt = named(traced.spans, "chat claude-haiku-5-5")
    assert [(s.part, s.kind) for s in (request, call, attempt)] == [
        ("ingress", SERVER),
        ("tier3", INTERNAL),
        ("tier3", CLIENT),
    ]
    assert (request.parent, call.parent, attempt.parent) == ("", request.id, call.id)
    assert len({span.trace for span in traced.spans}) == 1
    said = attempt.attributes
    assert said["gen_ai.provider.name"] == "anthropic"
    assert said["gen_ai.request.model"] == said["gen_ai.response.model"] == "claude-haiku-5-5"
    assert said["gen_ai.response.finish_reasons"] == ["stop"]
    assert said["gen_ai.usage.output_tokens"] == reply.json()["usage"]["completion_tokens"] > 0
    assert said["gen_ai.usage.input_tokens"] == reply.json()["usage"]["prompt_tokens"] > 0
    assert (said["tercet.role"], said["tercet.round"]) == ("single", 1)
    asked = request.attributes
    assert asked["tercet.task"] == said["tercet.task"] == reply.headers["x-tercet-request-id"]
    assert (asked["tercet.route"], asked["tercet.why"]) == ("claude-haiku-5-5", "named")
    assert (asked["tercet.outcome"], asked["http.response.status_code"]) == ("answered", 200)
    assert asked["tercet.cost_nano_usd"] == said["tercet.cost_nano_usd"] > 0


def test_every_voice_of_every_round_has_its_span_under_the_request(traced) -> None:
    run(asking("What is 6 * 7? sim:disagree-once", "tier3"))

    request = named(traced.spans, "POST /v1/chat/completions")
    calls = [span for span in traced.spans if span.name == "call tier3"]
    attempts = [span for span in traced.spans if span.kind == CLIENT]
    assert sorted(span.attributes["tercet.round"] for span in attempts) == [1, 1, 2, 2]
    assert {span.parent for span in calls} == {request.id}
    assert sorted(span.parent for span in attempts) == sorted(span.id for span in calls)
    assert {span.attributes["gen_ai.provider.name"] for span in attempts} == {
        "anthropic",
        "gcp.gemini",
    }


def test_the_callers_trace_is_continued_and_its_wish_not_to_be_sampled_kept(traced) -> None:
    async def scenario(http) -> None:
        await asking(headers={"traceparent": CALLER})(http)
        await asking(headers={"traceparent": f"00-{'3' * 32}-{'2' * 16}-00"})(http)

    run(scenario)

    request = named(traced.spans, "POST /v1/chat/completions")
    assert (request.trace, request.parent) == (TRACE, "2" * 16)
    assert {span.trace for span in traced.spans} == {TRACE}
    assert len(traced.spans) == 3


def test_a_failed_attempt_is_an_error_by_its_kind_and_so_is_its_request(traced) -> None:
    reply = run(asking("Hi sim:overloaded", "gemini-4-argon"))

    assert reply.status_code >= 500
    attempts = [span for span in traced.spans if span.kind == CLIENT]
    assert len(attempts) > 1
    assert {(s.attributes["error.type"], s.is_error) for s in attempts} == {("overloaded", True)}
    assert named(traced.spans, "POST /v1/chat/completions").attributes["error.type"] == "overloaded"


def test_no_text_and_no_key_is_recorded(traced) -> None:
    run(asking("Say xylophone. sim:words=5", stream=True))

    sent = b"".join(traced.raw)
    assert len(traced.spans) == 3
    unwanted = (b"xylophone", b"simulated]", b"a-secret-key", KEY.encode(), b"gen_ai.usage.cost")
    assert [word for word in unwanted if word in sent] == []


def test_text_and_drafts_are_recorded_where_they_are_wanted_but_no_key(traced, monkeypatch) -> None:
    monkeypatch.setenv("TERCET_TRACE_CONTENT", "1")
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental")
    run(asking("Say xylophone. sim:words=5"))

    said = named(traced.spans, "chat claude-haiku-5-5").attributes
    (asked,) = json.loads(said["gen_ai.input.messages"])
    assert asked["role"] == "user"
    assert "xylophone" in asked["parts"][0]["content"]
    (told,) = json.loads(said["gen_ai.output.messages"])
    assert told["parts"][0]["content"].startswith("[simulated]")
    assert b"a-secret-key" not in b"".join(traced.raw)
    assert said["gen_ai.usage.cost.amount"] == pytest.approx(said["tercet.cost_nano_usd"] / 1e9)
    assert said["gen_ai.usage.cost.currency"] == "USD"
    assert said["gen_ai.usage.cost.source"] == "local"


def test_a_collector_that_never_answers_holds_nobody_up(home, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "10")

        async def scenario(http) -> list[int]:
            return [(await asking()(http)).status_code for _ in range(3)]

        assert run(scenario) == [200, 200, 200]
