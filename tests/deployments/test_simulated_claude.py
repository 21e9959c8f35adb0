"""The simulated Claude, seen through the vendor's SDK over a real socket."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import anthropic
import httpx2
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from fakes.upstreams import Upstream, upstreams

HAIKU = "claude-haiku-5-5"
SUM = "What is 17*23?"  # 14 bytes: 3 tokens
ANSWER = "[simulated] 17 * 23 = 391."  # 26 bytes: 7 tokens


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with upstreams(tmp_path_factory.mktemp("simulated")) as started:
        yield started


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One client for all tests: each takes a while to make."""

    runner: asyncio.Runner
    claude: anthropic.AsyncAnthropic

    def ask(self, text: str, **more: object) -> Message:
        asked = {"model": HAIKU, "max_tokens": 1_000, **more}
        messages = [{"role": "user", "content": text}]
        return self.runner.run(self.claude.messages.create(messages=messages, **asked))

    def stream(
        self, text: str, *, seen: list[RawMessageStreamEvent] | None = None
    ) -> list[RawMessageStreamEvent]:
        """Return all events; those before an error are left in `seen`."""
        events = [] if seen is None else seen

        async def reading() -> None:
            messages = [{"role": "user", "content": text}]
            async with await self.claude.messages.create(
                model=HAIKU, max_tokens=1_000, messages=messages, stream=True
            ) as opened:
                async for event in opened:
                    events.append(event)

        self.runner.run(reading())
        return events


@pytest.fixture(scope="module")
def caller(upstream: Upstream) -> Iterator[Caller]:
    claude = anthropic.AsyncAnthropic(
        base_url=upstream.url,
        api_key="x",
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(follow_redirects=False),
    )
    with asyncio.Runner() as runner:
        yield Caller(runner=runner, claude=claude)
        runner.run(claude.close())


def text_of(events: list[RawMessageStreamEvent]) -> str:
    return "".join(e.delta.text for e in events if e.type == "content_block_delta")


