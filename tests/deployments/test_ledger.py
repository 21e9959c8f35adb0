import asyncio
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Coroutine, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments.ledger import Ledger, simulated_totals
from tercet.ledger import RequestClosed, RequestOpened, Reservation, Settlement, month_of
from tercet.usage import Usage

AT = 1_795_424_400.0  # 2026-11-23 09:00 UTC
AT_NS = 1_795_424_400_000_000_000

# Opens the ledger when told to, reserves argv[3] rows ten at a time, then waits to be ended.
WRITER = """
import asyncio, sys
from pathlib import Path
from deployments.ledger import Ledger
from tercet.ledger import Reservation

def row(name):
    return Reservation(
        attempt_id=name, task_id="req_1", key_id="default", tier="tier1", provider="anthropic",
        model="claude-opus-5-5", role="brain", round=1, reserved_nano_usd=5, price_source="a test",
        simulated=True, deadline_at=2.0, at=1.0,
    )

async def main(path, name, count):
    print("ready", flush=True)
    sys.stdin.readline()
    ledger = Ledger(path)
    for start in range(0, count, 10):
        async with asyncio.TaskGroup() as ten:
            for n in range(start, min(start + 10, count)):
                ten.create_task(ledger.reserve(row(f"{name}-{n}")))
    print("done", flush=True)
    sys.stdin.readline()
    ledger.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""


class Writer:
    """Another process with a ledger of its own over the same file."""

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
def writing(path: Path, name: str, count: int) -> Generator[Writer]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Writer(process)
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "ledger.sqlite3"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with closing(Ledger(path)) as opened:
        yield opened


def reservation(attempt_id: str, **changes: Any) -> Reservation:
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "task_id": "req_1",
        "key_id": "default",
        "tier": "tier1",
        "provider": "anthropic",
        "model": "claude-opus-5-5",
        "role": "brain",
        "round": 1,
        "reserved_nano_usd": 28_000_000,
        "price_source": "genai-prices",
        "simulated": True,
        "deadline_at": AT + 600,
        "at": AT,
    }
    return Reservation(**(fields | changes))


def settlement(attempt_id: str, **changes: Any) -> Settlement:
    fields: dict[str, Any] = {
        "attempt_id": attempt_id,
        "state": "settled",
        "outcome": "complete",
        "usage": Usage(
            fresh_input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5, thinking=1
        ),
        "usage_source": "provider",
        "settled_nano_usd": 24_000_000,
        "upstream_id": "msg_1",
        "first_token_s": 0.5,
        "latency_s": 1.25,
        "at": AT + 2,
    }
    return Settlement(**(fields | changes))


def opened(task_id: str = "req_1") -> RequestOpened:
    return RequestOpened(
        task_id=task_id, key_id="default", asked_model="auto", profile="{}", route="{}", at=AT
    )


def closed(outcome: str) -> RequestClosed:
    return RequestClosed(task_id="req_1", outcome=outcome, answer='{"a": 1}', at=AT + 2)


def rows(path: Path) -> list[dict[str, object]]:
    """Read every attempt through a connection of the test's own."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY rowid")]


def ids(path: Path) -> Counter[object]:
    return Counter(row["attempt_id"] for row in rows(path))


async def failures(*writes: Coroutine[Any, Any, None]) -> list[type[BaseException] | None]:
    """Wait for all writes, each on its own, and say how each ended."""
    tasks = [asyncio.create_task(write) for write in writes]
    await asyncio.wait(tasks)
    return [type(error) if (error := task.exception()) else None for task in tasks]


def test_a_reservation_is_seen_by_another_connection_when_its_coroutine_returns(
    ledger: Ledger, path: Path
) -> None:
    async def main() -> list[dict[str, object]]:
        await ledger.reserve(reservation("att_1"))
        return rows(path)

    assert asyncio.run(main()) == [
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
            "reserved_nano_usd": 28_000_000,
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
    ]


