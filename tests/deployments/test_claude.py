"""Claude's adapter against a server on loopback; the bytes follow the API's documentation."""

import asyncio
import json
import socket
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from deployments.claude import Claude
from deployments.provider import Alive, Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Prompt, ThoughtDelta
from tercet.rules import Limits
from tercet.task import turn
from tercet.usage import Usage

if TYPE_CHECKING:
    from conftest import Listening, Provider

KEY = "sk-ant-0123456789"
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

STOP = {"type": "message_stop"}


def start(**usage: object) -> dict[str, object]:
    counted = {"input_tokens": 10, "output_tokens": 1, **usage}
    message: dict[str, object] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counted,
    }
    return {"type": "message_start", "message": message}


def piece(kind: str, **fields: object) -> dict[str, object]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **fields}}


def text(said: str) -> dict[str, object]:
    return piece("text_delta", text=said)


def ending(stop_reason: str | None = "end_turn", **usage: object) -> dict[str, object]:
    counted = {"output_tokens": 5, **usage}
    return {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": None},
        "usage": counted,
    }


def error(kind: str, message: str = "No.", **about: object) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message, **about}}


def sse(*events: dict[str, Any]) -> bytes:
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return "".join(lines).encode()


def body(fields: dict[str, object]) -> bytes:
    return json.dumps(fields).encode()


WHOLE = sse(start(), text("Hel"), text("lo"), ending(), STOP)


class Line:
    """A provider and its clients, which last: to make a client takes longer than a test."""

    def __init__(self, runner: asyncio.Runner, provider: "Provider") -> None:
        self.runner = runner
        self.provider = provider
        self.clients = {limits: Claude(KEY, provider.url, limits) for limits in (LIMITS, HASTY)}

    def heard(
        self, *parts: bytes, prompt: Prompt = PROMPT, limits: Limits = LIMITS, **how: Any
    ) -> list[ProviderEvent]:
        """Ask a provider that answers so, and return what the adapter says."""
        self.provider.answers(*parts, **how)
        return self.runner.run(ask(self.clients[limits], prompt))

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


async def ask(claude: Claude, prompt: Prompt = PROMPT) -> list[ProviderEvent]:
    return [event async for event in claude.stream("claude-opus-5-5", prompt, "att_1")]


def failed(events: list[ProviderEvent]) -> Failed:
    last = events[-1]
    assert isinstance(last, Failed), last
    return last


def test_a_call_is_one_post_to_the_messages_api_with_the_key_as_bearer(
    line: Line,
) -> None:
    line.heard(WHOLE)
    (post,) = line.provider.posts
    assert post.line == "POST /v1/messages HTTP/1.1"
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert post.headers["anthropic-version"] == "2026-10-21"
    assert post.headers["content-type"] == "application/json"


def test_the_body_carries_the_whole_prompt(line: Line) -> None:
    line.heard(WHOLE)
    assert line.provider.posts[0].body == {
        "model": "claude-opus-5-5",
        "max_tokens": 100,
        "service_tier": "standard_only",
        "system": "Be brief.",
        "stop_sequences": ["END", "STOP"],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Grüße"},
        ],
        "stream": True,
    }


def test_a_bare_prompt_sends_neither_system_nor_stop_sequences(line: Line) -> None:
    line.heard(WHOLE, prompt=BARE)
    assert line.provider.posts[0].body == {
        "model": "claude-opus-5-5",
        "max_tokens": 7,
        "service_tier": "standard_only",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }


def test_an_answer_is_metered_spoken_and_ended(line: Line) -> None:
    events = line.heard(WHOLE)
    assert events == [
        Metered(usage=Usage(fresh_input=10, output=1), upstream_id="msg_1"),
        Delta("Hel"),
        Delta("lo"),
        Metered(usage=Usage(fresh_input=10, output=5), upstream_id="msg_1"),
        Ended(finish="stop"),
    ]


def test_what_is_not_text_is_not_spoken(line: Line) -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}}
    events = line.heard(
        sse(
            start(),
            {"type": "ping"},
            block,
            piece("thinking_delta", thinking="Hm."),
            piece("signature_delta", signature="c2ln"),
            piece("input_json_delta", partial_json='{"a":'),
            {"type": "content_block_stop", "index": 0},
            {"type": "brand_new_event", "value": 1},
            text("Hello"),
            ending(),
            STOP,
        ),
    )
    assert events[1:-2] == [
        ThoughtDelta(text="Hm."),
        ThoughtDelta(text="", signature="c2ln"),
        Alive(),
        Delta("Hello"),
    ]
    assert events[-1] == Ended(finish="stop")


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
    ],
)
def test_a_stop_reason_becomes_a_finish_reason(
    line: Line, stop_reason: str, finish: FinishReason
) -> None:
    events = line.heard(sse(start(), text("Hi"), ending(stop_reason), STOP))
    assert events[-1] == Ended(finish=finish)


