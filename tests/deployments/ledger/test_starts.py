import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from fakes.rows import AT, AT_NS, query

from deployments.ledger import Ledger
from deployments.ledger.database import Database
from deployments.ledger.opening import upgrade
from tercet.readiness import Start

Opening = Callable[..., Ledger]


def start(at: float, total_s: float = 64.0, node: str = "vps_1") -> Start:
    return Start(at=at, phases={"import": 16.2, "engine": 34.0}, total_s=total_s, node=node)


def test_a_start_is_read_by_any_process_as_it_was_noted(opening: Opening) -> None:
    first, second = opening(), opening()
    whole = Start(
        at=AT,
        phases={"replica": 5.5, "import": 16.2, "engine": 34.000000001, "first token": 0.125},
        total_s=55.825000001,
        node="vps_1.né",
    )

    async def main() -> Sequence[Start]:
        await first.note_start(whole)
        return await second.starts()

    (found,) = asyncio.run(main())
    assert found == whole
    assert list(found.phases) == ["replica", "import", "engine", "first token"]


def test_starts_are_in_nanoseconds_and_their_phases_a_document(ledger: Ledger, url: str) -> None:
    asyncio.run(ledger.note_start(start(AT, 1.5)))
    assert query(url, "SELECT * FROM starts") == [
        {
            "at_ns": AT_NS,
            "node": "vps_1",
            "phases": '{"import": 16.2, "engine": 34.0}',
            "total_ns": 1_500_000_000,
        }
    ]


def test_the_newest_starts_come_first_and_no_more_than_asked_for(ledger: Ledger) -> None:
    async def main() -> list[list[float]]:
        for at in (AT + 20, AT, AT + 10):
            await ledger.note_start(start(at))
        both = await ledger.starts(limit=2), await ledger.starts()
        return [[one.at - AT for one in some] for some in both]

    assert asyncio.run(main()) == [[20, 10], [20, 10, 0]]


def test_without_a_limit_fifty_are_told(ledger: Ledger) -> None:
    async def main() -> tuple[int, float]:
        async with asyncio.TaskGroup() as noting:
            for second in range(52):
                noting.create_task(ledger.note_start(start(AT + second)))
        found = await ledger.starts()
        return len(found), found[-1].at - AT

    assert asyncio.run(main()) == (50, 2)


def test_a_start_that_is_noted_twice_is_one_and_one_of_another_node_is_another(
    ledger: Ledger,
) -> None:
    async def main() -> list[tuple[str, float]]:
        await ledger.note_start(start(AT, 64.0))
        await ledger.note_start(start(AT, 65.0))
        await ledger.note_start(start(AT, 70.0, node="vps_2"))
        return [(one.node, one.total_s) for one in await ledger.starts()]

    assert asyncio.run(main()) == [("vps_2", 70.0), ("vps_1", 64.0)]


def test_a_ledger_without_starts_tells_none(ledger: Ledger) -> None:
    assert asyncio.run(ledger.starts()) == []


def test_a_ledger_of_the_release_before_takes_starts(file: Path) -> None:
    database = Database(file)
    database.make_folder()
    with closing(database), database.connect() as connection, database.transaction(connection):
        upgrade(connection, "0004")

    async def main() -> Sequence[Start]:
        with closing(Ledger(file, clock=lambda: AT)) as ledger:
            await ledger.note_start(start(AT))
            return await ledger.starts()

    assert asyncio.run(main()) == [start(AT)]
