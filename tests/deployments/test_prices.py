import time
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.prices import GENAI_PRICES, PriceBook, Priced
from tercet.catalog import Model, ProviderName
from tercet.config import PriceRow, load
from tercet.usage import Usage

SHIPPED = load()
BOOK = PriceBook(SHIPPED.prices)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = datetime.fromtimestamp(time.time(), UTC)
LAST_OF_NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
FIRST_OF_DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
LAST_OF_2026 = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
FIRST_OF_2027 = datetime(2027, 1, 1, tzinfo=UTC)
IN_AND_OUT = Usage(fresh_input=1_000, output=1_000)


def model(name: str, provider: ProviderName = "anthropic") -> Model:
    return Model(name=name, provider=provider, window_tokens=1_000_000, max_output_tokens=128_000)


OPUS = model("claude-opus-5-5")
SONNET = model("claude-sonnet-5-5")
HAIKU = model("claude-haiku-5-5")
ARGON = model("gemini-4-argon", "google")
FLASH = model("gemini-3.8-flash", "google")
CARBON = model("gemini-4-carbon", "google")
HYDROGEN = model("gemini-4-hydrogen", "google")
OWN = model("our-own", "local")


def row(**prices: str) -> PriceRow:
    usd = {name: Decimal(price) for name, price in prices.items()}
    return PriceRow.model_validate(
        {
            "model": "our-own",
            "valid_from": date(2026, 11, 1),
            "source": "a test",
            "read_on": date(2026, 11, 1),
            **usd,
        }
    )


def cost(priced: Model, usage: Usage, at: datetime = NOW, book: PriceBook = BOOK) -> int | None:
    found = book.cost_of(priced, usage, at)
    return found.nano_usd if found is not None else None


def test_opus_costs_four_dollars_in_and_twenty_out_per_million() -> None:
    assert BOOK.cost_of(OPUS, IN_AND_OUT, NOW) == Priced(nano_usd=24_000_000, source=GENAI_PRICES)


@pytest.mark.parametrize(
    ("usage", "nano_usd"),
    [
        (Usage(), 0),
        (Usage(fresh_input=1), 4_000),
        (Usage(output=1), 20_000),
        (Usage(cache_read=1_000), 200_000),
        (Usage(cache_write_5m=1_000), 5_000_000),
        (Usage(cache_write_1h=1_000), 8_000_000),
        (
            Usage(
                fresh_input=1_000,
                cache_read=1_000,
                cache_write_5m=1_000,
                cache_write_1h=1_000,
                output=1_000,
            ),
            37_200_000,
        ),
    ],
)
def test_each_bucket_of_opus_is_billed_at_its_own_rate(usage: Usage, nano_usd: int) -> None:
    assert cost(OPUS, usage) == nano_usd


def test_thinking_is_billed_once_as_output() -> None:
    assert cost(OPUS, Usage(output=1_000, thinking=900)) == 20_000_000


def test_sonnet_costs_two_dollars_in_and_ten_out_per_million() -> None:
    usage = Usage(fresh_input=1_000, cache_read=1_000, output=1_000)
    assert cost(SONNET, usage) == 12_100_000


@pytest.mark.parametrize(
    ("usage", "nano_usd"),
    [
        (Usage(fresh_input=100_000, output=1_000), 10_500_000),
        (Usage(fresh_input=100_001, output=1_000), 52_500_500),
        (Usage(fresh_input=40_000, cache_read=60_000), 4_600_000),
        (Usage(fresh_input=40_001, cache_read=60_000), 23_000_500),
        (Usage(cache_write_5m=50_000, cache_write_1h=50_000), 16_250_000),
        (Usage(cache_write_5m=50_000, cache_write_1h=50_001), 81_251_000),
    ],
)
def test_haiku_bills_the_whole_request_dearer_past_100_000_input_tokens(
    usage: Usage, nano_usd: int
) -> None:
    assert cost(HAIKU, usage) == nano_usd


@pytest.mark.parametrize(
    ("priced", "at", "nano_usd"),
    [
        (ARGON, LAST_OF_NOVEMBER, 12_000_000),
        (ARGON, FIRST_OF_DECEMBER, 24_000_000),
        (FLASH, LAST_OF_2026, 4_500_000),
        (FLASH, FIRST_OF_2027, 9_000_000),
        (CARBON, LAST_OF_NOVEMBER, 12_000_000),
        (CARBON, FIRST_OF_DECEMBER, 24_000_000),
        (HYDROGEN, LAST_OF_NOVEMBER, 9_000_000),
        (HYDROGEN, FIRST_OF_2027, 9_000_000),
    ],
)
def test_a_price_changes_at_midnight_utc_of_its_day(
    priced: Model, at: datetime, nano_usd: int
) -> None:
    assert cost(priced, IN_AND_OUT, at) == nano_usd