def test_a_refusal_without_content_ends_filtered(line: Line) -> None:
    events = line.heard(sse(start(), ending("refusal", output_tokens=0), STOP))
    assert events[-1] == Ended(finish="content_filter")


@pytest.mark.parametrize("stop_reason", ["pause_turn", "tool_use", "brand_new_reason"])
def test_a_stop_that_waits_for_something_unsaid_is_unusable_and_billed_as_counted(
    line: Line, stop_reason: str
) -> None:
    events = line.heard(sse(start(), text("Hi"), ending(stop_reason), STOP))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


def test_an_end_of_turn_without_text_is_empty(line: Line) -> None:
    events = line.heard(sse(start(), ending(output_tokens=0), STOP))
    assert (failed(events).kind, failed(events).billed) == ("empty", "as_metered")


@pytest.mark.parametrize("stop_reason", ["stop_sequence", "max_tokens"])
def test_a_stop_sequence_or_a_limit_may_leave_nothing_to_say(line: Line, stop_reason: str) -> None:
    events = line.heard(sse(start(), ending(stop_reason), STOP))
    assert isinstance(events[-1], Ended)


def test_an_end_without_a_reason_lacks_the_final_count_and_may_be_billed(line: Line) -> None:
    events = line.heard(sse(start(), text("Hi"), STOP))
    assert (failed(events).kind, failed(events).billed) == ("empty", "maybe")


def test_cache_writes_are_split_as_the_opening_says(line: Line) -> None:
    split = {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 700}
    opening = start(
        input_tokens=10,
        cache_read_input_tokens=2_000,
        cache_creation_input_tokens=1_000,
        cache_creation=split,
    )
    totals = ending(
        input_tokens=10, cache_read_input_tokens=2_000, cache_creation_input_tokens=1_000
    )
    events = line.heard(sse(opening, text("Hi"), totals, STOP))
    usage = Usage(
        fresh_input=10, cache_read=2_000, cache_write_5m=300, cache_write_1h=700, output=1
    )
    metered = [event.usage for event in events if isinstance(event, Metered)]
    assert metered[0] == usage
    assert metered[1] == usage + Usage(output=4)


def test_cache_writes_without_a_split_last_five_minutes(line: Line) -> None:
    opening = start(cache_creation_input_tokens=1_000, cache_creation=None)
    events = line.heard(sse(opening, text("Hi"), ending(), STOP))
    assert events[-2] == Metered(
        usage=Usage(fresh_input=10, cache_write_5m=1_000, output=5), upstream_id="msg_1"
    )


def test_counts_of_the_ending_replace_those_of_the_opening(line: Line) -> None:
    opening = start(cache_read_input_tokens=1, output_tokens=80)
    totals = ending(input_tokens=20, cache_read_input_tokens=30, output_tokens=40)
    events = line.heard(sse(opening, text("Hi"), totals, STOP))
    assert events[-2] == Metered(
        usage=Usage(fresh_input=20, cache_read=30, output=40), upstream_id="msg_1"
    )


def test_thinking_is_a_part_of_the_output(line: Line) -> None:
    totals = ending(output_tokens=50, output_tokens_details={"thinking_tokens": 45})
    events = line.heard(sse(start(), text("Hi"), totals, STOP))
    assert events[-2] == Metered(
        usage=Usage(fresh_input=10, output=50, thinking=45), upstream_id="msg_1"
    )


def test_counts_below_zero_are_doubted(line: Line) -> None:
    opening = start(input_tokens=-10, output_tokens=-1, cache_read_input_tokens=-5)
    events = line.heard(sse(opening, text("Hi"), ending(output_tokens=-2), STOP))
    assert events[-2] == Metered(usage=Usage(), upstream_id="msg_1", is_doubtful=True)


def test_the_attempts_id_goes_along(line: Line) -> None:
    line.heard(sse(start(), text("Hi"), ending(), STOP))
    (post,) = line.provider.posts
    assert post.headers["x-client-request-id"] == "att_1"


