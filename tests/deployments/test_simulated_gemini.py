"""The simulated Gemini, seen through the vendor's SDK over a real socket."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass

import aiohttp
import httpx2
import pydantic
import pytest
from fakes.upstreams import Upstream, upstreams
from google import genai
from google.genai import errors, types
from google.genai.client import AsyncClient

# The SDK subclasses aiohttp's session when aiohttp is installed, which aiohttp discourages.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

ARGON = "gemini-4-argon"
FLASH = "gemini-3.8-flash"
SUM = "What is 17*23?"  # 14 bytes: 3 tokens
ANSWER = "[simulated] The answer is 391."  # 30 bytes: 8 tokens


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    with upstreams(tmp_path_factory.mktemp("simulated")) as started:
        yield started


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One client for all tests: each costs a third of a second to make."""

    runner: asyncio.Runner
    gemini: AsyncClient

    def ask(
        self, text: str, *, model: str = ARGON, version: str = "v1", **config: object
    ) -> types.GenerateContentResponse:
        asked = types.GenerateContentConfig(
            automatic_continuation=False,
            http_options=types.HttpOptions(api_version=version),
            **config,
        )
        asking = self.gemini.models.generate_content(model=model, contents=text, config=asked)
        return self.runner.run(asking)

    def stream(
        self,
        text: str,
        *,
        timeout_ms: int = 10_000,
        seen: list[types.GenerateContentResponse] | None = None,
    ) -> list[types.GenerateContentResponse]:
        """Return all chunks; those before an error are left in `seen`."""
        chunks = [] if seen is None else seen
        config = types.GenerateContentConfig(
            automatic_continuation=False, http_options=types.HttpOptions(timeout=timeout_ms)
        )

        async def reading() -> None:
            opened = await self.gemini.models.generate_content_stream(
                model=ARGON, contents=text, config=config
            )
            async with aclosing(opened):
                async for chunk in opened:
                    chunks.append(chunk)

        self.runner.run(reading())
        return chunks


@pytest.fixture(scope="module")
def caller(upstream: Upstream) -> Iterator[Caller]:
    client = genai.Client(
        api_key="x",
        http_options=types.HttpOptions(
            base_url=upstream.url,
            api_version="v1",
            timeout=10_000,
            retry_options=types.HttpRetryOptions(attempts=1),
        ),
    )
    with asyncio.Runner() as runner:
        yield Caller(runner=runner, gemini=client.aio)
        runner.run(client.aio.aclose())
    client.close()


def text_of(chunks: list[types.GenerateContentResponse]) -> str:
    return "".join(chunk.text or "" for chunk in chunks)


def reason_of(chunk: types.GenerateContentResponse) -> str | None:
    reasons = [candidate.finish_reason for candidate in chunk.candidates or []]
    return reasons[0].value if reasons and reasons[0] else None


