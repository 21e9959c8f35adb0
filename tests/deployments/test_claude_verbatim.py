"""Requests in Claude's own words, through a server on loopback and back."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from deployments.claude import Claude
from deployments.provider import Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, Prompt, Raw
from tercet.content import Verbatim
from tercet.rules import Limits
from tercet.task import turn
from tercet.usage import Usage

if TYPE_CHECKING:
    from conftest import Listening, Provider

KEY = "sk-ant-0123456789"
LIMITS = Limits(deadline_s=60, connect_s=10, first_event_s=10, between_events_s=10)
HASTY = Limits(deadline_s=60, connect_s=10, first_event_s=0.05, between_events_s=10)
OPUS = "claude-opus-5-5"
ASKED = b'{ "model":"claude-opus-5-5", "max_tokens":9,"new":{"\xc3\xbc":1.50},"stream":true }'
HEADERS = {"anthropic-version": "2023-06-01", "anthropic-beta": "effort-2025-11-24,new-2027"}

START = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","usage":'
    b'{"input_tokens":10,"output_tokens":1}}}\n\n'
)
SAYING = (
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"Hi"}}\n\n'
)
ENDING = (
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},'
    b'"usage":{"output_tokens":5}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
BUSY = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"B"}}\n\n'
OPENED = Metered(usage=Usage(fresh_input=10, output=1), upstream_id="msg_1")
COUNTED = Metered(usage=Usage(fresh_input=10, output=5), upstream_id="msg_1")
MESSAGE = (
    b'{"id":"msg_1","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn",'
    b'"usage":{"input_tokens":10,"output_tokens":5}}'
)


def prompt(body: bytes = ASKED, *, stream: bool = True) -> Prompt:
    return Prompt(
        system="Not sent.",
        messages=(turn("user", "Not sent."),),
        max_output_tokens=100,
        verbatim=Verbatim(
            provider="anthropic",
            body=body,
            headers=HEADERS,
            stream=stream,
            query={"beta": "true"},
        ),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A provider and a client of it."""

    runner: asyncio.Runner
    provider: "Provider"
    clients: dict[Limits, Claude]

    def heard(
        self, *parts: bytes, asked: Prompt | None = None, limits: Limits = LIMITS, **how: Any
    ) -> list[ProviderEvent]:
        self.provider.answers(*parts, **how)
        return self.runner.run(ask(self.clients[limits], asked or prompt()))

    def counted(self, *parts: bytes, asked: Prompt | None = None, **how: Any) -> int | Failed:
        self.provider.answers(*parts, **how)
        return self.runner.run(self.clients[LIMITS].count(OPUS, asked or prompt()))


@pytest.fixture(scope="module")
def line(listening: "Listening") -> Iterator[Line]:
    with asyncio.Runner() as runner:
        serving = listening()
        provider = runner.run(serving.__aenter__())
        clients = {limits: Claude(KEY, provider.url, limits) for limits in (LIMITS, HASTY)}
        yield Line(runner, provider, clients)
        for client in clients.values():
            runner.run(client.close())
        runner.run(serving.__aexit__(None, None, None))


async def ask(claude: Claude, asked: Prompt) -> list[ProviderEvent]:
    return [event async for event in claude.stream(OPUS, asked, "att_1")]


def raw(events: list[ProviderEvent]) -> bytes:
    return b"".join(event.data for event in events if isinstance(event, Raw))


def test_a_verbatim_request_is_posted_as_it_came(line: Line) -> None:
    line.heard(START, SAYING, ENDING)
    (post,) = line.provider.posts
    assert post.line == "POST /v1/messages?beta=true HTTP/1.1"
    assert post.raw == ASKED
    assert post.headers["anthropic-version"] == "2023-06-01"
    assert post.headers["anthropic-beta"] == "effort-2025-11-24,new-2027"
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert post.headers["content-type"] == "application/json"
    assert post.headers["x-client-request-id"] == "att_1"


def test_only_a_model_or_a_limit_of_another_kind_changes_the_body(line: Line) -> None:
    line.heard(START, SAYING, ENDING, asked=prompt(b'{"model":"tier1","max_tokens":200,"new":[1]}'))
    assert line.provider.posts[0].raw == (
        b'{"model": "claude-opus-5-5", "max_tokens": 100, "new": [1]}'
    )


def test_a_body_that_is_no_object_is_not_posted(line: Line) -> None:
    (failed,) = line.heard(asked=prompt(b"[1]"))
    assert failed == Failed(
        kind="bad_request", message="the request is no JSON object", billed="no"
    )
    assert line.provider.posts == []


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_the_answers_bytes_come_through_with_what_they_say(line: Line, size: int) -> None:
    wire = START + SAYING + ENDING
    events = line.heard(*(wire[n : n + size] for n in range(0, len(wire), size)))
    assert raw(events) == wire
    assert [event for event in events if not isinstance(event, Raw)] == [
        OPENED,
        Delta("Hi"),
        COUNTED,
        Ended(finish="stop"),
    ]


