import shutil
from pathlib import Path

import pytest

from tercet.config import PROJECT, load
from tercet.errors import ConfigError
from tercet.learning import LearningRules

SHIPPED = LearningRules(
    policy="auto",
    exploration_floor=0.05,
    exploration_nano_usd=250_000_000,
    margin=0.03,
    margins={},
    quality_per_nano_usd=None,
    canary_shares=(0.05, 0.25),
    refit_hour=3,
    window_s=2_592_000.0,
    least_labels=100,
    kept_s=15_552_000.0,
    bounds={
        "quality_per_usd": (1.0, 1_000.0),
        "margin": (0.01, 0.05),
        "escalates_up_to_tokens": (100.0, 20_000.0),
    },
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "config", tmp_path / "config"))


def changed(folder: Path, old: str, new: str) -> Path:
    file = folder / "learning.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def test_the_shipped_rules_are_these() -> None:
    assert load().learning == SHIPPED


def test_margins_by_kind_and_a_weight_of_ones_own_are_taken(folder: Path) -> None:
    changed(folder, "kinds: {}}", "kinds: {summary: 0.05}}")
    changed(folder, "quality_per_usd: null", "quality_per_usd: 20")
    rules = load(folder).learning
    assert (rules.margin_of("summary"), rules.margin_of("chat")) == (0.05, 0.03)
    assert rules.quality_per_nano_usd == 20e-9


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("policy: auto", "policy: clever", "policy: Input should be 'auto', 'plan' or 'learned'"),
        ("floor: 0.05", "floor: 0.3", "exploration.floor: Input should be less than or equal"),
        ('usd_a_day: "0.25"', "usd_a_day: 0.25", "exploration.usd_a_day: Value error, write"),
        ("kinds: {}}", "kinds: {poem: 0.1}}", "margin.kinds: 'poem' is no kind of task; kinds are"),
        ("[0.05, 0.25]", "[0.25, 0.05]", "canary_shares: Value error, each share must be larger"),
        ("[0.05, 0.25]", "[]", "canary_shares: List should have at least 1 item"),
        ("refit_hour: 3", "refit_hour: 24", "refit_hour: Input should be less than or equal to 23"),
        ("kept_days: 180", "kept_days: 20", "kept_days is 20, less than window_days (30)"),
        ("least_labels: 100", "least_labels: 3", "least_labels: Input should be greater than or"),
        ("least_labels: 100", "lest_labels: 100", "lest_labels: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_named_with_its_key(folder: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r"learning\.yaml") as told:
        load(changed(folder, old, new))
    assert said in str(told.value)
