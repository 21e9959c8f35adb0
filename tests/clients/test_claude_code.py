"""Claude Code, run as a person runs it with `-p`, over the Messages API."""

import base64
import json
import time

import pytest
from clients.agent import Agent, json_lines, paid, receipts
from clients.installing import NODE, claude_code, missing
from clients.scene import CLAUDE, GEMINI, LASTS, QUESTION, SLOWLY, TOO_LONG, is_drained, png
from fakes.running import KEY

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

CLIENT = "Claude Code"


@pytest.fixture
def agent(system, workplace):
    if why := missing(NODE):
        pytest.skip(why)
    return Agent(
        command=[claude_code(), "--verbose", "--output-format", "stream-json"],
        place=workplace,
        settings={
            "ANTHROPIC_BASE_URL": system.url,
            "ANTHROPIC_AUTH_TOKEN": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        },
    )


def ask(agent, said, *options, model=CLAUDE) -> list[dict]:
    done = agent.run("--model", model, "--tools", "Read", *options, "-p", said)
    events = json_lines(done.stdout)
    assert events, done.stdout
    return events


def result_of(events) -> dict:
    return next(event for event in events if event["type"] == "result")


def reads(path) -> str:
    return f"Read it. sim:tool=Read {json.dumps({'file_path': str(path)})}"


def parts(events, kind: str, of: str) -> list[dict]:
    messages = [event["message"]["content"] for event in events if event["type"] == of]
    flat = [part for content in messages if isinstance(content, list) for part in content]
    return [part for part in flat if part["type"] == kind]


def deltas(events, kind: str) -> list[dict]:
    said = [e["event"] for e in events if e["type"] == "stream_event"]
    return [e["delta"] for e in said if e.get("delta", {}).get("type") == kind]


@pytest.mark.cell(CLIENT, "chat", "usage")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "auto", "tier2"])
def test_a_question_is_answered(system, agent, model) -> None:
    since = time.time_ns()
    result = result_of(ask(agent, QUESTION, model=model))

    assert result["is_error"] is False, result
    assert "[simulated]" in result["result"]
    assert result["usage"]["output_tokens"] > 0
    assert all(paid(system, since))


@pytest.mark.cell(CLIENT, "stream")
def test_an_answer_streams_in_pieces(agent) -> None:
    events = ask(agent, SLOWLY, "--include-partial-messages")

    assert len(deltas(events, "text_delta")) > 1
    assert "391" in result_of(events)["result"]


@pytest.mark.cell(CLIENT, "tools", "tool stream", "usage")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "auto"])
def test_a_loop_of_two_steps_ends_and_both_have_a_receipt(system, agent, model) -> None:
    since = time.time_ns()
    said = reads(agent.place / "project" / "note.txt")
    events = ask(agent, said, "--include-partial-messages", model=model)

    arguments = "".join(d["partial_json"] for d in deltas(events, "input_json_delta"))
    assert result_of(events)["is_error"] is False, result_of(events)
    assert json.loads(arguments)["file_path"].endswith("note.txt")
    assert [use["name"] for use in parts(events, "tool_use", "assistant")] == ["Read"]
    assert "the note says 42" in result_of(events)["result"]
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "tools")
def test_a_loop_stays_on_one_model(system, agent) -> None:
    since = time.time_ns()
    ask(agent, reads(agent.place / "project" / "note.txt"), model="auto")

    models = {a["model"] for r in receipts(system, since) for a in r["attempts"]}
    assert len(models) == 1


@pytest.mark.cell(CLIENT, "images")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_image_that_a_tool_reads_reaches_the_model(system, agent, model) -> None:
    picture = agent.place / "project" / "dot.png"
    picture.write_bytes(base64.b64decode(png()))
    since = time.time_ns()
    events = ask(agent, reads(picture), model=model)

    results = parts(events, "tool_result", "user")
    assert [part["type"] for part in results[0]["content"]] == ["image"]
    assert result_of(events)["is_error"] is False, result_of(events)
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "structured output")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_answer_keeps_to_a_schema(agent, model) -> None:
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    }
    said = 'Say one word. sim:tool=StructuredOutput {"word": "blue"}'
    result = result_of(ask(agent, said, "--json-schema", json.dumps(schema), model=model))

    assert result["structured_output"] == {"word": "blue"}


@pytest.mark.cell(CLIENT, "thinking")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_signed_thinking_goes_round_the_loop(system, agent, model) -> None:
    since = time.time_ns()
    said = f"sim:think {reads(agent.place / 'project' / 'note.txt')}"
    events = ask(agent, said, model=model)

    thoughts = parts(events, "thinking", "assistant")
    assert thoughts
    assert all(thought["signature"] for thought in thoughts)
    assert "the note says 42" in result_of(events)["result"]
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "errors")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_a_prompt_that_is_too_long_is_understood(agent, model) -> None:
    result = result_of(ask(agent, TOO_LONG, model=model))

    assert result["is_error"] is True
    assert "too long" in result["result"].lower()


@pytest.mark.cell(CLIENT, "errors")
def test_a_wrong_key_is_understood(agent) -> None:
    agent.settings["ANTHROPIC_AUTH_TOKEN"] = "wrong"
    result = result_of(ask(agent, QUESTION))

    assert result["is_error"] is True
    assert result["api_error_status"] == 401


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system, agent) -> None:
    task_id = agent.interrupted(system, "--model", CLAUDE, "-p", LASTS)

    assert is_drained(system, task_id)
