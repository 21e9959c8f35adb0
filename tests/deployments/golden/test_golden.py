"""Payloads as providers send them, through the real adapters, with the amount each one costs.

Every case says where it comes from. Amounts were worked out by hand from the list prices, not by
this code.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.claude import Claude
from deployments.gemini import Gemini
from deployments.openai_usage import usage_of
from deployments.prices import PriceBook
from deployments.provider import Counter, Ended, Failed, Metered, ProviderEvent
from tercet.call import Prompt
from tercet.catalog import Model, ProviderName
from tercet.config import PriceRow, load
from tercet.rules import Limits
from tercet.task import turn
from tercet.usage import Usage

if TYPE_CHECKING:
    from conftest import Listening, Provider

Case = dict[str, Any]

LIMITS = Limits(deadline_s=60, connect_s=10, first_event_s=10, between_events_s=10)
PROMPT = Prompt(system="", messages=(turn("user", "Hi"),), max_output_tokens=7)
OWN = PriceRow(
    model="our-own",
    valid_from=date(2026, 11, 1),
    fresh_input=Decimal("0.20"),
    cache_read=Decimal("0.02"),
    cache_write_5m=Decimal("0.25"),
    output=Decimal("0.60"),
    source="a test",
    read_on=date(2026, 11, 1),
)
BOOK = PriceBook([*load().prices, OWN])


def cases(name: str) -> list[Any]:
    told: list[Case] = json.loads((Path(__file__).parent / f"{name}.json").read_text("utf-8"))
    return [pytest.param(case, id=case["name"]) for case in told]


class Line:
    """A provider on loopback and the adapters that ask it."""

    def __init__(self, runner: asyncio.Runner, provider: "Provider") -> None:
        self.runner = runner
        self.provider = provider
        self.claude = Claude("key", provider.url, LIMITS)
        self.gemini = Gemini("key", provider.url, LIMITS)

    def heard(self, adapter: Claude | Gemini, case: Case, body: bytes) -> list[ProviderEvent]:
        self.provider.answers(body, end="cut" if case.get("is_cut") else "whole")
        return self.runner.run(listed(adapter.stream(case["model"], PROMPT, "att_1")))

    async def close(self) -> None:
        await self.claude.close()
        await self.gemini.close()


@pytest.fixture(scope="module")
def line(listening: "Listening") -> Iterator[Line]:
    with asyncio.Runner() as runner:
        serving = listening()
        opened = Line(runner, runner.run(serving.__aenter__()))
        yield opened
        runner.run(opened.close())
        runner.run(serving.__aexit__(None, None, None))


async def listed(events: AsyncGenerator[ProviderEvent, None]) -> list[ProviderEvent]:
    return [event async for event in events]


def check(case: Case, provider: ProviderName, usage: Usage) -> None:
    model = Model(
        name=case["model"], provider=provider, window_tokens=1_000_000, max_output_tokens=128_000
    )
    assert usage == Usage(**case["usage"])
    at = datetime.fromisoformat(case["at"]).astimezone(UTC)
    priced = BOOK.cost_of(model, usage, at, case.get("service_tier"))
    assert priced is not None
    assert priced.nano_usd == case["nano_usd"]


def check_heard(case: Case, provider: ProviderName, events: list[ProviderEvent]) -> None:
    counts = [event for event in events if isinstance(event, Metered)]
    assert not any(count.is_doubtful for count in counts)
    is_ended = isinstance(events[-1], Ended)
    assert is_ended or isinstance(events[-1], Failed)
    assert not (is_ended and case.get("is_cut"))
    check(case, provider, counts[-1].usage)


@pytest.mark.parametrize("case", cases("anthropic"))
def test_what_claude_sends_costs(line: Line, case: Case) -> None:
    told = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in case["events"])
    check_heard(case, "anthropic", line.heard(line.claude, case, "".join(told).encode()))


@pytest.mark.parametrize("case", cases("google"))
def test_what_gemini_sends_costs(line: Line, case: Case) -> None:
    told = (f"data: {json.dumps(event)}\r\n\r\n" for event in case["events"])
    check_heard(case, "google", line.heard(line.gemini, case, "".join(told).encode()))
    assert len(line.provider.posts) == 1


@pytest.mark.parametrize("case", cases("openai"))
def test_what_a_server_of_the_openai_protocol_sends_costs(case: Case) -> None:
    counter = Counter()
    usages = [usage_of(event, counter) for event in case["events"]]
    assert not counter.is_doubtful
    check(case, "local", usages[-1])


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 50}},
            Usage(cache_read=50),
        ),
        (
            {"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 50}},
            Usage(output=50, thinking=50),
        ),
        ({"prompt_tokens": -1, "completion_tokens": 2}, Usage(output=2)),
        ({"prompt_tokens": 3, "prompt_tokens_details": "many"}, Usage(fresh_input=3)),
    ],
)
def test_counts_that_cannot_be_are_doubtful_and_never_negative(counted: Case, usage: Usage) -> None:
    counter = Counter()
    assert usage_of(counted, counter) == usage
    assert counter.is_doubtful
