import json
from collections.abc import Iterator

import httpx2
import openai
import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from router.surfaces.openai_chat_reply import (
    ChatStream,
    ReplyFrame,
    comment,
    completion_body,
    error_body,
    error_event,
    model_body,
    models_body,
    stream_again,
)
from router.surfaces.refusal import Refusal
from tercet.answer import Answer, Step
from tercet.call import Completion, Failure, FinishReason
from tercet.usage import Usage

FRAME = ReplyFrame(task_id="task-1", route="tier1", created=1_800_000_000)
FRAME_WITH_USAGE = ReplyFrame(
    task_id="task-1", route="tier1", created=1_800_000_000, include_usage=True
)
REFUSAL = Refusal(
    status=502, type="server_error", code="no_answer", message="No model answered.", param="model"
)
AWKWARD = 'né "q" \\ \n\r\n\t\x00\x7f\x85\u2028\u2029 \U0001f600 data: [DONE]\n\nevent: x'


def completion(model: str, usage: Usage, cost_nano_usd: int) -> Completion:
    return Completion(
        attempt_id="attempt-1",
        model=model,
        text="...",
        finish="stop",
        usage=usage,
        cost_nano_usd=cost_nano_usd,
        first_token_s=0.5,
        latency_s=1.0,
    )


MEMORY = completion(
    "gemini-4-argon", Usage(fresh_input=1_000, output=50, thinking=20), cost_nano_usd=1_234_500
)
BRAIN = completion(
    "claude-opus-5-5",
    Usage(
        fresh_input=100,
        cache_read=200,
        cache_write_5m=30,
        cache_write_1h=4,
        output=60,
        thinking=10,
    ),
    cost_nano_usd=20_000_000_000,
)
OVERLOADED = Failure(model="claude-opus-5-5", kind="overloaded", message="busy", cost_nano_usd=500)


def answer(text: str = "Four.", finish: FinishReason = "stop") -> Answer:
    return Answer(
        text=text,
        model="claude-opus-5-5",
        finish=finish,
        steps=(
            Step(role="memory", round=1, outcome=MEMORY),
            Step(role="brain", round=1, outcome=OVERLOADED),
            Step(role="brain", round=1, outcome=BRAIN),
        ),
        degraded=("memory:late",),
        settled_by="one seat",
    )


def streamed(frame: ReplyFrame, *texts: str) -> list[bytes]:
    stream = ChatStream(frame, "claude-opus-5-5")
    chunks = [stream.text_chunk(text) for text in texts]
    return [stream.opening(), *chunks, stream.closing(answer("".join(texts)))]


def data_of(event: bytes) -> object:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    return json.loads(event[6:])


def client_answered_with(*pieces: bytes, kind: str = "text/event-stream") -> openai.OpenAI:
    """Return the real client on a transport that answers any request with `pieces`."""

    def content() -> Iterator[bytes]:
        yield from pieces

    def reply(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=content())

    http_client = httpx2.Client(transport=httpx2.MockTransport(reply))
    return openai.OpenAI(api_key="key", base_url="http://gateway/v1", http_client=http_client)


def chunks_of(*pieces: bytes) -> list[ChatCompletionChunk]:
    client = client_answered_with(*pieces)
    with client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as stream:
        return list(stream)


def test_a_whole_reply_is_written_out() -> None:
    assert json.loads(completion_body(FRAME, answer())) == {
        "id": "chatcmpl-task-1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "claude-opus-5-5",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Four.",
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 1_334,
            "completion_tokens": 110,
            "total_tokens": 1_444,
            "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 34},
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        "tercet": {
            "request_id": "task-1",
            "route": "tier1",
            "models": ["gemini-4-argon", "claude-opus-5-5"],
            "degraded": ["memory:late"],
            "cost_usd": "20.001235000",
            "simulated": False,
        },
    }


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
def test_openais_own_types_accept_a_whole_reply(finish: FinishReason) -> None:
    reply = ChatCompletion.model_validate_json(completion_body(FRAME, answer(AWKWARD, finish)))
    assert reply.choices[0].message.content == AWKWARD
    assert reply.choices[0].finish_reason == finish
    assert reply.usage is not None
    assert reply.usage.total_tokens == 1_444


