"""Every surface over HTTP: a scripted model behind the real routes."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from fakes.gateway import KEYS, OPUS, Says, Site, failing, gateway

from tercet.call import Completion, Delta, Failure, Item, Raw, ToolDelta
from tercet.content import Said, Text, ToolUse
from tercet.usage import Usage

SONNET = "claude-sonnet-5-5"
HI = [{"role": "user", "content": "What is 17 * 23?"}]
TOOL = {"type": "function", "function": {"name": "ls", "parameters": {"type": "object"}}}
RAW = b'{"id": "msg_1", "type": "message", "new_field": [1, 2]}'


class Answers:
    """A model that says these pieces and parts, whoever is asked."""

    def __init__(self, parts: tuple[Said, ...], *pieces: Item, finish="stop") -> None:
        self.parts, self.pieces, self.finish = parts, pieces, finish
        self.calls = []

    async def __call__(self, call, /) -> AsyncGenerator[Item, None]:
        self.calls.append(call)
        for piece in self.pieces:
            yield piece
        yield Completion(
            attempt_id="att_1",
            model=call.model,
            parts=self.parts,
            finish=self.finish,
            usage=Usage(fresh_input=10, output=3),
            cost_nano_usd=1_000,
            first_token_s=0.1,
            latency_s=0.2,
        )


def served(call, scenario: Callable[[Site], Awaitable[Any]]) -> Any:
    async def run():
        async with gateway(call) as site:
            return await scenario(site)

    return asyncio.run(run())


def posted(call, path: str, body: dict, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return served(
        call,
        lambda site: site.http.post(
            path, json=body, headers={"x-api-key": KEYS["default"], **named}
        ),
    )


def test_a_messages_request_to_a_claude_seat_goes_both_ways_in_its_own_bytes() -> None:
    claude = Answers((Text("391"),), Raw(RAW[:20]), Raw(RAW[20:]))
    body = {"model": OPUS, "max_tokens": 9, "messages": HI, "brand_new": {"x": 1}}
    reply = posted(claude, "/v1/messages?beta=true", body, anthropic_beta="new-2027-01-01")

    assert (reply.status_code, reply.content) == (200, RAW)
    (call,) = claude.calls
    assert json.loads(call.prompt.verbatim.body) == body
    assert call.prompt.verbatim.headers == {"anthropic-beta": "new-2027-01-01"}
    assert call.prompt.verbatim.query == {"beta": "true"}
    assert call.prompt.system == ""


def test_a_messages_stream_goes_through_in_its_own_bytes() -> None:
    claude = Answers((Text("391"),), Raw(b"event: one\n\n"), Raw(b"event: two\n\n"))
    body = {"model": OPUS, "max_tokens": 9, "messages": HI, "stream": True}
    reply = posted(claude, "/v1/messages", body)

    assert reply.content == b"event: one\n\nevent: two\n\n"
    assert reply.headers["content-type"].startswith("text/event-stream")


def test_another_provider_s_answer_is_written_as_a_message() -> None:
    reply = posted(Says(), "/v1/messages", {"model": OPUS, "max_tokens": 9, "messages": HI})

    message = reply.json()
    assert message["type"] == "message"
    assert message["content"] == [{"type": "text", "text": "It is 391.", "citations": None}]
    assert message["stop_reason"] == "end_turn"
    assert reply.headers["request-id"] == reply.headers["x-tercet-request-id"]


def test_a_tier_s_composition_answers_a_messages_client_too() -> None:
    says = Says()
    reply = posted(says, "/v1/messages", {"model": "tier2", "max_tokens": 9, "messages": HI})

    assert reply.json()["model"] == SONNET
    assert reply.headers["x-tercet-route"] == "tier2"


@pytest.mark.parametrize(
    ("path", "envelope"),
    [
        ("/v1/messages", {"type", "error", "request_id"}),
        ("/v1/messages/count_tokens", {"type", "error", "request_id"}),
        ("/v1/chat/completions", {"error"}),
        ("/v1/responses", {"error"}),
    ],
)
@pytest.mark.parametrize("key", ["", KEYS["default"]])
def test_a_refusal_is_spelt_as_the_clients_of_a_path_expect_it(path, envelope, key) -> None:
    reply = posted(Says(), path, {"model": 5}, x_api_key=key)

    assert reply.status_code == (400 if key else 401)
    assert set(reply.json()) == envelope


def test_a_failure_of_every_seat_is_an_anthropic_error_to_an_anthropic_client() -> None:
    reply = posted(
        failing("overloaded"), "/v1/messages", {"model": OPUS, "max_tokens": 9, "messages": HI}
    )

    assert reply.status_code == 502
    assert reply.json()["type"] == "error"
    assert reply.headers["x-should-retry"] == "false"


def test_an_invented_name_is_answered_by_what_it_stands_for() -> None:
    for asked, model in (
        ("claude-opus-4-8", OPUS),
        ("claude-3-5-haiku-latest", "claude-haiku-5-5"),
    ):
        says = Says()
        posted(says, "/v1/messages", {"model": asked, "max_tokens": 9, "messages": HI})
        assert [call.model for call in says.calls] == [model]


def test_what_the_model_does_not_take_is_named_in_a_header() -> None:
    body = {"model": OPUS, "messages": HI, "temperature": 0, "seed": 1}
    reply = posted(Says(), "/v1/chat/completions", body)

    assert reply.status_code == 200
    assert reply.headers["x-tercet-ignored"] == "temperature, seed"


def test_a_loop_of_tools_stays_on_one_seat_whatever_its_later_turns_say() -> None:
    use = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
        ],
    }
    result = {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"}
    opening = [{"role": "user", "content": "Design the architecture of a payment service"}]
    later = [*opening, use, result, {"role": "user", "content": "What is 2 + 2?"}]
    for messages in (opening, later):
        says = Says()
        body = {"model": "auto", "messages": messages, "tools": [TOOL]}
        reply = posted(says, "/v1/chat/completions", body)
        assert reply.headers["x-tercet-route"] == "tier1"
        assert [(call.role, call.model) for call in says.calls] == [("single", OPUS)]


def test_a_tool_use_reaches_every_kind_of_client() -> None:
    use = ToolUse(id="call_1", name="ls", arguments='{"path":"."}')
    piece = ToolDelta(index=0, id="call_1", name="ls", arguments='{"path":"."}')
    claude = Answers((use,), piece, finish="tool_use")
    chat = posted(claude, "/v1/chat/completions", {"model": OPUS, "messages": HI, "tools": [TOOL]})
    (choice,) = chat.json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"path":"."}'

    tool = {"name": "ls", "input_schema": {"type": "object"}}
    body = {"model": OPUS, "max_tokens": 9, "messages": HI, "tools": [tool]}
    message = posted(claude, "/v1/messages", body).json()
    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["input"] == {"path": "."}

    body = {"model": OPUS, "input": "ls", "tools": [{"type": "function", "name": "ls"}]}
    (item,) = posted(claude, "/v1/responses", body).json()["output"]
    assert (item["type"], item["call_id"]) == ("function_call", "call_1")


def test_a_stored_response_is_continued_shown_and_deleted_by_its_own_key_alone() -> None:
    says = Says()

    async def scenario(site: Site) -> None:
        key = {"x-api-key": KEYS["default"]}
        first = await site.http.post(
            "/v1/responses", json={"model": OPUS, "input": "My name is Ada."}, headers=key
        )
        name = first.json()["id"]
        more = {"model": OPUS, "input": "Who am I?", "previous_response_id": name}
        second = await site.http.post("/v1/responses", json=more, headers=key)
        assert second.status_code == 200, second.text
        said = [message.text for message in says.calls[-1].prompt.messages]
        assert said == ["My name is Ada.", "It is 391.", "Who am I?"]

        stranger = {"x-api-key": KEYS["team"]}
        refused = await site.http.post("/v1/responses", json=more, headers=stranger)
        assert refused.status_code == 404
        assert (await site.http.get(f"/v1/responses/{name}", headers=stranger)).status_code == 404
        assert (await site.http.get(f"/v1/responses/{name}", headers=key)).json() == first.json()
        assert (await site.http.delete(f"/v1/responses/{name}", headers=key)).json()["deleted"]
        assert (await site.http.get(f"/v1/responses/{name}", headers=key)).status_code == 404

    served(says, scenario)


def test_a_response_that_is_not_to_be_stored_is_not() -> None:
    async def scenario(site: Site) -> int:
        body = {"model": OPUS, "input": "Hi", "store": False}
        key = {"x-api-key": KEYS["default"]}
        assert (await site.http.post("/v1/responses", json=body, headers=key)).status_code == 200
        return len(site.books.memories)

    assert served(Says(), scenario) == 0


def test_tokens_are_counted_by_the_provider_and_estimated_where_it_does_not() -> None:
    path = "/v1/messages/count_tokens"
    counted = posted(Says(), path, {"model": OPUS, "messages": HI})
    assert counted.json() == {"input_tokens": len("What is 17 * 23?")}
    text = [{"role": "user", "content": "uncountable " * 100}]
    estimated = posted(Says(), path, {"model": OPUS, "messages": text})
    assert estimated.json() == {"input_tokens": 300}
    assert estimated.headers["x-tercet-degraded"] == "count:unavailable"


def test_models_are_listed_in_the_dialect_of_the_caller() -> None:
    async def scenario(site: Site) -> tuple[Any, Any]:
        key = {"x-api-key": KEYS["default"]}
        openai = await site.http.get("/v1/models", headers=key)
        version = {**key, "anthropic-version": "2023-06-01"}
        anthropic = await site.http.get("/v1/models?limit=1000", headers=version)
        return openai.json(), anthropic.json()

    openai, anthropic = served(Says(), scenario)
    assert openai["object"] == "list"
    assert anthropic["has_more"] is False
    assert [m["id"] for m in openai["data"]] == [m["id"] for m in anthropic["data"]]


def test_every_registered_route_but_healthz_wants_a_key_and_stands_in_the_document() -> None:
    async def scenario(site: Site) -> None:
        document = (await site.get("/openapi.json")).json()
        for route in site.routes:
            path = route.path.replace("{id}", "x").replace("{name}", "x")
            for method in route.methods - {"HEAD"}:
                assert method.lower() in document["paths"][route.path], route.path
            for method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS", "PUT"):
                reply = await site.http.request(method, path)
                expected = (200, 405) if path == "/healthz" else (401,)
                assert reply.status_code in expected, (method, path)
        for path in ("/", "/-/routes", "/docs", "/metrics", "/v1/keys", "/v1/messages/batches"):
            assert (await site.http.get(path)).status_code == 401

    served(Says(), scenario)


@pytest.mark.parametrize("kind", ["overloaded", "too_long", "refused", "rate_limited"])
def test_a_stream_that_fails_after_its_first_words_never_ends_as_if_it_were_whole(kind) -> None:
    async def broken(call, /) -> AsyncGenerator[Item, None]:
        yield Delta("It is")
        yield Failure(model=call.model, kind=kind, message="scripted", attempt_id="att_1")

    chat = {"model": OPUS, "messages": HI, "stream": True}
    assert b"[DONE]" not in posted(broken, "/v1/chat/completions", chat).content
    told = posted(broken, "/v1/messages", chat | {"max_tokens": 9}).content
    assert b"event: error" in told
    assert b"message_stop" not in told
    responses = {"model": OPUS, "input": "Hi", "stream": True}
    told = posted(broken, "/v1/responses", responses).content
    assert b"response.failed" in told
    assert b"response.completed" not in told