@pytest.mark.parametrize(
    ("priced", "at", "nano_usd"),
    [
        (ARGON, LAST_OF_NOVEMBER, 100_000),
        (ARGON, FIRST_OF_DECEMBER, 200_000),
        (CARBON, LAST_OF_NOVEMBER, 100_000),
        (CARBON, FIRST_OF_DECEMBER, 200_000),
        (HYDROGEN, NOW, 75_000),
        (FLASH, NOW, 75_000),
    ],
)
def test_tokens_gemini_read_from_its_cache_have_a_price_of_their_own(
    priced: Model, at: datetime, nano_usd: int
) -> None:
    assert cost(priced, Usage(cache_read=1_000), at) == nano_usd


def test_the_source_of_an_overlay_price_is_its_day() -> None:
    before, after = (
        BOOK.cost_of(CARBON, IN_AND_OUT, at) for at in (LAST_OF_NOVEMBER, FIRST_OF_DECEMBER)
    )
    assert before == Priced(nano_usd=12_000_000, source="overlay 2026-11-01")
    assert after == Priced(nano_usd=24_000_000, source="overlay 2026-12-01")


def test_genai_prices_answers_before_the_overlay() -> None:
    dear = PriceRow(
        model="claude-opus-5-5",
        valid_from=date(2026, 1, 1),
        fresh_input=Decimal(100),
        cache_read=Decimal(100),
        output=Decimal(100),
        source="a test",
        read_on=date(2026, 1, 1),
    )
    assert PriceBook([dear]).cost_of(OPUS, IN_AND_OUT, NOW) == Priced(
        nano_usd=24_000_000, source=GENAI_PRICES
    )


def test_a_bucket_the_overlay_does_not_name_costs_the_fresh_price() -> None:
    assert cost(HYDROGEN, Usage(cache_write_5m=1_000, cache_write_1h=1_000)) == 3_000_000


def test_the_overlay_may_price_cache_writes() -> None:
    book = PriceBook(
        [row(fresh_input="1", cache_read="0.1", cache_write_5m="2", cache_write_1h="3", output="0")]
    )
    usage = Usage(fresh_input=1, cache_read=10, cache_write_5m=100, cache_write_1h=1_000)
    assert cost(OWN, usage, book=book) == 1_000 + 1_000 + 200_000 + 3_000_000


@pytest.mark.parametrize(("tokens", "nano_usd"), [(1, 1), (2, 1), (3, 2)])
def test_half_a_nano_dollar_is_rounded_up(tokens: int, nano_usd: int) -> None:
    book = PriceBook([row(fresh_input="0.0005", cache_read="0", output="0")])
    assert cost(OWN, Usage(fresh_input=tokens), book=book) == nano_usd


@pytest.mark.parametrize("unknown", [model("claude-opus-99"), model("gemini-9", "google"), OWN])
def test_an_unknown_model_has_no_price(unknown: Model) -> None:
    assert BOOK.cost_of(unknown, IN_AND_OUT, NOW) is None
    assert BOOK.upper_bound(unknown, input_tokens=1, output_tokens=1, at=NOW) is None


def test_a_model_has_no_price_before_its_first_row() -> None:
    assert cost(HYDROGEN, IN_AND_OUT, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)) is None


def test_the_upper_bound_takes_every_input_token_for_a_one_hour_cache_write() -> None:
    bound = BOOK.upper_bound(OPUS, input_tokens=1_000, output_tokens=1_000, at=NOW)
    assert bound == Priced(nano_usd=28_000_000, source=GENAI_PRICES)


def test_the_upper_bound_holds_where_only_the_five_minute_write_is_dearer() -> None:
    book = PriceBook([row(fresh_input="1", cache_read="0", cache_write_5m="9", output="0")])
    bound = book.upper_bound(OWN, input_tokens=1_000, output_tokens=0, at=NOW)
    assert bound == Priced(nano_usd=9_000_000, source="overlay 2026-11-01")


@given(
    priced=st.sampled_from([OPUS, SONNET, HAIKU, ARGON, FLASH, CARBON, HYDROGEN]),
    at=st.sampled_from([NOW, FIRST_OF_DECEMBER, FIRST_OF_2027]),
    split=st.tuples(*[st.integers(min_value=0, max_value=60_000)] * 5),
    more=st.tuples(*[st.integers(min_value=0, max_value=1_000)] * 2),
)
def test_no_split_of_the_tokens_costs_more_than_the_upper_bound(
    priced: Model, at: datetime, split: tuple[int, ...], more: tuple[int, ...]
) -> None:
    fresh, read, short, long, output = split
    usage = Usage(
        fresh_input=fresh,
        cache_read=read,
        cache_write_5m=short,
        cache_write_1h=long,
        output=output,
    )
    bound = BOOK.upper_bound(
        priced, input_tokens=usage.input + more[0], output_tokens=output + more[1], at=at
    )
    spent = cost(priced, usage, at)
    assert bound is not None
    assert spent is not None
    assert spent <= bound.nano_usd


@pytest.mark.parametrize("name", SHIPPED.catalog.models)
@pytest.mark.parametrize("at", [TODAY, datetime(2027, 2, 1, tzinfo=UTC)], ids=["today", "2027-02"])
def test_every_model_of_the_catalog_has_a_price(name: str, at: datetime) -> None:
    found = BOOK.cost_of(SHIPPED.catalog.models[name], IN_AND_OUT, at)
    assert found is not None
    assert found.nano_usd > 0