def test_an_error_before_content_passes_nothing_on(line: Line) -> None:
    events = line.heard(START, BUSY)
    assert events == [
        OPENED,
        Failed(kind="overloaded", message="overloaded_error: B", billed="maybe"),
    ]


def test_an_error_after_content_is_not_passed_on_itself(line: Line) -> None:
    events = line.heard(START, SAYING, BUSY)
    assert raw(events) == START + SAYING
    assert events[-1] == Failed(kind="overloaded", message="overloaded_error: B", billed="maybe")


@pytest.mark.parametrize("end", ["whole", "cut"])
def test_a_stream_without_its_last_event_is_truncated(line: Line, end: str) -> None:
    events = line.heard(START, SAYING, ENDING[:-30], end=end)
    assert raw(events).startswith(START + SAYING)
    assert b"message_stop" not in raw(events)
    last = events[-1]
    assert isinstance(last, Failed)
    assert (last.kind, last.billed) == ("truncated", "maybe")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (529, "overloaded_error", "overloaded"),
        (400, "invalid_request_error", "bad_request"),
        (413, "request_too_large", "too_long"),
        (500, "api_error", "unavailable"),
    ],
)
def test_a_refused_request_is_judged_as_any_other(
    line: Line, status: int, type_: str, kind: FailureKind, stream: bool
) -> None:
    error = f'{{"type":"error","error":{{"type":"{type_}","message":"No."}}}}'.encode()
    (failed,) = line.heard(error, status=status, asked=prompt(stream=stream))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.billed) == (kind, "no")
    assert len(line.provider.posts) == 1


def test_a_message_that_is_not_streamed_is_one_piece_of_bytes(line: Line) -> None:
    events = line.heard(MESSAGE[:20], MESSAGE[20:], asked=prompt(stream=False))
    assert events == [COUNTED, Raw(MESSAGE), Delta("Hi"), Ended(finish="stop")]


@pytest.mark.parametrize("body", [b"<html>", MESSAGE[:40], b"{}"])
def test_a_message_that_is_not_whole_is_truncated(line: Line, body: bytes) -> None:
    (failed,) = line.heard(body, asked=prompt(stream=False))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.billed) == ("truncated", "maybe")


def test_a_message_that_is_not_streamed_may_be_long_in_coming(line: Line) -> None:
    async def main() -> list[ProviderEvent]:
        released = asyncio.Event()
        line.provider.answers(released, MESSAGE)
        asyncio.get_running_loop().call_later(3 * HASTY.first_event_s, released.set)
        return await ask(line.clients[HASTY], prompt(stream=False))

    assert line.runner.run(main())[-1] == Ended(finish="stop")


def test_a_stream_that_is_silent_is_not_waited_for(line: Line) -> None:
    (failed,) = line.heard(limits=HASTY, end="silent")
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.billed) == ("timeout", "maybe")


def test_a_prompt_is_counted_in_its_own_words(line: Line) -> None:
    body = b'{"model":"claude-opus-5-5","messages":[{"role":"user","content":"Hi"}],"new":1}'
    assert line.counted(b'{"input_tokens": 12}', asked=prompt(body)) == 12
    (post,) = line.provider.posts
    assert post.line == "POST /v1/messages/count_tokens?beta=true HTTP/1.1"
    assert post.raw == body
    assert post.headers["anthropic-version"] == "2023-06-01"


def test_a_prompt_in_our_words_is_counted_without_what_only_an_answer_needs(line: Line) -> None:
    asked = Prompt(system="Be brief.", messages=(turn("user", "Hi"),), max_output_tokens=9)
    assert line.counted(b'{"input_tokens": 12}', asked=asked) == 12
    (post,) = line.provider.posts
    assert post.line == "POST /v1/messages/count_tokens HTTP/1.1"
    assert post.body == {
        "model": "claude-opus-5-5",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_a_count_that_fails_says_why_and_bills_nothing(line: Line) -> None:
    error = b'{"type":"error","error":{"type":"not_found_error","message":"No."}}'
    refused = line.counted(error, status=404)
    assert isinstance(refused, Failed)
    assert (refused.kind, refused.billed) == ("bad_request", "no")
    unread = line.counted(b"<html>")
    assert isinstance(unread, Failed)
    assert (unread.kind, unread.billed) == ("truncated", "no")
    unsent = line.counted(asked=prompt(b"[1]"))
    assert isinstance(unsent, Failed)
    assert unsent.kind == "bad_request"


def test_who_stops_listening_leaves_nothing_open(line: Line) -> None:
    async def main() -> ProviderEvent:
        line.provider.answers(START, SAYING, end="silent")
        events = line.clients[LIMITS].stream(OPUS, prompt(), "att_1")
        first = await anext(events)
        await events.aclose()
        return first

    assert line.runner.run(main()) == OPENED
    assert line.heard(START, SAYING, ENDING)[-1] == Ended(finish="stop")
