import json
from typing import Any

import pytest
from fakes.responses import (
    AWKWARD,
    FRAME,
    PATCH,
    SAID,
    SPAWN,
    SUMMARY,
    answer,
    body_of,
    client_answered_with,
    events_of,
    ordered,
    streamed,
)

from router.surfaces.refusal import Refusal
from tercet.call import Delta, FinishReason, ThoughtDelta, ToolDelta
from tercet.content import Thought, ToolUse


def test_a_stream_tells_each_item_from_its_beginning_to_its_end() -> None:
    order = ordered(tools=[PATCH, SPAWN], **SUMMARY)
    told = [event["type"].removeprefix("response.") for event in events_of(streamed(order, SAID))]
    assert told == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


def test_the_events_of_a_text_are_written_out() -> None:
    events = events_of(streamed(ordered(), answer("Four.")))
    at = {"item_id": "msg_req_1_0", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "Four.", "annotations": [], "logprobs": []}
    blank = {
        "id": "msg_req_1_0",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    whole = blank | {"status": "completed", "content": [part]}
    assert [
        {k: v for k, v in event.items() if k != "sequence_number"} for event in events[2:-1]
    ] == [
        {"type": "response.output_item.added", "output_index": 0, "item": blank},
        {"type": "response.content_part.added", **at, "part": part | {"text": ""}},
        {"type": "response.output_text.delta", **at, "logprobs": [], "delta": "Four."},
        {"type": "response.output_text.done", **at, "logprobs": [], "text": "Four."},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
    ]
    assert [event["response"]["status"] for event in (*events[:2], events[-1])] == [
        "in_progress",
        "in_progress",
        "completed",
    ]
    assert events[-1]["response"] == body_of(ordered(), answer("Four."))


def test_pieces_of_pieces_make_the_same_response() -> None:
    order = ordered(tools=[PATCH], **SUMMARY)
    stream = order.writer.stream(FRAME, "claude-opus-5-5")
    pieces = [
        ThoughtDelta(text="Let me "),
        ThoughtDelta(text="see."),
        ThoughtDelta(text="", signature="c2ln", by="anthropic"),
        ThoughtDelta(text="", signature="cmVk", by="anthropic", is_redacted=True),
        Delta(""),
        Delta("I "),
        Delta("look."),
        ToolDelta(index=0, id="call_1", name="look", arguments="", signature="Z29v", by="google"),
        ToolDelta(index=0, id="call_1", name="look", arguments='{"at"'),
        ToolDelta(index=0, id="call_1", name="look", arguments=": 1}"),
        ToolDelta(index=1, id="call_2", name="apply_patch", arguments='{"inp'),
        ToolDelta(index=1, id="call_2", name="apply_patch", arguments='ut":"x"}'),
    ]
    said = answer(
        Thought(text="Let me see.", signature="c2ln", by="anthropic"),
        Thought(text="", signature="cmVk", by="anthropic", is_redacted=True),
        "I look.",
        ToolUse(id="call_1", name="look", arguments='{"at": 1}', signature="Z29v", by="google"),
        ToolUse(id="call_2", name="apply_patch", arguments='{"input":"x"}'),
        finish="tool_use",
    )
    told = stream.opening() + b"".join(map(stream.piece, pieces)) + stream.closing(said)
    assert events_of(told)[-1]["response"] == body_of(order, said)


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_use", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("pause", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_an_answer_ended_is_said_by_its_response_and_its_last_item(
    finish: FinishReason, status: str, reason: object
) -> None:
    said = answer("Fo", finish=finish)
    body = body_of(ordered(), said)
    assert (body["status"], body["incomplete_details"]) == (status, reason)
    assert body["output"][0]["status"] == status
    assert events_of(streamed(ordered(), said))[-1]["type"] == f"response.{status}"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (("server_error", "no_answer"), "server_error"),
        (("rate_limit_error", "rate_limit_exceeded"), "rate_limit_exceeded"),
        (("invalid_request_error", "content_filter"), "invalid_prompt"),
        (("invalid_request_error", "context_length_exceeded"), "context_length_exceeded"),
        (("rate_limit_error", "insufficient_quota"), "insufficient_quota"),
    ],
)
def test_a_broken_stream_ends_as_failed_and_in_nothing_else(refusal: Any, code: str) -> None:
    kind, own_code = refusal
    told = Refusal(status=502, type=kind, code=own_code, message="No model answered.")
    writer = ordered().writer
    stream = writer.stream(FRAME, "claude-opus-5-5")
    broken = stream.opening() + stream.piece(Delta("Fo")) + stream.failing(told)
    for events in (broken, writer.failed(FRAME, told)):
        parsed = [
            json.loads(event.split("\ndata: ")[1])
            for event in events.decode().removesuffix("\n\n").split("\n\n")
        ]
        failed = parsed[-1]
        assert parsed[0]["type"] == "response.created"
        assert failed["type"] == "response.failed"
        assert failed["response"]["status"] == "failed"
        assert failed["response"]["error"] == {"code": code, "message": "No model answered."}
        assert b"output_item.done" not in events
        assert b"response.completed" not in events
    assert failed["response"]["model"] == "tier1"


def test_a_kept_body_is_streamed_as_it_was_the_first_time() -> None:
    order = ordered(tools=[PATCH, SPAWN], **SUMMARY)
    for said in (SAID, answer("Fo", finish="length"), answer()):
        body = order.writer.body(FRAME, said)
        assert order.writer.again(body) == streamed(order, said)


def test_the_official_client_rebuilds_a_response_from_its_stream_in_any_pieces() -> None:
    order = ordered(tools=[PATCH, SPAWN], **SUMMARY)
    said = answer(*SAID.parts, AWKWARD)
    told = streamed(order, said)
    client = client_answered_with(*(told[at : at + 7] for at in range(0, len(told), 7)))
    with client.responses.stream(model="tier1", input="Hi") as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        response = stream.get_final_response()
    assert texts == ["I look.", AWKWARD]
    assert [item.id for item in response.output] == [
        item["id"] for item in body_of(order, said)["output"]
    ]
    assert response.output_text == f"I look.{AWKWARD}"
