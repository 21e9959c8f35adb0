import asyncio
from collections.abc import Callable

import pytest
from fakes.rows import AT, balance, query, reservation, rows, sent, settlement

from deployments.ledger import Ledger
from tercet.budget import Denied

Opening = Callable[..., Ledger]


def states(url: str) -> dict[str, tuple[str, str | None, int | None]]:
    return {
        row["attempt_id"]: (row["state"], row["flag"], row["settled_nano_usd"]) for row in rows(url)
    }


def test_attempts_of_a_process_that_has_ended_are_booked_at_their_upper_bound(
    opening: Opening, url: str
) -> None:
    dead, alive = opening(), opening()

    async def main() -> list[int]:
        await dead.reserve(reservation("reserved"))
        await dead.reserve(reservation("sent"))
        dead.mark_sent(sent("sent", bound_nano_usd=60))
        await dead.reserve(reservation("settled"))
        await dead.settle(settlement("settled"))
        early = await alive.sweep(AT + 20)
        await alive.beat(AT + 21)
        return [early, await alive.sweep(AT + 21), await alive.sweep(AT + 21)]

    assert asyncio.run(main()) == [0, 2, 0]
    assert states(url) == {
        "reserved": ("estimated", "orphan", 100),
        "sent": ("estimated", "orphan", 60),
        "settled": ("settled", None, 40),
    }
    (row, *_) = rows(url)
    assert (row["outcome"], row["usage_source"]) == ("orphaned", "estimated")
    assert row["settled_at_ns"] == round((AT + 21) * 1e9)
    assert balance(url) == {"2026-11": (200, 0)}
    assert query(url, "SELECT writer_id FROM writers") == [{"writer_id": alive.writer_id}]


def test_a_process_that_beats_keeps_its_attempts_until_30_s_after_their_deadline(
    opening: Opening, url: str
) -> None:
    slow, sweeper = opening(), opening()

    async def main() -> list[int]:
        await slow.reserve(reservation("a", deadline_at=AT + 600))
        swept: list[int] = []
        for at in (AT + 600, AT + 630, AT + 631):
            await slow.beat(at - 10)
            swept.append(await sweeper.sweep(at))
        return swept

    assert asyncio.run(main()) == [0, 0, 1]
    assert states(url) == {"a": ("estimated", "orphan", 100)}


def test_a_process_does_not_take_its_own_attempts_for_orphans_because_its_beats_were_late(
    ledger: Ledger, url: str
) -> None:
    async def main() -> int:
        await ledger.reserve(reservation("a"))
        return await ledger.sweep(AT + 500)

    assert asyncio.run(main()) == 0
    assert states(url) == {"a": ("reserved", None, None)}


def test_the_bill_that_comes_after_the_sweep_replaces_its_guess_once(
    opening: Opening, url: str
) -> None:
    late, sweeper = opening(), opening()

    async def main() -> None:
        await late.reserve(reservation("a"))
        await late.reserve(reservation("b"))
        assert await sweeper.sweep(AT + 100) == 2
        for cost in (40, 70):
            await late.settle(settlement("a", settled_nano_usd=cost))

    asyncio.run(main())
    assert states(url) == {"a": ("settled", None, 40), "b": ("estimated", "orphan", 100)}
    assert balance(url) == {"2026-11": (140, 0)}


def test_an_orphan_is_never_freed_to_zero(opening: Opening) -> None:
    dead, alive = opening({"month": 100}), opening({"month": 100})

    async def main() -> object:
        await dead.reserve(reservation("a"))
        await alive.sweep(AT + 100)
        return await alive.reserve(reservation("b"))

    assert asyncio.run(main()) == Denied(scope="month", left_nano_usd=0, is_spent=True)


@pytest.mark.parametrize("count", [3])
def test_two_that_sweep_at_once_book_each_orphan_once(
    opening: Opening, url: str, count: int
) -> None:
    dead, *sweepers = (opening() for _ in range(count))

    async def main() -> int:
        for n in range(40):
            await dead.reserve(reservation(f"att_{n}"))
        async with asyncio.TaskGroup() as both:
            sweeps = [both.create_task(each.sweep(AT + 15)) for each in sweepers]
            sweeps += [both.create_task(each.sweep(AT + 700)) for each in sweepers]
        return sum(sweep.result() for sweep in sweeps)

    assert asyncio.run(main()) == 40
    assert balance(url) == {"2026-11": (4_000, 0)}
