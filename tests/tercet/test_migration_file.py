"""How kinds of work move to the local model, as `config/migrations.yaml` states it."""

import shutil
from pathlib import Path

import pytest

from tercet.config import PROJECT, load, settings
from tercet.errors import ConfigError
from tercet.migration import MigrationRules

SHIPPED = MigrationRules(
    phase="migrate",
    kinds=("routine_code", "lookup"),
    hold_out=0.1,
    salt="tercet",
    canary_shares=(0.1, 0.25, 0.5),
    margin=0.05,
    margins={},
    least_baseline=200,
    least_pairs=100,
    shadow_share=0.4,
    watch_share=0.02,
    watch_closely_share=0.6,
    composition_share=0.02,
    evidence_nano_usd=18_000_000_000,
    judges={"anthropic": "gemini-3.8-flash", "google": "claude-haiku-5-5"},
    slower_by=1.5,
    slower_s=30.0,
    suspicion=2.5,
    alarm=60.0,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "config", tmp_path / "config"))


def changed(folder: Path, old: str, new: str) -> Path:
    file = folder / "migrations.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def problem(folder: Path) -> str:
    with pytest.raises(ConfigError) as told:
        load(folder, settings({}))
    return str(told.value).replace(f"{folder}/", "")


def test_the_shipped_rules_are_these() -> None:
    assert load(chosen=settings({})).migrations == SHIPPED


@pytest.mark.parametrize("phase", ["baseline", "migrate", "ungated"])
def test_the_environment_overrides_the_phase(phase: str) -> None:
    assert load(chosen=settings({"TERCET_PHASE": phase})).migrations.phase == phase


def test_a_kind_may_have_a_margin_of_its_own(folder: Path) -> None:
    rules = load(changed(folder, "kinds: {}}", "kinds: {lookup: 0.02}}")).migrations
    assert (rules.margin_of("lookup"), rules.margin_of("routine_code")) == (0.02, 0.05)


def test_what_evidence_may_cost_is_the_cap_of_its_key(folder: Path) -> None:
    changed(folder, 'usd_a_month: "18"', 'usd_a_month: "0.5"')
    assert load(folder).budget.caps["key:evidence"] == 500_000_000


def test_no_kind_need_move_and_nobody_need_judge(folder: Path) -> None:
    changed(folder, "kinds: [routine_code, lookup]", "kinds: []")
    changed(folder, "{anthropic: gemini-3.8-flash, google: claude-haiku-5-5}", "{}")
    rules = load(folder).migrations
    assert (rules.kinds, rules.judges) == ((), {})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("phase: migrate", "phase: shadow", "phase: Input should be 'baseline', 'migrate' or"),
        ("lookup]", "poem]", "kinds: 'poem' is no kind of task; kinds are security, architecture,"),
        ("lookup]", "architecture]", "kinds: architecture is design or critical work, which stays"),
        ("lookup]", "security]", "kinds: security is design or critical work, which stays with"),
        ("kinds: {}}", "kinds: {poem: 0.1}}", "margin.kinds: 'poem' is no kind of task; kinds are"),
        ("hold_out: 0.10", "hold_out: 0", "hold_out: Input should be greater than or equal to 0"),
        ("hold_out: 0.10", "hold_out: 0.6", "hold_out: Input should be less than or equal to 0.5"),
        ("salt: tercet", "salt: ''", "salt: String should have at least 1 character"),
        ("0.25, 0.50]", "0.50, 0.25]", "canary_shares: Value error, each number must be larger"),
        ("0.25, 0.50]", "0.25, 1.0]", "canary_shares.2: Input should be less than 1"),
        ("[0.10, 0.25, 0.50]", "[]", "canary_shares: List should have at least 1 item"),
        ("google: claude-haiku-5-5", "google: gemini-3.8-flash", "gemini-3.8-flash is of google"),
        ("google: claude-haiku-5-5", "google: gpt-9", "judges.google: 'gpt-9' is not a model; mod"),
        ("google: claude-haiku-5-5", "xai: grok", "judges.xai.[key]: Input should be 'anthropic'"),
        ('usd_a_month: "18"', "usd_a_month: 18.5", "samples.usd_a_month: Value error, write"),
        ("slower_by: 1.5", "slower_by: 0.5", "latency.slower_by: Input should be greater than or"),
        ("suspicion: 2.5", "suspicion: 1", "suspicion: Input should be greater than 1"),
        ("alarm: 60", "alarm: 1", "alarm: Input should be greater than 1"),
        ("alarm: 60", "alarums: 60", "alarums: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_named_with_its_key(folder: Path, old: str, new: str, said: str) -> None:
    told = problem(changed(folder, old, new))
    assert "migrations.yaml: " in told
    assert said in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "migrations.yaml cannot be read: No such file or directory"),
        ("kinds: [lookup", "migrations.yaml: while parsing a flow sequence"),
        ("", "migrations.yaml is empty"),
        ("phase: migrate", "migrations.yaml: kinds: Field required"),
    ],
    ids=["missing", "no YAML", "empty", "a part"],
)
def test_a_file_that_is_none_is_told_with_a_remedy(
    folder: Path, text: str | None, said: str
) -> None:
    file = folder / "migrations.yaml"
    file.unlink()
    if text is not None:
        file.write_text(text, encoding="utf-8")
    told = problem(folder)
    assert said in told
    assert "take the shipped one: `git checkout config/migrations.yaml`" in told
