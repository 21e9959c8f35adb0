import json
from collections.abc import Iterator

import httpx2
import openai
import pytest
from openai.types import Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from router.surfaces.openai_chat_reply import ChatWriter, error_body, model_body, models_body
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Frame
from tercet.answer import Answer, Step
from tercet.call import Completion, Delta, Failure, FinishReason, ThoughtDelta, ToolDelta, pieces_of
from tercet.content import Said, Text, Thought, ToolUse
from tercet.usage import Usage

FRAME = Frame(task_id="task-1", route="tier1", created=1_800_000_000)
WRITER = ChatWriter()
WRITER_OF_USAGE = ChatWriter(include_usage=True)
REFUSAL = Refusal(
    status=502, type="server_error", code="no_answer", message="No model answered.", param="model"
)
AWKWARD = 'né "q" \\ \n\r\n\t\x00\x7f\x85\u2028\u2029 \U0001f600 data: [DONE]\n\nevent: x'


def completion(model: str, usage: Usage, cost_nano_usd: int) -> Completion:
    return Completion(
        attempt_id="attempt-1",
        model=model,
        parts=(Text("..."),),
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


def answer(*parts: Said | str, finish: FinishReason = "stop") -> Answer:
    said = (Text(part) if isinstance(part, str) else part for part in parts or ("Four.",))
    return Answer(
        parts=tuple(said),
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


def streamed(writer: ChatWriter, *texts: str) -> list[bytes]:
    stream = writer.stream(FRAME, "claude-opus-5-5")
    chunks = [stream.piece(Delta(text)) for text in texts]
    return [stream.opening(), *chunks, stream.closing(answer("".join(texts)))]


def streamed_parts(writer: ChatWriter, said: Answer) -> list[bytes]:
    stream = writer.stream(FRAME, "claude-opus-5-5")
    chunks = [stream.piece(piece) for piece in pieces_of(said.parts)]
    return [stream.opening(), *chunks, stream.closing(said)]


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
    assert json.loads(WRITER.body(FRAME, answer())) == {
        "id": "chatcmpl-task-1",
        "object": "chat.completion",
        "created": 1_800_000_000,
        "model": "claude-opus-5-5",
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
    reply = ChatCompletion.model_validate_json(WRITER.body(FRAME, answer(AWKWARD, finish=finish)))
    assert reply.choices[0].message.content == AWKWARD
    assert reply.choices[0].finish_reason == finish
    assert reply.usage is not None
    assert reply.usage.total_tokens == 1_444


def test_openais_client_reads_a_whole_reply_and_keeps_our_part() -> None:
    client = client_answered_with(WRITER.body(FRAME, answer()), kind="application/json")
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
    one = Answer(parts=(Text("x"),), model="m", finish="stop", steps=steps, settled_by="one seat")
    assert json.loads(WRITER.body(FRAME, one))["tercet"]["cost_usd"] == "0.000000001"


def test_a_stream_without_usage_is_written_out() -> None:
    common = {
        "id": "chatcmpl-task-1",
        "object": "chat.completion.chunk",
        "created": 1_800_000_000,
        "model": "claude-opus-5-5",
    }
    opening, text, closing = streamed(WRITER, "Four.")
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
    chunks = chunks_of(*streamed(WRITER_OF_USAGE, "Fo", "ur", "."))
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
    chunks = chunks_of(*streamed(WRITER, "Four."))
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)


def test_openais_own_types_accept_every_chunk() -> None:
    events = b"".join(streamed(WRITER_OF_USAGE, AWKWARD)).split(b"\n\n")
    assert events[-2:] == [b"data: [DONE]", b""]
    chunks = [ChatCompletionChunk.model_validate_json(event[6:]) for event in events[:-2]]
    assert chunks[1].choices[0].delta.content == AWKWARD


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_stream_cut_into_pieces_anywhere_says_the_same(size: int) -> None:
    whole = WRITER.comment("thinking") + b"".join(streamed(WRITER_OF_USAGE, AWKWARD, "", "é"))
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks_of(*pieces) if chunk.choices]
    assert "".join(texts) == AWKWARD + "é"


def test_openais_stream_helper_assembles_the_completion() -> None:
    client = client_answered_with(*streamed(WRITER_OF_USAGE, "Fo", "ur."))
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
    stream = WRITER.stream(FRAME, "claude-opus-5-5")
    assert len(stream.piece(Delta(text)).decode().splitlines()) == 2


def test_half_a_surrogate_pair_does_not_break_the_stream() -> None:
    stream = WRITER.stream(FRAME, "claude-opus-5-5")
    assert b'"content":"a?b"' in stream.piece(Delta("a\ud83db"))


def test_a_models_name_cannot_reach_into_the_chunk() -> None:
    name = '"content":""}"\n\n'
    chunk = ChatCompletionChunk.model_validate_json(
        WRITER.stream(FRAME, name).piece(Delta("x"))[6:]
    )
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
    assert WRITER.comment(note) == sent


def test_comments_are_not_seen_by_openais_client() -> None:
    opening, text, closing = streamed(WRITER, "Four.")
    chunks = chunks_of(WRITER.comment("a"), opening, WRITER.comment("b\n\ndata: {}"), text, closing)
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Four.", None]


def test_an_error_in_a_stream_raises_in_openais_client() -> None:
    opening, text, _ = streamed(WRITER, "Fo")
    failing = WRITER.stream(FRAME, "m").failing(REFUSAL)
    with pytest.raises(openai.APIError, match=r"^No model answered\.$") as raised:
        chunks_of(opening, text, failing)
    assert (raised.value.code, raised.value.type) == ("no_answer", "server_error")


def test_an_error_in_a_stream_is_not_followed_by_the_terminal_marker() -> None:
    event = (
        b'data: {"error":{"message":"No model answered.","type":"server_error",'
        b'"param":"model","code":"no_answer"}}\n\n'
    )
    assert WRITER.stream(FRAME, "m").failing(REFUSAL) == event
    assert WRITER.failed(FRAME, REFUSAL) == event


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


@pytest.mark.parametrize("writer", [WRITER, WRITER_OF_USAGE])
@pytest.mark.parametrize("text", ["Four.", AWKWARD, "a\ud83db"])
def test_a_whole_reply_can_be_streamed_again(writer: ChatWriter, text: str) -> None:
    assert writer.again(writer.body(FRAME, answer(text))) == b"".join(streamed(writer, text))


def test_an_answer_without_a_word_is_streamed_again_without_one() -> None:
    assert WRITER.again(WRITER.body(FRAME, answer(""))) == b"".join(streamed(WRITER))


SEEN = Thought(text="Adding.", signature="sig==", by="anthropic")
HIDDEN = Thought(text="", signature="sealed", by="anthropic", is_redacted=True)
ADD = ToolUse(id="call_1", name="add", arguments='{"a":1}', signature="AAA=", by="google")
STOP = ToolUse(id="call_2", name="stop", arguments="")
RICH = answer(SEEN, "Let me ", HIDDEN, "add.", ADD, STOP, finish="tool_use")

THOUGHTS = {
    "tercet": {
        "thoughts": [
            {
                "at": 0,
                "text": "Adding.",
                "signature": "sig==",
                "by": "anthropic",
                "is_redacted": False,
            },
            {"at": 1, "text": "", "signature": "sealed", "by": "anthropic", "is_redacted": True},
        ]
    }
}
ADD_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "add", "arguments": '{"a":1}'},
    "extra_content": {"google": {"thought_signature": "AAA="}},
}


