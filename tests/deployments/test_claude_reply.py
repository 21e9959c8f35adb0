"""What Anthropic's Messages API answers, read from literal bytes without a network."""

import json
from typing import Any

import pytest

from deployments.claude_reply import (
    Events,
    Reading,
    Tee,
    UnreadableError,
    counted_tokens,
    whole_message,
)
from deployments.provider import Alive, Ended, Failed, Metered, ProviderEvent
from tercet.call import Delta, FailureKind, FinishReason, Raw, ThoughtDelta, ToolDelta
from tercet.usage import Usage

# As the API's pages on streaming show it, with an event and fields that nobody knows yet.
WIRE = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","new":1,'
    b'"usage":{"input_tokens":10,"output_tokens":1}}}\n\n'
    b'event: ping\ndata: {"type": "ping"}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
    b'"content_block":{"type":"thinking","thinking":"","signature":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"thinking_delta","thinking":"Hm."}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"signature_delta","signature":"c2ln"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    b": a comment\r\n\r\n"
    b'event: brand_new\r\ndata: {"type":"brand_new",\r\ndata: "value":"\xc3\xbc"}\r\n\r\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":1,'
    b'"content_block":{"type":"text","text":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1,'
    b'"delta":{"type":"text_delta","text":"Gr\xc3\xbc\xc3\x9fe"}}\n\n'
    b'event: ping\ndata: {"type": "ping"}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n'
    b'event: content_block_start\ndata: {"type":"content_block_start","index":2,'
    b'"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,'
    b'"delta":{"type":"input_json_delta","partial_json":""}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,'
    b'"delta":{"type":"input_json_delta","partial_json":"{\\"city\\": \\"Os"}}\n\n'
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":2,'
    b'"delta":{"type":"input_json_delta","partial_json":"lo\\"}"}}\n\n'
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":2}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"tool_use",'
    b'"stop_sequence":null},"usage":{"output_tokens":30}}\n\n'
    b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
)
OPENED = Metered(usage=Usage(fresh_input=10, output=1), upstream_id="msg_1")
WEATHER = ToolDelta(index=0, id="toolu_1", name="weather", arguments="")
SAID: list[ProviderEvent] = [
    OPENED,
    ThoughtDelta(text="Hm."),
    ThoughtDelta(text="", signature="c2ln"),
    Delta("Grüße"),
    WEATHER,
    Alive(),
    ToolDelta(index=0, id="toolu_1", name="weather", arguments='{"city": "Os'),
    ToolDelta(index=0, id="toolu_1", name="weather", arguments='lo"}'),
    Metered(usage=Usage(fresh_input=10, output=30), upstream_id="msg_1"),
    Ended(finish="tool_use"),
]


def told(wire: bytes, reading: Reading | Tee, *, size: int = 1 << 20) -> list[ProviderEvent]:
    events = Events()
    parts = (wire[n : n + size] for n in range(0, len(wire), size))
    return [t for part in parts for event in events.feed(part) for t in reading.take(event)]


def sse(*events: dict[str, Any]) -> bytes:
    lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return "".join(lines).encode()


def start(**usage: object) -> dict[str, Any]:
    counted = {"input_tokens": 10, "output_tokens": 1, **usage}
    return {"type": "message_start", "message": {"id": "msg_1", "usage": counted}}


def block(type_: str, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_start", "content_block": {"type": type_, **fields}}


def piece(type_: str, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "delta": {"type": type_, **fields}}


CLOSE: dict[str, Any] = {"type": "content_block_stop"}
STOP: dict[str, Any] = {"type": "message_stop"}


def ending(reason: str | None, sequence: str | None = None, **usage: object) -> dict[str, Any]:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5, **usage}}


def pieces(*events: dict[str, Any]) -> list[ProviderEvent]:
    """Return what is told between the opening count and the last one."""
    heard = told(sse(start(), *events, ending("end_turn"), STOP), Reading())
    return [event for event in heard[:-1] if not isinstance(event, Metered)]