def post(upstream: Upstream, body: object, path: str, **headers: str) -> httpx2.Response:
    sent = {"x-goog-api-key": "x"} | {n.replace("_", "-"): v for n, v in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx2.post(f"{upstream.url}/v1/models/{path}", content=data, headers=sent, timeout=10)


def said(text: str) -> dict[str, object]:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_an_answer_is_billed_with_its_thoughts_before_its_caller_has_it(
    upstream: Upstream, caller: Caller, version: str
) -> None:
    reply = caller.ask(SUM, version=version)
    assert (reply.text, reason_of(reply)) == (ANSWER, "STOP")
    counted = reply.usage_metadata
    assert counted is not None
    assert (counted.prompt_token_count, counted.candidates_token_count) == (3, 8)
    assert (counted.thoughts_token_count, counted.total_token_count) == (3, 14)
    line = upstream.line(reply.response_id)
    assert (line["provider"], line["model"], line["stream"]) == ("google", ARGON, False)
    assert (line["outcome"], line["fresh_input"], line["output"]) == ("complete", 3, 11)


def test_the_bill_of_flash_is_its_list_price(upstream: Upstream, caller: Caller) -> None:
    line = upstream.line(caller.ask(SUM, model=FLASH).response_id)
    dear = str(line["at"]) >= "2027-01-01"  # the price doubles on that day
    assert line["cost_nano_usd"] == (64_500 if dear else 32_250)  # 3 * 750 + 8 * 3750


def test_a_stream_counts_cumulatively_and_ends_with_its_reason(
    upstream: Upstream, caller: Caller
) -> None:
    chunks = caller.stream(SUM)
    assert text_of(chunks) == ANSWER
    assert [reason_of(chunk) for chunk in chunks] == [None, None, None, None, "STOP"]
    counts = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert counts == [3, 4, 6, 7, 8]
    line = upstream.line(chunks[-1].response_id)
    assert (line["stream"], line["outcome"], line["output"]) == (True, "complete", 11)


def test_every_response_says_that_it_is_simulated(upstream: Upstream) -> None:
    assert post(upstream, said("hi"), "x:generateContent").headers["x-simulated"] == "true"
    assert httpx2.get(f"{upstream.url}/nowhere").headers["x-simulated"] == "true"


def test_config_is_read_in_both_spellings(upstream: Upstream) -> None:
    camel = {"generationConfig": {"maxOutputTokens": 8}, "systemInstruction": {"parts": []}}
    snake = {"generation_config": {"max_output_tokens": 8}, "system_instruction": {"parts": []}}
    for config in (camel, snake):
        reply = post(upstream, said(SUM) | config, f"{ARGON}:generateContent").json()
        (candidate,) = reply["candidates"]
        assert candidate["finishReason"] == "MAX_TOKENS"
        # 8 tokens, of which 3 are thoughts
        assert candidate["content"]["parts"] == [{"text": "[simulated] The answ"}]


def test_a_limit_that_only_holds_the_thoughts_leaves_no_text(
    upstream: Upstream, caller: Caller
) -> None:
    reply = caller.ask(SUM, max_output_tokens=3)
    assert (reply.text, reason_of(reply)) == (None, "MAX_TOKENS")
    assert upstream.line(reply.response_id)["output"] == 3


def test_a_stop_sequence_ends_the_answer(caller: Caller) -> None:
    reply = caller.ask(SUM, stop_sequences=["is"])
    assert (reply.text, reason_of(reply)) == ("[simulated] The answer ", "STOP")


def test_counting_tokens_and_listing_models_cost_nothing(
    upstream: Upstream, caller: Caller
) -> None:
    async def both() -> tuple[int | None, list[str | None]]:
        counted = await caller.gemini.models.count_tokens(model=ARGON, contents=SUM)
        models = await caller.gemini.models.list()
        return counted.total_tokens, [model.name async for model in models]

    before = len(upstream.lines())
    names = ["gemini-4-argon", "gemini-4-carbon", "gemini-4-hydrogen", "gemini-3.8-flash"]
    assert caller.runner.run(both()) == (3, [f"models/{name}" for name in names])
    assert len(upstream.lines()) == before


@pytest.mark.parametrize(
    ("scenario", "error", "told"),
    [
        ("rate", errors.ClientError, (429, "RESOURCE_EXHAUSTED")),
        ("rate-once", errors.ClientError, (429, "RESOURCE_EXHAUSTED")),
        ("spend-limit", errors.ClientError, (429, "RESOURCE_EXHAUSTED")),
        ("payment", errors.ClientError, (403, "PERMISSION_DENIED")),
        ("overloaded", errors.ServerError, (503, "UNAVAILABLE")),
        ("e500", errors.ServerError, (500, "INTERNAL")),
        ("e502", errors.ServerError, (502, "Bad Gateway")),
        ("e503", errors.ServerError, (503, "UNAVAILABLE")),
        ("e504", errors.ServerError, (504, "DEADLINE_EXCEEDED")),
        ("bad-key", errors.ClientError, (400, "INVALID_ARGUMENT")),
        ("too-long", errors.ClientError, (400, "INVALID_ARGUMENT")),
    ],
)
def test_a_refused_post_is_the_sdks_own_error_and_costs_nothing(
    upstream: Upstream,
    caller: Caller,
    scenario: str,
    error: type[errors.APIError],
    told: tuple[int, str],
) -> None:
    seen = len(upstream.lines())
    with pytest.raises(error) as raised:
        caller.stream(f"hi sim:{scenario}")
    assert (raised.value.code, raised.value.status) == told
    (line,) = upstream.lines()[seen:]
    assert (line["outcome"], line["cost_nano_usd"]) == (f"failed:{scenario}", 0)


def test_a_rate_limit_tells_its_delay_in_the_header_and_in_the_details(upstream: Upstream) -> None:
    response = post(upstream, said("sim:rate=27"), f"{ARGON}:generateContent")
    assert response.headers["retry-after"] == "27"
    (detail,) = response.json()["error"]["details"]
    assert detail == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "27s"}


def test_the_spending_limit_has_no_delay(upstream: Upstream) -> None:
    response = post(upstream, said("sim:spend-limit"), f"{ARGON}:generateContent")
    assert "retry-after" not in response.headers
    assert "retryDelay" not in response.text
    assert "enforced_spend_limit_reached" in response.text


