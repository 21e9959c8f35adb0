"""Gemini's adapter against a server on loopback; the bytes follow the API's documentation."""

import asyncio
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from deployments.assembling import Assembly
from deployments.gemini import Gemini
from deployments.provider import Alive, Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Prompt, ThoughtDelta, ToolDelta
from tercet.content import (
    Controls,
    JsonObject,
    Media,
    OutputFormat,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    Verbatim,
)
from tercet.rules import Limits
from tercet.task import Message, turn
from tercet.usage import Usage

if TYPE_CHECKING:
    from conftest import Listening, Provider

KEY = "AIza-0123456789"
LIMITS = Limits(deadline_s=60, connect_s=10, first_event_s=10, between_events_s=10)
HASTY = Limits(deadline_s=60, connect_s=0.05, first_event_s=0.05, between_events_s=10)
PROMPT = Prompt(
    system="Be brief.",
    messages=(
        turn("user", "Hi"),
        turn("assistant", "Hello"),
        turn("user", "Grüße"),
    ),
    max_output_tokens=100,
    stop=("END", "STOP"),
)
BARE = Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=7)


def reply(*texts: str, finish: str | None = None, **usage: int) -> dict[str, object]:
    counted = {"promptTokenCount": 10, "candidatesTokenCount": 5, **usage}
    candidate: dict[str, object] = {"index": 0}
    if texts:
        parts = [{"text": text} for text in texts]
        candidate["content"] = {"role": "model", "parts": parts}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": counted, "responseId": "resp_1"}


def said(*parts: object, finish: str | None = None) -> dict[str, object]:
    """Return a reply of these parts, without counts."""
    candidate: dict[str, object] = {"content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "responseId": "resp_1"}


def error(code: int, status: str, message: str = "No.", *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def sse(*replies: dict[str, Any]) -> bytes:
    return "".join(f"data: {json.dumps(told)}\r\n\r\n" for told in replies).encode()


def body(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode()


NAMED: JsonObject = {"name": "now"}
WHOLE = sse(reply("Hel"), reply("lo", finish="STOP"))


class Line:
    """A provider and its clients, which last: to make a client takes longer than a test."""

    def __init__(self, runner: asyncio.Runner, provider: "Provider") -> None:
        self.runner = runner
        self.provider = provider
        self.clients = {limits: Gemini(KEY, provider.url, limits) for limits in (LIMITS, HASTY)}

    def heard(
        self, *parts: bytes, prompt: Prompt = PROMPT, limits: Limits = LIMITS, **how: Any
    ) -> list[ProviderEvent]:
        """Ask a provider that answers so, and return what the adapter says."""
        self.provider.answers(*parts, **how)
        return self.runner.run(ask(self.clients[limits], prompt))

    def counted(self, *parts: bytes, prompt: Prompt = PROMPT, **how: Any) -> int | Failed:
        """Have a provider that answers so count, and return what the adapter says."""
        self.provider.answers(*parts, **how)
        return self.runner.run(self.clients[LIMITS].count("gemini-4-argon", prompt))

    async def close(self) -> None:
        for client in self.clients.values():
            await client.close()


@pytest.fixture(scope="module")
def line(listening: "Listening") -> Iterator[Line]:
    with asyncio.Runner() as runner:
        serving = listening()
        opened = Line(runner, runner.run(serving.__aenter__()))
        yield opened
        runner.run(opened.close())
        runner.run(serving.__aexit__(None, None, None))


async def ask(gemini: Gemini, prompt: Prompt = PROMPT) -> list[ProviderEvent]:
    return [event async for event in gemini.stream("gemini-4-argon", prompt, "att_1")]


def failed(events: list[ProviderEvent]) -> Failed:
    last = events[-1]
    assert isinstance(last, Failed), last
    return last


def metered(**usage: int) -> Metered:
    return Metered(usage=Usage(**usage), upstream_id="resp_1")


def test_a_call_is_one_post_to_version_one_with_the_key_in_its_header(
    line: Line,
) -> None:
    line.heard(WHOLE)
    (post,) = line.provider.posts
    assert post.line == "POST /v1/models/gemini-4-argon:streamGenerateContent?alt=sse HTTP/1.1"
    assert post.headers["x-goog-api-key"] == KEY
    assert post.headers["content-type"] == "application/json"
    assert "authorization" not in post.headers


def test_the_body_carries_the_whole_prompt(line: Line) -> None:
    line.heard(WHOLE)
    assert line.provider.posts[0].body == {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Hello"}]},
            {"role": "user", "parts": [{"text": "Grüße"}]},
        ],
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 100, "stopSequences": ["END", "STOP"]},
    }


def test_a_bare_prompt_sends_neither_system_nor_stop_sequences(line: Line) -> None:
    line.heard(WHOLE, prompt=BARE)
    assert line.provider.posts[0].body == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {"maxOutputTokens": 7},
    }


SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"file_path": {"type": ["string", "null"], "default": None}},
    "required": ["file_path"],
    "additionalProperties": False,
}
FULL = Prompt(
    system="Be brief.",
    messages=(
        Message(
            speaker="user",
            parts=(
                Text("Look.", cache="5m"),
                Media(kind="image", mime="image/png", data="aGk/"),
                Media(kind="document", mime="application/pdf", url="https://example.com/a.pdf"),
            ),
        ),
        Message(
            speaker="assistant",
            parts=(
                Thought(text="Hm.", signature="c2ln", by="anthropic"),
                ToolUse(id="toolu_1", name="read", arguments='{"file_path": null, "n": 1}'),
            ),
        ),
        Message(
            speaker="user",
            parts=(
                ToolResult(
                    id="toolu_1",
                    parts=(Text("Seen."), Media(kind="image", mime="image/png", data="aGk/")),
                ),
            ),
        ),
    ),
    max_output_tokens=100,
    controls=Controls(
        tools=(Tool(name="read", description="Reads.", schema=SCHEMA),),
        tool_choice=ToolChoice(mode="one", name="read"),
        output=OutputFormat(schema=SCHEMA),
        effort="max",
        shows_thoughts=True,
        sampling=Sampling(temperature=0.5, top_k=3),
    ),
    verbatim=Verbatim(provider="anthropic", body=b"{}", headers={}, stream=True),
)
FULL_CONTENTS = [
    {
        "role": "user",
        "parts": [
            {"text": "Look."},
            {"inlineData": {"mimeType": "image/png", "data": "aGk/"}},
            {
                "fileData": {
                    "mimeType": "application/pdf",
                    "fileUri": "https://example.com/a.pdf",
                }
            },
        ],
    },
    {
        "role": "model",
        "parts": [
            {
                "functionCall": {
                    "id": "toolu_1",
                    "name": "read",
                    "args": {"file_path": None, "n": 1},
                },
                "thoughtSignature": "skip_thought_signature_validator",
            }
        ],
    },
    {
        "role": "user",
        "parts": [
            {
                "functionResponse": {
                    "id": "toolu_1",
                    "name": "read",
                    "response": {"output": "Seen."},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk/"}}],
                }
            }
        ],
    },
]


def test_the_sdk_sends_everything_as_it_was_meant(line: Line) -> None:
    line.heard(WHOLE, prompt=FULL)
    assert line.provider.posts[0].body == {
        "contents": FULL_CONTENTS,
        "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "read", "description": "Reads.", "parametersJsonSchema": SCHEMA}
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["read"]}},
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0.5,
            "topK": 3,
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
            "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "XHIGH"},
        },
    }


