import json

import anthropic
import httpx2
import pytest
from anthropic.types import Message as SdkMessage
from anthropic.types import MessageParam, MessageTokensCount, ModelInfo, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from deployments.assembling import Assembly
from router.surfaces.anthropic_messages import SURFACE
from router.surfaces.anthropic_messages_lists import count_body, model_body, models_body
from router.surfaces.anthropic_messages_reply import MessagesWriter, error_body, shown
from router.surfaces.refusal import Refusal
from router.surfaces.surface import Frame, Identity, Incoming, Order
from tercet.answer import Answer, Step
from tercet.call import Completion, Delta, FinishReason, Piece, Raw, ThoughtDelta, ToolDelta
from tercet.catalog import ProviderName
from tercet.content import JsonObject, JsonValue, Said, Text, Thought, ToolUse
from tercet.usage import Usage

FRAME = Frame(task_id="task-1", route="tier1", created=1_800_000_000)
WRITER = MessagesWriter()
REFUSAL = Refusal(
    status=502, type="server_error", code="no_answer", message="No model answered.", param="model"
)
EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
AWKWARD = 'né "q" \\ \n\r\n\t\x00\x7f\x85\u2028\u2029 \U0001f600 data: x\n\nevent: x'


def completion(model: str, usage: Usage) -> Completion:
    return Completion(
        attempt_id="attempt-1",
        model=model,
        parts=(Text("..."),),
        finish="stop",
        usage=usage,
        cost_nano_usd=1_000_000,
        first_token_s=0.5,
        latency_s=1.0,
    )


STEPS = (
    Step(
        role="memory",
        round=1,
        outcome=completion("gemini-4-argon", Usage(fresh_input=1_000, output=50, thinking=20)),
    ),
    Step(
        role="brain",
        round=1,
        outcome=completion(
            "claude-opus-5-5",
            Usage(
                fresh_input=100,
                cache_read=200,
                cache_write_5m=30,
                cache_write_1h=4,
                output=60,
                thinking=10,
            ),
        ),
    ),
)


def answer(*parts: Said, finish: FinishReason = "stop", stop_sequence: str | None = None) -> Answer:
    return Answer(
        parts=parts,
        model="claude-opus-5-5",
        finish=finish,
        stop_sequence=stop_sequence,
        steps=STEPS,
        settled_by="one seat",
    )


USAGE: JsonObject = {
    "input_tokens": 1_100,
    "cache_creation_input_tokens": 34,
    "cache_read_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 4},
    "output_tokens": 110,
    "output_tokens_details": {"thinking_tokens": 30},
    "server_tool_use": None,
    "inference_geo": None,
    "service_tier": "standard",
}
TERCET: JsonObject = {
    "request_id": "task-1",
    "route": "tier1",
    "models": ["gemini-4-argon", "claude-opus-5-5"],
    "degraded": [],
    "cost_usd": "0.002000000",
    "simulated": False,
}


def events_of(data: bytes) -> list[tuple[str, JsonObject]]:
    """Return names and data, after a check that nothing else is there."""
    told: list[tuple[str, JsonObject]] = []
    for event in data.decode().removesuffix("\n\n").split("\n\n"):
        name, line = event.split("\n")
        fields = json.loads(line.removeprefix("data: "))
        assert name == f"event: {fields['type']}"
        told.append((fields["type"], fields))
    return told


def streamed(*pieces: Piece, said: Answer | None = None) -> bytes:
    stream = WRITER.stream(FRAME, "claude-opus-5-5")
    told = stream.opening() + b"".join(map(stream.piece, pieces))
    return told + stream.closing(said or answer())


def blocks_of(*pieces: Piece) -> list[JsonObject]:
    """Return the events between the first and the last two, without their types' indices."""
    return [fields for _, fields in events_of(streamed(*pieces))[1:-2]]


def client_answered_with(
    *pieces: bytes, status: int = 200, kind: str = "text/event-stream"
) -> anthropic.Anthropic:
    def reply(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers={"content-type": kind}, content=iter(pieces))

    return anthropic.Anthropic(
        api_key="key",
        base_url="http://gateway",
        max_retries=0,
        http_client=anthropic.DefaultHttpxClient(transport=httpx2.MockTransport(reply)),
    )


