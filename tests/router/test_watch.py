import asyncio

import pytest
from fakes.gateway import CONFIG, NOW, Books, spent

from router import watch
from router.watch import Watch
from tercet.outlook import Outlook


def watching(books: Books) -> Watch:
    return Watch(books, CONFIG.budget, lambda: NOW, lambda _: None)


def test_before_the_first_look_the_month_is_taken_for_a_normal_one() -> None:
    assert watching(Books()).outlook() == Outlook.normal(NOW)


def test_a_look_shows_what_the_ledger_says() -> None:
    books = Books(spent=spent(171))
    watched = watching(books)

    asyncio.run(watched.look())

    assert (watched.outlook().step, watched.outlook().spent_nano_usd) == (4, 171_000_000_000)
    assert watched.seen is not None
    assert watched.seen.spending is books.spent


def test_while_the_ledger_cannot_be_read_the_last_outlook_holds(caplog) -> None:
    books = Books(spent=spent(163))
    watched = watching(books)

    async def scenario() -> None:
        await watched.look()
        books.down = True
        await watched.look()
        await watched.look()

    asyncio.run(scenario())

    assert watched.outlook().step == 3
    assert len(caplog.records) == 1  # not every two seconds


def test_a_step_is_left_only_when_it_is_well_behind() -> None:
    books = Books(spent=spent(163))
    watched = watching(books)

    async def scenario() -> list[int]:
        steps = []
        for month_usd in (163, 161, 157):
            books.spent = spent(month_usd)
            await watched.look()
            steps.append(watched.outlook().step)
        return steps

    assert asyncio.run(scenario()) == [3, 3, 2]


def test_the_first_look_is_taken_at_once() -> None:
    books = Books(spent=spent(12))
    watched = watching(books)

    async def scenario() -> None:
        looking = asyncio.create_task(watched.run())
        await books.read.wait()
        await asyncio.sleep(0)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking

    asyncio.run(scenario())

    assert watch.EVERY_S == 2.0
    assert watched.seen is not None