def test_an_answer_without_counts_is_whole_and_not_metered(line: Line) -> None:
    opening = {"type": "message_start", "message": {"id": "msg_1", "type": "message"}}
    unmetered = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    events = line.heard(sse(opening, text("Hi"), unmetered, STOP))
    assert events == [Delta("Hi"), Ended(finish="stop")]


def test_calls_one_after_the_other_share_a_connection(line: Line) -> None:
    line.provider.answers(
        sse(start(), text("Hi")), sse(ending()), sse(STOP), headers={"connection": "keep-alive"}
    )
    for _ in range(3):
        assert line.runner.run(ask(line.clients[LIMITS]))[-1] == Ended(finish="stop")
    assert (len(line.provider.posts), line.provider.connections) == (3, 1)


def test_an_answer_whose_body_never_ends_is_whole_all_the_same(line: Line) -> None:
    events = line.heard(WHOLE, end="silent")
    assert events[-1] == Ended(finish="stop")


def test_an_answer_that_is_cut_after_its_last_event_is_whole(line: Line) -> None:
    events = line.heard(WHOLE, end="cut")
    assert events[-1] == Ended(finish="stop")


@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (529, "overloaded_error", "overloaded"),
        (429, "rate_limit_error", "rate_limited"),
        (402, "billing_error", "exhausted"),
        (401, "authentication_error", "unauthorised"),
        (403, "permission_error", "unauthorised"),
        (404, "not_found_error", "bad_request"),
        (400, "invalid_request_error", "bad_request"),
        (413, "request_too_large", "too_long"),
        (504, "timeout_error", "timeout"),
        (500, "api_error", "unavailable"),
        (503, "brand_new_error", "unavailable"),
        (418, "brand_new_error", "bad_request"),
    ],
)
def test_a_refused_call_is_one_post_that_bills_nothing(
    line: Line, status: int, type_: str, kind: FailureKind
) -> None:
    events = line.heard(body(error(type_)), status=status)
    (only,) = events
    assert (failed([only]).kind, failed([only]).billed) == (kind, "no")
    assert len(line.provider.posts) == 1


@pytest.mark.parametrize(
    "page",
    [b"<html>502 Bad Gateway</html>", b"", b"null", b'"no"', b"[1]", b"\xff", b'{"error":5}'],
)
def test_a_server_error_in_any_other_form_is_unavailable(line: Line, page: bytes) -> None:
    events = line.heard(page, status=502)
    assert (failed(events).kind, failed(events).billed) == ("unavailable", "no")
    assert len(line.provider.posts) == 1


def test_an_error_type_that_is_no_text_is_judged_by_its_status(line: Line) -> None:
    events = line.heard(b'{"error": {"type": ["x"], "message": 5}}', status=500)
    assert (failed(events).kind, failed(events).billed) == ("unavailable", "no")


def test_a_spending_limit_is_exhausted_and_no_rate_limit(line: Line) -> None:
    limit = error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})
    events = line.heard(body(limit), status=429)
    assert (failed(events).kind, failed(events).billed) == ("exhausted", "no")
    assert len(line.provider.posts) == 1


def test_a_prompt_past_the_window_is_too_long(line: Line) -> None:
    message = "prompt is too long: 1000001 tokens > 1000000 maximum"
    events = line.heard(body(error("invalid_request_error", message)), status=400)
    assert failed(events).kind == "too_long"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("Mon, 23 Nov 2020 09:00:00 GMT", 0.0),
    ],
)
def test_the_seconds_to_wait_are_read_where_they_are_a_number_or_a_date(
    line: Line, value: str, seconds: float | None
) -> None:
    limited = body(error("rate_limit_error"))
    events = line.heard(limited, status=429, headers={"retry-after": value})
    assert failed(events).retry_after_s == seconds


def test_a_message_is_cut_and_does_not_quote_the_key(line: Line) -> None:
    leaky = body(error("api_error", f"key {KEY} refused. " + "trace " * 1_000))
    events = line.heard(leaky, status=500)
    message = failed(events).message
    assert "key [key] refused" in message
    assert len(message) == 500


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("overloaded_error", "overloaded"),
        ("rate_limit_error", "rate_limited"),
        ("api_error", "unavailable"),
        ("timeout_error", "timeout"),
        ("brand_new_error", "unavailable"),
    ],
)
def test_an_error_inside_a_stream_is_judged_by_its_type_and_may_be_billed(
    line: Line, type_: str, kind: FailureKind
) -> None:
    events = line.heard(sse(start(), text("Hi"), error(type_)))
    assert events[1] == Delta("Hi")
    assert (failed(events).kind, failed(events).billed) == (kind, "maybe")
    assert len(line.provider.posts) == 1