def test_a_settlement_fills_the_row_that_was_reserved(ledger: Ledger, path: Path) -> None:
    async def main() -> None:
        await ledger.reserve(reservation("att_1"))
        await ledger.settle(settlement("att_1"))

    asyncio.run(main())
    (row,) = rows(path)
    expected = {
        "state": "settled",
        "outcome": "complete",
        "reserved_nano_usd": 28_000_000,
        "settled_nano_usd": 24_000_000,
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


@pytest.mark.parametrize("first", ["settled", "void", "estimated"])
def test_a_second_settlement_changes_nothing(ledger: Ledger, path: Path, first: str) -> None:
    async def main() -> list[dict[str, object]]:
        await ledger.reserve(reservation("att_1"))
        await ledger.settle(settlement("att_1", state=first, settled_nano_usd=1))
        once = rows(path)
        await ledger.settle(settlement("att_1", state="settled", settled_nano_usd=2))
        return once

    once = asyncio.run(main())
    assert rows(path) == once
    assert (once[0]["state"], once[0]["settled_nano_usd"]) == (first, 1)


def test_a_settlement_without_a_reservation_makes_no_row(ledger: Ledger, path: Path) -> None:
    asyncio.run(ledger.settle(settlement("att_1")))
    assert rows(path) == []


def test_200_concurrent_reservations_land_exactly_once(ledger: Ledger, path: Path) -> None:
    names = [f"att_{n}" for n in range(200)]

    async def main() -> None:
        async with asyncio.TaskGroup() as together:
            for name in names:
                together.create_task(ledger.reserve(reservation(name)))

    asyncio.run(main())
    assert ids(path) == dict.fromkeys(names, 1)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (reservation("att_1"), sqlite3.IntegrityError),
        (reservation("att_bad", reserved_nano_usd=-1), sqlite3.IntegrityError),
        (reservation("att_bad", reserved_nano_usd=2**63), OverflowError),
        (reservation("att_bad", role="half a character: \ud800"), UnicodeEncodeError),
    ],
    ids=["an id twice", "a negative amount", "an amount past 64 bits", "half a character"],
)
def test_a_write_that_fails_fails_alone_and_the_rest_of_its_group_is_kept(
    ledger: Ledger, path: Path, bad: Reservation, error: type[Exception]
) -> None:
    async def main() -> list[type[BaseException] | None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            # While another process writes, what comes meanwhile gathers into one group.
            other.execute("BEGIN IMMEDIATE")
            early = asyncio.create_task(ledger.reserve(reservation("att_1")))
            late = asyncio.create_task(
                failures(
                    ledger.reserve(reservation("att_2")),
                    ledger.reserve(bad),
                    ledger.reserve(reservation("att_3")),
                )
            )
            for _ in range(3):
                await asyncio.sleep(0)
            other.execute("ROLLBACK")
        await early
        return await late

    assert asyncio.run(main()) == [None, error, None]
    assert ids(path) == {"att_1": 1, "att_2": 1, "att_3": 1}


def test_the_writer_survives_a_write_that_fails(ledger: Ledger, path: Path) -> None:
    async def main() -> None:
        await failures(ledger.reserve(reservation("att_bad", role="\ud800")))
        await ledger.reserve(reservation("att_1"))

    asyncio.run(main())
    assert ids(path) == {"att_1": 1}


def test_closing_commits_what_is_waiting(path: Path) -> None:
    names = [f"att_{n}" for n in range(100)]

    async def main() -> None:
        ledger = Ledger(path)
        waiting = [asyncio.create_task(ledger.reserve(reservation(name))) for name in names]
        await asyncio.sleep(0)
        ledger.close()
        assert ids(path) == dict.fromkeys(names, 1)
        await asyncio.wait(waiting)

    asyncio.run(main())


def test_two_processes_lose_nothing_in_one_file(path: Path) -> None:
    with writing(path, "one", 200) as one, writing(path, "two", 200) as two:
        for writer in (one, two):
            writer.tell()
        assert [writer.heard() for writer in (one, two, one, two)] == [
            "ready", "ready", "done", "done",
        ]  # fmt: skip
    names = [f"{name}-{n}" for name in ("one", "two") for n in range(200)]
    assert ids(path) == dict.fromkeys(names, 1)


def test_processes_that_open_a_fresh_file_at_the_same_moment_all_succeed(path: Path) -> None:
    with writing(path, "one", 1) as one, writing(path, "two", 1) as two:
        assert [writer.heard() for writer in (one, two)] == ["ready", "ready"]
        for writer in (one, two):
            writer.tell()
        assert [writer.heard() for writer in (one, two)] == ["done", "done"]
    assert ids(path) == {"one-0": 1, "two-0": 1}


def test_a_killed_process_leaves_the_row_it_reserved(path: Path) -> None:
    with writing(path, "one", 1) as one:
        one.tell()
        assert [one.heard(), one.heard()] == ["ready", "done"]
        one.process.kill()
        assert one.process.wait() == -9
    (row,) = rows(path)
    assert (row["attempt_id"], row["state"]) == ("one-0", "reserved")


def test_the_folder_of_a_new_ledger_is_made(ledger: Ledger, path: Path) -> None:
    assert path.is_file()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    file.write_text("not a database, but long enough to look at" * 20)
    with pytest.raises(sqlite3.DatabaseError, match="file is not a database"):
        Ledger(file)


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
        await ledger.open_request(opened())
        await ledger.reserve(reservation("att_late", at=AT + 1))
        await ledger.reserve(reservation("att_early"))
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
    assert [attempt["attempt_id"] for attempt in attempts] == ["att_early", "att_late"]


def test_a_task_is_closed_once(ledger: Ledger) -> None:
    async def main() -> dict[str, object]:
        await ledger.open_request(opened())
        await ledger.close_request(closed("abandoned"))
        await ledger.close_request(closed("answered"))
        found = await ledger.task("req_1")
        assert found is not None
        return found[0]

    task = asyncio.run(main())
    assert (task["outcome"], task["answer"]) == ("abandoned", '{"a": 1}')
    assert task["closed_at_ns"] == AT_NS + 2_000_000_000


def test_totals_count_open_attempts_at_their_reservation_and_leave_real_ones_out(
    ledger: Ledger, path: Path
) -> None:
    async def main() -> None:
        await ledger.reserve(reservation("att_1", reserved_nano_usd=100))
        await ledger.settle(settlement("att_1", settled_nano_usd=30))
        await ledger.reserve(reservation("att_2", reserved_nano_usd=7))
        await ledger.reserve(reservation("att_3", simulated=False))
        await ledger.reserve(reservation("att_4", model="gemini-4-argon"))
        await ledger.settle(settlement("att_4", state="void", settled_nano_usd=0))

    asyncio.run(main())
    assert simulated_totals(path) == {"claude-opus-5-5": 37}