def test_a_bad_key_is_a_bad_request_with_its_reason(caller: Caller) -> None:
    with pytest.raises(errors.ClientError) as raised:
        caller.ask("hi sim:bad-key")
    assert raised.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


@pytest.mark.parametrize(
    ("scenario", "reason", "output"),
    [
        ("safety", "SAFETY", 3),
        ("recitation", "RECITATION", 3),
        ("malformed-call", "MALFORMED_FUNCTION_CALL", 3),
        ("empty", "STOP", 3),
        ("no-candidates", None, 0),
        ("refusal", None, 0),
    ],
)
def test_a_withheld_answer_is_no_exception_and_bills_what_was_thought(
    upstream: Upstream, caller: Caller, scenario: str, reason: str | None, output: int
) -> None:
    for chunks in ([caller.ask(f"hi sim:{scenario}")], caller.stream(f"hi sim:{scenario}")):
        assert [(chunk.text, reason_of(chunk)) for chunk in chunks] == [(None, reason)]
        line = upstream.line(chunks[0].response_id)
        assert (line["outcome"], line["output"]) == ("complete", output)


def test_a_blocked_prompt_says_why(caller: Caller) -> None:
    feedback = caller.ask("hi sim:refusal").prompt_feedback
    assert feedback is not None
    assert feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [("pause", "CONTINUATION"), ("window-full", "MAX_TOKENS"), ("max-tokens", "MAX_TOKENS")],
)
def test_an_unusual_end_has_text(caller: Caller, scenario: str, reason: str) -> None:
    chunks = caller.stream(f"{SUM} sim:{scenario}")
    assert ANSWER.startswith(text_of(chunks))
    assert reason_of(chunks[-1]) == reason


def test_a_paused_answer_ends_when_it_is_continued(upstream: Upstream) -> None:
    body = said("hi sim:pause") | {"continuationToken": "c2ltdWxhdGVk"}
    reply = post(upstream, body, f"{ARGON}:generateContent").json()
    assert reply["candidates"][0]["finishReason"] == "STOP"


def test_arguments_that_are_no_object_break_the_sdks_parser(caller: Caller) -> None:
    with pytest.raises(pydantic.ValidationError):
        caller.stream("hi sim:bad-args")


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        ("mid-error", errors.ServerError),
        ("bad-json", errors.UnknownApiResponseError),
        ("cut", aiohttp.ClientPayloadError),
    ],
)
def test_a_broken_stream_raises_and_bills_what_was_said(
    upstream: Upstream, caller: Caller, scenario: str, error: type[Exception]
) -> None:
    seen: list[types.GenerateContentResponse] = []
    with pytest.raises(error):
        caller.stream(f"{SUM} sim:{scenario}", seen=seen)
    assert text_of(seen) == "[simulated] The "
    line = upstream.line(seen[0].response_id)
    assert (line["outcome"], line["output"]) == (f"failed:{scenario}", 7)


@pytest.mark.parametrize("scenario", ["mid-error=0", "bad-json=0", "cut=0", "early-error"])
def test_a_stream_can_break_before_its_first_piece(caller: Caller, scenario: str) -> None:
    seen: list[types.GenerateContentResponse] = []
    with pytest.raises((errors.APIError, errors.UnknownApiResponseError, aiohttp.ClientError)):
        caller.stream(f"hi sim:{scenario}", seen=seen)
    assert seen == []


def test_a_clean_end_without_a_finish_reason_looks_whole_to_the_sdk(
    upstream: Upstream, caller: Caller
) -> None:
    chunks = caller.stream(f"{SUM} sim:eof")
    assert (text_of(chunks), reason_of(chunks[-1])) == ("[simulated] The ", None)
    assert upstream.line(chunks[0].response_id)["outcome"] == "failed:eof"


def test_a_reset_after_the_post_bills_the_input(upstream: Upstream, caller: Caller) -> None:
    seen = len(upstream.lines())
    with pytest.raises(aiohttp.ClientOSError):
        caller.ask(f"{SUM} sim:reset")
    (line,) = upstream.lines()[seen:]
    assert (line["outcome"], line["fresh_input"], line["output"]) == ("failed:reset", 6, 0)


