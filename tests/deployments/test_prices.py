import time
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from hypothesis import given
from hypothesis import strategies as st

from deployments.prices import GENAI_PRICES, SERVICE_TIERS, PriceBook, Priced
from tercet.budget import Ask
from tercet.catalog import Model, ProviderName
from tercet.config import PriceRow, load
from tercet.errors import ConfigError
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


def row(valid_from: date = date(2026, 11, 1), above: int = 0, **prices: str) -> PriceRow:
    usd = {name: Decimal(price) for name, price in prices.items()}
    return PriceRow.model_validate(
        {
            "model": "our-own",
            "valid_from": valid_from,
            "above": above,
            "source": "a test",
            "read_on": date(2026, 11, 2),
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


def test_the_source_of_an_overlay_price_is_its_first_day_and_the_day_it_was_read() -> None:
    before, after = (
        BOOK.cost_of(CARBON, IN_AND_OUT, at) for at in (LAST_OF_NOVEMBER, FIRST_OF_DECEMBER)
    )
    assert before == Priced(nano_usd=12_000_000, source="overlay 2026-11-01 read 2026-11-23")
    assert after == Priced(nano_usd=24_000_000, source="overlay 2026-12-01 read 2026-11-23")


def test_the_source_of_other_prices_is_genai_prices_and_its_version() -> None:
    assert GENAI_PRICES == "genai-prices 0.2.3"


def test_the_overlay_wins_over_genai_prices_from_its_day_on() -> None:
    change = PriceRow(
        model="claude-opus-5-5",
        valid_from=date(2026, 12, 1),
        fresh_input=Decimal(100),
        cache_read=Decimal(1),
        output=Decimal(200),
        source="a test",
        read_on=date(2026, 11, 23),
    )
    book = PriceBook([change])
    assert book.cost_of(OPUS, IN_AND_OUT, LAST_OF_NOVEMBER) == Priced(
        nano_usd=24_000_000, source="genai-prices 0.2.3"
    )
    assert book.cost_of(OPUS, IN_AND_OUT, FIRST_OF_DECEMBER) == Priced(
        nano_usd=300_000_000, source="overlay 2026-12-01 read 2026-11-23"
    )


@pytest.mark.parametrize("overlaid", SHIPPED.prices, ids=lambda row: f"{row.model} {row.above}")
def test_no_shipped_row_hides_a_price_that_genai_prices_has(overlaid: PriceRow) -> None:
    assert PriceBook([]).tariff(model(overlaid.model, "google"), NOW) is None


def test_the_day_of_a_price_is_a_day_in_utc() -> None:
    berlin, lima = timezone(timedelta(hours=1)), timezone(timedelta(hours=-5))
    assert cost(CARBON, IN_AND_OUT, datetime(2026, 12, 1, 0, 30, tzinfo=berlin)) == 12_000_000
    assert cost(CARBON, IN_AND_OUT, datetime(2026, 11, 30, 20, 0, tzinfo=lima)) == 24_000_000


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


def test_the_overlay_may_have_a_long_context_step() -> None:
    book = PriceBook(
        [
            row(fresh_input="1", cache_read="0.1", output="2"),
            row(fresh_input="3", cache_read="0.3", output="4", above=1_000),
        ]
    )
    assert cost(OWN, Usage(fresh_input=900, cache_read=100, output=1), book=book) == 912_000
    assert cost(OWN, Usage(fresh_input=900, cache_read=101, output=1), book=book) == 2_734_300
    assert cost(OWN, Usage(output=1), book=book) == 2_000


@pytest.mark.parametrize("above", [(1_000,), (0, 0), (0, 1_000, 1_000)])
def test_an_overlay_without_one_row_for_each_step_is_refused(above: tuple[int, ...]) -> None:
    rows = [row(fresh_input="1", cache_read="1", output="1", above=tokens) for tokens in above]
    with pytest.raises(ConfigError, match="our-own of 2026-11-01: name one row without `above`"):
        PriceBook(rows)


def test_a_model_on_a_rented_machine_costs_nothing_by_the_token() -> None:
    usage = Usage(fresh_input=1_000, cache_read=50, output=1_000)
    told = BOOK.cost_of(OWN, usage, NOW)
    assert told == Priced(nano_usd=0, source="rented by the hour, not paid by the token")
    asked = BOOK.ask(OWN, input_tokens=16_384, output_tokens=16_384, at=NOW, until=NOW)
    assert asked is not None
    assert asked[0].bound(16_384) == 0


@pytest.mark.parametrize(
    "unknown",
    [
        model("claude-opus-99"),
        model("gemini-9", "google"),
        model("gemini-3.8-flash-lite", "google"),
    ],
    ids=lambda unknown: unknown.name,
)
def test_an_unknown_model_has_no_price_not_even_that_of_its_sibling(unknown: Model) -> None:
    assert BOOK.cost_of(unknown, IN_AND_OUT, NOW) is None
    assert BOOK.ask(unknown, 1, 1, NOW, NOW) is None


def test_a_dated_release_of_a_known_model_has_its_price() -> None:
    assert cost(model("claude-opus-5-5-20260924"), IN_AND_OUT) == 24_000_000


def test_a_model_has_no_price_before_its_first_row() -> None:
    assert cost(HYDROGEN, IN_AND_OUT, datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("priced", "service_tier", "expected"),
    [
        (OPUS, None, (24_000_000, "genai-prices 0.2.3")),
        (OPUS, "standard", (24_000_000, "genai-prices 0.2.3")),
        (OPUS, "batch", (12_000_000, "genai-prices 0.2.3, batch x0.5")),
        (OPUS, "batch us", (13_200_000, "genai-prices 0.2.3, batch x0.5, us x1.1")),
        (OPUS, "priority", (48_000_000, "genai-prices 0.2.3, unknown tier priority x2")),
        (ARGON, "FLEX", (6_000_000, "genai-prices 0.2.3, flex x0.5")),
        (ARGON, "priority", (21_600_000, "genai-prices 0.2.3, priority x1.8")),
        (CARBON, "batch", (6_000_000, "overlay 2026-11-01 read 2026-11-23, batch x0.5")),
        (ARGON, "us", (24_000_000, "genai-prices 0.2.3, unknown tier us x2")),
    ],
)
def test_how_a_reply_was_served_is_billed_and_named_in_the_source(
    priced: Model, service_tier: str | None, expected: tuple[int, str]
) -> None:
    nano_usd, source = expected
    assert BOOK.cost_of(priced, IN_AND_OUT, NOW, service_tier) == Priced(
        nano_usd=nano_usd, source=source
    )


def test_no_known_tier_is_dearer_than_what_an_unknown_one_is_billed_at() -> None:
    unknown = BOOK.cost_of(OPUS, IN_AND_OUT, NOW, "turbo")
    assert unknown is not None
    for provider, known in SERVICE_TIERS.items():
        for tier in known:
            served = BOOK.cost_of(model(OPUS.name, provider), IN_AND_OUT, NOW, tier)
            assert served is None or served.nano_usd <= unknown.nano_usd


CATALOG = st.sampled_from(list(SHIPPED.catalog.models.values()))
EDGES = st.sampled_from([NOW, LAST_OF_NOVEMBER, FIRST_OF_DECEMBER, LAST_OF_2026, FIRST_OF_2027])
TOKENS = st.integers(min_value=0, max_value=60_000)
USAGES = st.builds(
    Usage,
    fresh_input=TOKENS,
    cache_read=TOKENS,
    cache_write_5m=TOKENS,
    cache_write_1h=TOKENS,
    output=TOKENS,
)


@given(priced=CATALOG, usage=USAGES, at=EDGES, tier=st.sampled_from(["standard", "batch"]))
def test_our_sum_is_the_one_that_genai_prices_makes_of_the_same_usage(
    priced: Model, usage: Usage, at: datetime, tier: str
) -> None:
    theirs = calc_price(
        PricedUsage(
            input_tokens=usage.input,
            cache_read_tokens=usage.cache_read,
            cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=usage.output,
        ),
        priced.name,
        provider_id=priced.provider,
        genai_request_timestamp=at,
        price_context={"processing": tier},
    )
    ours = BOOK.cost_of(priced, usage, at, tier)
    assert ours is not None
    assert abs(ours.nano_usd - theirs.total_price * 1_000_000_000) <= Decimal("0.5")


def test_what_is_asked_takes_every_input_token_for_a_one_hour_cache_write() -> None:
    assert BOOK.ask(OPUS, 1_000, 500, NOW, NOW) == (
        Ask(fixed_nano_usd=8_000_000, token_nano_usd=20_000, output_tokens=500),
        "genai-prices 0.2.3",
    )


def test_what_is_asked_holds_where_only_the_five_minute_write_is_dearer() -> None:
    book = PriceBook([row(fresh_input="1", cache_read="0", cache_write_5m="9", output="0")])
    asked = Ask(fixed_nano_usd=9_000_000, token_nano_usd=0, output_tokens=7)
    assert book.ask(OWN, 1_000, 7, NOW, NOW) == (asked, "overlay 2026-11-01 read 2026-11-02")


@pytest.mark.parametrize(
    ("input_tokens", "fixed", "token"),
    [(100_000, 20_000_000, 500), (100_001, 100_001_000, 2_500)],
)
def test_what_is_asked_of_haiku_is_dearer_once_its_step_can_be_met(
    input_tokens: int, fixed: int, token: int
) -> None:
    asked = BOOK.ask(HAIKU, input_tokens, 1, NOW, NOW)
    assert asked is not None
    assert (asked[0].fixed_nano_usd, asked[0].token_nano_usd) == (fixed, token)


def test_what_is_asked_before_midnight_covers_the_price_after_it() -> None:
    seconds = timedelta(seconds=2)
    before = BOOK.ask(ARGON, 1_000, 1, LAST_OF_NOVEMBER - seconds, LAST_OF_NOVEMBER)
    across = BOOK.ask(ARGON, 1_000, 1, LAST_OF_NOVEMBER, LAST_OF_NOVEMBER + seconds)
    assert before is not None
    assert across is not None
    assert (before[0].fixed_nano_usd, before[0].token_nano_usd) == (2_000_000, 10_000)
    assert (across[0].fixed_nano_usd, across[0].token_nano_usd) == (4_000_000, 20_000)


def test_what_is_asked_names_every_price_that_it_covers() -> None:
    asked = BOOK.ask(CARBON, 1, 1, LAST_OF_NOVEMBER, FIRST_OF_DECEMBER)
    assert asked is not None
    assert asked[1] == "overlay 2026-11-01 read 2026-11-23, then overlay 2026-12-01 read 2026-11-23"


def test_an_output_token_that_costs_a_part_of_a_nano_dollar_is_rounded_up() -> None:
    book = PriceBook([row(fresh_input="0.0005", cache_read="0", output="0.0001")])
    asked = book.ask(OWN, 1, 1, NOW, NOW)
    assert asked is not None
    assert asked[0] == Ask(fixed_nano_usd=1, token_nano_usd=1, output_tokens=1)


def test_nothing_is_asked_while_a_price_within_the_time_is_not_known() -> None:
    eve = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC)
    assert BOOK.ask(HYDROGEN, 1, 1, eve, eve + timedelta(seconds=2)) is None


PRICES = st.decimals(min_value=0, max_value=100, places=4)


@st.composite
def overlays(draw: st.DrawFn) -> PriceBook:
    """Return a book of one model with any prices, dearer or cheaper past its steps and days."""
    rows = []
    for day in (date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)):
        for above in (0, *draw(st.lists(TOKENS.map(lambda n: n + 1), max_size=2, unique=True))):
            names = ("fresh_input", "cache_read", "cache_write_5m", "cache_write_1h", "output")
            prices = {name: str(draw(PRICES)) for name in names}
            rows.append(row(day, above, **prices))
    return PriceBook(rows)


