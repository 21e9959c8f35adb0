"""Work that moves to the local model, from the ledger to the answer and its receipt, over HTTP."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from fakes.gateway import Says, Site, clock, failing, gateway
from fakes.migrations import RULES, transition

from deployments.ledger import Ledger
from router.local_feed import LocalFeed
from router.migrating import migrating
from router.migration_feed import MigrationFeed
from router.policies import route_by_complexity
from router.waking import Holding
from tercet.readiness import LocalReport, Readiness

HELD_OUT, EARLY, LATE = (f"Which year is it? {n}" for n in (2, 13, 9))
"""Their places are 0.005, 0.152 and 0.966."""
LOOKUP = {"kind": "lookup"}


async def _report() -> LocalReport:
    return LocalReport(readiness=Readiness(kind="ready", why="it runs"), starts=())


@asynccontextmanager
async def moving(path: Path, call=None) -> AsyncGenerator[tuple[Site, MigrationFeed]]:
    """Serve with a real ledger, a local model that is ready, and migrations."""
    local = LocalFeed(Holding(2, clock), _report, _report)
    await local.look()
    with closing(Ledger(path)) as ledger:
        feed = MigrationFeed(ledger, RULES)
        policy = migrating(route_by_complexity)
        async with gateway(call or Says(), ledger, policy, local, migrating=feed) as site:
            yield site, feed


async def receipt(site: Site, content: str) -> dict:
    answer = await site.ask(content, model="auto", metadata=LOOKUP)
    assert answer.status_code == 200
    await site.idle()
    return (await site.get(f"/v1/requests/{answer.headers['x-tercet-request-id']}")).json()


def sides(receipts: list[dict]) -> list[tuple[str, str, float]]:
    return [
        (one["route"]["name"], one["route"]["assignment"]["side"],
         round(one["route"]["assignment"]["propensity"], 6))
        for one in receipts
    ]  # fmt: skip


def test_a_kind_moves_as_the_ledger_says_and_the_receipt_has_the_assignment(tmp_path) -> None:
    moves = [
        transition(1, "baseline", "shadow"),
        transition(2, "shadow", "canary", 0.1),
        transition(3, "canary", "promoted", 1.0),
        transition(4, "promoted", "rolled_back"),
    ]

    async def scenario():
        async with moving(tmp_path / "ledger.sqlite3") as (site, feed):
            found = []
            for move in (None, *moves):
                assert move is None or await site.books.move_migration(move)
                await feed.look()
                found.append(sides([await receipt(site, t) for t in (HELD_OUT, EARLY, LATE)]))
            return found

    api = [("tier3", "held_out", 0.0), ("tier3", "waiting", 0.0), ("tier3", "waiting", 0.0)]
    assert asyncio.run(scenario()) == [
        api,
        api,
        [("tier3", "held_out", 0.09), ("local", "treated", 0.09), ("tier3", "waiting", 0.09)],
        [("tier3", "held_out", 0.9), ("local", "treated", 0.9), ("local", "treated", 0.9)],
        api,
    ]


def test_who_is_treated_stays_so_where_an_api_answers_after_the_local_model_failed(
    tmp_path,
) -> None:
    class Broken(Says):
        async def __call__(self, call, /):
            model = failing("unreachable") if call.tier == "local" else Says()
            async for item in model(call):
                yield item

    async def scenario():
        async with moving(tmp_path / "ledger.sqlite3", Broken()) as (site, feed):
            for move in (transition(1, "baseline", "promoted", 1.0),):
                await site.books.move_migration(move)
            await feed.look()
            return await receipt(site, EARLY)

    found = asyncio.run(scenario())
    assert found["answer"]["model"] == "claude-haiku-5-5"
    assert sides([found]) == [("local", "treated", 0.9)]


def test_every_turn_of_a_conversation_has_the_same_side_and_name(tmp_path) -> None:
    async def scenario():
        async with moving(tmp_path / "ledger.sqlite3") as (site, _):
            first = await receipt(site, EARLY)
            messages = [
                {"role": "user", "content": EARLY},
                {"role": "assistant", "content": "2026."},
                {"role": "user", "content": "Are you sure?"},
            ]
            answer = await site.ask("", model="auto", metadata=LOOKUP, messages=messages)
            await site.idle()
            path = f"/v1/requests/{answer.headers['x-tercet-request-id']}"
            return first, (await site.get(path)).json()

    first, second = (one["route"]["assignment"] for one in asyncio.run(scenario()))
    assert first == second