def test_an_error_in_place_of_an_answer_bills_nothing(line: Line) -> None:
    events = line.heard(sse(error("overloaded_error")))
    (only,) = events
    assert (failed([only]).kind, failed([only]).billed) == ("overloaded", "no")


@pytest.mark.parametrize(
    "parts", [(), (sse(start(), text("Hi")),), (WHOLE[: WHOLE.index(b"event: message_stop")],)]
)
def test_a_clean_end_without_the_last_event_is_truncated(
    line: Line, parts: tuple[bytes, ...]
) -> None:
    events = line.heard(*parts)
    assert (failed(events).kind, failed(events).billed) == ("truncated", "maybe")


def test_a_connection_cut_inside_the_answer_is_one_post_that_may_be_billed(
    line: Line,
) -> None:
    events = line.heard(sse(start(), text("Hi")), end="cut")
    assert events[:2] == [
        Metered(usage=Usage(fresh_input=10, output=1), upstream_id="msg_1"),
        Delta("Hi"),
    ]
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
            claude = Claude(KEY, f"http://127.0.0.1:{shut.getsockname()[1]}", LIMITS)
            async with asyncio.timeout(1):
                events = await ask(claude)
            await claude.close()
            return events

    (only,) = asyncio.run(main())
    assert (failed([only]).kind, failed([only]).billed) == ("unreachable", "no")


@contextmanager
def full_house() -> Generator[str]:
    """Yield the address of a server whose queue of connections is full."""
    with ExitStack() as sockets:
        server = sockets.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_connection_that_nobody_accepts_bills_nothing() -> None:
    async def main(url: str) -> list[ProviderEvent]:
        claude = Claude(KEY, url, HASTY)
        events = await ask(claude)
        await claude.close()
        return events

    with full_house() as url:
        (only,) = asyncio.run(main(url))
    assert (failed([only]).kind, failed([only]).billed) == ("unreachable", "no")


@pytest.mark.parametrize(
    ("parts", "end"), [((), "mute"), ((), "silent"), ((sse(start(), text("Hi")),), "silent")]
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
            line.provider.answers(status=307, headers={"location": f"{elsewhere.url}/v1/messages"})
            return await ask(line.clients[LIMITS]), elsewhere

    events, elsewhere = line.runner.run(main())
    assert (failed(events).kind, failed(events).billed) == ("unavailable", "no")
    assert len(line.provider.posts) == 1
    assert (elsewhere.posts, elsewhere.connections) == ([], 0)


UNREADABLE: dict[str, bytes] = {
    "half a line": b'event: content_block_delta\ndata: {"type": "content_block_delta", "ind\n\n',
    "a list": b"event: message_start\ndata: [1]\n\n",
    "a text": b'event: message_start\ndata: "x"\n\n',
    "nothing of an opening": b'event: message_start\ndata: {"type": "message_start"}\n\n',
    "counts that are text": sse(start(input_tokens="10")),
    "counts that are null": sse(start(input_tokens=None)),
    "usage that is text": sse(
        {"type": "message_start", "message": {"id": "msg_1", "usage": "none"}}
    ),
    "a delta without content": sse(start(), {"type": "content_block_delta", "index": 0}),
    "an ending without content": sse(start(), {"type": "message_delta"}),
    "a stop reason that is a list": sse(
        start(), {**ending(), "delta": {"stop_reason": ["end_turn"]}}, STOP
    ),
    "bytes that are no text": b"event: message_start\ndata: \xff\n\n",
    "a page": b"<html>Welcome</html>",
    "nesting without end": b"event: message_start\ndata: " + b"[" * 100_000 + b"\n\n",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_event_is_a_failure_and_no_exception(line: Line, case: str) -> None:
    events = line.heard(UNREADABLE[case])
    assert (failed(events).kind, failed(events).billed) == ("truncated", "maybe")
    assert not any(isinstance(event, Ended) for event in events)


def test_an_error_is_told_in_the_apis_own_words_alone(line: Line) -> None:
    told = body(error("overloaded_error", "Come back later."))
    assert failed(line.heard(told, status=529)).message == "overloaded_error: Come back later."
    assert failed(line.heard(b"<html>", status=502)).message == "502: <html>"
