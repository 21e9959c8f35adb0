"""Both Dockerfiles, read: what they take, what they leave behind and who runs."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from k8s.dockerfiles import Stage, assignments, copy, parse

from tercet.config import PROJECT

NAMES = ("Dockerfile.cpu", "Dockerfile.gpu")
each_file = pytest.mark.parametrize("name", NAMES)
PINNED = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")
# What may be left in an image: gcc, which Triton needs when an engine starts.
BUILD_TOOLS = re.compile(r"\b(gcc|g\+\+|make|cmake|git|curl|wget|build-essential|libc6-dev|pip)\b")
LEFT = {"Dockerfile.cpu": set[str](), "Dockerfile.gpu": {"gcc", "libc6-dev"}}


def text_of(name: str) -> str:
    return (PROJECT / "k8s" / name).read_text(encoding="utf-8")


def offences(text: str) -> Iterator[str]:
    """Yield what a Dockerfile does that it may not."""
    arguments, stages = parse(text)
    for stage in stages:
        base = re.sub(r"\$\{(\w+)\}", lambda it: arguments.get(it[1], ""), stage.base)
        if not PINNED.fullmatch(base):
            yield f"{base} has no digest"
        yield from _of_steps(stage)
    last = stages[-1]
    users = [step.text for step in last.having("USER")]
    if users != ["10001:10001"] or last.steps[-1].word == "RUN":
        yield "does not end as the user 10001"
    if [step.text for step in last.having("HEALTHCHECK")] != ["NONE"]:
        yield "has a health check beside the pods' probes"


def _of_steps(stage: Stage) -> Iterator[str]:
    for step in stage.steps:
        if step.word == "ADD":
            yield "ADD fetches and unpacks; use COPY"
        if step.word in ("ENV", "ARG") and re.search(r"KEY|TOKEN|PASSWORD|SECRET", step.text):
            yield f"a secret in {step.text}"
        if step.word == "COPY" and {".", "var", "config/*"} & set(step.sources):
            yield f"COPY {step.text} takes more than is meant"
        if re.search(r"https?://|\| *(ba)?sh\b", step.text) and step.word == "RUN":
            yield f"fetches what nothing pins: {step.text}"
        if "pip install" in step.text and not re.search(r"--require-hashes|/src/dist/", step.text):
            yield f"installs what nothing pins: {step.text}"


@each_file
def test_an_image_is_made_of_pinned_things_and_ends_as_nobody(name: str) -> None:
    assert list(offences(text_of(name))) == []


OFFENCES = {
    "python:3.11-slim has no digest": ("FROM ${BASE} AS build", "FROM python:3.11-slim AS build"),
    "ADD fetches": ("COPY requirements.lock", "ADD requirements.lock"),
    "a secret in": ("HOME=/tmp \\", "HOME=/tmp ANTHROPIC_API_KEY=x \\"),
    "COPY . ./src takes more": ("COPY tercet ./tercet", "COPY . ./src"),
    "fetches what nothing pins": ("WORKDIR /src", "RUN curl https://example.com/x | sh"),
    "installs what nothing pins: ": ("--require-hashes ", ""),
    "does not end as the user": ("USER 10001:10001", "USER root"),
    "has a health check": ("HEALTHCHECK NONE", "HEALTHCHECK CMD true"),
}


@pytest.mark.parametrize(("says", "change"), OFFENCES.items(), ids=OFFENCES)
def test_an_offence_is_seen(says: str, change: tuple[str, str]) -> None:
    text = text_of("Dockerfile.cpu")
    assert change[0] in text
    found = list(offences(text.replace(change[0], change[1], 1)))
    assert [it for it in found if it.startswith(says)], found


def test_both_images_have_one_base() -> None:
    bases = [parse(text_of(name))[0]["BASE"] for name in NAMES]
    assert bases[0] == bases[1]


@each_file
def test_the_wheel_s_packages_are_copied_and_only_they(name: str) -> None:
    _, stages = parse(text_of(name))
    with (PROJECT / "pyproject.toml").open("rb") as file:
        packages = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    taken = [it for step in stages[0].having("COPY") for it in step.sources]
    folders = {it for it in taken if (PROJECT / it).is_dir()}
    assert folders == {*packages, "config"} if name == "Dockerfile.cpu" else set(packages)
    assert [it for it in taken if not (PROJECT / it).exists()] == []


@each_file
def test_the_builder_is_sent_what_is_copied_and_nothing_else(name: str) -> None:
    _, stages = parse(text_of(name))
    taken = {it for step in stages[0].having("COPY") for it in step.sources}
    lines = text_of(f"{name}.dockerignore").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    assert {it for it in taken if not any(Path(it).is_relative_to(way) for way in sent)} == set()
    assert {way for way in sent if not any(Path(it).is_relative_to(way) for it in taken)} == set()


@each_file
def test_the_last_stage_keeps_no_build_tool_but_those_with_a_reason(name: str) -> None:
    _, stages = parse(text_of(name))
    installed = " ".join(
        line
        for step in stages[-1].having("RUN")
        for line in step.text.split("&&")
        if "install" in line and "rm" not in line
    )
    assert set(BUILD_TOOLS.findall(installed)) == LEFT[name]
    assert "uninstall -q -y" in " ".join(step.text for step in stages[0].having("RUN"))
    assert [step.of_stage for step in stages[-1].having("COPY")] == ["build"]


@each_file
def test_an_image_says_which_ray_it_has(name: str) -> None:
    _, stages = parse(text_of(name))
    (label,) = stages[-1].having("LABEL")
    locked = re.search(r"^ray==([\d.]+)", (PROJECT / "requirements.lock").read_text(), re.MULTILINE)
    assert locked is not None
    assert assignments(label)["ray.version"] == locked[1]


def test_a_copy_puts_folders_and_files_where_docker_does(tmp_path: Path) -> None:
    context, root = tmp_path / "context", tmp_path / "root"
    (context / "pack").mkdir(parents=True)
    (context / "pack" / "a.py").write_text("a")
    (context / "b").write_text("b")
    _, stages = parse("FROM x\nCOPY pack ./pack\nCOPY b /opt/\nCOPY b /opt/c\n")
    for step in stages[0].steps:
        copy(step, context, root, "/src")
    found = sorted(str(it.relative_to(root)) for it in root.rglob("*") if it.is_file())
    assert found == ["opt/b", "opt/c", "src/pack/a.py"]
