import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from deployments.prices import PriceBook
from router.books.pricecheck import (
    SHIPPED_TABLE,
    Disagreement,
    SecondTable,
    disagreements,
    pricecheck,
    read_table,
)
from tercet.catalog import Model, ProviderName
from tercet.config import load
from tercet.errors import ConfigError

CONFIG = load()
MODELS = CONFIG.catalog.models
BOOK = PriceBook(CONFIG.prices)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def second(name: str, **prices: str) -> SecondTable:
    entry = {field: Decimal(price) for field, price in prices.items()}
    return SecondTable(name="Theirs", entries={name: entry})


def buckets(table: SecondTable, name: str) -> list[str]:
    return [found.bucket for found in disagreements([MODELS[name]], BOOK, table, NOW)]


def test_the_shipped_table_agrees_today_and_lacks_the_change_of_december() -> None:
    table = read_table(SHIPPED_TABLE)
    assert disagreements(MODELS.values(), BOOK, table, NOW) == []
    found = disagreements(MODELS.values(), BOOK, table, DECEMBER)
    assert [(one.model, one.bucket, one.ours, one.theirs) for one in found] == [
        ("gemini-4-argon", "fresh_input", Decimal(4), Decimal(2)),
        ("gemini-4-argon", "cache_read", Decimal("0.2"), Decimal("0.1")),
        ("gemini-4-argon", "output", Decimal(20), Decimal(10)),
        ("gemini-4-argon", "thinking", Decimal(20), Decimal(10)),
    ]


def test_the_shipped_table_has_every_model_of_the_catalog_and_says_whose_it_is() -> None:
    table = read_table(SHIPPED_TABLE)
    assert [name for name in MODELS if table.entry(name) is None] == []
    told = json.loads(SHIPPED_TABLE.read_text("utf-8"))
    assert told["name"] == "LiteLLM 1.109.1"
    assert told["licence"].startswith("MIT License")


def test_every_bucket_is_compared() -> None:
    table = second(
        "claude-opus-5-5",
        input_cost_per_token="1",
        cache_read_input_token_cost="1",
        cache_creation_input_token_cost="1",
        cache_creation_input_token_cost_above_1hr="1",
        output_cost_per_token="1",
    )
    assert buckets(table, "claude-opus-5-5") == [
        "fresh_input",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
    ]


def test_a_disagreement_names_both_prices_and_the_source_of_ours() -> None:
    found = disagreements(
        [MODELS["claude-opus-5-5"]],
        BOOK,
        second("claude-opus-5-5", output_cost_per_token="25e-06"),
        NOW,
    )
    assert found == [
        Disagreement(
            model="claude-opus-5-5",
            bucket="output",
            ours=Decimal(20),
            theirs=Decimal(25),
            source="genai-prices 0.2.3",
        )
    ]


def test_a_step_that_only_we_have_is_a_disagreement() -> None:
    table = second("claude-haiku-5-5", output_cost_per_token="0.5e-06")
    assert buckets(table, "claude-haiku-5-5") == ["output above 100000"]


def test_a_step_that_only_they_have_is_a_disagreement() -> None:
    table = second(
        "claude-opus-5-5",
        output_cost_per_token="20e-06",
        output_cost_per_token_above_200k_tokens="30e-06",
    )
    assert buckets(table, "claude-opus-5-5") == ["output above 200000"]


def test_another_factor_for_a_service_tier_is_a_disagreement() -> None:
    table = second(
        "gemini/gemini-4-argon",
        input_cost_per_token="2e-06",
        input_cost_per_token_batches="1e-06",
        input_cost_per_token_priority="4e-06",
    )
    assert buckets(table, "gemini-4-argon") == ["fresh_input, priority"]


def test_a_price_that_only_they_know_is_a_disagreement() -> None:
    provider: ProviderName = "anthropic"
    unknown = Model(name="new", provider=provider, window_tokens=1, max_output_tokens=1)
    (found,) = disagreements([unknown], BOOK, second("new", output_cost_per_token="1e-06"), NOW)
    assert (found.ours, found.theirs) == (None, Decimal(1))


def test_the_command_prints_each_day_and_fails_on_any_disagreement(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert pricecheck(None, [date(2026, 11, 23)]) == 0
    assert pricecheck(None, [date(2026, 11, 23), date(2026, 12, 1)]) == 1
    assert (
        capsys.readouterr().out
        == """\
2026-11-23: 0 of our prices (used) differ from LiteLLM 1.109.1 (compared only)
2026-11-23: 0 of our prices (used) differ from LiteLLM 1.109.1 (compared only)
2026-12-01: 4 of our prices (used) differ from LiteLLM 1.109.1 (compared only)
  gemini-4-argon fresh_input: used 4 (genai-prices 0.2.3), LiteLLM 1.109.1 2
  gemini-4-argon cache_read: used 0.2 (genai-prices 0.2.3), LiteLLM 1.109.1 0.1
  gemini-4-argon output: used 20 (genai-prices 0.2.3), LiteLLM 1.109.1 10
  gemini-4-argon thinking: used 20 (genai-prices 0.2.3), LiteLLM 1.109.1 10
"""
    )


def test_the_command_takes_litellms_own_file_and_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model_prices.json"
    opus = {"input_cost_per_token": 4e-06, "mode": "chat", "supports_vision": True}
    path.write_text(json.dumps({"claude-opus-5-5": opus}))
    assert pricecheck(path, [date(2026, 11, 23)]) == 0
    assert "claude-haiku-5-5: not in model_prices.json, so not compared" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"prices": {"a": 1}}'])
def test_a_file_that_is_no_price_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no price table"):
        pricecheck(path, [date(2026, 11, 23)])
