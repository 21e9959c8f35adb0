"""What the simulated providers charge and how they write it down."""

import json
from concurrent.futures import wait
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.simulated.billing import Bill, BillingLog, cost_nano_usd
from deployments.simulated.counting import Block, PromptCache, output_tokens
from tercet.usage import Usage

NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "at", "input_usd", "output_usd"),
    [
        ("claude-opus-5-5", NOVEMBER, 4, 20),
        ("claude-sonnet-5-5", NOVEMBER, 2, 10),
        ("gemini-4-carbon", NOVEMBER, 2, 10),
        ("gemini-4-carbon", DECEMBER, 4, 20),
        ("gemini-4-argon", NOVEMBER, 2, 10),
        ("gemini-4-argon", DECEMBER, 4, 20),
        ("gemini-4-hydrogen", JANUARY, 1.5, 7.5),
        ("gemini-3.8-flash", DECEMBER, 0.75, 3.75),
        ("gemini-3.8-flash", JANUARY, 1.5, 7.5),
    ],
)
def test_a_million_tokens_cost_the_list_price_of_the_day(
    model: str, at: datetime, input_usd: float, output_usd: float
) -> None:
    assert cost_nano_usd(model, Usage(fresh_input=MILLION), at) == input_usd * 10**9
    both = cost_nano_usd(model, Usage(fresh_input=MILLION, output=MILLION), at)
    assert both == (input_usd + output_usd) * 10**9


def test_every_bucket_has_its_own_price() -> None:
    usage = Usage(fresh_input=1, cache_read=10, cache_write_5m=100, cache_write_1h=1_000, output=7)
    # 4000 + 10*200 + 100*5000 + 1000*8000 + 7*20000
    assert cost_nano_usd("claude-opus-5-5", usage, NOVEMBER) == 8_646_000


def test_a_long_prompt_makes_the_whole_haiku_request_dearer() -> None:
    at_the_step = Usage(fresh_input=90_000, cache_read=10_000, output=10)
    # 90000*100 + 10000*10 + 10*500
    assert cost_nano_usd("claude-haiku-5-5", at_the_step, NOVEMBER) == 9_105_000
    above = Usage(fresh_input=90_001, cache_read=10_000, output=10)
    # 90001*500 + 10000*50 + 10*2500
    assert cost_nano_usd("claude-haiku-5-5", above, NOVEMBER) == 45_525_500


def test_nothing_used_costs_nothing_whatever_the_model_is_called() -> None:
    assert cost_nano_usd("no-such-model", Usage(), NOVEMBER) == 0


def test_tokens_for_an_unknown_model_are_refused() -> None:
    with pytest.raises(KeyError):
        cost_nano_usd("no-such-model", Usage(output=1), NOVEMBER)


def test_a_bill_is_one_json_line() -> None:
    bill = Bill(
        at=1_795_392_000.0,
        provider="google",
        request_id="sim_1",
        client_request_id="att_1",
        model="gemini-4-argon",
        stream=True,
        outcome="complete",
        usage=Usage(fresh_input=3, output=11),
    )
    assert json.loads(bill.line()) == {
        "at": "2026-11-23T00:00:00+00:00",
        "provider": "google",
        "model": "gemini-4-argon",
        "request_id": "sim_1",
        "client_request_id": "att_1",
        "stream": True,
        "outcome": "complete",
        "fresh_input": 3,
        "cache_read": 0,
        "cache_write_5m": 0,
        "cache_write_1h": 0,
        "output": 11,
        "cost_nano_usd": 116_000,
    }


def test_a_line_can_be_read_once_its_future_is_done(tmp_path: Path) -> None:
    log = BillingLog(tmp_path / "bill.jsonl")
    written = [
        log.append(Bill(at=0, provider="google", request_id=str(number))) for number in range(200)
    ]
    wait(written)
    lines = (tmp_path / "bill.jsonl").read_text().splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [str(n) for n in range(200)]
    log.close()


def test_closing_the_log_writes_what_is_waiting_and_reopening_appends(tmp_path: Path) -> None:
    for number in range(2):
        log = BillingLog(tmp_path / "bill.jsonl")
        log.append(Bill(at=0, provider="google", request_id=str(number)))
        log.close()
    assert (tmp_path / "bill.jsonl").read_text().count("\n") == 2


def test_four_bytes_are_a_token() -> None:
    assert [output_tokens(text) for text in ("", "a", "abcd", "abcde", "éé")] == [0, 1, 1, 2, 1]
    assert PromptCache().count("m", [Block(text="abc")]).fresh_input == 1
    assert PromptCache().count("m", [Block(text="abcdef"), Block(text="gh")]).fresh_input == 2


def test_a_prefix_is_written_once_and_read_afterwards() -> None:
    cache = PromptCache()
    blocks = [Block(text="x" * 400, kept="5m"), Block(text="y" * 80)]
    assert cache.count("m", blocks) == Usage(cache_write_5m=100, fresh_input=20)
    assert cache.count("m", blocks) == Usage(cache_read=100, fresh_input=20)
    assert cache.count("other", blocks) == Usage(cache_write_5m=100, fresh_input=20)


def test_a_longer_prefix_reads_the_known_part_and_writes_the_rest() -> None:
    cache = PromptCache()
    known = Block(text="x" * 400, kept="1h")
    assert cache.count("m", [known]) == Usage(cache_write_1h=100)
    longer = [known, Block(text="y" * 40, kept="5m"), Block(text="z" * 8)]
    assert cache.count("m", longer) == Usage(cache_read=100, cache_write_5m=10, fresh_input=2)
