import re
import tomllib
from collections.abc import Mapping

import pytest

from tercet.config import PROJECT

LOCKS = ("requirements.lock", "requirements-dev.lock")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def requirements(lock: str) -> list[str]:
    """Return each requirement with everything that belongs to it, on one line."""
    text = (PROJECT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def name_of(requirement: str) -> str:
    """Return the name as PEP 503 spells it, without extras."""
    spelt = re.split(r"[\[=<>;@ ]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", spelt).lower()


def pins(lock: str) -> Mapping[str, str]:
    found = (re.match(r"(\S+?)==([^ ;]+)", line) for line in requirements(lock))
    return {name_of(pin[1]): pin[2] for pin in found if pin is not None}


def direct(*extras: str) -> Mapping[str, str]:
    """Return the pins of `pyproject.toml`: its dependencies and those of `extras`."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][e] for e in extras)]
    return {name_of(line): line.partition("==")[2] for lines in lists for line in lines}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_has_a_hash(lock: str) -> None:
    lines = requirements(lock)
    assert len(lines) > 50
    assert [line[:60] for line in lines if not re.match(r"\S+==\S+", line)] == []
    assert [line[:60] for line in lines if not HASH.search(line)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_address(lock: str) -> None:
    text = (PROJECT / lock).read_text(encoding="utf-8")
    assert re.findall(r"://|--(?:extra-)?index|--find-links|--trusted-host| @ |^-", text) == []


def test_every_dependency_is_pinned_and_locked_at_its_pin() -> None:
    pinned, locked = direct("build"), pins("requirements.lock")
    assert all(pinned.values())
    assert {name: locked.get(name) for name in pinned} == pinned


def test_every_tool_is_locked_at_its_pin() -> None:
    pinned, locked = direct("build", "dev"), pins("requirements-dev.lock")
    assert all(pinned.values())
    assert {name: locked.get(name) for name in pinned} == pinned


def test_the_two_locks_agree() -> None:
    users, developers = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: developers.get(name) for name in users} == users
