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
    ordered,
)

from router.surfaces.openai_responses import SURFACE, deleted_body, kept_body
from router.surfaces.openai_responses_seal import CallSignature, seal
from router.surfaces.refusal import Refusal
from tercet.content import Thought, ToolUse


def test_a_whole_response_is_written_out() -> None:
    order = ordered(
        instructions="Be brief.",
        metadata={"kind": "question", "strict": True},
        store=False,
        temperature=0.5,
        tools=[{"type": "function", "name": "look", "parameters": None, "strict": None}],
    )
    assert body_of(order, answer("Four.")) == {
        "id": "resp_req_1",
        "object": "response",
        "created_at": 1_800_000_000,
        "completed_at": None,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": "claude-opus-5-5",
        "instructions": "Be brief.",
        "max_output_tokens": None,
        "max_tool_calls": None,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "safety_identifier": None,
        "temperature": 0.5,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_logprobs": 0,
        "truncation": "disabled",
        "tool_choice": "auto",
        "user": None,
        "reasoning": {"effort": None, "summary": None},
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "metadata": {"kind": "question", "strict": "true"},
        "tools": [
            {
                "type": "function",
                "name": "look",
                "description": "",
                "parameters": {},
                "strict": False,
            }
        ],
        "store": False,
        "service_tier": "default",
        "output": [
            {
                "id": "msg_req_1_0",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [
                    {"type": "output_text", "text": "Four.", "annotations": [], "logprobs": []}
                ],
            }
        ],
        "usage": {
            "input_tokens": 334,
            "input_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 34},
            "output_tokens": 60,
            "output_tokens_details": {"reasoning_tokens": 10},
            "total_tokens": 394,
        },
        "tercet": {
            "request_id": "req_1",
            "route": "tier1",
            "models": ["claude-opus-5-5"],
            "degraded": [],
            "cost_usd": "0.020000000",
            "simulated": False,
        },
    }


def test_thoughts_and_calls_are_items_of_their_own() -> None:
    order = ordered(tools=[PATCH, SPAWN], **SUMMARY)
    signed = CallSignature(call_id="call_1", signature="Z29v", by="google")
    assert body_of(order, SAID)["output"] == [
        {
            "id": "rs_req_1_0",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Let me see."}],
            "encrypted_content": seal(
                Thought(text="Let me see.", signature="c2ln", by="anthropic")
            ),
        },
        {
            "id": "msg_req_1_1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {"type": "output_text", "text": "I look.", "annotations": [], "logprobs": []}
            ],
        },
        {
            "id": "rs_req_1_2",
            "type": "reasoning",
            "summary": [],
            "encrypted_content": seal(signed),
        },
        {
            "id": "fc_req_1_3",
            "type": "function_call",
            "call_id": "call_1",
            "name": "look",
            "status": "completed",
            "arguments": '{"at": 1}',
        },
        {
            "id": "ctc_req_1_4",
            "type": "custom_tool_call",
            "call_id": "call_2",
            "name": "apply_patch",
            "status": "completed",
            "input": "*** Begin",
        },
        {
            "id": "fc_req_1_5",
            "type": "function_call",
            "call_id": "call_3",
            "name": "spawn",
            "namespace": "agents",
            "status": "completed",
            "arguments": "{}",
        },
    ]


@pytest.mark.parametrize(
    ("fields", "kinds", "sealed"),
    [
        ({"store": False}, ["message", "function_call"], []),
        (
            {"store": False, "include": ["reasoning.encrypted_content"]},
            ["reasoning", "message", "reasoning", "function_call"],
            [True, True],
        ),
        ({}, ["reasoning", "message", "reasoning", "function_call"], [True, True]),
        ({"store": False, **SUMMARY}, ["reasoning", "message", "function_call"], [False]),
    ],
    ids=["nothing asked", "included", "stored", "summary"],
)
def test_signatures_are_told_where_they_may_come_back_and_thoughts_where_they_are_wanted(
    fields: dict[str, Any], kinds: list[str], sealed: list[bool]
) -> None:
    said = answer(*SAID.parts[:3], finish="tool_use")
    output = body_of(ordered(**fields), said)["output"]
    reasoning = [item for item in output if item["type"] == "reasoning"]
    assert [item["type"] for item in output] == kinds
    assert ["encrypted_content" in item for item in reasoning] == sealed
    shown = [item["summary"] for item in reasoning if item["summary"]]
    assert bool(shown) == ("reasoning" in fields)


def test_a_custom_tools_input_is_told_as_it_was_said_when_it_is_not_what_was_asked_for() -> None:
    order = ordered(tools=[PATCH])
    for arguments in ('{"input": 1}', '{"input": "a", "more": 1}', "*** Begin", "[", '["input"]'):
        said = answer(ToolUse(id="call_1", name="apply_patch", arguments=arguments))
        assert body_of(order, said)["output"][0]["input"] == arguments


def test_the_official_client_reads_a_response() -> None:
    body = ordered(tools=[PATCH]).writer.body(FRAME, answer(AWKWARD))
    client = client_answered_with(body, kind="application/json")
    response = client.responses.create(model="tier1", input="Hi")
    assert response.output_text == AWKWARD
    assert response.usage is not None
    assert response.usage.total_tokens == 394


def test_only_a_stored_answer_is_remembered_and_its_response_is_shown_and_deleted() -> None:
    order = ordered()
    document = order.writer.memory(FRAME, answer("Four."))
    assert document is not None
    assert json.loads(document)["items"] == [
        {"type": "message", "role": "user", "content": "Hi"},
        body_of(order, answer("Four."))["output"][0],
    ]
    assert kept_body(document) == order.writer.body(FRAME, answer("Four."))
    assert ordered(store=False).writer.memory(FRAME, answer("Four.")) is None
    assert json.loads(deleted_body("resp_req_1")) == {
        "id": "resp_req_1",
        "object": "response.deleted",
        "deleted": True,
    }


def test_a_note_is_a_comment_on_one_line() -> None:
    assert ordered().writer.comment("still\nworking") == b": still working\n\n"


def test_an_error_has_openais_envelope() -> None:
    refusal = Refusal(
        status=400, type="invalid_request_error", code="invalid_value", message="No.", param="input"
    )
    assert json.loads(SURFACE.error_body(refusal)) == {
        "error": {
            "message": "No.",
            "type": "invalid_request_error",
            "param": "input",
            "code": "invalid_value",
        }
    }
