"""aider, which edits files by the text of an answer, over chat completions."""

import time

import pytest
from clients.agent import Agent, paid
from clients.installing import AIDER, missing
from clients.scene import CLAUDE, GEMINI, LASTS, TOO_LONG, is_drained
from fakes.running import KEY

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

CLIENT = "aider"
QUIET = (
    "--yes-always", "--no-git", "--no-check-update", "--analytics-disable", "--no-pretty",
    "--no-show-model-warnings", "--no-show-release-notes", "--no-detect-urls",
    "--edit-format", "whole",
)  # fmt: skip
WRITES = "Write a function that answers."


@pytest.fixture
def agent(system, workplace):
    if why := missing(AIDER):
        pytest.skip(why)
    (workplace / "project" / "code.py").write_text("# nothing yet\n")
    return Agent(
        command=[AIDER.at / "bin" / "aider", *QUIET],
        place=workplace,
        settings={
            "OPENAI_API_BASE": f"{system.url}/v1",
            "OPENAI_API_KEY": KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        },
    )


def arguments(said: str, *options: str, model: str = CLAUDE) -> list[str]:
    return ["--model", f"openai/{model}", *options, "--message", said, "code.py"]


@pytest.mark.cell(CLIENT, "chat", "usage")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI, "tier2"])
def test_an_edit_is_made(system, agent, model) -> None:
    since = time.time_ns()
    done = agent.run(*arguments(WRITES, "--no-stream", model=model))

    assert "def solution(" in (agent.place / "project" / "code.py").read_text(), done.stdout
    assert all(paid(system, since))


@pytest.mark.cell(CLIENT, "stream")
@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
def test_an_edit_is_made_from_a_stream(agent, model) -> None:
    done = agent.run(*arguments(WRITES, "--stream", model=model))

    assert "def solution(" in (agent.place / "project" / "code.py").read_text(), done.stdout


@pytest.mark.cell(CLIENT, "thinking")
def test_an_effort_is_taken(system, agent) -> None:
    since = time.time_ns()
    options = ("--reasoning-effort", "high", "--no-check-model-accepts-settings")
    done = agent.run(*arguments(f"{WRITES} sim:think", *options))

    assert "def solution(" in (agent.place / "project" / "code.py").read_text(), done.stdout
    assert all(paid(system, since))


@pytest.mark.cell(CLIENT, "errors")
def test_a_prompt_that_is_too_long_is_understood(agent) -> None:
    done = agent.run(*arguments(TOO_LONG))

    assert "context" in done.stdout.lower()
    assert (agent.place / "project" / "code.py").read_text() == "# nothing yet\n"


@pytest.mark.cell(CLIENT, "cancel")
def test_an_answer_that_is_cancelled_is_read_to_its_end(system, agent) -> None:
    task_id = agent.interrupted(system, *arguments(LASTS))

    assert is_drained(system, task_id)