def verdict(reading: Reading | Tee, *events: dict[str, Any]) -> ProviderEvent:
    return told(sse(start(), *events), reading)[-1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
def test_thoughts_text_and_tools_are_read_however_the_bytes_are_split(size: int) -> None:
    assert told(WIRE, Reading(), size=size) == SAID


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
def test_the_bytes_of_a_verbatim_answer_come_through_unchanged(size: int) -> None:
    heard = told(WIRE, Tee(), size=size)
    assert b"".join(event.data for event in heard if isinstance(event, Raw)) == WIRE
    assert [event for event in heard if not isinstance(event, Raw)] == SAID


def test_bytes_are_held_back_until_there_is_content_and_then_go_before_what_they_say() -> None:
    heard = told(WIRE, Tee())
    assert heard[0] == OPENED
    first = heard[1]
    assert isinstance(first, Raw)
    assert first.data.startswith(b"event: message_start\n")
    assert first.data.count(b"event: ") == 3
    assert isinstance(heard[2], Raw)
    assert heard[3] == ThoughtDelta(text="Hm.")


def test_a_verbatim_stream_never_ends_inside_an_event() -> None:
    cut = WIRE[: WIRE.index(b"Gr\xc3")]
    sent = b"".join(event.data for event in told(cut, Tee(), size=1) if isinstance(event, Raw))
    assert (
        sent
        == WIRE[
            : WIRE.index(
                b'event: content_block_delta\ndata: {"type":"content_block_delta","index":1'
            )
        ]
    )


def test_pings_while_it_thinks_are_signs_of_life() -> None:
    ping: dict[str, Any] = {"type": "ping"}
    ended: dict[str, Any] = {"type": "content_block_stop", "index": 0}
    tee = Tee()
    told(sse(start(), block("thinking")), tee)
    assert told(sse(ping, ping), tee) == [Alive(), Alive()]
    told(sse(ended), tee)
    assert told(sse(ping), tee) == []


def test_pings_alone_are_silence() -> None:
    ping: dict[str, Any] = {"type": "ping"}
    begun = sse(start(), block("text"))
    tee = Tee()
    told(begun, tee)
    assert told(sse(ping, ping), tee) == []
    (raw, delta) = told(sse(piece("text_delta", text="Hi")), tee)
    assert isinstance(raw, Raw)
    assert raw.data == sse(ping, ping, piece("text_delta", text="Hi"))
    assert delta == Delta("Hi")


@pytest.mark.parametrize(
    ("type_", "kind"),
    [("overloaded_error", "overloaded"), ("api_error", "unavailable"), ("new", "unavailable")],
)
def test_an_error_before_content_leaves_no_bytes_behind(type_: str, kind: FailureKind) -> None:
    error = {"type": "error", "error": {"type": type_, "message": "No."}}
    heard = told(sse(start(), error), Tee())
    assert heard == [OPENED, Failed(kind=kind, message=f"{type_}: No.", billed="maybe")]
    assert told(sse(error), Tee()) == [Failed(kind=kind, message=f"{type_}: No.", billed="no")]


@pytest.mark.parametrize("data", [b"", b"no", b"[1]", b'{"error": 5}', b'{"error": {"type": []}}'])
def test_an_error_in_any_form_is_one_and_is_not_passed_on(data: bytes) -> None:
    tee = Tee()
    told(sse(start(), block("text", text="Hi")), tee)
    (failed,) = told(b"event: error\ndata: " + data + b"\n\n", tee)
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.billed) == ("unavailable", "maybe")


def test_a_tool_without_arguments_has_empty_ones() -> None:
    used = pieces(block("tool_use", id="toolu_1", name="now", input={}), CLOSE)
    assert used == [
        ToolDelta(index=0, id="toolu_1", name="now", arguments=""),
        ToolDelta(index=0, id="toolu_1", name="now", arguments="{}"),
    ]


def test_arguments_that_come_whole_are_taken_whole() -> None:
    used = pieces(block("tool_use", id="toolu_1", name="now", input={"city": "Oslo"}), CLOSE)
    assert used[1] == ToolDelta(index=0, id="toolu_1", name="now", arguments='{"city": "Oslo"}')


