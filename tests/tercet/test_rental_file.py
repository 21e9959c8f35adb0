import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tercet.config import PROJECT
from tercet.errors import ConfigError
from tercet.rental_file import load_rental

DIGEST = "registry.example/tercet@sha256:0f"
# What is replaced in rental.yaml once it is complete, the replacement, the problem.
BROKEN = {
    "a provider nobody knows": ("provider: vast", "provider: aws", r"provider: Input should be"),
    "no address of the head": ("host: h", "host: null", r"head\.host: say at which name"),
    "an image by its tag": (DIGEST, "tercet:latest", r"image: name it by its digest"),
    "no image": (f"image: {DIGEST}", "image: null", r"image: name it by its digest"),
    "a fake cloud nowhere": ("provider: vast", "provider: fake", r"url: say where the fake"),
    "no card": ("[RTX 3090, RTX 4090]", "[]", r"want\.cards: List should have at least 1"),
    "a bid at RunPod": ("provider: vast", "provider: runpod", r"RunPod rents none any more"),
    "no time at all": ("watch_s: 10", "watch_s: 0", r"times\.watch_s: Input should be greater"),
    "more hours than a day has": ("hours_a_day: 12", "hours_a_day: 25", r"caps\.hours_a_day"),
    "no creates": ("creates_an_hour: 4", "creates_an_hour: 0", r"caps\.creates_an_hour"),
    "a port there is none of": ("port: 2222", "port: 70000", r"head\.port: Input should be less"),
    "dollars as a float": ('"0.40"', "0.40", r"want\.most_hourly_usd"),
    "a mode nobody knows": ("mode: ray_worker", "mode: http", r"mode: Input should be"),
    "a key nobody knows": ("on_release: stop", "on_idle: stop", r"on_idle: Extra inputs"),
    "a policy nobody knows": ("policy: rate", "policy: always", r"keep_alive\.policy"),
    "hours nobody can read": (
        "policy: rate\n  idle_s: 600\n  schedule: mon-fri 08:00-18:00",
        "policy: schedule\n  schedule: whenever",
        r"keep_alive: .*whenever",
    ),
    "a time too few": ("  boot_s: 900\n", "", r"times\.boot_s: Field required"),
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration that rents from Vast.ai."""
    folder = tmp_path / "config"
    folder.mkdir()
    file = shutil.copy(PROJECT / "config" / "rental.yaml", folder)
    change(folder, "provider: null", "provider: vast")
    change(folder, "image: null", f"image: {DIGEST}")
    change(folder, "host: null", "host: h")
    assert Path(file).exists()
    return folder


def change(config: Path, old: str, new: str) -> None:
    file = config / "rental.yaml"
    text = file.read_text()
    assert text.count(old) == 1, old
    file.write_text(text.replace(old, new))


def test_nothing_is_rented_as_the_project_comes() -> None:
    assert load_rental() is None


def test_all_of_it_is_read(config: Path) -> None:
    rules = load_rental(config)
    assert rules is not None
    assert (rules.provider, rules.image, rules.mode) == ("vast", DIGEST, "ray_worker")
    assert rules.want.gpus == ("RTX 3090", "RTX 4090")
    assert rules.want.most_hourly_nano_usd == 400_000_000
    assert rules.key_file == PROJECT / "var" / "rental.key"
    assert (rules.head.host, rules.head.port, rules.head.user) == ("h", 2222, "tercet")
    assert (rules.caps.hours_a_day, rules.caps.creates_an_hour) == (12, 4)
    assert rules.times.keep_disk_s == 7 * 86_400


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_named_with_its_key(config: Path, name: str) -> None:
    old, new, problem = BROKEN[name]
    change(config, old, new)
    with pytest.raises(ConfigError) as told:
        load_rental(config)
    assert str(told.value).startswith(f"{config}/rental.yaml: ")
    assert re.search(problem, str(told.value)), told.value


def test_without_a_limit_any_price_will_do(config: Path) -> None:
    change(config, 'most_hourly_usd: "0.40"', "most_hourly_usd: null")
    rules = load_rental(config)
    assert rules is not None
    assert rules.want == replace(rules.want, most_hourly_nano_usd=None)


def test_where_there_is_no_file_nothing_is_rented(tmp_path: Path) -> None:
    assert load_rental(tmp_path) is None