def test_a_prompt_that_cannot_be_said_is_not_sent(line: Line) -> None:
    picture = Media(kind="image", mime="image/png", data="%%%")
    prompt = replace(BARE, messages=(Message(speaker="user", parts=(picture,)),))
    events = line.heard(WHOLE, prompt=prompt)
    message = "the data of the image is not base64"
    assert events == [Failed(kind="bad_request", message=message, billed="no")]
    assert line.provider.posts == []


def test_a_count_is_one_post_of_the_whole_request(line: Line) -> None:
    prompt = replace(PROMPT, controls=Controls(tools=(Tool(name="read", schema=SCHEMA),)))
    assert line.counted(body({"totalTokens": 31}), prompt=prompt) == 31
    (post,) = line.provider.posts
    assert post.line == "POST /v1/models/gemini-4-argon:countTokens HTTP/1.1"
    assert post.body == {
        "contents": [],
        "generateContentRequest": {
            "model": "models/gemini-4-argon",
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}]},
                {"role": "model", "parts": [{"text": "Hello"}]},
                {"role": "user", "parts": [{"text": "Grüße"}]},
            ],
            "systemInstruction": {"role": "user", "parts": [{"text": "Be brief."}]},
            "tools": [{"functionDeclarations": [{"name": "read", "parametersJsonSchema": SCHEMA}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
            "generationConfig": {"maxOutputTokens": 100, "stopSequences": ["END", "STOP"]},
        },
    }


@pytest.mark.parametrize(
    ("page", "status", "kind"),
    [
        (body(error(429, "RESOURCE_EXHAUSTED")), 429, "rate_limited"),
        (b"<html>502 Bad Gateway</html>", 502, "unavailable"),
        (b"{}", 200, "truncated"),
        (b'{"totalTokens": -1}', 200, "truncated"),
        (b'{"totalTokens": "many"}', 200, "truncated"),
        (b"[1]", 200, "truncated"),
        (b"no JSON", 200, "truncated"),
    ],
)
def test_a_count_that_fails_bills_nothing(
    line: Line, page: bytes, status: int, kind: FailureKind
) -> None:
    counted = line.counted(page, status=status)
    assert isinstance(counted, Failed)
    assert (counted.kind, counted.billed) == (kind, "no")
    assert len(line.provider.posts) == 1


def test_an_answer_is_metered_spoken_and_ended(line: Line) -> None:
    events = line.heard(
        sse(
            reply("Hel", candidatesTokenCount=1),
            reply("lo", ", you", finish="STOP", candidatesTokenCount=4),
        ),
    )
    assert events == [
        metered(fresh_input=10, output=1),
        Delta("Hel"),
        metered(fresh_input=10, output=4),
        Delta("lo"),
        Delta(", you"),
        Ended(finish="stop"),
    ]


def test_thoughts_are_not_spoken_but_thought(line: Line) -> None:
    events = line.heard(
        sse(
            said({"text": "Hm", "thought": True}),
            said({"text": ".", "thought": True, "thoughtSignature": "aGk/"}),
            said({"text": "Hi"}, finish="STOP"),
        )
    )
    assert events == [
        ThoughtDelta(text="Hm"),
        ThoughtDelta(text=".", signature="aGk/"),
        Delta("Hi"),
        Ended(finish="stop"),
    ]


def test_a_signature_on_text_comes_after_it_without_a_text_of_its_own(line: Line) -> None:
    events = line.heard(
        sse(
            said({"text": "Hi", "thoughtSignature": "c2ln"}),
            said({"text": "", "thoughtSignature": "bGFzdA=="}, finish="STOP"),
        )
    )
    assert events == [
        Delta("Hi"),
        ThoughtDelta(text="", signature="c2ln"),
        ThoughtDelta(text="", signature="bGFzdA=="),
        Ended(finish="stop"),
    ]


def test_calls_come_whole_and_end_a_turn_of_tools(line: Line) -> None:
    first = {"id": "fc_1", "name": "weather", "args": {"place": "Köln", "in_days": None}}
    events = line.heard(
        sse(
            said({"text": "I look."}),
            said({"functionCall": first, "thoughtSignature": "c2ln"}, {"functionCall": NAMED}),
            said({"functionCall": NAMED}, finish="STOP"),
        )
    )
    assert events == [
        Delta("I look."),
        ToolDelta(
            index=0,
            id="fc_1",
            name="weather",
            arguments='{"place":"Köln","in_days":null}',
            signature="c2ln",
        ),
        ToolDelta(index=1, id="call_resp_1_1", name="now", arguments="{}"),
        ToolDelta(index=2, id="call_resp_1_2", name="now", arguments="{}"),
        Ended(finish="tool_use"),
    ]


def test_a_call_without_any_id_is_named_after_its_attempt(line: Line) -> None:
    told = said({"functionCall": NAMED}, finish="STOP")
    del told["responseId"]
    events = line.heard(sse(told))
    assert events[0] == ToolDelta(index=0, id="call_att_1_0", name="now", arguments="{}")


def test_calls_cut_at_the_limit_are_no_turn_of_tools(line: Line) -> None:
    events = line.heard(sse(said({"functionCall": NAMED}, finish="MAX_TOKENS")))
    assert events[-1] == Ended(finish="length")


def test_a_call_of_nothing_is_unusable(line: Line) -> None:
    events = line.heard(sse(said({"functionCall": {"args": {}}}, finish="STOP")))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


def test_thoughts_alone_are_no_answer(line: Line) -> None:
    events = line.heard(sse(said({"text": "Hm.", "thought": True}, finish="STOP")))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


def test_what_was_said_is_sent_back_as_it_was_signed(line: Line) -> None:
    parts: tuple[JsonObject, ...] = (
        {"text": "Hm.", "thought": True, "thoughtSignature": "aGk/aGk+"},
        {"text": "Hi"},
        {"text": "", "thoughtSignature": "c2ln"},
        {
            "functionCall": {"id": "a", "name": "now", "args": {"time_zone": None}},
            "thoughtSignature": "bGFzdA==",
        },
        {"functionCall": {"id": "b", "name": "now", "args": {}}},
    )
    assembly = Assembly(by="google")
    for event in line.heard(sse(said(*parts, finish="STOP"))):
        if isinstance(event, Delta | ThoughtDelta | ToolDelta):
            assembly.add(event)
    answered = Message(speaker="assistant", parts=assembly.parts)
    line.heard(WHOLE, prompt=replace(BARE, messages=(turn("user", "Hi"), answered)))
    assert line.provider.posts[0].body["contents"][1]["parts"] == list(parts)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
    ],
)
def test_a_finish_reason_becomes_ours(line: Line, reason: str, finish: FinishReason) -> None:
    events = line.heard(sse(reply("Hi", finish=reason)))
    assert events[-1] == Ended(finish=finish)


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "SAFETY"])
def test_a_limit_or_a_filter_may_leave_nothing_to_say(line: Line, reason: str) -> None:
    events = line.heard(sse(reply(finish=reason)))
    assert isinstance(events[-1], Ended)