def test_tools_used_at_once_are_numbered() -> None:
    used = pieces(
        block("tool_use", id="toolu_1", name="now", input={}),
        piece("input_json_delta", partial_json="{}"),
        CLOSE,
        block("tool_use", id="toolu_2", name="now", input={}),
        piece("input_json_delta", partial_json='{"a": '),
        CLOSE,
    )
    assert used == [
        ToolDelta(index=0, id="toolu_1", name="now", arguments=""),
        ToolDelta(index=0, id="toolu_1", name="now", arguments="{}"),
        ToolDelta(index=1, id="toolu_2", name="now", arguments=""),
        ToolDelta(index=1, id="toolu_2", name="now", arguments='{"a": '),
    ]


def test_a_redacted_thought_and_one_whose_text_is_left_out_are_told_apart() -> None:
    thought = pieces(
        block("redacted_thinking", data="cmVk"),
        CLOSE,
        block("thinking", thinking="", signature=""),
        piece("signature_delta", signature="b21p"),
        CLOSE,
        piece("text_delta", text="Hi"),
    )
    assert thought == [
        ThoughtDelta(text="", signature="cmVk", is_redacted=True),
        ThoughtDelta(text="", signature="b21p"),
        Delta("Hi"),
    ]


def test_blocks_that_are_not_known_are_signs_of_life() -> None:
    seen = pieces(
        block("server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        piece("input_json_delta", partial_json='{"query":'),
        CLOSE,
        block("web_search_tool_result", tool_use_id="srvtoolu_1", content=[]),
        CLOSE,
        block("text", text=""),
        piece("text_delta", text="Hi"),
        piece("citations_delta", citation={}),
    )
    assert seen == [Alive(), Alive(), Alive(), Delta("Hi"), Alive()]


TEXT = block("text", text="Hi")
USE = block("tool_use", id="toolu_1", name="now", input={})


@pytest.mark.parametrize(
    ("said", "reason", "ended"),
    [
        (TEXT, "end_turn", "stop"),
        (TEXT, "stop_sequence", "stop"),
        (TEXT, "max_tokens", "length"),
        (TEXT, "model_context_window_exceeded", "length"),
        (TEXT, "refusal", "content_filter"),
        (TEXT, "pause_turn", None),
        (TEXT, "compaction", None),
        (TEXT, "brand_new_reason", None),
        (TEXT, "tool_use", None),
        (USE, "tool_use", "tool_use"),
        (USE, "end_turn", "stop"),
        (block("thinking", thinking="Hm."), "end_turn", None),
        (block("server_tool_use"), "end_turn", None),
    ],
)
def test_every_reason_to_stop_is_an_end_or_a_failure(
    said: dict[str, Any], reason: str, ended: FinishReason | None
) -> None:
    last = verdict(Reading(), said, CLOSE, ending(reason), STOP)
    empty = Failed(kind="empty", message=f"stop reason {reason}", billed="as_metered")
    assert last == (empty if ended is None else Ended(finish=ended))


@pytest.mark.parametrize(
    ("said", "reason", "finish"),
    [
        (TEXT, "end_turn", "stop"),
        (TEXT, "refusal", "content_filter"),
        (TEXT, "pause_turn", "pause"),
        (TEXT, "compaction", "pause"),
        (TEXT, "brand_new_reason", "stop"),
        (TEXT, "tool_use", "tool_use"),
        (block("thinking", thinking="Hm."), "end_turn", "stop"),
        (block("server_tool_use"), "end_turn", "stop"),
        (block("brand_new_block"), "end_turn", "stop"),
    ],
)
def test_what_a_verbatim_answer_says_is_for_its_client_to_judge(
    said: dict[str, Any], reason: str, finish: FinishReason
) -> None:
    assert verdict(Tee(), said, CLOSE, ending(reason), STOP) == Ended(finish=finish)


def test_a_verbatim_answer_without_content_is_passed_on_only_if_it_was_refused() -> None:
    refused = sse(start(), ending("refusal"), STOP)
    assert told(refused, Tee())[-2:] == [Raw(refused), Ended(finish="content_filter")]
    empty = told(sse(start(), ending("end_turn"), STOP), Tee())
    assert not any(isinstance(event, Raw) for event in empty)
    assert empty[-1] == Failed(kind="empty", message="stop reason end_turn", billed="as_metered")


def test_an_ending_without_a_reason_is_not_passed_on() -> None:
    tee = Tee()
    told(sse(start(), TEXT, CLOSE), tee)
    assert told(sse(STOP), tee) == [
        Failed(kind="empty", message="stop reason None", billed="maybe")
    ]


def test_the_stop_sequence_is_named() -> None:
    last = verdict(Reading(), TEXT, ending("stop_sequence", "END"), STOP)
    assert last == Ended(finish="stop", stop_sequence="END")


def test_what_compacting_took_is_added_to_totals_that_leave_it_out() -> None:
    compaction = {
        "type": "compaction",
        "input_tokens": 100,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 7,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 3},
        "output_tokens": 50,
    }
    message = {"type": "message", "input_tokens": 10, "output_tokens": 5}
    heard = told(sse(start(), ending("end_turn", iterations=[compaction, message, 5])), Reading())
    assert heard[-1] == Metered(
        usage=Usage(fresh_input=110, cache_read=20, cache_write_5m=4, cache_write_1h=3, output=55),
        upstream_id="msg_1",
    )