Times = tuple[datetime, datetime, datetime]


@st.composite
def times(draw: st.DrawFn) -> Times:
    """Return when a call is asked for, when it is billed, and when it must have ended."""
    days = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3))
    at, first, second = draw(EDGES), draw(days), draw(days)
    return at, at + min(first, second), at + max(first, second)


def check_bound(book: PriceBook, priced: Model, usage: Usage, when: Times, spare: int) -> None:
    at, billed_at, until = when
    asked = book.ask(priced, usage.input + spare, usage.output + spare, at, until)
    spent = book.cost_of(priced, usage, billed_at)
    assert asked is not None
    assert spent is not None
    assert spent.nano_usd <= asked[0].bound(usage.output)


@given(
    priced=st.sampled_from([OPUS, SONNET, HAIKU, ARGON, FLASH, CARBON, HYDROGEN]),
    usage=USAGES,
    when=times(),
    spare=TOKENS,
)
def test_no_usage_within_the_bounds_at_any_time_within_them_costs_more_than_was_asked(
    priced: Model, usage: Usage, when: Times, spare: int
) -> None:
    check_bound(BOOK, priced, usage, when, spare)


@given(book=overlays(), usage=USAGES, when=times(), spare=TOKENS)
def test_no_steps_and_no_changes_of_an_overlay_let_a_cost_pass_what_was_asked(
    book: PriceBook, usage: Usage, when: Times, spare: int
) -> None:
    check_bound(book, OWN, usage, when, spare)


@pytest.mark.parametrize("name", SHIPPED.catalog.models)
@pytest.mark.parametrize("at", [TODAY, datetime(2027, 2, 1, tzinfo=UTC)], ids=["today", "2027-02"])
def test_every_model_of_the_catalog_has_a_price(name: str, at: datetime) -> None:
    found = BOOK.cost_of(SHIPPED.catalog.models[name], IN_AND_OUT, at)
    assert found is not None
    assert found.nano_usd > 0