@pytest.mark.parametrize(
    "reason",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
        "LANGUAGE",
        "ESCALATION",
        "PUP_LIMITED_DISABLED",
        "OTHER",
    ],
)
def test_an_answer_that_ended_for_another_reason_is_unusable_and_billed_as_counted(
    line: Line, reason: str
) -> None:
    events = line.heard(sse(reply("Hi", finish=reason)))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


@pytest.mark.filterwarnings("ignore:BRAND_NEW is not a valid FinishReason")
def test_a_reason_nobody_knows_yet_is_unusable_and_billed_as_counted(line: Line) -> None:
    events = line.heard(sse(reply("Hi", finish="BRAND_NEW")))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


def test_a_stop_without_text_is_empty(line: Line) -> None:
    events = line.heard(sse(reply(finish="STOP", candidatesTokenCount=0)))
    assert events[0] == metered(fresh_input=10)
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


def test_a_blocked_prompt_is_filtered(line: Line) -> None:
    blocked = {
        "promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 10},
        "responseId": "resp_1",
    }
    events = line.heard(sse(blocked))
    assert events == [metered(fresh_input=10), Ended(finish="content_filter")]


def test_an_answer_that_would_go_on_is_not_continued(line: Line) -> None:
    unfinished = reply("Hi", finish="CONTINUATION")
    events = line.heard(sse({**unfinished, "continuationToken": "more"}))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")
    assert len(line.provider.posts) == 1


