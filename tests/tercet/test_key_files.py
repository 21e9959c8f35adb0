import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from tercet.config import fleet, load, read_key, settings
from tercet.environment import KEY_FILES
from tercet.errors import ConfigError


def file_with(text: str, folder: Path, mode: int = 0o600) -> Path:
    file = folder / "key"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


def given(variables: Mapping[str, str]) -> dict[str, object]:
    chosen = settings(variables)
    return {
        "ANTHROPIC_API_KEY": chosen.anthropic_key,
        "GEMINI_API_KEY": chosen.gemini_key,
        "TERCET_API_KEY": chosen.callers_key,
        "TERCET_ADMIN_KEY": chosen.console_key,
    }


@pytest.mark.parametrize("name", KEY_FILES)
def test_a_key_is_known_by_its_file_until_it_is_used(name: str, tmp_path: Path) -> None:
    file = tmp_path / "not-there"

    assert given({KEY_FILES[name]: str(file)})[name] == file
    assert given({KEY_FILES[name]: str(file), name: "of-the-environment"})[name] == file
    assert given({KEY_FILES[name]: "", name: "of-the-environment"})[name] == "of-the-environment"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
@pytest.mark.parametrize("text", ["s3cret", "s3cret\n", "\n  s3cret \r\n"])
def test_the_line_of_the_file_is_the_key(text: str, mode: int, tmp_path: Path) -> None:
    file = file_with(text, tmp_path, mode)
    chosen = settings({"TERCET_API_KEY_FILE": str(file), "TERCET_ADMIN_KEY_FILE": str(file)})

    assert (chosen.api_key, chosen.admin_key, read_key(file)) == ("s3cret", "s3cret", "s3cret")


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    file = file_with("old", tmp_path)
    chosen = settings({"TERCET_API_KEY_FILE": str(file)})
    before = chosen.api_key
    file.write_text("new")

    assert (before, chosen.api_key) == ("old", "new")


@pytest.mark.parametrize(
    "text", ["", " \n", "s3cret\ns3cret", "s3cret s3cret", "s3cret\x07", "s3crét", "\ud800"]
)
def test_a_file_without_a_single_key_is_refused_and_not_quoted(text: str, tmp_path: Path) -> None:
    file = file_with("", tmp_path)
    file.write_bytes(text.encode(errors="surrogatepass"))

    with pytest.raises(ConfigError, match=r"/key must hold one key alone") as refused:
        read_key(file)
    assert "s3cr" not in str(refused.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_a_file_that_is_open_to_everybody_is_refused_with_the_remedy(
    mode: int, tmp_path: Path
) -> None:
    file = file_with("s3cret", tmp_path, mode)

    with pytest.raises(ConfigError, match=rf"^the key file {file} is open .*`chmod o= {file}`$"):
        read_key(file)


def test_what_is_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/none cannot be read \(No such file or directory\)"):
        read_key(tmp_path / "none")
    with pytest.raises(ConfigError, match="is no file"):
        read_key(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(ConfigError, match="is no file"):
            read_key(tmp_path / "socket")


def secret_volume(folder: Path, keys: Mapping[str, str]) -> Path:
    """Make what a kubelet mounts, with `defaultMode: 0440`."""
    (folder / "..2026_11_29").mkdir()
    (folder / "..data").symlink_to("..2026_11_29")
    for name, key in keys.items():
        (folder / "..data" / name).write_text(key)
        (folder / "..data" / name).chmod(0o440)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_a_key_that_a_mounted_secret_lacks_is_none_and_the_others_are_read(tmp_path: Path) -> None:
    volume = secret_volume(tmp_path, {"gemini": "of-google"})
    files = {
        "ANTHROPIC_API_KEY_FILE": str(volume / "anthropic"),
        "GEMINI_API_KEY_FILE": str(volume / "gemini"),
        "TERCET_API_KEY_FILE": str(volume / "api-key"),
        "TERCET_API_KEY": "of-the-environment",
    }
    chosen = settings(files)

    assert (chosen.anthropic_key, read_key(chosen.gemini_key)) == (None, "of-google")
    assert chosen.api_key == "of-the-environment"
    assert fleet(load(chosen=chosen), chosen).providers == {"google"}


def test_a_file_of_a_mounted_secret_is_refused_as_any_other(tmp_path: Path) -> None:
    volume = secret_volume(tmp_path, {"gemini": ""})

    with pytest.raises(ConfigError, match=r"/gemini must hold one key alone"):
        read_key(settings({"GEMINI_API_KEY_FILE": str(volume / "gemini")}).gemini_key)


def test_a_file_that_cannot_be_looked_for_is_refused_where_it_is_read(tmp_path: Path) -> None:
    chosen = settings({"TERCET_API_KEY_FILE": str(tmp_path / ("n" * 300))})

    with pytest.raises(ConfigError, match=r"n cannot be read \(File name too long\)"):
        print(chosen.api_key)


def test_the_fleet_knows_who_has_a_key_and_reads_none(tmp_path: Path) -> None:
    chosen = settings({"GEMINI_API_KEY_FILE": str(tmp_path / "not-there")})

    assert fleet(load(chosen=chosen), chosen).providers == {"google"}


def test_settings_name_no_file_and_no_key_when_printed(tmp_path: Path) -> None:
    file = file_with("s3cret", tmp_path)
    shown = settings({**{name: str(file) for name in KEY_FILES.values()}, "TERCET_STATE": "/srv"})

    assert repr(shown) == "Settings(state='/srv', simulated=False)"
