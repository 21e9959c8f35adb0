import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from fakes.postgres import Postgres
from fakes.rows import (
    AT,
    AT_NS,
    ask,
    balance,
    closed,
    failures,
    ids,
    opened,
    reservation,
    rows,
    sent,
    settlement,
    together,
)

from deployments.ledger import Ledger, LedgerError, simulated_totals
from deployments.ledger.journal import entries, folder_of
from deployments.ledger.reading import is_settling
from tercet.budget import Granted
from tercet.ledger import month_of

# Opens the ledger when told to, reserves argv[3] rows ten at a time, then waits to be ended.
WRITER = """
import asyncio, sys
sys.path.insert(0, "tests")
from fakes.rows import reservation
from deployments.ledger import Ledger

async def main(url, name, count):
    print("ready", flush=True)
    sys.stdin.readline()
    ledger = Ledger(url)
    for start in range(0, count, 10):
        async with asyncio.TaskGroup() as ten:
            for n in range(start, min(start + 10, count)):
                ten.create_task(ledger.reserve(reservation(f"{name}-{n}")))
    print("done", flush=True)
    sys.stdin.readline()
    ledger.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


class Writer:
    """Another process with a ledger of its own over the same database."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def heard(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def writing(url: str, name: str, count: int) -> Generator[Writer]:
    command = [sys.executable, "-c", WRITER, url, name, str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


def test_a_reservation_is_seen_by_another_connection_when_its_coroutine_returns(
    ledger: Ledger, url: str
) -> None:
    async def main() -> tuple[object, object]:
        granted = await ledger.reserve(reservation("att_1"))
        return granted, rows(url)

    assert asyncio.run(main()) == (
        Granted(nano_usd=100, output_tokens=1_000),
        [
            {
                "attempt_id": "att_1",
                "task_id": "req_1",
                "key_id": "default",
                "month": "2026-11",
                "tier": "tier1",
                "provider": "anthropic",
                "model": "claude-opus-5-5",
                "role": "brain",
                "round": 1,
                "state": "reserved",
                "flag": None,
                "writer_id": ledger.writer_id,
                "reserved_nano_usd": 100,
                "output_limit": 1_000,
                "settled_nano_usd": None,
                "price_source": "genai-prices",
                "usage_source": None,
                "fresh_input": None,
                "cache_read": None,
                "cache_write_5m": None,
                "cache_write_1h": None,
                "output": None,
                "thinking": None,
                "outcome": None,
                "upstream_id": None,
                "simulated": 1,
                "first_token_ns": None,
                "latency_ns": None,
                "reserved_at_ns": AT_NS,
                "deadline_at_ns": AT_NS + 600_000_000_000,
                "settled_at_ns": None,
            }
        ],
    )


def test_a_settlement_fills_the_row_that_was_reserved(ledger: Ledger, url: str) -> None:
    async def main() -> None:
        await ledger.reserve(reservation("att_1"))
        await ledger.settle(settlement("att_1", flag="doubtful_usage"))

    asyncio.run(main())
    (row,) = rows(url)
    expected = {
        "state": "settled",
        "flag": "doubtful_usage",
        "outcome": "complete",
        "reserved_nano_usd": 100,
        "settled_nano_usd": 40,
        "usage_source": "provider",
        "fresh_input": 1,
        "cache_read": 2,
        "cache_write_5m": 3,
        "cache_write_1h": 4,
        "output": 5,
        "thinking": 1,
        "upstream_id": "msg_1",
        "first_token_ns": 500_000_000,
        "latency_ns": 1_250_000_000,
        "settled_at_ns": AT_NS + 2_000_000_000,
    }
    assert {name: row[name] for name in expected} == expected


def test_what_a_provider_says_first_is_kept_and_lowers_the_hold(ledger: Ledger, url: str) -> None:
    async def main() -> None:
        await ledger.reserve(reservation("att_1"))
        ledger.mark_sent(sent("att_1", bound_nano_usd=60))
        ledger.mark_sent(sent("att_1", bound_nano_usd=10))  # only the first counts
        await ledger.reserve(reservation("att_2"))
        ledger.mark_sent(sent("att_2", bound_nano_usd=200))  # a hold is never raised
        ledger.mark_sent(sent("att_nobody"))

    asyncio.run(main())
    ledger.close()
    found = [
        (row["state"], row["reserved_nano_usd"], row["fresh_input"], row["upstream_id"])
        for row in rows(url)
    ]
    assert found == [("sent", 60, 7, "msg_1"), ("sent", 100, 7, "msg_1")]
    assert balance(url) == {"2026-11": (0, 160)}


@pytest.mark.parametrize("first", ["settled", "void", "estimated"])
def test_a_second_settlement_changes_nothing(ledger: Ledger, url: str, first: str) -> None:
    async def main() -> list[dict[str, object]]:
        await ledger.reserve(reservation("att_1"))
        await ledger.settle(settlement("att_1", state=first, settled_nano_usd=1))
        once = rows(url)
        await ledger.settle(settlement("att_1", state="settled", settled_nano_usd=2))
        return once

    once = asyncio.run(main())
    assert rows(url) == once
    assert (once[0]["state"], once[0]["settled_nano_usd"]) == (first, 1)
    assert balance(url) == {"2026-11": (1, 0)}


def test_a_settlement_without_a_reservation_makes_no_row(ledger: Ledger, url: str) -> None:
    asyncio.run(ledger.settle(settlement("att_1")))
    assert rows(url) == []
    assert balance(url) == {}


def test_200_concurrent_reservations_land_exactly_once(ledger: Ledger, url: str) -> None:
    names = [f"att_{n}" for n in range(200)]
    asyncio.run(together(*(ledger.reserve(reservation(name)) for name in names)))
    assert ids(url) == dict.fromkeys(names, 1)
    assert balance(url) == {"2026-11": (0, 20_000)}


BAD = [
    reservation("att_1"),
    reservation("att_2"),
    reservation("att_bad", ask=ask(-1)),
    reservation("att_bad", ask=ask(2**63)),
    reservation("att_bad", role="half a character: \ud800"),
]


@pytest.mark.parametrize(
    "bad",
    BAD,
    ids=[
        "an id that is there",
        "an id twice at once",
        "a negative amount",
        "an amount past 64 bits",
        "half a character",
    ],
)
def test_a_write_that_fails_fails_alone_and_the_rest_of_its_group_is_kept(
    ledger: Ledger, url: str, bad: object
) -> None:
    async def main() -> Sequence[object]:
        await ledger.reserve(reservation("att_1"))
        return await failures(
            ledger.reserve(reservation("att_2")),
            ledger.reserve(bad),
            ledger.reserve(reservation("att_3")),
        )

    assert asyncio.run(main()) == [None, LedgerError, None]
    assert ids(url) == {"att_1": 1, "att_2": 1, "att_3": 1}
    assert balance(url) == {"2026-11": (0, 300)}


def test_the_writer_survives_a_write_that_fails(ledger: Ledger, url: str) -> None:
    async def main() -> None:
        with pytest.raises(LedgerError, match="nothing but this row is wrong"):
            await ledger.reserve(reservation("att_bad", role="\ud800"))
        await ledger.reserve(reservation("att_1"))

    asyncio.run(main())
    assert ids(url) == {"att_1": 1}


def test_closing_commits_what_is_waiting(opening: Callable[[], Ledger], url: str) -> None:
    names = [f"att_{n}" for n in range(100)]

    async def main() -> None:
        ledger = opening()
        waiting = [asyncio.create_task(ledger.reserve(reservation(name))) for name in names]
        await asyncio.sleep(0)
        ledger.close()
        assert ids(url) == dict.fromkeys(names, 1)
        await asyncio.wait(waiting)

    asyncio.run(main())


def test_two_processes_lose_nothing_in_one_database(url: str) -> None:
    with writing(url, "one", 200) as one, writing(url, "two", 200) as two:
        for writer in (one, two):
            writer.tell()
        assert [writer.heard() for writer in (one, two, one, two)] == [
            "ready", "ready", "done", "done",
        ]  # fmt: skip
    names = [f"{name}-{n}" for name in ("one", "two") for n in range(200)]
    assert ids(url) == dict.fromkeys(names, 1)
    assert balance(url) == {"2026-11": (0, 40_000)}


def test_processes_that_open_a_fresh_ledger_at_the_same_moment_all_succeed(url: str) -> None:
    with writing(url, "one", 1) as one, writing(url, "two", 1) as two:
        assert [writer.heard() for writer in (one, two)] == ["ready", "ready"]
        for writer in (one, two):
            writer.tell()
        assert [writer.heard() for writer in (one, two)] == ["done", "done"]
    assert ids(url) == {"one-0": 1, "two-0": 1}


def test_a_killed_process_leaves_the_row_it_reserved(url: str) -> None:
    with writing(url, "one", 1) as one:
        one.tell()
        assert [one.heard(), one.heard()] == ["ready", "done"]
        one.process.kill()
        assert one.process.wait() == -9
    (row,) = rows(url)
    assert (row["attempt_id"], row["state"]) == ("one-0", "reserved")


@pytest.mark.parametrize(
    ("at", "month"),
    [
        (1_796_083_199.999, "2026-11"),  # 2026-11-30 23:59:59.999 UTC
        (1_796_083_200.0, "2026-12"),
        (1_798_761_599.999, "2026-12"),  # 2026-12-31 23:59:59.999 UTC
        (1_798_761_600.0, "2027-01"),
    ],
)
def test_the_month_of_an_attempt_ends_at_midnight_utc(at: float, month: str) -> None:
    assert month_of(at) == month


def test_an_unknown_task_is_none(ledger: Ledger) -> None:
    assert asyncio.run(ledger.task("req_nobody")) is None


def test_a_task_comes_with_its_attempts_in_the_order_they_were_made(ledger: Ledger) -> None:
    async def main() -> None:
        ledger.open_request(opened())
        await ledger.reserve(reservation("att_1_late", at=AT + 1))
        await ledger.reserve(reservation("att_2_early"))
        await ledger.reserve(reservation("att_of_another", task_id="req_2"))

    asyncio.run(main())
    found = asyncio.run(ledger.task("req_1"))
    assert found is not None
    task, attempts = found
    assert task == {
        "task_id": "req_1",
        "key_id": "default",
        "asked_model": "auto",
        "profile": "{}",
        "route": "{}",
        "outcome": None,
        "answer": None,
        "opened_at_ns": AT_NS,
        "closed_at_ns": None,
    }
    assert [attempt["attempt_id"] for attempt in attempts] == ["att_2_early", "att_1_late"]


def test_a_task_is_closed_once(ledger: Ledger) -> None:
    async def main() -> dict[str, object]:
        ledger.open_request(opened())
        ledger.close_request(closed("abandoned"))
        ledger.close_request(closed("answered"))
        found = await ledger.task("req_1")
        assert found is not None
        return found[0]

    task = asyncio.run(main())
    assert (task["outcome"], task["answer"]) == ("abandoned", '{"a": 1}')
    assert task["closed_at_ns"] == AT_NS + 2_000_000_000


def test_totals_count_open_attempts_at_their_reservation_and_leave_real_ones_out(
    ledger: Ledger, url: str
) -> None:
    async def main() -> None:
        await ledger.reserve(reservation("att_1"))
        await ledger.settle(settlement("att_1", settled_nano_usd=30))
        await ledger.reserve(reservation("att_2", ask=ask(7)))
        await ledger.reserve(reservation("att_3", simulated=False))
        await ledger.reserve(reservation("att_4", model="gemini-4-argon"))
        await ledger.settle(settlement("att_4", state="void", settled_nano_usd=0))

    asyncio.run(main())
    assert simulated_totals(url) == {"claude-opus-5-5": 37}


def test_an_exhausted_provider_is_known_to_every_process_until_its_time(
    opening: Callable[[], Ledger],
) -> None:
    here, there = opening(), opening()

    async def main() -> list[object]:
        await here.note_exhausted("google", AT + 5, "quota", AT)
        await here.note_exhausted("anthropic", AT + 50, "first", AT)
        await here.note_exhausted("anthropic", AT + 100, "spend limit", AT)
        return [await there.exhausted(at) for at in (AT, AT + 10, AT + 100)]

    both = {"google": AT + 5, "anthropic": AT + 100}
    assert asyncio.run(main()) == [both, {"anthropic": AT + 100}, {}]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    file.write_text("not a database, but long enough to look at" * 20)
    with pytest.raises(LedgerError, match=r"file is not a database; name a ledger"):
        Ledger(file)


def test_a_write_waits_for_another_process_that_is_writing(in_file: Ledger, file: Path) -> None:
    async def main() -> list[object]:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = [
                asyncio.create_task(in_file.reserve(reservation(name))) for name in ("a", "b", "c")
            ]
            await asyncio.sleep(0)
            other.execute("ROLLBACK")
        return [await one for one in waiting]

    assert asyncio.run(main()) == [Granted(nano_usd=100, output_tokens=1_000)] * 3


def test_the_journal_has_every_change_of_an_attempt(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"

    async def main(ledger: Ledger) -> None:
        await ledger.reserve(reservation("a"))
        ledger.mark_sent(sent("a"))
        await ledger.settle(settlement("a"))
        await ledger.settle(settlement("a"))
        ledger.open_request(opened())  # no money moves

    with closing(Ledger(file)) as ledger:
        asyncio.run(main(ledger))
    names = ("op", "attempt_id", "state", "reserved_nano_usd", "settled_nano_usd")
    assert [tuple(entry.get(name) for name in names) for entry in entries(folder_of(file))] == [
        ("reserve", "a", "reserved", 100, None),
        ("sent", "a", "sent", 60, None),
        ("settle", "a", "settled", 60, 40),
    ]


def test_a_ledger_without_its_postgres_says_no_at_once_and_yes_when_it_is_back(
    postgres: Postgres,
) -> None:
    url = postgres.new_database()

    async def main(ledger: Ledger) -> None:
        await ledger.reserve(reservation("a"))
        postgres.stop()
        with pytest.raises(LedgerError, match="no paid call is made until it can be"):
            await ledger.reserve(reservation("b"))
        with pytest.raises(LedgerError, match="cannot be opened"):
            await ledger.spending(AT)
        postgres.start()
        await ledger.reserve(reservation("c"))

    with closing(Ledger(url)) as ledger:
        asyncio.run(main(ledger))
    assert ids(url) == {"a": 1, "c": 1}


def test_a_postgres_that_hangs_is_given_up_after_two_seconds(postgres: Postgres) -> None:
    url = postgres.new_database()

    async def main(ledger: Ledger) -> None:
        await ledger.reserve(reservation("a"))
        before = asyncio.get_running_loop().time()
        with locked(url), pytest.raises(LedgerError):
            await ledger.reserve(reservation("b"))
        assert asyncio.get_running_loop().time() - before < 2.5
        await ledger.reserve(reservation("c"))

    with closing(Ledger(url)) as ledger:
        asyncio.run(main(ledger))
    # Whether the one in between was recorded after all is not known, and it is to be voided.
    assert {"a", "c"} <= ids(url).keys()


@contextmanager
def locked(url: str) -> Generator[None]:
    """Hold a lock on every balance, as a process does that hangs in a transaction."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT * FROM balances FOR UPDATE")
        yield


def test_the_end_that_another_process_has_noted_is_waited_for(ledger: Ledger, url: str) -> None:
    async def main() -> dict[str, object]:
        with closing(Ledger(url)) as other:
            other.open_request(opened())
            other.close_request(closed("answered"))
            found = await ledger.task("req_1")
        assert found is not None
        return found[0]

    assert asyncio.run(main())["outcome"] == "answered"


@pytest.mark.parametrize(
    ("outcome", "states", "settling"),
    [
        (None, ["settled"], True),
        (None, [], True),
        (None, ["settled", "sent"], False),
        ("answered", ["settled"], False),
    ],
)
def test_the_end_of_a_task_is_waited_for_where_no_call_is_under_way(
    outcome: str | None, states: list[str], settling: bool
) -> None:
    found = {"outcome": outcome}, [{"state": state} for state in states]
    assert is_settling(found) is settling


def test_what_was_noted_is_written_when_the_ledger_is_closed(url: str) -> None:
    with closing(Ledger(url)) as ledger:
        ledger.open_request(opened())
        ledger.close_request(closed("answered"))
    with closing(Ledger(url)) as ledger:
        found = asyncio.run(ledger.task("req_1"))
    assert found is not None
    assert found[0]["outcome"] == "answered"