def test_cached_tokens_are_taken_out_of_the_prompt_and_thoughts_added_to_the_output(
    line: Line,
) -> None:
    counted = {
        "promptTokenCount": 1_000,
        "cachedContentTokenCount": 300,
        "toolUsePromptTokenCount": 20,
        "candidatesTokenCount": 40,
        "thoughtsTokenCount": 60,
        "totalTokenCount": 1_120,
    }
    events = line.heard(sse(reply("Hi", finish="STOP", **counted)))
    assert events[0] == metered(fresh_input=720, cache_read=300, output=100, thinking=60)


def test_more_cached_than_sent_leaves_nothing_fresh(line: Line) -> None:
    events = line.heard(
        sse(reply("Hi", finish="STOP", promptTokenCount=10, cachedContentTokenCount=25))
    )
    assert events[0] == metered(cache_read=25, output=5)


def test_counts_below_zero_are_doubted(line: Line) -> None:
    counts = {"promptTokenCount": -10, "candidatesTokenCount": -1, "thoughtsTokenCount": -2}
    events = line.heard(sse(reply("Hi", finish="STOP", **counts)))
    assert events[0] == replace(metered(), is_doubtful=True)


@pytest.mark.parametrize("part", [{"text": "", "thought": True}, {"executableCode": {"code": "1"}}])
def test_a_reply_of_nothing_that_is_shown_is_a_sign_of_life(line: Line, part: JsonObject) -> None:
    events = line.heard(sse(said(part), reply("Hi", finish="STOP")))
    assert events[0] == Alive()


def test_the_attempts_id_goes_along(line: Line) -> None:
    line.heard(WHOLE)
    (post,) = line.provider.posts
    assert post.headers["x-client-request-id"] == "att_1"


def test_an_answer_without_counts_is_whole_and_not_metered(line: Line) -> None:
    told = reply("Hi", finish="STOP")
    del told["usageMetadata"]
    events = line.heard(sse(told))
    assert events == [Delta("Hi"), Ended(finish="stop")]


def test_calls_one_after_the_other_share_a_connection(line: Line) -> None:
    line.provider.answers(WHOLE, headers={"connection": "keep-alive"})
    for _ in range(3):
        assert line.runner.run(ask(line.clients[LIMITS]))[-1] == Ended(finish="stop")
    assert (len(line.provider.posts), line.provider.connections) == (3, 1)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (429, "RESOURCE_EXHAUSTED", "rate_limited"),
        (503, "UNAVAILABLE", "overloaded"),
        (500, "INTERNAL", "unavailable"),
        (504, "DEADLINE_EXCEEDED", "timeout"),
        (401, "UNAUTHENTICATED", "unauthorised"),
        (403, "PERMISSION_DENIED", "unauthorised"),
        (404, "NOT_FOUND", "bad_request"),
        (400, "INVALID_ARGUMENT", "bad_request"),
        (400, "FAILED_PRECONDITION", "bad_request"),
        (402, "RESOURCE_EXHAUSTED", "exhausted"),
        (501, "BRAND_NEW", "unavailable"),
        (418, "BRAND_NEW", "bad_request"),
    ],
)
def test_a_refused_call_is_one_post_that_bills_nothing(
    line: Line, code: int, status: str, kind: FailureKind
) -> None:
    events = line.heard(body(error(code, status)), status=code)
    (only,) = events
    assert (failed([only]).kind, failed([only]).billed) == (kind, "no")
    assert len(line.provider.posts) == 1


