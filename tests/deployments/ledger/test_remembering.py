import asyncio
from collections.abc import Callable

from fakes.rows import AT, query

from deployments.ledger import Ledger

Opening = Callable[..., Ledger]

DAYS_S = 24 * 3600.0


def test_what_is_remembered_is_told_to_its_own_key_alone_and_by_any_process(
    opening: Opening,
) -> None:
    first, second = opening(), opening()

    async def main() -> list[object]:
        await first.remember("req_1", "key_a", '{"said": "né \\u0000"}', AT)
        return [
            await first.recall("req_1", "key_a"),
            await second.recall("req_1", "key_a"),
            await second.recall("req_1", "key_b"),
            await second.recall("req_2", "key_a"),
        ]

    document = '{"said": "né \\u0000"}'
    assert asyncio.run(main()) == [document, document, None, None]


def test_what_is_forgotten_is_gone_and_only_its_own_key_can_have_it_forgotten(
    ledger: Ledger,
) -> None:
    async def main() -> list[object]:
        await ledger.remember("req_1", "key_a", "{}", AT)
        of_another = await ledger.forget("req_1", "key_b")
        still = await ledger.recall("req_1", "key_a")
        own = await ledger.forget("req_1", "key_a")
        after = await ledger.recall("req_1", "key_a")
        return [of_another, still, own, after, await ledger.forget("req_1", "key_a")]

    assert asyncio.run(main()) == [False, "{}", True, None, False]


def test_what_is_remembered_is_kept_for_30_days_and_then_deleted(ledger: Ledger, url: str) -> None:
    async def main() -> list[object]:
        await ledger.remember("req_1", "key_a", "{}", AT)
        await ledger.sweep(AT + 30 * DAYS_S - 1)
        standing = await ledger.recall("req_1", "key_a")
        await ledger.sweep(AT + 30 * DAYS_S)
        return [standing, query(url, "SELECT * FROM answers")]

    assert asyncio.run(main()) == ["{}", []]


def test_what_is_remembered_is_not_overwritten(ledger: Ledger) -> None:
    async def main() -> str | None:
        await ledger.remember("req_1", "key_a", '"first"', AT)
        await ledger.remember("req_1", "key_b", '"second"', AT)
        return await ledger.recall("req_1", "key_a")

    assert asyncio.run(main()) == '"first"'
