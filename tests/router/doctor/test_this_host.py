import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from router.doctor.doors import Finding
from router.doctor.this_host import look_at_host

NOWHERE = "postgresql://user:s3cret@host/tercet"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that others may pass: pytest's own ones are shut."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o711)
        yield Path(made)


def file_of(folder: Path, name: str, mode: int) -> Path:
    file = folder / name
    file.touch()
    file.chmod(mode)
    return file


def seen(
    env: Mapping[str, str], ledger: str = NOWHERE, places: Mapping[str, Path] | None = None
) -> dict[str, Finding]:
    return {one.what: one for one in look_at_host(env, ledger, places or {})}


def test_nothing_that_is_not_here_is_told_of(tmp_path: Path) -> None:
    assert seen({}, str(tmp_path / "none"), {"a key": tmp_path / "none"}) == {}
    assert seen({}) == {}


@pytest.mark.parametrize(("mode", "verdict"), [(0o600, "shut"), (0o640, "shut"), (0o644, "open")])
def test_a_key_file_is_shut_or_open_by_its_mode(mode: int, verdict: str, folder: Path) -> None:
    file = file_of(folder, "key", mode)
    found = seen({"GEMINI_API_KEY_FILE": str(file)})[f"GEMINI_API_KEY_FILE, {file}"]

    assert found.verdict == verdict
    assert found.remedy == (f"chmod o= {file}" if verdict == "open" else "")


def test_a_key_file_that_is_named_and_missing_is_told(tmp_path: Path) -> None:
    found = seen({"TERCET_API_KEY_FILE": str(tmp_path / "none")})

    told = found[f"TERCET_API_KEY_FILE, {tmp_path / 'none'}"]
    assert (told.verdict, told.found) == (
        "unknown",
        "cannot be looked at (No such file or directory)",
    )


def test_a_key_in_the_environment_beside_its_file_is_open(folder: Path) -> None:
    file = file_of(folder, "key", 0o600)
    env = {"ANTHROPIC_API_KEY_FILE": str(file)}
    what = "ANTHROPIC_API_KEY beside ANTHROPIC_API_KEY_FILE"
    before, after = seen(env)[what], seen({**env, "ANTHROPIC_API_KEY": "s3cret"})[what]

    assert (before.verdict, after.verdict) == ("shut", "open")
    assert after.remedy == "unset ANTHROPIC_API_KEY; the file counts"
    assert "s3cret" not in str(after)


@pytest.mark.parametrize("beside", ["", "-wal", ".journal"])
def test_a_ledger_is_open_if_anything_of_it_is(beside: str, folder: Path) -> None:
    ledger = file_of(folder, "ledger.sqlite3", 0o600)
    what = f"the ledger, {ledger}"
    before = seen({}, str(ledger))[what]
    file_of(folder, f"ledger.sqlite3{beside}", 0o604)
    after = seen({}, str(ledger))[what]

    assert (before.verdict, after.verdict) == ("shut", "open")
    assert after.remedy == f"chmod 700 {folder}"


def test_a_folder_that_is_shut_shuts_what_is_in_it(folder: Path) -> None:
    file = file_of(folder, "api_key", 0o644)
    before = seen({}, places={"the key": file})
    folder.chmod(0o700)
    after = seen({}, places={"the key": file})

    what = f"the key, {file}"
    assert (before[what].verdict, after[what].verdict) == ("open", "shut")


def test_a_link_leads_to_what_is_looked_at(folder: Path) -> None:
    link = folder / "link"
    link.symlink_to(file_of(folder, "key", 0o600))

    assert (
        seen({"GEMINI_API_KEY_FILE": str(link)})[f"GEMINI_API_KEY_FILE, {link}"].verdict == "shut"
    )