def test_openais_client_reads_a_whole_reply_and_keeps_our_part() -> None:
    client = client_answered_with(completion_body(FRAME, answer()), kind="application/json")
    reply = client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "Hi"}]
    )
    assert reply.choices[0].message.content == "Four."
    assert reply.to_dict()["tercet"] == {
        "request_id": "task-1",
        "route": "tier1",
        "models": ["gemini-4-argon", "claude-opus-5-5"],
        "degraded": ["memory:late"],
        "cost_usd": "20.001235000",
        "simulated": False,
    }


def test_the_smallest_cost_is_written_without_an_exponent() -> None:
    steps = (Step(role="single", round=1, outcome=completion("m", Usage(), cost_nano_usd=1)),)
    one = Answer(text="x", model="m", finish="stop", steps=steps, settled_by="one seat")
    assert json.loads(completion_body(FRAME, one))["tercet"]["cost_usd"] == "0.000000001"


def test_a_stream_without_usage_is_written_out() -> None:
    common = {
        "id": "chatcmpl-task-1",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": "claude-opus-5-5",
        "system_fingerprint": None,
    }
    opening, text, closing = streamed(FRAME, "Four.")
    last, done = closing.split(b"\n\n", 1)
    assert data_of(opening) == common | {
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": "", "refusal": None},
                "logprobs": None,
                "finish_reason": None,
            }
        ]
    }
    assert data_of(text) == common | {
        "choices": [
            {"index": 0, "delta": {"content": "Four."}, "logprobs": None, "finish_reason": None}
        ]
    }
    assert data_of(last + b"\n\n") == common | {
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
        "tercet": {
            "request_id": "task-1",
            "route": "tier1",
            "models": ["gemini-4-argon", "claude-opus-5-5"],
            "degraded": ["memory:late"],
            "cost_usd": "20.001235000",
            "simulated": False,
        },
    }
    assert done == b"data: [DONE]\n\n"


def test_openais_client_reads_a_stream_with_usage_in_its_last_chunk_only() -> None:
    chunks = chunks_of(*streamed(FRAME_WITH_USAGE, "Fo", "ur", "."))
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert texts == ["", "Fo", "ur", ".", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 4 + ["stop"]
    assert all("usage" in chunk.model_fields_set for chunk in chunks)
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * 5
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 1_334
    assert chunks[-1].usage.completion_tokens == 110


def test_a_stream_without_usage_does_not_name_it() -> None:
    chunks = chunks_of(*streamed(FRAME, "Four."))
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


def test_openais_own_types_accept_every_chunk() -> None:
    events = b"".join(streamed(FRAME_WITH_USAGE, AWKWARD)).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    chunks = [ChatCompletionChunk.model_validate_json(event[6:]) for event in events[:-2]]
    assert chunks[1].choices[0].delta.content == AWKWARD


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_stream_cut_into_pieces_anywhere_says_the_same(size: int) -> None:
    whole = comment("thinking") + b"".join(streamed(FRAME_WITH_USAGE, AWKWARD, "", "é"))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks_of(*pieces) if chunk.choices]
    assert "".join(texts) == AWKWARD + "é"


