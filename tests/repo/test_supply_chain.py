"""What is installed is what is written down, and CI runs nothing that can change under it."""

import json
import re
import site
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml

from tercet.config import PROJECT

DOCUMENT = (PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")
SECTIONS = {"What runs": "", "What builds": "build", "What develops and tests": "dev"}
LOCKS = sorted(
    str(path.relative_to(PROJECT))
    for pattern in ("*.lock", "cluster/**/*.lock")
    for path in PROJECT.glob(pattern)
)
WORKFLOW = PROJECT / ".github" / "workflows" / "ci.yml"


def documented(section: str) -> Mapping[str, tuple[str, ...]]:
    """Return reason, licence and remedy by package, as a section's table has them."""
    text = DOCUMENT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    return {name: tuple(cells) for name, *cells in rows}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_document_has_each_direct_dependency_and_no_other(section: str) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = SECTIONS[section]
    pinned = project["optional-dependencies"][extra] if extra else project["dependencies"]
    assert set(documented(section)) == {line.partition("==")[0] for line in pinned}


def test_the_document_names_the_licences_that_packages_declare() -> None:
    written = {name: row[1] for section in SECTIONS for name, row in documented(section).items()}
    declared = {
        name: metadata.metadata(name.partition("[")[0]).get("License-Expression")
        for name in written
    }
    known = {name: licence for name, licence in declared.items() if licence}
    assert len(known) > 15
    assert {name: written[name] for name in known} == known


def test_all_four_locks_are_looked_at() -> None:
    assert LOCKS == [
        "cluster/vps_1/cpu.lock", "cluster/vps_1/gpu.lock", "requirements-dev.lock",
        "requirements.lock",
    ]  # fmt: skip


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_pinned_and_hashed(lock: str) -> None:
    text = (PROJECT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    line = re.compile(r"[\w.-]+(\[[\w,-]+\])?==[\w.!+-]+ (; .+?)?( *--hash=sha256:[0-9a-f]{64})+")
    assert len(lines) > 50
    assert [wrong[:80] for wrong in lines if not line.fullmatch(wrong.strip())] == []


def test_everything_is_installed_with_its_hash() -> None:
    makers = [PROJECT / name for name in ("Makefile", "k8s/Dockerfile.cpu", "k8s/Dockerfile.gpu")]
    makers += PROJECT.glob("cluster/**/*.sh")
    installs = [
        line
        for maker in makers
        for line in maker.read_text(encoding="utf-8").splitlines()
        if re.search(r"pip install .*-r ", line)
    ]
    assert len(installs) >= 5
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_python_runs_no_unknown_code_when_it_starts() -> None:
    # Each line of a .pth file that begins with `import` is run at every start.
    folders = [Path(folder) for folder in site.getsitepackages()]
    found = {path.name for folder in folders for path in folder.glob("*.pth")}
    assert "_editable_impl_tercet.pth" in found
    assert found <= {"_editable_impl_tercet.pth", "distutils-precedence.pth"}
    for name in ("sitecustomize.py", "usercustomize.py"):
        assert [folder for folder in folders if (folder / name).exists()] == []


def bill_of(lock: str) -> dict[str, Any]:
    said = subprocess.run(
        [sys.executable, "tools/sbom.py", lock],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return json.loads(said)


def test_the_bill_of_materials_is_the_lock_line_for_line() -> None:
    bill = bill_of("requirements.lock")
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    pins = set(re.findall(r"^([\w.-]+)(?:\[.*?\])?==([^ ;]+)", text, re.MULTILINE))
    parts = {(part["name"], part["version"]): part for part in bill["components"]}
    assert parts.keys() == pins
    written = [
        hashed["content"] for part in bill["components"]
        for reference in part["externalReferences"] for hashed in reference["hashes"]
    ]  # fmt: skip
    assert sorted(written) == sorted(re.findall(r"sha256:([0-9a-f]{64})", text))
    [ray] = [part for (name, _), part in parts.items() if name == "ray"]
    assert ray["purl"] == f"pkg:pypi/ray@{ray['version']}"
    assert ray["licenses"] == [{"license": {"name": "Apache 2.0"}}]


def test_the_bill_of_materials_says_what_needs_what() -> None:
    bill = bill_of("requirements.lock")
    names = {part["bom-ref"]: part["name"] for part in bill["components"]}
    needs = {
        names.get(edge["ref"], edge["ref"]): {names[ref] for ref in edge["dependsOn"]}
        for edge in bill["dependencies"]
    }
    assert {"ray", "anthropic", "psycopg", "pyarrow"} < needs["tercet"]
    assert "watchfiles" in needs["ray"]  # through the extra `serve`
    assert "psycopg-binary" in needs["psycopg"]
    assert needs["numpy"] == set()


def test_the_same_lock_makes_the_same_bill() -> None:
    assert bill_of("requirements.lock") == bill_of("requirements.lock")


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def steps(workflow: Mapping[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_every_action_is_pinned_by_its_commit_and_says_its_version(
    workflow: Mapping[Any, Any],
) -> None:
    text = WORKFLOW.read_text(encoding="utf-8")
    used = re.findall(r"uses: *(.+)", text)
    assert len(used) == len([step for step in steps(workflow) if "uses" in step]) == 3
    pinned = re.compile(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [one for one in used if not pinned.fullmatch(one)] == []


def test_ci_may_read_and_nothing_else(workflow: Mapping[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == []
    checkouts = [
        step for step in steps(workflow) if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert len(checkouts) == 2
    assert [one["with"]["persist-credentials"] for one in checkouts] == [False, False]


def test_ci_has_no_secrets_and_no_cache_and_publishes_nothing(workflow: Mapping[Any, Any]) -> None:
    lines = WORKFLOW.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    assert re.findall(r"secrets|cache|docker push|--push|login|pull_request_target", text) == []
    # YAML reads the key `on` as true.
    assert set(workflow[True]) == {"push", "pull_request"}
    # What a pull request can choose (a title, a branch) is in no command.
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    assert [run for run in runs if "${{" in run] == []


def test_ci_runs_what_everybody_runs_and_builds_every_image(workflow: Mapping[Any, Any]) -> None:
    runs = [step["run"] for step in steps(workflow) if "run" in step]
    assert 'sudo env "PATH=$PATH" .ci/run' in runs
    assert any(run.startswith("docker build ") for run in runs)
    images = {
        path.suffix.removeprefix(".")
        for path in (PROJECT / "k8s").glob("Dockerfile.*")
        if path.suffix != ".dockerignore"
    }
    assert set(workflow["jobs"]["images"]["strategy"]["matrix"]["image"]) == images
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