def test_how_a_request_was_served_is_told() -> None:
    served = start(service_tier="priority", speed="fast", inference_geo="us")
    (count,) = told(sse(served), Reading())
    assert isinstance(count, Metered)
    assert count.service_tier == "priority fast us"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "message_start", "message": {"usage": "none"}},
        {"type": "content_block_start"},
        {"type": "content_block_start", "content_block": []},
        block("text", text=5),
        block("tool_use", id=5, name="now"),
        block("redacted_thinking", data={}),
        piece("text_delta", text=["Hi"]),
        piece("signature_delta", signature=5),
        {"type": "message_delta"},
        {"type": "message_delta", "delta": {"stop_reason": ["end_turn"]}},
    ],
)
def test_a_known_event_of_another_shape_is_unreadable(event: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        told(sse(event), Reading())


@pytest.mark.parametrize("type_", [None, 5, [], {}, "", "brand_new_event"])
def test_an_event_of_an_unknown_type_says_nothing(type_: object) -> None:
    assert Reading().read({"type": type_}) == []


WHOLE = (
    b'{ "id": "msg_1", "type": "message", "new": 1.50, "content": ['
    b'{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, '
    b'{"type": "text", "text": "Hi"}, {"type": "brand_new"}, '
    b'{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}], '
    b'"stop_reason": "tool_use", "usage": {"input_tokens": 10, "output_tokens": 30} }'
)


def test_a_whole_message_is_its_bytes_and_what_they_say() -> None:
    assert whole_message(WHOLE) == [
        Metered(usage=Usage(fresh_input=10, output=30), upstream_id="msg_1"),
        Raw(WHOLE),
        ThoughtDelta(text="Hm."),
        ThoughtDelta(text="", signature="c2ln"),
        Delta("Hi"),
        Alive(),
        WEATHER,
        ToolDelta(index=0, id="toolu_1", name="weather", arguments='{"city": "Oslo"}'),
        Ended(finish="tool_use"),
    ]


def test_a_whole_message_that_is_empty_is_counted_and_not_passed_on() -> None:
    body = b'{"content": [], "stop_reason": "end_turn", "usage": {"output_tokens": 3}}'
    assert whole_message(body) == [
        Metered(usage=Usage(output=3), upstream_id=None),
        Failed(kind="empty", message="stop reason end_turn", billed="as_metered"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"usage": {}}',
        b'{"content": [], "stop_reason": "end_turn"}',
        b"<p>",
        b'{"usage": {}, "content": [5]}',
    ],
)
def test_a_body_that_is_no_message_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        whole_message(body)


def test_a_count_is_a_whole_number() -> None:
    assert counted_tokens(b'{"input_tokens": 2095}') == 2095


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1]", b'{"input_tokens": "9"}', b'{"input_tokens": -1}']
)
def test_anything_else_is_no_count(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        counted_tokens(body)
