import shutil
from pathlib import Path

import pytest
import yaml

from tercet.config import PROJECT, load, settings
from tercet.errors import ConfigError

NOBODY = settings({})
LACKING = object()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "config", tmp_path / "config"))


def change(folder: Path, place: str, value: object) -> None:
    """Set one value of budget.yaml, named by its path; or take it out."""
    file = folder / "budget.yaml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    *parents, last = place.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    key = int(last) if last.isdigit() else last
    if value is LACKING:
        del inner[key]
    else:
        inner[key] = value
    file.write_text(yaml.safe_dump(document), encoding="utf-8")


def problems_of(folder: Path) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        load(folder, NOBODY)
    return str(refusal.value).replace(f"{folder}/", "").split("\n")


def test_the_shipped_budget_is_read() -> None:
    budget = load(chosen=NOBODY).budget
    assert budget.caps == {
        "month": 180_000_000_000,
        "gpu": 60_000_000_000,
        "key:evidence": 18_000_000_000,
    }
    assert budget.spent_from == {2: 0.80, 3: 0.90, 4: 0.95, 5: 0.98}
    assert budget.forecast_from == {2: 1.0, 3: 1.25}
    assert (budget.margin, budget.premium_kinds) == (0.02, {"security"})
    assert (budget.pace_bucket, budget.weight_per_bucket, budget.most_weight) == (0.05, 0.5, 4)
    assert budget.cheapest == "claude-haiku-5-5"


def test_every_scope_can_have_a_cap_and_cents_are_exact(folder: Path) -> None:
    change(folder, "caps.month", "100.10")
    change(folder, "caps.default_key", "0.000000001")
    change(folder, "caps.tiers.tier1", 40)
    change(folder, "caps.providers.google", "19.99")
    change(folder, "caps.gpu", None)
    assert load(folder, NOBODY).budget.caps == {
        "month": 100_100_000_000,
        "key:default": 1,
        "tier:tier1": 40_000_000_000,
        "provider:google": 19_990_000_000,
        "key:evidence": 18_000_000_000,
    }


def test_a_month_without_a_cap_has_to_be_said(folder: Path) -> None:
    change(folder, "caps.month", None)
    assert "month" not in load(folder, NOBODY).budget.caps
    change(folder, "caps.month", LACKING)
    assert problems_of(folder) == ["budget.yaml: caps.month: Field required"]


def test_the_environment_overrides_the_months_cap(folder: Path) -> None:
    change(folder, "caps.month", None)
    for value, cap in (("12.5", 12_500_000_000), ("0", 0)):
        assert load(folder, settings({"TERCET_MONTH_CAP_USD": value})).budget.caps["month"] == cap


@pytest.mark.parametrize("value", ["-1", "ten", "NaN", "Infinity", "0.0000000001", "1e12"])
def test_a_months_cap_that_is_no_amount_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=f"^TERCET_MONTH_CAP_USD is '{value}': "):
        settings({"TERCET_MONTH_CAP_USD": value})


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("caps.month", 19.99, 'Value error, write dollars as a whole number or in quotes, as "19'),
        ("caps.month", True, "Value error, write dollars as a whole number or in quotes"),
        ("caps.month", "-1", "Input should be greater than or equal to 0"),
        ("caps.month", "0.0000000001", "Decimal input should have no more than 9 decimal places"),
        ("caps.providers.openai", "1", "Input should be 'anthropic', 'google' or 'local'"),
        ("ladder.spent_from.3", 0.7, "Value error, a later step must not begin before an earlier"),
        ("ladder.spent_from.6", 1, "Input should be 2, 3, 4 or 5"),
        ("ladder.spent_from.2", 0, "Input should be greater than 0"),
        ("ladder.forecast_from.4", 1, "Input should be 2 or 3"),
        ("ladder.margin", -0.1, "Input should be greater than or equal to 0"),
        ("pacing.bucket", 0, "Input should be greater than 0"),
        ("pacing.most", 0.5, "Input should be greater than or equal to 1"),
        ("premium_kinds", ["poetry"], "'poetry' is no kind of task; kinds are security"),
        ("colour", "red", "Extra inputs are not permitted"),
    ],
)
def test_a_broken_budget_is_refused_with_its_place(
    folder: Path, place: str, value: object, problem: str
) -> None:
    change(folder, place, value)
    (said,) = problems_of(folder)
    assert said.startswith(f"budget.yaml: {place.rsplit('.', 1)[0]}")
    assert problem in said


def test_names_that_the_catalog_lacks_are_all_listed(folder: Path) -> None:
    change(folder, "caps.tiers.tier4", 1)
    change(folder, "cheapest", "gemini-5")
    assert [problem.split(";")[0] for problem in problems_of(folder)] == [
        "budget.yaml: caps.tiers: there is no tier 'tier4'",
        "budget.yaml: cheapest is 'gemini-5'",
    ]