@pytest.mark.parametrize(
    ("scenario", "outcome", "tokens"),
    [("hang", "failed:hang", 2), ("pings=100", "failed:pings", 4)],
)
def test_a_caller_who_waits_in_vain_pays_for_the_input(
    upstream: Upstream, caller: Caller, scenario: str, outcome: str, tokens: int
) -> None:
    seen = len(upstream.lines())
    with pytest.raises(TimeoutError):
        caller.stream(f"hi sim:{scenario}", timeout_ms=400)
    line = upstream.next_line(seen)
    assert (line["outcome"], line["fresh_input"], line["output"]) == (outcome, tokens, 0)


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [("stall=1", "failed:stall"), ("drip=60000", "aborted"), ("delay=60000", "aborted")],
)
def test_a_caller_who_leaves_pays_for_what_was_said_until_then(
    upstream: Upstream, scenario: str, outcome: str
) -> None:
    seen = len(upstream.lines())
    # By hand: the SDK closes a stream that is left only when it is collected.
    url = f"{upstream.url}/v1/models/{ARGON}:streamGenerateContent?alt=sse"
    body, headers = said(f"{SUM} sim:{scenario}"), {"x-goog-api-key": "x"}
    with httpx2.stream("POST", url, json=body, headers=headers) as response:
        assert '{"text":"[simulated] "}' in next(response.iter_lines())
    line = upstream.next_line(seen)
    assert (line["outcome"], line["output"]) == (outcome, 6)


@pytest.mark.parametrize(
    ("scenario", "counts"),
    [
        ("usage-zero", [0, 0, 0, 0, 0]),
        ("usage-negative", [-3, -4, -6, -7, -8]),
        ("usage-decreasing", [13, 12, 10, 9, 8]),
    ],
)
def test_wrong_usage_is_reported_while_the_bill_tells_the_truth(
    upstream: Upstream, caller: Caller, scenario: str, counts: list[int]
) -> None:
    chunks = caller.stream(f"{SUM} sim:{scenario}")
    assert [chunk.usage_metadata.candidates_token_count for chunk in chunks] == counts
    assert upstream.line(chunks[0].response_id)["output"] == 11


def test_usage_can_be_absent(caller: Caller) -> None:
    assert caller.ask("hi sim:usage-absent").usage_metadata is None


@pytest.mark.parametrize(
    ("path", "body", "code", "status"),
    [
        (f"{ARGON}:generateContent", {"contents": []}, 400, "INVALID_ARGUMENT"),
        (f"{ARGON}:generateContent", b"{", 400, "INVALID_ARGUMENT"),
        (
            f"{ARGON}:generateContent",
            said("hi") | {"generationConfig": {"maxOutputTokens": 65_537}},
            400,
            "INVALID_ARGUMENT",
        ),
        (
            f"{ARGON}:generateContent",
            {"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]},
            400,
            "INVALID_ARGUMENT",
        ),
        (f"{ARGON}:streamGenerateContent", said("hi"), 400, "INVALID_ARGUMENT"),
        ("gemini-1:generateContent", said("hi"), 404, "NOT_FOUND"),
    ],
)
def test_a_bad_request_is_refused_in_googles_shape(
    upstream: Upstream, path: str, body: object, code: int, status: str
) -> None:
    response = post(upstream, body, path)
    told = response.json()["error"]
    assert (response.status_code, told["code"], told["status"]) == (code, code, status)


def test_any_key_will_do_but_there_must_be_one(upstream: Upstream) -> None:
    path = f"{ARGON}:generateContent"
    assert post(upstream, said("hi"), path, x_goog_api_key="").status_code == 403
    assert post(upstream, said("hi"), f"{path}?key=any", x_goog_api_key="").status_code == 200


def test_an_order_for_the_process_holds_for_its_target_and_its_times(upstream: Upstream) -> None:
    control = f"{upstream.url}/sim/scenario"
    order = {"name": "overloaded", "target": "gemini", "times": 2}
    ordered = httpx2.post(control, json=order).json()["ordered"]
    assert ordered == [order | {"value": None}]
    path = f"{ARGON}:generateContent"
    assert [post(upstream, said("hi"), path).status_code for _ in range(3)] == [503, 503, 200]


def test_an_order_can_be_withdrawn_and_every_scenario_is_explained(upstream: Upstream) -> None:
    control = f"{upstream.url}/sim/scenario"
    httpx2.post(control, json={"name": "e500"})
    shown = httpx2.delete(control).json()
    assert shown["ordered"] == []
    assert httpx2.get(control).json() == shown
    assert shown["scenarios"]["e500"] == "500 internal error"


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"name": "no-such"},
        {"name": "rate", "target": "gpt"},
        {"name": "rate", "times": 0},
        {"name": "rate", "value": "1\r\nx: y"},
        {"name": "rate", "more": 1},
    ],
)
def test_a_wrong_order_is_refused(upstream: Upstream, order: dict[str, object]) -> None:
    assert httpx2.post(f"{upstream.url}/sim/scenario", json=order).status_code == 400
