import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_link_between_documents_leads_somewhere(document) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_make_target_that_is_named_exists(document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", document.read_text(encoding="utf-8")))

    assert named <= targets


def test_the_architecture_names_only_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tercet|router|deployments|cluster|config|docs)/[\w./-]*)`", text)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_ci_runs_the_commands_of_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text()

    assert re.findall(r"^make (\w+)", ci, re.MULTILINE) == ["check", "vps_1", "test"]
    readme = (ROOT / "README.md").read_text()
    assert "make test" in readme
    assert "make vps_1" in readme


def test_every_environment_variable_of_the_readme_is_read_somewhere() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| (`[A-Z].*?) \|", readme, re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`([A-Z_]+)`", row)}
    read = (ROOT / "tercet" / "environment.py").read_text() + (
        ROOT / "router" / "run.py"
    ).read_text()

    assert "TERCET_API_KEY" in named
    assert {name for name in named if f'"{name}"' not in read} == set()
