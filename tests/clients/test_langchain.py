"""langchain-openai and the LangGraph example, by the clients' own Python."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest
from clients.agent import paid, task_ids
from clients.installing import TOOLS, missing
from clients.scene import CLAUDE, ON_EITHER, is_drained, png, used
from fakes.running import KEY, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

CLIENT = "langchain-openai"
EXAMPLE = Path(__file__).parents[2] / "examples" / "langgraph_tiers.py"


@pytest.fixture
def python():
    if why := missing(TOOLS):
        pytest.skip(why)

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [TOOLS.at / "bin" / "python", *arguments],
            env=environment(LANGSMITH_TRACING="false"),
            timeout=120,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def ask(system, python):
    def asked(feature: str, model: str = CLAUDE):
        script = str(Path(__file__).with_name("langchain_cells.py"))
        return json.loads(python(script, feature, system.url, KEY, model, png()))

    return asked


@pytest.mark.cell(CLIENT, "chat")
@ON_EITHER
def test_a_question_is_answered(ask, model) -> None:
    assert "391" in ask("chat", model)


@pytest.mark.cell(CLIENT, "stream")
@ON_EITHER
def test_an_answer_streams_in_pieces(ask, model) -> None:
    pieces = ask("stream", model)

    assert len(pieces) > 2
    assert "391" in "".join(pieces)


@pytest.mark.cell(CLIENT, "tools")
@ON_EITHER
def test_a_loop_of_two_steps_ends_and_both_have_a_receipt(system, ask, model) -> None:
    since = time.time_ns()

    assert "The tool said: 12 degrees in Oslo" in ask("tools", model)
    assert paid(system, since) == [True, True]


@pytest.mark.cell(CLIENT, "tool stream")
@ON_EITHER
def test_a_tool_call_streams(ask, model) -> None:
    assert ask("tool stream", model) == [["get_weather", {"city": "Oslo"}]]


@pytest.mark.cell(CLIENT, "images")
@ON_EITHER
def test_an_image_is_taken(ask, model) -> None:
    assert "391" in ask("images", model)


@pytest.mark.cell(CLIENT, "structured output")
@ON_EITHER
def test_an_answer_keeps_to_a_schema(ask, model) -> None:
    assert ask("structured output", model)["summary"].startswith("[simulated]")


@pytest.mark.cell(CLIENT, "thinking")
@ON_EITHER
def test_thinking_is_counted(ask, model) -> None:
    assert ask("thinking", model) > 0


@pytest.mark.cell(CLIENT, "usage")
@ON_EITHER
def test_usage_is_what_the_receipt_says(system, ask, model) -> None:
    usage = ask("usage", model)

    read, written = used(system.receipt(usage["id"]))
    assert (usage["input_tokens"], usage["output_tokens"]) == (read, written)


@pytest.mark.cell(CLIENT, "errors")
def test_errors_before_an_answer_and_within_it_have_the_types_of_the_sdk(ask) -> None:
    before, within = ask("errors")

    assert "BadRequestError" in before or "ContextOverflow" in before
    assert "APIError" in within


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system, ask) -> None:
    since = time.time_ns()
    ask("cancel")

    assert is_drained(system, task_ids(system, since)[0])


@pytest.mark.cell(CLIENT, "chat")
def test_the_graph_of_the_plan_asks_the_tier_each_task_needs(system, python) -> None:
    said = python(str(EXAMPLE), "--url", system.url, "--key", KEY, "--local")

    ids = dict(re.findall(r"^(\w+) +(req_\w+)", said, re.MULTILINE))
    assert list(ids) == ["tier1_arch", "tier2_exec", "deepseek", "tier3_fast"]
    routes = [system.receipt(task_id)["route"]["name"] for task_id in ids.values()]
    # There is no local model here, so tier 3 answers for it.
    assert routes == ["tier1", "tier2", "tier3", "tier3"]
    assert all(min(used(system.receipt(task_id))) > 0 for task_id in ids.values())