def post(
    upstream: Upstream, body: object, path: str = "/v1/messages", **headers: str
) -> httpx2.Response:
    sent = {"x-api-key": "x", "anthropic-version": "2026-10-21"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(upstream.url + path, content=data, headers=sent, timeout=10)


def test_an_answer_is_billed_before_its_caller_has_it(upstream: Upstream, caller: Caller) -> None:
    message = caller.ask(SUM)
    assert [(block.type, block.text) for block in message.content] == [("text", ANSWER)]
    assert (message.stop_reason, message.usage.input_tokens) == ("end_turn", 3)
    line = upstream.line(message.id)
    del line["at"]
    assert line == {
        "provider": "anthropic",
        "model": "claude-haiku-5-5",
        "request_id": message.id,
        "client_request_id": None,
        "stream": False,
        "outcome": "complete",
        "fresh_input": 3,
        "cache_read": 0,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 7,
        "cost_nano_usd": 3_800,  # 3 * 100 + 7 * 500
    }


def test_a_stream_has_the_events_of_the_real_one_in_order(upstream: Upstream) -> None:
    body = {"model": HAIKU, "max_tokens": 9, "stream": True}
    response = post(upstream, {**body, "messages": [{"role": "user", "content": "1+1"}]})
    events = [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]
    assert list(dict.fromkeys(events)) == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events.count("content_block_delta") == 6  # "[simulated] " "1 " "+ " "1 " "= " "2."
    assert response.headers["x-simulated"] == "true"
    assert upstream.line(response.headers["request-id"])["outcome"] == "complete"


def test_a_stream_counts_its_output_at_the_end(upstream: Upstream, caller: Caller) -> None:
    events = caller.stream(SUM)
    assert text_of(events) == ANSWER
    assert events[0].message.usage.input_tokens == 3
    assert (events[-2].usage.output_tokens, events[-1].type) == (7, "message_stop")
    line = upstream.line(events[0].message.id)
    assert (line["stream"], line["outcome"], line["cost_nano_usd"]) == (True, "complete", 3_800)


def test_a_cached_prefix_is_written_and_then_read(upstream: Upstream, caller: Caller) -> None:
    kept = {"type": "text", "text": "k" * 400, "cache_control": {"type": "ephemeral"}}
    first = caller.ask("abcd", system=[kept], model="claude-sonnet-5-5")
    second = caller.ask("abcd", system=[kept], model="claude-sonnet-5-5")
    assert first.usage.cache_creation_input_tokens == 100
    assert (second.usage.cache_read_input_tokens, second.usage.input_tokens) == (100, 1)
    output = second.usage.output_tokens
    assert upstream.line(second.id)["cost_nano_usd"] == 100 * 100 + 2_000 + output * 10_000


def test_counting_tokens_and_listing_models_cost_nothing(
    upstream: Upstream, caller: Caller
) -> None:
    async def both() -> tuple[int, list[str]]:
        messages = [{"role": "user", "content": SUM}]
        counted = await caller.claude.messages.count_tokens(model=HAIKU, messages=messages)
        models = await caller.claude.models.list()
        return counted.input_tokens, [model.id async for model in models]

    before = len(upstream.lines())
    assert caller.runner.run(both()) == (
        3,
        ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
    )
    assert len(upstream.lines()) == before


@pytest.mark.parametrize(
    ("scenario", "error", "told"),
    [
        ("rate", anthropic.RateLimitError, (429, "rate_limit_error")),
        ("spend-limit", anthropic.RateLimitError, (429, "rate_limit_error")),
        ("payment", anthropic.PaymentRequiredError, (402, "billing_error")),
        ("overloaded", anthropic.OverloadedError, (529, "overloaded_error")),
        ("e500", anthropic.InternalServerError, (500, "api_error")),
        ("e502", anthropic.InternalServerError, (502, None)),
        ("e503", anthropic.ServiceUnavailableError, (503, "api_error")),
        ("e504", anthropic.GatewayTimeoutError, (504, "timeout_error")),
        ("bad-key", anthropic.AuthenticationError, (401, "authentication_error")),
        ("too-long", anthropic.BadRequestError, (400, "invalid_request_error")),
        ("redirect", anthropic.APIStatusError, (307, None)),
    ],
)
def test_a_refused_post_is_the_sdks_own_error_and_costs_nothing(
    upstream: Upstream,
    caller: Caller,
    scenario: str,
    error: type[anthropic.APIStatusError],
    told: tuple[int, str | None],
) -> None:
    seen = len(upstream.lines())
    with pytest.raises(error) as raised:
        caller.ask(f"{SUM} sim:{scenario}")
    assert (raised.value.status_code, raised.value.type) == told
    (line,) = upstream.lines()[seen:]
    assert (line["outcome"], line["cost_nano_usd"]) == (f"failed:{scenario}", 0)


@pytest.mark.parametrize("value", ["1", "6", "3600", "-5", "NaN", "abc"])
def test_the_prompt_chooses_the_value_of_retry_after(caller: Caller, value: str) -> None:
    with pytest.raises(anthropic.RateLimitError) as raised:
        caller.ask(f"hi sim:rate={value}")
    assert raised.value.response.headers["retry-after"] == value


def test_retry_after_can_be_a_date(caller: Caller) -> None:
    with pytest.raises(anthropic.RateLimitError) as raised:
        caller.ask("hi sim:rate=date")
    assert raised.value.response.headers["retry-after"].endswith(" GMT")


def test_the_spending_limit_is_named_and_has_no_retry_after(caller: Caller) -> None:
    with pytest.raises(anthropic.RateLimitError) as raised:
        caller.ask("hi sim:spend-limit")
    assert raised.value.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in raised.value.response.headers


def test_a_conversation_limited_once_is_answered_the_second_time(caller: Caller) -> None:
    with pytest.raises(anthropic.RateLimitError):
        caller.ask(f"{SUM} sim:rate-once")
    assert caller.ask(f"{SUM} sim:rate-once").content[0].text == ANSWER


def test_a_leaky_error_quotes_the_callers_key_at_length(upstream: Upstream) -> None:
    body = {"model": HAIKU, "max_tokens": 9, "messages": [{"role": "user", "content": "sim:leaky"}]}
    told = post(upstream, body, x_api_key="canary-1").json()["error"]["message"]
    assert "canary-1" in told
    assert len(told) > 4_000


@pytest.mark.parametrize(
    ("scenario", "stop_reason", "content"),
    [
        ("refusal", "refusal", []),
        ("pause", "pause_turn", ["text"]),
        ("window-full", "model_context_window_exceeded", ["text"]),
        ("max-tokens", "max_tokens", ["text"]),
        ("bad-args", "tool_use", ["tool_use"]),
        ("empty", "end_turn", []),
    ],
)
def test_an_unusual_end_is_an_answer_and_is_billed(
    upstream: Upstream, caller: Caller, scenario: str, stop_reason: str, content: list[str]
) -> None:
    text = f"{SUM} sim:{scenario}"
    message = caller.ask(text)
    assert (message.stop_reason, [block.type for block in message.content]) == (
        stop_reason,
        content,
    )
    events = caller.stream(text)
    assert (events[-2].delta.stop_reason, events[-1].type) == (stop_reason, "message_stop")
    line = upstream.line(events[0].message.id)
    assert (line["outcome"], line["output"]) == ("complete", message.usage.output_tokens)


def test_a_tool_call_streams_arguments_that_are_not_json(caller: Caller) -> None:
    events = caller.stream("hi sim:bad-args")
    arguments = "".join(e.delta.partial_json for e in events if e.type == "content_block_delta")
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        ("mid-error", anthropic.APIStatusError),
        ("bad-json", json.JSONDecodeError),
        ("cut", httpx2.RemoteProtocolError),
    ],
)
def test_a_broken_stream_raises_and_bills_what_was_said(
    upstream: Upstream, caller: Caller, scenario: str, error: type[Exception]
) -> None:
    seen: list[RawMessageStreamEvent] = []
    with pytest.raises(error):
        caller.stream(f"{SUM} sim:{scenario}", seen=seen)
    assert text_of(seen) == "[simulated] 17 "
    line = upstream.line(seen[0].message.id)
    assert (line["outcome"], line["output"]) == (f"failed:{scenario}", 4)


