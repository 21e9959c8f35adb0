import asyncio
import json
from dataclasses import asdict
from typing import Any

from fakes.rows import AT, query, reservation, settlement

from deployments.ledger import Ledger
from deployments.ledger.keep_alive import KEPT_S
from router.local_route import Host, local_route
from router.waking import Held, LoadTimes, Local
from tercet.catalog import Model
from tercet.leases import Arrivals, Decided
from tercet.ledger import RequestOpened
from tercet.readiness import Readiness, ReadinessKind
from tercet.route import Refused, Route
from tercet.rules import LocalRules
from tercet.task import Hints, Profile, Task, turn
from tercet.usage import Usage

MINUTE = int(AT) // 60
MODEL = Model(name="local-model", provider="local", window_tokens=8_000, max_output_tokens=2_000)
TIER3 = Route(
    name="tier3", composition="single", seats=(), reason="tier3 because it is routine",
    deadline_at=AT + 600,
)  # fmt: skip
"""What answers in its place."""


def route(kind: ReadinessKind, size_tokens: int = 10, since: float | None = None) -> str:
    """Return the document of the route that is decided for a routine task."""
    task = Task(
        id="t", key_id="default", model="auto", messages=(turn("user", "Sort this"),),
        hints=Hints(batch=True), deadline_at=AT + 600,
    )  # fmt: skip
    profile = Profile(
        kind="routine_code", requires_design=False, is_critical=False,
        requires_implementation=False, is_routine=True, size_tokens=size_tokens, confidence=1.0,
        reasons=(),
    )  # fmt: skip
    local = Local(
        readiness=Readiness(kind=kind, since=since, why="a test"),
        loads=LoadTimes(),
        queue=Held(count=0, most=5),
        now=AT,
    )
    rules = LocalRules(held=5, answer_s=30, first_event_s=30)
    host = Host(model=MODEL, local=local, rules=rules)
    decided = local_route(task, profile, "it is routine", TIER3, host)
    assert not isinstance(decided, Refused)
    return json.dumps(asdict(decided))


def came(ledger: Ledger, task_id: str, at: float, document: str) -> None:
    row = RequestOpened(
        task_id=task_id, key_id="default", asked_model="auto", profile="{}", route=document, at=at
    )
    ledger.open_request(row)


async def answered(ledger: Ledger, task_id: str, provider: str, **changes: Any) -> None:
    attempt_id = f"{task_id}-{provider}"
    await ledger.reserve(reservation(attempt_id, task_id=task_id, provider=provider))
    await ledger.settle(settlement(attempt_id, **changes))


def arrivals(ledger: Ledger, since: float = AT, until: float = AT + 3_600) -> list[Arrivals]:
    return list(asyncio.run(ledger.arrivals(since, until)))


def arrived(minute: int, count: int, **changes: int) -> Arrivals:
    none = {
        "api_nano_usd": 0, "local_count": 0, "local_input_tokens": 0, "local_output_tokens": 0,
    }  # fmt: skip
    return Arrivals(minute=MINUTE + minute, count=count, **(none | changes))


def test_what_is_local_or_spilt_arrives_by_the_minute(ledger: Ledger) -> None:
    async def main() -> None:
        came(ledger, "ready", AT, route("ready"))
        came(ledger, "asleep", AT + 59, route("asleep"))
        came(ledger, "away", AT + 60, route("away"))
        came(ledger, "held", AT + 61, route("warming", since=AT))
        came(ledger, "slow", AT + 62, route("warming", since=AT - 10_000))
        came(ledger, "too long", AT + 63, route("ready", size_tokens=9_000))
        came(ledger, "other", AT + 64, json.dumps(asdict(TIER3)))
        came(ledger, "late", AT + 3_600, route("ready"))
        await ledger.forget("none", "none")  # with a write that is waited for go the notes

    asyncio.run(main())
    assert arrivals(ledger) == [arrived(0, 2), arrived(1, 3)]
    assert arrivals(ledger, AT + 60, AT + 61) == [arrived(1, 1)]


def test_an_answer_of_an_api_counts_at_its_cost_and_a_local_one_by_its_tokens(
    ledger: Ledger,
) -> None:
    read = Usage(fresh_input=100, cache_read=7, output=30)

    async def main() -> None:
        for task_id in ("one", "two", "left", "spilt"):
            came(ledger, task_id, AT, route("asleep" if task_id == "spilt" else "ready"))
        for task_id in ("one", "two"):
            await answered(ledger, task_id, "local", usage=read, settled_nano_usd=0)
        await answered(
            ledger, "left", "local", usage=read, settled_nano_usd=0, outcome="unreachable"
        )
        await answered(ledger, "left", "anthropic", settled_nano_usd=5)
        await answered(ledger, "spilt", "anthropic", settled_nano_usd=40)
        await answered(ledger, "spilt", "google", settled_nano_usd=2)

    asyncio.run(main())
    assert arrivals(ledger) == [
        arrived(
            0, 4, api_nano_usd=47, local_count=2, local_input_tokens=214, local_output_tokens=60
        )
    ]


def test_arrivals_are_found_by_an_index(ledger: Ledger, url: str) -> None:
    if url.startswith("sqlite"):
        plan = query(url, "EXPLAIN QUERY PLAN SELECT * FROM tasks WHERE opened_at_ns >= 5")
        assert "tasks_by_time" in plan[0]["detail"]
    assert arrivals(ledger) == []


def test_the_last_answer_of_the_local_model_is_found(ledger: Ledger, url: str) -> None:
    async def work() -> list[float | None]:
        for name, provider, at in (("r1", "local", 10), ("r2", "local", 20), ("r3", "google", 30)):
            await answered(ledger, name, provider, at=AT + at)
        await answered(ledger, "r4", "local", at=AT + 40, outcome="failed")
        return [await ledger.last_served(AT + since) for since in (0, 20, 20.5)]

    assert asyncio.run(work()) == [AT + 20, AT + 20, None]
    sql = "SELECT max(settled_at_ns) FROM attempts WHERE provider = 'local' AND settled_at_ns >= 5"
    if not url.startswith("postgresql"):  # which prefers to read so small a table whole
        assert "attempts_by_settlement" in str(query(url, f"EXPLAIN QUERY PLAN {sql}"))


def decided(at: float, policy: str = "rate", **changes: Any) -> Decided:
    fields: dict[str, Any] = {
        "at": at, "policy": policy, "wants_on": True, "is_in_force": policy == "rate",
        "why": "40 an hour", "numbers": {"rate_an_hour": 40.5},
    }  # fmt: skip
    return Decided(**(fields | changes))


def test_decisions_are_told_as_they_were_noted_the_newest_first(ledger: Ledger) -> None:
    rows = [decided(AT), decided(AT + 60, wants_on=False), decided(AT + 60, "schedule")]

    async def main() -> list[Any]:
        for row in (*rows, rows[0]):
            await ledger.note_decision(row)
        return [
            await ledger.decisions(AT),
            await ledger.decisions(AT + 1),
            await ledger.decisions(AT, limit=1),
        ]

    assert asyncio.run(main()) == [[rows[1], rows[2], rows[0]], rows[1:], rows[1:2]]


def test_old_decisions_are_forgotten(ledger: Ledger) -> None:
    async def main() -> Any:
        await ledger.note_decision(decided(AT))
        await ledger.note_decision(decided(AT + 1))
        await ledger.note_decision(decided(AT + KEPT_S + 1))
        return [row.at - AT for row in await ledger.decisions(0)]

    assert asyncio.run(main()) == [KEPT_S + 1, 1]