def assembled(*pieces: bytes) -> JsonObject:
    """Return the message that the SDK puts together."""
    hello: MessageParam = {"role": "user", "content": "Hi"}
    with (
        client_answered_with(*pieces) as client,
        client.messages.stream(model="auto", max_tokens=9, messages=[hello]) as stream,
    ):
        return comparable(json.loads(stream.get_final_message().to_json()))


def comparable(message: JsonObject) -> JsonObject:
    """Leave out ours, and what no `message_delta` of Anthropic's can bring."""
    usage = message["usage"]
    assert isinstance(usage, dict)
    kept = {name: value for name, value in usage.items() if name != "cache_creation"}
    return {name: value for name, value in message.items() if name != "tercet"} | {"usage": kept}


def test_a_whole_message_is_written_out() -> None:
    said = answer(
        Thought(text="Hm.", signature="c2ln", by="anthropic"),
        Text("I look."),
        ToolUse(id="toolu_1", name="look", arguments='{"at": 1}'),
        finish="tool_use",
    )
    assert json.loads(WRITER.body(FRAME, said)) == {
        "id": "msg_task-1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
            {"type": "text", "text": "I look.", "citations": None},
            {
                "type": "tool_use",
                "id": "toolu_1",
                "name": "look",
                "input": {"at": 1},
                "caller": {"type": "direct"},
            },
        ],
        "container": None,
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "usage": USAGE,
        "tercet": TERCET,
    }


def test_a_stream_is_written_out() -> None:
    delta: JsonObject = {
        "container": None,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
    }
    unknown: JsonObject = {
        "input_tokens": 0,
        "cache_creation_input_tokens": None,
        "cache_read_input_tokens": None,
        "cache_creation": None,
        "output_tokens": 0,
        "output_tokens_details": None,
        "server_tool_use": None,
        "inference_geo": None,
        "service_tier": "standard",
    }
    begun: JsonObject = {
        "id": "msg_task-1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "container": None,
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": unknown,
    }
    told = streamed(
        ThoughtDelta(text="Hm", by="anthropic"),
        ThoughtDelta(text="", signature="c2ln", by="anthropic"),
        Delta("I "),
        Delta("look."),
        ToolDelta(index=0, id="toolu_1", name="look", arguments=""),
        ToolDelta(index=0, id="toolu_1", name="look", arguments='{"at"'),
        ToolDelta(index=0, id="toolu_1", name="look", arguments=": 1}"),
        ToolDelta(index=1, id="toolu_2", name="look", arguments=""),
    )
    tool: JsonObject = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "look",
        "input": {},
        "caller": {"type": "direct"},
    }
    assert [fields for _, fields in events_of(told)] == [
        {"type": "message_start", "message": begun},
        start(0, {"type": "thinking", "thinking": "", "signature": ""}),
        grow(0, type="thinking_delta", thinking="Hm"),
        grow(0, type="signature_delta", signature="c2ln"),
        stop(0),
        start(1, {"type": "text", "text": "", "citations": None}),
        grow(1, type="text_delta", text="I "),
        grow(1, type="text_delta", text="look."),
        stop(1),
        start(2, tool),
        grow(2, type="input_json_delta", partial_json='{"at"'),
        grow(2, type="input_json_delta", partial_json=": 1}"),
        stop(2),
        start(3, {**tool, "id": "toolu_2"}),
        stop(3),
        {"type": "message_delta", "delta": delta, "usage": USAGE, "tercet": TERCET},
        {"type": "message_stop"},
    ]


def start(index: int, block: JsonObject) -> JsonObject:
    return {"type": "content_block_start", "index": index, "content_block": block}


def grow(index: int, **delta: JsonValue) -> JsonObject:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int) -> JsonObject:
    return {"type": "content_block_stop", "index": index}


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
        ("tool_use", "tool_use"),
        ("pause", "pause_turn"),
    ],
)
def test_each_end_of_an_answer_has_anthropics_name(finish: FinishReason, reason: str) -> None:
    told = json.loads(WRITER.body(FRAME, answer(Text("x"), finish=finish)))
    assert told["stop_reason"] == reason
    assert (told["stop_details"] is not None) == (reason == "refusal")