@pytest.mark.parametrize(
    "page",
    [b"<html>502 Bad Gateway</html>", b"", b"null", b'"no"', b"[1]", b'{"error":5}'],
)
def test_a_server_error_in_any_other_form_is_unavailable(line: Line, page: bytes) -> None:
    events = line.heard(page, status=502)
    assert (failed(events).kind, failed(events).billed) == ("unavailable", "no")
    assert len(line.provider.posts) == 1


def test_an_error_status_that_is_no_text_is_judged_by_its_code(line: Line) -> None:
    events = line.heard(b'{"error": {"status": ["x"], "message": 5}}', status=500)
    assert (failed(events).kind, failed(events).billed) == ("unavailable", "no")


def test_a_key_that_is_not_valid_is_unauthorised(line: Line) -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    told = error(400, "INVALID_ARGUMENT", "API key not valid.", reason)
    events = line.heard(body(told), status=400)
    assert failed(events).kind == "unauthorised"


def test_a_spending_cap_is_exhausted_and_no_rate_limit(line: Line) -> None:
    message = "Your project has exceeded its monthly spending cap."
    events = line.heard(body(error(429, "RESOURCE_EXHAUSTED", message)), status=429)
    assert (failed(events).kind, failed(events).billed) == ("exhausted", "no")
    assert len(line.provider.posts) == 1


def test_a_prompt_past_the_window_is_too_long(line: Line) -> None:
    message = "The input token count (1048577) exceeds the maximum number of tokens allowed."
    events = line.heard(body(error(400, "INVALID_ARGUMENT", message)), status=400)
    assert failed(events).kind == "too_long"


@pytest.mark.parametrize(
    ("details", "seconds"),
    [
        ([{"retryDelay": "27s"}], 27.0),
        ([{"reason": "RATE_LIMIT"}, {"retryDelay": "0.5s"}], 0.5),
        ([{"retryDelay": "soon"}], None),
        ([{"retryDelay": 27}], None),
        (["text"], None),
        ([], None),
    ],
)
def test_the_seconds_to_wait_are_read_from_the_details(
    line: Line, details: list[object], seconds: float | None
) -> None:
    told = error(429, "RESOURCE_EXHAUSTED", "No.", *details)
    events = line.heard(body(told), status=429)
    assert failed(events).retry_after_s == seconds


def test_a_message_is_cut_and_does_not_quote_the_key(line: Line) -> None:
    leaky = error(500, "INTERNAL", f"key {KEY} refused. " + "trace " * 1_000)
    events = line.heard(body(leaky), status=500)
    message = failed(events).message
    assert message.startswith("INTERNAL: key [key] refused. trace")
    assert len(message) == 500


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        (503, "UNAVAILABLE", "overloaded"),
        (500, "INTERNAL", "unavailable"),
        (429, "RESOURCE_EXHAUSTED", "rate_limited"),
    ],
)
def test_an_error_inside_a_stream_may_be_billed(
    line: Line, code: int, status: str, kind: FailureKind
) -> None:
    events = line.heard(sse(reply("Hi"), error(code, status)))
    assert events[1] == Delta("Hi")
    assert (failed(events).kind, failed(events).billed) == (kind, "maybe")
    assert len(line.provider.posts) == 1


def test_an_error_in_place_of_an_answer_bills_nothing(line: Line) -> None:
    events = line.heard(sse(error(503, "UNAVAILABLE")))
    (only,) = events
    assert (failed([only]).kind, failed([only]).billed) == ("overloaded", "no")


@pytest.mark.parametrize("parts", [(), (sse(reply("Hi")),)])
def test_a_clean_end_without_a_finish_reason_is_truncated(
    line: Line, parts: tuple[bytes, ...]
) -> None:
    events = line.heard(*parts)
    assert (failed(events).kind, failed(events).billed) == ("truncated", "maybe")


