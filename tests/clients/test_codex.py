"""Codex, run as a person runs it with `exec`, over the Responses API."""

import base64
import json
import time

import pytest
from clients.agent import Agent, json_lines, paid
from clients.installing import NODE, codex, missing
from clients.scene import CLAUDE, GEMINI, LASTS, QUESTION, TOO_LONG, is_drained, png
from fakes.running import KEY

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

CLIENT = "Codex"
CONFIG = """
model_provider = "tercet"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.tercet]
name = "Tercet"
base_url = "{url}/v1"
env_key = "TERCET_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""
EXEC = ("exec", "--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
SHELL = 'Look. sim:tool=exec_command {"cmd": "cat note.txt"}'


@pytest.fixture
def agent(system, workplace):
    if why := missing(NODE):
        pytest.skip(why)
    (workplace / "home" / ".codex").mkdir()
    config = workplace / "home" / ".codex" / "config.toml"
    config.write_text(CONFIG.format(url=system.url))
    return Agent(command=[codex(), *EXEC], place=workplace, settings={"TERCET_KEY": KEY})


def ask(agent, said, *options, model=CLAUDE) -> list[dict]:
    done = agent.run("--model", model, *options, "--", said)
    events = json_lines(done.stdout)
    assert events, done.stdout
    return events


def items(events, kind: str) -> list[dict]:
    done = [event["item"] for event in events if event["type"] == "item.completed"]
    return [item for item in done if item["type"] == kind]


def said_in(events) -> str:
    return "".join(item["text"] for item in items(events, "agent_message"))


@pytest.mark.cell(CLIENT, "chat", "stream", "usage")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "auto", "tier2"])
def test_a_question_is_answered_as_a_stream(system, agent, model) -> None:
    since = time.time_ns()
    events = ask(agent, QUESTION, model=model)

    assert "[simulated]" in said_in(events)
    assert events[-1]["type"] == "turn.completed"
    assert events[-1]["usage"]["output_tokens"] > 0
    assert all(paid(system, since))


@pytest.mark.cell(CLIENT, "tools", "tool stream", "usage")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "auto"])
def test_a_loop_of_two_steps_ends_and_both_have_a_receipt(system, agent, model) -> None:
    since = time.time_ns()
    events = ask(agent, SHELL, model=model)

    outputs = [item["aggregated_output"] for item in items(events, "command_execution")]
    assert outputs == ["the note says 42\n"]
    assert "the note says 42" in said_in(events)
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "images")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_image_is_taken(agent, model) -> None:
    picture = agent.place / "project" / "dot.png"
    picture.write_bytes(base64.b64decode(png()))
    events = ask(agent, QUESTION, f"--image={picture}", model=model)

    assert "391" in said_in(events)


@pytest.mark.cell(CLIENT, "structured output")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_answer_keeps_to_a_schema(agent, model) -> None:
    schema = {
        "type": "object",
        "properties": {"word": {"type": "string"}},
        "required": ["word"],
        "additionalProperties": False,
    }
    (agent.place / "schema.json").write_text(json.dumps(schema))
    events = ask(agent, "Say it.", f"--output-schema={agent.place / 'schema.json'}", model=model)

    assert json.loads(said_in(events))["word"].startswith("[simulated]")


@pytest.mark.cell(CLIENT, "thinking")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_encrypted_reasoning_goes_round_the_loop(system, agent, model) -> None:
    since = time.time_ns()
    options = (
        "-c",
        'model_reasoning_effort="high"',
        "-c",
        "model_supports_reasoning_summaries=true",
    )
    events = ask(agent, f"sim:think {SHELL}", *options, model=model)

    assert events[-1]["usage"]["reasoning_output_tokens"] > 0
    assert "the note says 42" in said_in(events)
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "errors")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_a_prompt_that_is_too_long_fails_the_turn(agent, model) -> None:
    events = ask(agent, TOO_LONG, model=model)

    assert events[-1]["type"] == "turn.failed"
    assert "context" in events[-1]["error"]["message"]


@pytest.mark.cell(CLIENT, "errors")
def test_a_wrong_key_fails_the_turn(agent) -> None:
    agent.settings["TERCET_KEY"] = "wrong"
    events = ask(agent, QUESTION)

    assert events[-1]["type"] == "turn.failed"
    assert "401" in events[-1]["error"]["message"]


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system, agent) -> None:
    task_id = agent.interrupted(system, "--model", CLAUDE, "--", LASTS)

    assert is_drained(system, task_id)