def test_the_stop_sequence_that_was_met_is_named() -> None:
    told = json.loads(WRITER.body(FRAME, answer(Text("x"), stop_sequence="END")))
    assert (told["stop_reason"], told["stop_sequence"]) == ("stop_sequence", "END")


def test_a_refusal_without_a_word_has_no_content() -> None:
    told = json.loads(WRITER.body(FRAME, answer(finish="content_filter")))
    assert told["content"] == []
    assert told["stop_details"] == {"type": "refusal", "category": None, "explanation": None}


@pytest.mark.parametrize("arguments", ['{"at', "[1]", "3", '{"a": NaN}', '{"a": 1e999}'])
def test_a_broken_call_does_not_look_like_one_without_arguments(arguments: str) -> None:
    said = answer(ToolUse(id="a", name="f", arguments=arguments), finish="tool_use")
    assert json.loads(WRITER.body(FRAME, said))["content"][0]["input"] == {"_raw": arguments}


@pytest.mark.parametrize("arguments", ["", " ", "{}"])
def test_a_call_without_arguments_has_none(arguments: str) -> None:
    said = answer(ToolUse(id="a", name="f", arguments=arguments), finish="tool_use")
    assert json.loads(WRITER.body(FRAME, said))["content"][0]["input"] == {}


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        (
            Thought(text="Hm.", signature="c2ln", by="google"),
            [{"type": "thinking", "thinking": "Hm.", "signature": "tercet:google:c2ln"}],
        ),
        (
            Thought(text="Hm.", by="local"),
            [{"type": "thinking", "thinking": "Hm.", "signature": "tercet:local:"}],
        ),
        (
            Thought(text="", signature="c2ln", by="anthropic", is_redacted=True),
            [{"type": "redacted_thinking", "data": "c2ln"}],
        ),
        (
            Thought(text="", signature="c2ln", by="anthropic"),
            [{"type": "thinking", "thinking": "", "signature": "c2ln"}],
        ),
        (
            Thought(text="", signature="c2ln", by="google", is_redacted=True),
            [{"type": "redacted_thinking", "data": "tercet:google:c2ln"}],
        ),
        (
            ToolUse(id="a", name="f", arguments="", signature="c2ln", by="google"),
            [
                {"type": "redacted_thinking", "data": "tercet:google:tool:c2ln"},
                {
                    "type": "tool_use",
                    "id": "a",
                    "name": "f",
                    "input": {},
                    "caller": {"type": "direct"},
                },
            ],
        ),
        (Thought(text="", by="local"), []),
        (Text(""), []),
    ],
)
def test_each_part_has_its_blocks(part: Said, blocks: list[JsonObject]) -> None:
    assert json.loads(WRITER.body(FRAME, answer(part)))["content"] == blocks


def test_a_thought_that_nobody_signed_says_whose_it_is_before_it_ends() -> None:
    told = blocks_of(ThoughtDelta(text="Hm.", by="google"), Delta("Yes."))
    assert told[2:4] == [
        grow(0, type="signature_delta", signature="tercet:google:"),
        stop(0),
    ]


def test_a_signed_tool_use_is_streamed_after_its_signature() -> None:
    told = blocks_of(
        ToolDelta(index=0, id="a", name="f", arguments="{}", signature="c2ln", by="google")
    )
    assert told[:2] == [
        start(0, {"type": "redacted_thinking", "data": "tercet:google:tool:c2ln"}),
        stop(0),
    ]
    assert told[3] == grow(1, type="input_json_delta", partial_json="{}")


def test_pieces_that_say_nothing_are_no_events() -> None:
    assert blocks_of(Delta(""), ThoughtDelta(text=""), Raw(b"x")) == []


def test_a_comment_pings() -> None:
    told = WRITER.comment("two\nlines")
    assert told == b': two lines\n\nevent: ping\ndata: {"type":"ping"}\n\n'


def test_a_comment_before_and_in_a_stream_is_not_seen_by_anthropics_client() -> None:
    stream = WRITER.stream(FRAME, "claude-opus-5-5")
    told = WRITER.comment("a") + stream.opening() + stream.piece(Delta("Hi"))
    told += WRITER.comment("b") + stream.closing(answer(Text("Hi")))
    assert assembled(told)["content"] == [{"type": "text", "text": "Hi", "citations": None}]


