"""A plugin of pytest that writes docs/clients.md: a cell is what became of the tests so marked."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from clients.installing import AIDER, NODE, TOOLS

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"
FEATURES = (
    "chat", "stream", "tools", "tool stream", "images", "structured output", "thinking", "usage",
    "errors", "cancel",
)  # fmt: skip
CLIENTS = (
    "openai SDK, chat", "openai SDK, Responses", "anthropic SDK", "google-genai SDK",
    "langchain-openai", "llm", "aider", "Claude Code", "Codex",
)  # fmt: skip

_NO_TOOLS = "aider sends no tools: it edits by the text of an answer, which is the cell `chat`"
NOT_APPLICABLE = {
    **{
        ("google-genai SDK", feature): "Tercet speaks no Gemini to callers; this SDK is how it asks"
        " Gemini, and the oracle of the simulated upstream in `tests/deployments`"
        for feature in FEATURES
    },
    ("aider", "tools"): _NO_TOOLS,
    ("aider", "tool stream"): _NO_TOOLS,
    ("aider", "structured output"): "aider has no option for it",
    ("aider", "images"): "aider sends images only to models its own table knows to see",
}


PREFACE = """Written by `make clients` on {day}; do not edit. Every cell is one or more tests that \
ran against `tercet run` with simulated upstreams, offline: the number says how many. The tests \
are in `tests/clients`, and those of the SDKs run in `make test` as well."""


@dataclass(kw_only=True)
class Results:
    """What became of the tests."""

    outcomes: dict[tuple[str, str], list[tuple[str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Sentence and outcome, by client and feature."""
    findings: list[tuple[str, str]] = field(default_factory=list)
    """What a checker said, by its name."""


RESULTS = pytest.StashKey[Results]()


def pytest_configure(config) -> None:
    """Start with nothing."""
    config.stash[RESULTS] = Results()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Note the outcome of a test, once: of its call, or of what kept it from being called."""
    report = yield
    results = item.config.stash[RESULTS]
    if report.when == "call" or (report.when == "setup" and not report.passed):
        sentence = item.originalname.removeprefix("test_").replace("_", " ")
        for mark in item.iter_markers("cell"):
            client, *features = mark.args
            for feature in features:
                results.outcomes[client, feature].append((sentence, report.outcome))
    if report.when == "call":
        results.findings += [(name, str(said)) for name, said in report.user_properties]
    return report


def pytest_sessionfinish(session) -> None:
    """Write the table if everything ran; a part of it is no table."""
    results = session.config.stash[RESULTS]
    cells = [(client, feature) for client in CLIENTS for feature in FEATURES]
    left = [cell for cell in cells if cell not in results.outcomes and cell not in NOT_APPLICABLE]
    if left:
        print(f"\ndocs/clients.md is not written, cells did not run: {left}")
        return
    DOCUMENT.write_text(document(results), encoding="utf-8")
    print(f"\nwritten: {DOCUMENT}")


def document(results: Results) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# Clients",
            "",
            PREFACE.format(day=f"{datetime.now(UTC):%Y-%m-%d}"),  # noqa: TID251
            "",
            *_table(results),
            "",
            "## Not applicable",
            "",
            *_reasons(),
            "",
            "## What ran",
            "",
            *_sentences(results),
            "",
            "## Checkers",
            "",
            *(f"- **{name}**: {said}" for name, said in results.findings),
            "",
        ]
    )


def _table(results: Results) -> list[str]:
    rows = [("client", "version", *FEATURES), ("---",) * (len(FEATURES) + 2)]
    known = versions()
    for client in CLIENTS:
        cells = (_cell(results, client, feature) for feature in FEATURES)
        rows.append((client, known[client], *cells))
    return [f"| {' | '.join(row)} |" for row in rows]


def _cell(results: Results, client: str, feature: str) -> str:
    found = [outcome for _, outcome in results.outcomes.get((client, feature), [])]
    if not found:
        return "n/a"
    if "failed" in found:
        return f"**failed** ({found.count('failed')} of {len(found)})"
    passed = found.count("passed")
    return f"passed ({passed})" if passed else "not installed"


def _reasons() -> list[str]:
    by_reason: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (client, feature), reason in NOT_APPLICABLE.items():
        by_reason[client, reason].append(feature)
    every = list(FEATURES)
    return [
        f"- {client}, {'every feature' if found == every else ', '.join(found)}: {why}."
        for (client, why), found in by_reason.items()
    ]


def _sentences(results: Results) -> list[str]:
    lines = []
    for client in CLIENTS:
        ran = [f for f in FEATURES if (client, f) in results.outcomes]
        lines += [f"**{client}**", "", *(_sentence(results, client, f) for f in ran), ""] * bool(
            ran
        )
    return lines[:-1]


def _sentence(results: Results, client: str, feature: str) -> str:
    tests = dict.fromkeys(sentence for sentence, _ in results.outcomes[client, feature])
    return f"- {feature}: {'; '.join(tests)}."


def versions() -> dict[str, str]:
    """Return the version of every client, as it is installed or asked for."""
    listed = dict(
        re.findall(r"^([\w-]+)==(.+)$", "\n".join(b.listed_in.read_text() for b in (TOOLS, AIDER)),
                   re.MULTILINE)
    )  # fmt: skip
    packages = json.loads(NODE.listed_in.read_text())["optionalDependencies"]
    return {
        "openai SDK, chat": version("openai"),
        "openai SDK, Responses": version("openai"),
        "anthropic SDK": version("anthropic"),
        "google-genai SDK": version("google-genai"),
        "langchain-openai": listed["langchain-openai"],
        "llm": listed["llm"],
        "aider": listed["aider-chat"],
        "Claude Code": packages["@anthropic-ai/claude-code-linux-x64"],
        "Codex": packages["@openai/codex"],
    }