def test_tool_calls_thoughts_and_signatures_are_written_out() -> None:
    (choice,) = json.loads(WRITER.body(FRAME, RICH))["choices"]
    assert choice == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Let me add.",
            "refusal": None,
            "annotations": [],
            "reasoning_content": "Adding.",
            "tool_calls": [
                ADD_CALL,
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "stop", "arguments": ""},
                },
            ],
            "extra_content": THOUGHTS,
        },
        "logprobs": None,
        "finish_reason": "tool_calls",
    }


def test_content_is_null_beside_nothing_but_tool_calls() -> None:
    (choice,) = json.loads(WRITER.body(FRAME, answer(STOP, finish="tool_use")))["choices"]
    assert choice["message"]["content"] is None


def test_unsigned_thoughts_of_a_local_model_are_said_once() -> None:
    local = Thought(text="Hm.", by="local")
    (choice,) = json.loads(WRITER.body(FRAME, answer(local, "Four.")))["choices"]
    assert choice["message"]["reasoning_content"] == "Hm."
    assert "extra_content" not in choice["message"]


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("tool_use", "tool_calls"),
        ("pause", "length"),
    ],
)
def test_each_end_of_an_answer_has_openais_name(finish: FinishReason, reason: str) -> None:
    said = answer("x", finish=finish)
    assert json.loads(WRITER.body(FRAME, said))["choices"][0]["finish_reason"] == reason
    last = WRITER.stream(FRAME, "m").closing(said).split(b"\n\n")[0]
    assert json.loads(last[6:])["choices"][0]["finish_reason"] == reason