def test_an_error_event_has_status_200_and_the_overloaded_type(caller: Caller) -> None:
    for scenario in ("early-error", "mid-error"):
        with pytest.raises(anthropic.APIStatusError) as raised:
            caller.stream(f"hi sim:{scenario}")
        assert (raised.value.status_code, raised.value.type) == (200, "overloaded_error")


def test_an_early_error_costs_nothing(upstream: Upstream, caller: Caller) -> None:
    seen = len(upstream.lines())
    with pytest.raises(anthropic.APIStatusError):
        caller.stream("hi sim:early-error")
    (line,) = upstream.lines()[seen:]
    assert (line["outcome"], line["cost_nano_usd"]) == ("failed:early-error", 0)


@pytest.mark.parametrize(("pieces", "said"), [(0, ""), (1, "[simulated] "), (99, ANSWER)])
def test_a_clean_end_without_a_terminal_event_looks_whole_to_the_sdk(
    upstream: Upstream, caller: Caller, pieces: int, said: str
) -> None:
    events = caller.stream(f"{SUM} sim:eof={pieces}")
    assert text_of(events) == said
    assert "message_stop" not in [event.type for event in events]
    assert upstream.line(events[0].message.id)["outcome"] == "failed:eof"


def test_a_reset_after_the_post_bills_the_input(upstream: Upstream, caller: Caller) -> None:
    seen = len(upstream.lines())
    with pytest.raises(anthropic.APIConnectionError) as raised:
        caller.ask(f"{SUM} sim:reset")
    assert isinstance(raised.value.__cause__, httpx2.ReadError)
    (line,) = upstream.lines()[seen:]
    assert (line["outcome"], line["fresh_input"], line["output"]) == ("failed:reset", 6, 0)


@pytest.mark.parametrize(
    ("text", "outcome", "tokens"),
    [
        ("hi sim:hang", "failed:hang", 2),
        ("hi sim:pings=60000", "failed:pings", 4),
        ("hi sim:ttft=60000", "aborted", 4),
    ],
)
def test_a_caller_who_waits_in_vain_pays_for_the_input(
    upstream: Upstream, caller: Caller, text: str, outcome: str, tokens: int
) -> None:
    seen = len(upstream.lines())
    with pytest.raises(anthropic.APITimeoutError):
        caller.ask(text, timeout=httpx2.Timeout(10, read=0.3))
    line = upstream.next_line(seen)
    assert (line["outcome"], line["fresh_input"], line["output"]) == (outcome, tokens, 0)


@pytest.mark.parametrize(
    ("text", "outcome", "nano_usd"),
    [
        # "[simulated] " is 3 tokens: 1500; 33, 25, 14 bytes of prompt are 8, 6, 3 tokens
        ("hi sim:words=1000 sim:delay=60000", "aborted", 2_300),
        ("hi sim:drip=60000 another", "aborted", 2_100),
        ("hi sim:stall=1", "failed:stall", 1_800),
    ],
)
def test_a_caller_who_leaves_pays_for_what_was_said_until_then(
    upstream: Upstream, caller: Caller, text: str, outcome: str, nano_usd: int
) -> None:
    async def leaving() -> None:
        async with await caller.claude.messages.create(
            model=HAIKU,
            max_tokens=9_000,
            messages=[{"role": "user", "content": text}],
            stream=True,
        ) as opened:
            async for event in opened:
                if event.type == "content_block_delta":
                    return

    seen = len(upstream.lines())
    caller.runner.run(leaving())
    line = upstream.next_line(seen)
    assert (line["outcome"], line["cost_nano_usd"]) == (outcome, nano_usd)