def test_a_connection_cut_inside_the_answer_is_one_post_that_may_be_billed(
    line: Line,
) -> None:
    events = line.heard(sse(reply("Hi")), end="cut")
    assert events[:2] == [metered(fresh_input=10, output=5), Delta("Hi")]
    assert (failed(events).kind, failed(events).billed) == ("truncated", "maybe")
    assert len(line.provider.posts) == 1


def test_a_reset_after_the_post_may_be_billed(line: Line) -> None:
    events = line.heard(end="reset")
    (only,) = events
    assert (failed([only]).kind, failed([only]).billed) == ("unreachable", "maybe")
    assert len(line.provider.posts) == 1


def test_a_refused_connection_fails_at_once_and_bills_nothing() -> None:
    async def main() -> list[ProviderEvent]:
        with socket.socket() as shut:
            shut.bind(("127.0.0.1", 0))
            gemini = Gemini(KEY, f"http://127.0.0.1:{shut.getsockname()[1]}", LIMITS)
            async with asyncio.timeout(1):
                events = await ask(gemini)
            await gemini.close()
            return events

    (only,) = asyncio.run(main())
    assert (failed([only]).kind, failed([only]).billed) == ("unreachable", "no")


@pytest.mark.parametrize(
    ("parts", "end"), [((), "mute"), ((), "silent"), ((sse(reply("Hi")),), "silent")]
)
def test_silence_after_the_post_is_a_timeout_that_may_be_billed(
    line: Line, parts: tuple[bytes, ...], end: str
) -> None:
    events = line.heard(*parts, end=end, limits=HASTY)
    assert (failed(events).kind, failed(events).billed) == ("timeout", "maybe")
    assert len(line.provider.posts) == 1


def test_a_redirect_is_not_followed_and_the_key_not_passed_on(
    line: Line, listening: "Listening"
) -> None:
    async def main() -> "tuple[list[ProviderEvent], Provider]":
        async with listening() as elsewhere:
            elsewhere.answers(WHOLE)
            line.provider.answers(
                status=307,
                headers={"location": f"{elsewhere.url}/v1/models/m:streamGenerateContent"},
            )
            return await ask(line.clients[LIMITS]), elsewhere

    events, elsewhere = line.runner.run(main())
    assert (failed(events).kind, failed(events).billed) == ("unavailable", "no")
    assert len(line.provider.posts) == 1
    assert (elsewhere.posts, elsewhere.connections) == ([], 0)


UNREADABLE: dict[str, bytes] = {
    "half a line": b'data: {"candidates": [{"cont\r\n\r\n',
    "a list": b"data: [1]\r\n\r\n",
    "a text": b'data: "x"\r\n\r\n',
    "a number": b"data: 5\r\n\r\n",
    "null": b"data: null\r\n\r\n",
    "candidates that are text": b'data: {"candidates": "x"}\r\n\r\n',
    "candidates that are numbers": b'data: {"candidates": [5]}\r\n\r\n',
    "counts that are text": b'data: {"usageMetadata": {"promptTokenCount": "x"}}\r\n\r\n',
    "a finish reason that is a number": b'data: {"candidates": [{"finishReason": 5}]}\r\n\r\n',
    "an error without a code": b'data: {"error": {}}\r\n\r\n',
    "an error that is text": b'data: {"error": "x"}\r\n\r\n',
    "bytes that are no text": b"data: \xff\r\n\r\n",
    "a page": b"<html>Welcome</html>\n",
    "nesting without end": b"data: " + b"[" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_reply_is_a_failure_and_no_exception(line: Line, case: str) -> None:
    events = line.heard(UNREADABLE[case])
    assert (failed(events).kind, failed(events).billed) == ("truncated", "maybe")
    assert not any(isinstance(event, Ended) for event in events)
