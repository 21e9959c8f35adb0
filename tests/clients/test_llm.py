"""The command `llm`, over chat completions."""

import base64
import json
import time

import pytest
import yaml
from clients.agent import Agent, paid
from clients.installing import TOOLS, missing
from clients.scene import CLAUDE, GEMINI, LASTS, QUESTION, THINKS, TOO_LONG, is_drained, png
from fakes.running import KEY

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

CLIENT = "llm"
NAMES = (CLAUDE, GEMINI, "auto", "tier3")
FUNCTION = "def multiply(a: int, b: int) -> int:\n    return a * b\n"
CALLS = 'Multiply. sim:tool=multiply {"a": 6, "b": 7}'


@pytest.fixture
def agent(system, workplace):
    if why := missing(TOOLS):
        pytest.skip(why)
    models = [
        {
            "model_id": f"t/{name}", "model_name": name, "api_base": f"{system.url}/v1",
            "api_key_name": "tercet", "supports_tools": True, "supports_schema": True,
            "vision": True, "reasoning": True,
        }
        for name in NAMES
    ]  # fmt: skip
    (workplace / "home" / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))
    (workplace / "home" / "keys.json").write_text(json.dumps({"tercet": KEY}))
    return Agent(
        command=[TOOLS.at / "bin" / "llm", "prompt"],
        place=workplace,
        settings={"LLM_USER_PATH": str(workplace / "home")},
    )


def ask(agent, said, *options, model=CLAUDE) -> str:
    done = agent.run("-m", f"t/{model}", "-u", *options, said)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.cell(CLIENT, "chat")
@pytest.mark.parametrize("model", NAMES)
def test_a_question_is_answered(agent, model) -> None:
    assert "391" in ask(agent, QUESTION, "--no-stream", model=model)


@pytest.mark.cell(CLIENT, "stream", "usage")
@pytest.mark.parametrize("model", NAMES)
def test_an_answer_streams_and_ends_with_its_usage(system, agent, model) -> None:
    since = time.time_ns()
    said = ask(agent, QUESTION, model=model)

    assert "391" in said
    assert "Token usage: " in said
    assert paid(system, since) == [True]


@pytest.mark.cell(CLIENT, "tools")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_a_loop_of_two_steps_ends_and_both_have_a_receipt(system, agent, model) -> None:
    since = time.time_ns()
    said = ask(agent, CALLS, "--no-stream", "--functions", FUNCTION, model=model)

    assert "The tool said: 42" in said
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "tool stream", "usage")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "auto"])
def test_a_streamed_loop_of_two_steps_ends_and_both_have_a_receipt(system, agent, model) -> None:
    since = time.time_ns()
    said = ask(agent, CALLS, "--functions", FUNCTION, model=model)

    assert "The tool said: 42" in said
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "images")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_image_is_taken(agent, model) -> None:
    picture = agent.place / "project" / "dot.png"
    picture.write_bytes(base64.b64decode(png()))

    assert "391" in ask(agent, QUESTION, "-a", str(picture), model=model)


@pytest.mark.cell(CLIENT, "structured output")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_answer_keeps_to_a_schema(agent, model) -> None:
    said = ask(agent, "Judge this.", "--schema", "summary, score int", model=model)

    found = json.JSONDecoder().raw_decode(said)[0]
    assert found["summary"].startswith("[simulated]")
    assert isinstance(found["score"], int)


@pytest.mark.cell(CLIENT, "thinking")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_thinking_is_counted(agent, model) -> None:
    said = ask(agent, THINKS, "-o", "reasoning_effort", "high", model=model)

    assert "391" in said
    assert "reasoning_tokens" in said


@pytest.mark.cell(CLIENT, "errors")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_error_is_shown_in_our_words(agent, model) -> None:
    done = agent.run("-m", f"t/{model}", TOO_LONG)

    assert done.returncode == 1
    assert "too long" in done.stdout


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system, agent) -> None:
    task_id = agent.interrupted(system, "-m", f"t/{CLAUDE}", LASTS)

    assert is_drained(system, task_id)
