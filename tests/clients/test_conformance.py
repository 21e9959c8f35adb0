"""What checkers written by others say of the gateway."""

import json
import re
import subprocess

import pytest
from clients.installing import TOOLS, missing
from clients.scene import CLAUDE, GEMINI
from fakes.running import KEY, environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]

EXAMPLES = 60
NO_COMPACTION = "Tercet does not compact conversations: 405"
KNOWN: dict[tuple[str, str], dict[str, str]] = {
    ("open-responses", CLAUDE): dict.fromkeys(
        ("compact-response", "compact-missing-model"), NO_COMPACTION
    ),
    ("open-responses", GEMINI): dict.fromkeys(
        ("compact-response", "compact-missing-model"), NO_COMPACTION
    ),
}  # fmt: skip
"""What is not met, by format and model, and why. What is met after all has to leave this list."""


@pytest.fixture
def tool(tmp_path):
    if why := missing(TOOLS):
        pytest.skip(why)

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [TOOLS.at / "bin" / name, *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env=environment(),
            timeout=800,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("model", [CLAUDE, GEMINI])
@pytest.mark.parametrize("spoken", ["openai-chat", "anthropic", "open-responses"])
def test_llm_comply_finds_nothing_that_is_not_known(
    system, tool, record_property, spoken, model
) -> None:
    where = ("--base-url", f"{system.url}/v1", "--api-key", KEY, "--model", model)
    done = tool("llm-comply", "--format", spoken, "--json", *where)

    results = json.loads(done.stdout)["results"]
    failed = {r["id"]: r.get("errors") for r in results if r["status"] == "failed"}
    known = KNOWN.get((spoken, model), {})
    said = [f"{sum(r['status'] == 'passed' for r in results)} of {len(results)} passed"]
    for why in dict.fromkeys(known.get(name, "new") for name in failed):
        names = [name for name in failed if known.get(name, "new") == why]
        said.append(f"not met: {', '.join(names)} ({why})")
    skipped = [r["id"] for r in results if r["status"] == "skipped"]
    said += [f"left out by it: {', '.join(skipped)}"] if skipped else []
    record_property(f"llm-comply, {spoken}, {model}", "; ".join(said))
    assert set(failed) == set(known), failed


def test_schemathesis_finds_no_server_error(system, tool, record_property) -> None:
    done = tool(
        "st", "run", f"{system.url}/openapi.json", "--url", system.url,
        "--header", f"Authorization: Bearer {KEY}", "--mode", "all",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
        "--checks", "not_a_server_error", "--seed", "20261123",
        "--request-timeout", "60", "--no-color",
    )  # fmt: skip

    counted = re.search(r"(\d+ generated, .*)", done.stdout)
    record_property("schemathesis, no server error", counted[1] if counted else done.stdout[-500:])
    assert done.returncode == 0, done.stdout[-6000:]
