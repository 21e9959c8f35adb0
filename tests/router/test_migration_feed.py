"""What a replica keeps of the migrations."""

import asyncio

from fakes.migrations import RULES, Moves, migration

from router.migration_feed import MigrationFeed
from tercet.migration import Look


def seen(moves: Moves, feed: MigrationFeed | None = None) -> tuple[MigrationFeed, str, float]:
    """Look once, and return where lookups are."""
    feed = feed or MigrationFeed(moves, RULES)
    asyncio.run(feed.look())
    found = feed.migrations().of("lookup")
    return feed, found.state, found.share


def test_until_the_ledger_was_read_every_kind_is_in_baseline() -> None:
    feed = MigrationFeed(Moves([migration("promoted")]), RULES)
    assert feed.migrations().of("lookup").state == "baseline"


def test_a_kind_is_where_the_ledger_last_said() -> None:
    moves = Moves([migration("canary", 0.25)])
    feed, *where = seen(moves)
    assert where == ["canary", 0.25]
    moves.rows = [migration("rolled_back")]
    assert seen(moves, feed)[1:] == ("rolled_back", 0.0)


def test_a_kind_is_suspected_as_long_as_the_last_look_says_so() -> None:
    moves = Moves([migration("promoted")])
    feed, *_ = seen(moves)
    assert feed.migrations().suspected == set()
    moves.seen = [
        Look(kind="lookup", is_suspected=True, document="{}", at=1.0),
        Look(kind="routine_code", is_suspected=False, document="{}", at=1.0),
    ]
    seen(moves, feed)
    assert feed.migrations().suspected == {"lookup"}
    moves.seen = [Look(kind="lookup", is_suspected=False, document="{}", at=2.0)]
    seen(moves, feed)
    assert feed.migrations().suspected == set()


def test_a_ledger_that_is_away_leaves_what_was_read_last_and_is_told_of_once(caplog) -> None:
    moves = Moves([migration("promoted")])
    feed, *_ = seen(moves)
    moves.down = True
    for _ in range(2):
        assert seen(moves, feed)[1:] == ("promoted", 1.0)
    assert caplog.text.count("the migrations could not be read; they stand still") == 1
    moves.down = False
    moves.rows = []
    assert seen(moves, feed)[1] == "baseline"


def test_it_looks_at_once_and_again_until_it_is_cancelled() -> None:
    moves = Moves([migration("promoted")])

    async def main() -> str:
        feed = MigrationFeed(moves, RULES)
        job = asyncio.create_task(feed.run())
        for _ in range(5):
            await asyncio.sleep(0)
        job.cancel()
        await asyncio.wait([job])
        return feed.migrations().of("lookup").state

    assert asyncio.run(main()) == "promoted"