def test_openais_stream_helper_assembles_the_completion() -> None:
    client = client_answered_with(*streamed(FRAME_WITH_USAGE, "Fo", "ur."))
    with client.chat.completions.stream(
        model="auto", messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        reply = stream.get_final_completion()
    assert reply.choices[0].message.content == "Four."
    assert reply.usage is not None
    assert reply.usage.total_tokens == 1_444


@pytest.mark.parametrize(
    "text", ["\n\n", "\r\r", "\u2028", "\u2029", "\x85", "\x0b\x0c\x1c\x1d\x1e", AWKWARD]
)
def test_no_text_can_end_a_line_of_the_stream(text: str) -> None:
    stream = ChatStream(FRAME, "claude-opus-5-5")
    assert len(stream.text_chunk(text).decode().splitlines()) == 2


def test_half_a_surrogate_pair_does_not_break_the_stream() -> None:
    stream = ChatStream(FRAME, "claude-opus-5-5")
    assert b'"content":"a?b"' in stream.text_chunk("a\ud83db")


def test_a_models_name_cannot_reach_into_the_chunk() -> None:
    name = '"content":""}"\n\n'
    chunk = ChatCompletionChunk.model_validate_json(ChatStream(FRAME, name).text_chunk("x")[6:])
    assert chunk.model == name
    assert chunk.choices[0].delta.content == "x"


@pytest.mark.parametrize(
    ("note", "sent"),
    [
        ("asking memory", b": asking memory\n\n"),
        ("", b": \n\n"),
        ("a\nb\r\nc\rd", b": a b c d\n\n"),
        ("x\n\ndata: {}", b": x  data: {}\n\n"),
        ("a\u2028b\x85c", b": a b c\n\n"),
        ("é\ud800", b": \xc3\xa9?\n\n"),
    ],
)
def test_a_comment_is_one_line_whatever_it_says(note: str, sent: bytes) -> None:
    assert comment(note) == sent


def test_comments_are_not_seen_by_openais_client() -> None:
    opening, text, closing = streamed(FRAME, "Four.")
    chunks = chunks_of(comment("a"), opening, comment("b\n\ndata: {}"), text, closing)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Four.", None]


def test_an_error_in_a_stream_raises_in_openais_client() -> None:
    opening, text, _ = streamed(FRAME, "Fo")
    with pytest.raises(openai.APIError, match=r"^No model answered\.$") as raised:
        chunks_of(opening, text, error_event(REFUSAL))
    assert (raised.value.code, raised.value.type) == ("no_answer", "server_error")


def test_an_error_in_a_stream_is_not_followed_by_the_terminal_marker() -> None:
    assert error_event(REFUSAL) == (
        b'data: {"error":{"message":"No model answered.","type":"server_error",'
        b'"param":"model","code":"no_answer"}}\n\n'
    )


def test_an_error_body_is_openais_envelope() -> None:
    refusal = Refusal(
        status=401, type="authentication_error", code="invalid_api_key", message="é \u2028"
    )
    assert error_body(refusal) == (
        b'{"error":{"message":"\xc3\xa9 \\u2028","type":"authentication_error",'
        b'"param":null,"code":"invalid_api_key"}}'
    )


def test_an_error_says_when_a_budget_begins_anew() -> None:
    refusal = Refusal(
        status=429,
        type="rate_limit_error",
        code="insufficient_quota",
        message="spent",
        reset_at=1_796_083_200.0,
    )
    assert error_body(refusal) == (
        b'{"error":{"message":"spent","type":"rate_limit_error",'
        b'"param":null,"code":"insufficient_quota","reset_at":"2026-12-01T00:00:00Z"}}'
    )


@pytest.mark.parametrize("frame", [FRAME, FRAME_WITH_USAGE])
@pytest.mark.parametrize("text", ["Four.", AWKWARD, "a\ud83db"])
def test_a_whole_reply_can_be_streamed_again(frame: ReplyFrame, text: str) -> None:
    body = completion_body(frame, answer(text))
    again = stream_again(body, include_usage=frame.include_usage)
    assert again == b"".join(streamed(frame, text))


def test_an_answer_without_a_word_is_streamed_again_without_one() -> None:
    again = stream_again(completion_body(FRAME, answer("")), include_usage=False)
    assert again == b"".join(streamed(FRAME))


def test_openais_client_lists_the_models() -> None:
    body = models_body({"auto": "tercet", "claude-opus-5-5": "anthropic"}, created=1_800_000_000)
    models = client_answered_with(body, kind="application/json").models.list()
    assert models.data == [
        Model(id="auto", created=1_800_000_000, object="model", owned_by="tercet"),
        Model(id="claude-opus-5-5", created=1_800_000_000, object="model", owned_by="anthropic"),
    ]
    assert models.object == "list"


def test_openais_client_retrieves_one_model() -> None:
    body = model_body("auto", "tercet", created=1_800_000_000)
    model = client_answered_with(body, kind="application/json").models.retrieve("auto")
    assert model == Model(id="auto", created=1_800_000_000, object="model", owned_by="tercet")