@pytest.mark.parametrize(
    ("scenario", "opening", "closing"),
    [
        ("usage-zero", 0, 0),
        ("usage-negative", 0, -7),
        ("usage-huge", 0, 7_000_000_000),
        ("usage-decreasing", 14, 7),
    ],
)
def test_wrong_usage_is_reported_while_the_bill_tells_the_truth(
    upstream: Upstream, caller: Caller, scenario: str, opening: int, closing: int
) -> None:
    events = caller.stream(f"{SUM} sim:{scenario}")
    assert events[0].message.usage.output_tokens == opening
    assert events[-2].usage.output_tokens == closing
    assert upstream.line(events[0].message.id)["output"] == 7


def test_usage_can_be_absent(upstream: Upstream, caller: Caller) -> None:
    message = caller.ask("hi sim:usage-absent")
    assert "usage" not in message.model_fields_set
    assert upstream.line(message.id)["fresh_input"] == 4


def test_limits_of_the_request_cut_the_answer(caller: Caller) -> None:
    short = caller.ask(SUM, max_tokens=5)
    assert (short.stop_reason, short.content[0].text) == ("max_tokens", "[simulated] 17 * 23 ")
    stopped = caller.ask(SUM, stop_sequences=["="])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "=")
    assert stopped.content[0].text == "[simulated] 17 * 23 "


VALID = {"model": HAIKU, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "model: Input should be a valid string"),
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 128_001}, "max_tokens: Input should be less than or equal to 128000"),
        ({"messages": []}, "messages: List should have at least 1 item"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages.0.role: the first"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages.0.content: text content"),
        ({"temperature": 1.0}, "temperature: sampling parameters are not supported"),
        ({"top_p": 1.0}, "top_p: sampling parameters are not supported"),
        ({"top_k": 1}, "top_k: sampling parameters are not supported"),
    ],
)
def test_a_bad_request_is_refused_like_the_real_api_does(
    upstream: Upstream, change: dict[str, object], message: str
) -> None:
    response = post(upstream, VALID | change)
    told = response.json()
    assert (response.status_code, told["error"]["type"]) == (400, "invalid_request_error")
    assert told["error"]["message"].startswith(message)
    assert upstream.line(told["request_id"])["outcome"] == "failed:bad-request"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"\xff"', b'{"model": "\\ud800"}'])
def test_a_body_that_is_no_request_is_refused(upstream: Upstream, body: bytes) -> None:
    assert post(upstream, body).json()["error"]["type"] == "invalid_request_error"


def test_sampling_parameters_are_fine_with_the_older_version(upstream: Upstream) -> None:
    old = {"anthropic_version": "2023-06-01"}
    assert post(upstream, VALID | {"temperature": 0.0}, **old).status_code == 200
    assert post(upstream, VALID, anthropic_version="1999-01-01").status_code == 400


def test_an_unknown_model_is_not_found(upstream: Upstream) -> None:
    response = post(upstream, VALID | {"model": "claude-1"})
    assert (response.status_code, response.json()["error"]["type"]) == (404, "not_found_error")
    line = upstream.line(response.headers["request-id"])
    assert (line["model"], line["cost_nano_usd"]) == ("claude-1", 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x_api_key": ""}, 401),
        ({"x_api_key": "", "authorization": "Basic eA=="}, 401),
        ({"x_api_key": "", "authorization": "Bearer any"}, 200),
    ],
)
def test_any_key_will_do_but_there_must_be_one(
    upstream: Upstream, headers: dict[str, str], status: int
) -> None:
    assert post(upstream, VALID, **headers).status_code == status


def test_a_followed_redirect_is_counted_at_the_other_origin(upstream: Upstream) -> None:
    body = VALID | {"messages": [{"role": "user", "content": "sim:redirect"}]}
    location = post(upstream, body).headers["location"]
    assert location == upstream.url.replace("127.0.0.1", "localhost") + "/sim/elsewhere"
    before = httpx2.get(location).json()["posts"]
    httpx2.post(location)
    assert httpx2.get(location).json()["posts"] == before + 1


def test_every_post_leaves_one_line_even_when_many_come_at_once(
    upstream: Upstream, caller: Caller
) -> None:
    async def many() -> list[str]:
        create = caller.claude.messages.create
        messages = [{"role": "user", "content": "hi"}]
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(create(model=HAIKU, max_tokens=9, messages=messages))
                for _ in range(50)
            ]
        return [task.result().id for task in asked]

    seen = len(upstream.lines())
    ids = caller.runner.run(many())
    assert sorted(line["request_id"] for line in upstream.lines()[seen:]) == sorted(ids)