def test_a_stream_that_breaks_raises_in_anthropics_client() -> None:
    stream = WRITER.stream(FRAME, "claude-opus-5-5")
    told = stream.opening() + stream.piece(Delta("Hi")) + stream.failing(REFUSAL)
    assert b"message_stop" not in told
    assert b"content_block_stop" not in told
    with pytest.raises(anthropic.APIStatusError) as raised:
        assembled(told)
    assert (raised.value.type, raised.value.error_code) == ("api_error", "no_answer")


def test_a_stream_that_fails_before_its_first_word_raises_in_anthropics_client() -> None:
    told = WRITER.failed(FRAME, REFUSAL)
    assert events_of(told)[0][0] == "error"
    with pytest.raises(anthropic.APIStatusError, match="No model answered"):
        assembled(told)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_value", "invalid_request_error"),
        (401, "invalid_api_key", "authentication_error"),
        (403, "model_not_allowed", "permission_error"),
        (404, "model_not_found", "not_found_error"),
        (409, "conflict", "invalid_request_error"),
        (413, "too_large", "request_too_large"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
        (429, "insufficient_quota", "billing_error"),
        (500, "internal", "api_error"),
        (502, "no_answer", "api_error"),
        (503, "service_unavailable", "overloaded_error"),
        (504, "timeout", "timeout_error"),
    ],
)
def test_each_refusal_has_anthropics_type(status: int, code: str, kind: str) -> None:
    told = json.loads(
        error_body(Refusal(status=status, type="server_error", code=code, message="No."))
    )
    assert told["error"]["type"] == kind
    if kind != "request_too_large":
        ErrorResponse.model_validate(told)


def test_an_error_says_what_is_wrong_and_when_a_budget_begins_anew() -> None:
    spent = Refusal(
        status=429,
        type="rate_limit_error",
        code="insufficient_quota",
        message="Spent.",
        param="model",
        reset_at=1_800_000_000.0,
    )
    assert json.loads(error_body(spent)) == {
        "type": "error",
        "error": {
            "type": "billing_error",
            "message": "Spent.",
            "details": {
                "error_code": "insufficient_quota",
                "param": "model",
                "reset_at": "2027-01-15T08:00:00Z",
            },
        },
        "request_id": None,
    }


def test_nothing_is_remembered_of_an_answer() -> None:
    assert WRITER.memory(FRAME, answer(Text("x"))) is None


def test_a_count_is_one_of_anthropics() -> None:
    assert MessageTokensCount.model_validate_json(count_body(7)).input_tokens == 7


def test_anthropics_client_lists_the_models() -> None:
    told = models_body({"auto": "tercet", "claude-opus-5-5": "anthropic"}, 1_800_000_000)
    with client_answered_with(told, kind="application/json") as client:
        page = client.models.list(limit=1000)
    assert [model.id for model in page] == ["auto", "claude-opus-5-5"]
    assert (page.has_more, page.first_id, page.last_id) == (False, "auto", "claude-opus-5-5")


def test_a_list_of_no_models_has_no_ends() -> None:
    assert json.loads(models_body({}, 0)) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


def test_a_model_is_one_of_anthropics() -> None:
    told = model_body("auto", "tercet", 1_800_000_000)
    assert json.loads(told) == {
        "type": "model",
        "id": "auto",
        "display_name": "auto (tercet)",
        "created_at": "2027-01-15T08:00:00Z",
        "capabilities": None,
        "max_input_tokens": None,
        "max_tokens": None,
        "lifecycle": "active",
    }
    ModelInfo.model_validate_json(told)


def test_no_text_can_end_a_line_of_the_stream() -> None:
    assert len(streamed(Delta(AWKWARD)).splitlines()) == len(streamed(Delta("x")).splitlines())
    (_, first), *_ = [pair for pair in events_of(streamed(Delta(AWKWARD))) if "delta" in pair[1]]
    assert first["delta"] == {"type": "text_delta", "text": AWKWARD}