def deltas(*events: bytes) -> list[object]:
    chunks = b"".join(events).split(b"\n\n")
    return [
        choice["delta"]
        for chunk in chunks
        if chunk.startswith(b"data: {")
        for choice in json.loads(chunk[6:])["choices"]
    ]


def test_a_stream_names_a_tool_before_its_arguments() -> None:
    stream = WRITER.stream(FRAME, "m")
    pieces = [
        ThoughtDelta(text="Add"),
        ThoughtDelta(text="ing.", signature="sig==", by="anthropic"),
        Delta("Ok."),
        ToolDelta(index=0, id="call_1", name="add", arguments="", signature="AAA=", by="google"),
        ToolDelta(index=0, id="call_1", name="add", arguments='{"a'),
        ToolDelta(index=0, id="call_1", name="add", arguments='":1}'),
        ToolDelta(index=1, id="call_2", name="stop", arguments="{}"),
    ]
    said = answer(SEEN, "Ok.", ADD, ToolUse(id="call_2", name="stop", arguments="{}"))
    assert deltas(*map(stream.piece, pieces), stream.closing(said)) == [
        {"reasoning_content": "Add"},
        {"reasoning_content": "ing."},
        {"content": "Ok."},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "add", "arguments": ""},
                    "extra_content": {"google": {"thought_signature": "AAA="}},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '":1}'}}]},
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "stop", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {"extra_content": {"tercet": {"thoughts": [THOUGHTS["tercet"]["thoughts"][0]]}}},
        {},
    ]


def test_a_signature_alone_is_no_delta_of_its_own() -> None:
    stream = WRITER.stream(FRAME, "m")
    assert stream.piece(ThoughtDelta(text="", signature="sealed", by="anthropic")) == b""


@pytest.mark.parametrize("size", [1, 3, 4_096])
def test_openais_client_assembles_tools_from_a_stream_cut_anywhere(size: int) -> None:
    whole = b"".join(streamed_parts(WRITER_OF_USAGE, RICH))
    client = client_answered_with(*(whole[at : at + size] for at in range(0, len(whole), size)))
    with client.chat.completions.stream(
        model="auto", messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        (choice,) = stream.get_final_completion().choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me add."
    assert [
        (call.id, call.function.name, call.function.arguments)
        for call in choice.message.tool_calls or []
    ] == [("call_1", "add", '{"a":1}'), ("call_2", "stop", "")]
    extra = choice.message.model_extra or {}
    assert extra["reasoning_content"] == "Adding."
    assert extra["extra_content"] == THOUGHTS


def test_an_answer_with_tools_and_thoughts_can_be_streamed_again() -> None:
    again = WRITER_OF_USAGE.again(WRITER_OF_USAGE.body(FRAME, RICH))
    said = answer(SEEN, "Let me add.", ADD, STOP, finish="tool_use")
    stream = WRITER_OF_USAGE.stream(FRAME, "claude-opus-5-5")
    pieces = b"".join(map(stream.piece, pieces_of(said.parts)))
    assert again == stream.opening() + pieces + stream.closing(RICH)


def test_openais_own_types_accept_tools_and_thoughts() -> None:
    ChatCompletion.model_validate_json(WRITER.body(FRAME, RICH), strict=True)
    *chunks, done, end = b"".join(streamed_parts(WRITER_OF_USAGE, RICH)).split(b"\n\n")
    assert (done, end) == (b"data: [DONE]", b"")
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk[6:], strict=True)


def test_nothing_is_remembered_of_an_answer() -> None:
    assert WRITER.memory(FRAME, RICH) is None


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
