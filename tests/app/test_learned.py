"""A version of what was learned, from the ledger to the answer and its receipt, over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import taught
from fakes.gateway import CONFIG, Says, Site, gateway
from fakes.learned import version
from fakes.taught import HAIKU, NOW, OPUS, QUALITY, SONNET

from deployments.ledger import Ledger
from router.learned import route_as_learned
from router.learning.cold import arms_of_catalog
from router.learning.document import to_bytes
from router.lesson_feed import LessonFeed
from router.refit.steering import promote, roll_back

PLAN = "tier3"
HAIKU_IS_BEST = QUALITY | {HAIKU: 0.99}


@asynccontextmanager
async def taught_site(path: Path, floor: float = 0.0) -> AsyncGenerator[tuple[Site, LessonFeed]]:
    """Serve with a real ledger; only Claude has a key."""
    rules = replace(CONFIG.learning, exploration_floor=floor)
    specs = arms_of_catalog(CONFIG.catalog, CONFIG.rules)
    with closing(Ledger(path)) as ledger:
        feed = LessonFeed(ledger, rules, CONFIG.taxonomy, specs, lambda: 1)
        async with gateway(Says(), ledger, route_as_learned, learning=feed) as site:
            yield site, feed


async def put(ledger: Ledger, name: str, share: float | None = None, **numbers) -> None:
    """Put a version in force, or on a share of the conversations."""
    document = to_bytes(taught.policy(name, **numbers))
    assert await ledger.put_policy(version(name, document=document))
    await promote(ledger, name, share, "a test", NOW)


async def receipt(site: Site, content: str, **fields) -> dict:
    """Ask, and return the receipt."""
    answer = await site.ask(content, model="auto", **fields)
    assert answer.status_code == 200
    await site.idle()
    return (await site.get(f"/v1/requests/{answer.headers['x-tercet-request-id']}")).json()


def test_a_version_in_force_decides_and_the_receipt_says_how(tmp_path) -> None:
    async def scenario():
        async with taught_site(tmp_path / "ledger.sqlite3", floor=0.1) as (site, feed):
            before = await receipt(site, "What is the capital of Australia?")
            await put(site.books, "v1", quality=HAIKU_IS_BEST)
            await feed.look()
            return before, await receipt(site, "What is the capital of Austria?")

    before, after = asyncio.run(scenario())

    assert (before["route"]["name"], before["route"]["policy"], before["route"]["draw"]) == (
        PLAN, None, None,
    )  # fmt: skip
    route = after["route"]
    assert (route["name"], route["policy"]) == ("claude-haiku-5-5", "v1")
    assert [seat["model"] for seat in route["seats"]] == ["claude-haiku-5-5"]
    draw = route["draw"]
    assert (draw["arm"], draw["is_forced"], draw["reason"]) == (HAIKU, False, "drawn")
    assert draw["propensities"] == pytest.approx(
        {HAIKU: 0.9333, SONNET: 0.0333, OPUS: 0.0333}, abs=1e-3
    )
    assert route["reason"].startswith(
        "claude-haiku-5-5 because version v1 expects 0.99 of it at 0.0010 USD for question"
    )


def test_critical_work_is_the_plans_whatever_was_learned(tmp_path) -> None:
    async def scenario():
        async with taught_site(tmp_path / "ledger.sqlite3") as (site, feed):
            await put(site.books, "v1", quality=HAIKU_IS_BEST)
            await feed.look()
            return await receipt(
                site, "What is the capital of Australia?", metadata={"is_critical": "true"}
            )

    route = asyncio.run(scenario())["route"]
    assert (route["name"], route["draw"]["is_forced"], route["draw"]["reason"]) == (
        "tier1", True, "design and critical work are never left to estimates",
    )  # fmt: skip


def test_after_a_rollback_the_plans_rule_routes_again_at_the_next_look(tmp_path) -> None:
    async def scenario():
        async with taught_site(tmp_path / "ledger.sqlite3") as (site, feed):
            await put(site.books, "v1", quality=HAIKU_IS_BEST)
            await feed.look()
            names = [(await receipt(site, "Who wrote Faust?"))["route"]["name"]]
            said = await roll_back(site.books, "a test", NOW + 60)
            names.append((await receipt(site, "Who wrote Faust?"))["route"]["name"])
            await feed.look()
            last = (await receipt(site, "Who wrote Faust?"))["route"]
            return said, [*names, last["name"]], last["policy"]

    said, names, by = asyncio.run(scenario())

    assert said == "v1 is rolled back; the plan's rule is in force"
    assert names == ["claude-haiku-5-5", "claude-haiku-5-5", PLAN]
    assert by is None


def test_a_rollback_brings_the_version_before_back(tmp_path) -> None:
    async def scenario():
        async with taught_site(tmp_path / "ledger.sqlite3") as (site, feed):
            for name, quality in (("v1", QUALITY), ("v2", HAIKU_IS_BEST)):
                await put(site.books, name, quality=quality)
            await roll_back(site.books, "a test", NOW + 60)
            await feed.look()
            return (await receipt(site, "Who wrote Faust?"))["route"]

    route = asyncio.run(scenario())
    assert (route["policy"], route["draw"]["arm"]) == ("v1", OPUS)


def test_a_canary_answers_its_share_of_the_conversations(tmp_path) -> None:
    async def scenario():
        async with taught_site(tmp_path / "ledger.sqlite3") as (site, feed):
            await put(site.books, "v1")
            await put(site.books, "v2", share=0.25, quality=HAIKU_IS_BEST)
            await feed.look()
            found = [await receipt(site, f"Who wrote book {n}?") for n in range(60)]
            return [(one["route"]["policy"], one["route"]["draw"]["arm"]) for one in found]

    found = asyncio.run(scenario())
    assert set(found) == {("v1", OPUS), ("v2", HAIKU)}
    assert 5 <= found.count(("v2", HAIKU)) <= 27


def test_a_loop_of_tools_keeps_its_seat_from_turn_to_turn(tmp_path) -> None:
    tools = [{"type": "function", "function": {"name": "ls"}}]
    begun = {"role": "user", "content": "How many files are there?"}
    call = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
    later = [
        begun,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "two"},
    ]

    async def scenario():
        async with taught_site(tmp_path / "ledger.sqlite3") as (site, feed):
            await put(site.books, "v1", quality=HAIKU_IS_BEST)
            await feed.look()
            await receipt(site, "", messages=[begun], tools=tools)
            await put(site.books, "v2")
            await feed.look()
            going_on = await receipt(site, "", messages=later, tools=tools)
            new = [{"role": "user", "content": "How many folders are there?"}]
            return going_on, await receipt(site, "", messages=new, tools=tools)

    going_on, new = (one["route"]["draw"] for one in asyncio.run(scenario()))
    assert (going_on["arm"], going_on["reason"]) == (HAIKU, "the conversation's own seat")
    assert new["arm"] == OPUS