TEXTS = st.text(min_size=1, max_size=8)
SIGNATURES = st.sampled_from(["c2ln", "Zm9v", "YmFy"])
BY: st.SearchStrategy[ProviderName] = st.sampled_from(["anthropic", "google", "local"])
ARGUMENTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3)).map(
    lambda fields: json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[ProviderName, list[Piece]]:
    """Make what one provider says, piece by piece, as an attempt passes it on."""
    by = draw(BY)
    pieces: list[Piece] = []
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "redacted", "tool"]))):
        match kind:
            case "text":
                pieces += [Delta(text) for text in draw(st.lists(TEXTS, max_size=3))]
            case "thought":
                pieces += [ThoughtDelta(text=text, by=by) for text in draw(st.lists(TEXTS))]
                if by != "local":
                    pieces.append(ThoughtDelta(text="", signature=draw(SIGNATURES), by=by))
            case "redacted":
                if by != "local":
                    pieces.append(ThoughtDelta(text="", signature=draw(SIGNATURES), by=by))
            case _:
                pieces += draw(tool_uses(by, sum(isinstance(p, ToolDelta) for p in pieces)))
    return by, pieces


@st.composite
def tool_uses(draw: st.DrawFn, by: ProviderName, index: int) -> list[Piece]:
    arguments = draw(ARGUMENTS)
    cut = draw(st.integers(0, len(arguments)))
    signature = draw(SIGNATURES) if by == "google" and draw(st.booleans()) else None
    whole = ToolDelta(
        index=index,
        id=f"toolu_{index}",
        name="look",
        arguments=arguments[:cut],
        signature=signature,
        by=by,
    )
    rest = ToolDelta(index=index, id=whole.id, name="look", arguments=arguments[cut:], by=by)
    return [whole, rest]


def parts_of(by: ProviderName, pieces: list[Piece]) -> tuple[Said, ...]:
    assembly = Assembly(by)
    for piece in pieces:
        assembly.add(piece)
    return assembly.parts


@given(conversations())
def test_a_stream_says_what_the_whole_message_says(said: tuple[ProviderName, list[Piece]]) -> None:
    by, pieces = said
    whole = answer(*parts_of(by, pieces))
    body = WRITER.body(FRAME, whole)
    SdkMessage.model_validate_json(body)
    streams = streamed(*pieces, said=whole), WRITER.again(body)
    for data in streams:
        for _, fields in events_of(data):
            EVENT.validate_python(fields)
        assert assembled(data) == comparable(json.loads(body))


@given(conversations())
def test_what_a_client_sends_back_is_what_was_said(
    said: tuple[ProviderName, list[Piece]],
) -> None:
    by, pieces = said
    parts = parts_of(by, pieces)
    content = json.loads(WRITER.body(FRAME, answer(*parts)))["content"]
    uses = [block["id"] for block in content if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": use, "content": "ok"} for use in uses]
    again: JsonValue = [*results, {"type": "text", "text": "Go on."}]
    fields: JsonObject = {
        "model": "auto",
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": content},
            {"role": "user", "content": again},
        ],
    }
    order = SURFACE.read(
        Incoming(body=fields, raw=b"", headers={}, query={}),
        lambda name: name,
        Identity(task_id="task-2", key_id="key-1", deadline_at=0.0),
    )
    assert isinstance(order, Order), order
    sent_back = [m.parts for m in order.task.messages if m.speaker == "assistant"]
    said_at_all = shown(parts)
    says_something = any(not isinstance(part, Text) or part.text.strip() for part in said_at_all)
    assert sent_back == ([said_at_all] if says_something else [])


def test_a_bare_signature_of_gemini_after_its_text_is_not_shown() -> None:
    signature = Thought(text="", signature="c2ln", by="google")
    told = answer(Text("Hi"), signature)
    assert json.loads(WRITER.body(FRAME, told))["content"] == [
        {"type": "text", "text": "Hi", "citations": None}
    ]
    pieces = (Delta("Hi"), ThoughtDelta(text="", signature="c2ln", by="google"))
    assert b"signature" not in streamed(*pieces, said=told)
    assert shown((Text("a"), signature, Text("b"))) == (Text("ab"),)
    assert shown((signature, Text("a"))) == (signature, Text("a"))


def test_a_stream_cut_into_pieces_anywhere_says_the_same() -> None:
    told = streamed(Delta(AWKWARD), ToolDelta(index=0, id="a", name="f", arguments="{}"))
    assert assembled(*(told[at : at + 1] for at in range(len(told)))) == assembled(told)
