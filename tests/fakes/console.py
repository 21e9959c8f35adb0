"""A console over a ledger that was filled through its own methods, asked without a server."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx2
from fakes.rented import offer, seen
from fakes.rows import ask, reservation, settlement

from deployments.ledger import Ledger
from deployments.ledger.viewing import Viewer
from router.console.playground import Playground
from router.console.reader import Reader
from router.console.rendering import Renderer
from router.console.sessions import Sessions
from router.console.site import Site
from tercet.config import Config, load, settings
from tercet.keys import Key, sha256
from tercet.learning import Label
from tercet.leases import Decided, LeaseOpened
from tercet.ledger import RequestClosed, RequestOpened
from tercet.migration import JudgeAudit, Sample, Transition
from tercet.readiness import Start
from tercet.usage import Usage

NOW = 1_795_424_400.0  # 2026-11-23 09:00 UTC
ADMIN = "admin-key-of-the-tests"
HOST = "http://console.test"
POSTED = {"sec-fetch-site": "same-origin"}
CONFIG = load(chosen=settings({}))
WITH_LOCAL = load(chosen=settings({"TERCET_LOCAL": "cpu"}))
DAY = 86_400.0
SCRIPT = "<script>alert(1)</script>"


def site(url: object, config: Config = CONFIG, clock: Any = lambda: NOW, **changes: Any) -> Site:
    """Return a console over a ledger; what it knows is what was there when this was called."""
    viewer = Viewer(str(url))
    reader = Reader(viewer, config.budget, clock)
    reader.step()
    while reader.books.read_share < 1 and not reader.books.trouble:
        reader.step()
    gateway = httpx2.AsyncClient(base_url="http://127.0.0.1:9")

    async def find(task_id: str) -> Any:
        return viewer.task(task_id)

    given: dict[str, Any] = {
        "config": config,
        "viewer": viewer,
        "reader": reader,
        "sessions": Sessions(ADMIN, clock),
        "playground": Playground(gateway, find),
        "renderer": Renderer(clock),
        "local": lambda: None,
        "clock": clock,
        "dashboard": "http://127.0.0.1:8265",
        "is_simulated": True,
        "playground_problem": "",
    }
    return Site(**(given | changes))


@asynccontextmanager
async def browsing(console: Site, *, signed_in: bool = True, host: str = HOST):
    """Yield a client of a console, as a browser is one."""
    transport = httpx2.ASGITransport(app=console.app(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=host) as client:
        if signed_in:
            reply = await sign_in(client)
            assert reply.status_code == 303, reply.text
        yield client


async def sign_in(client: httpx2.AsyncClient, key: str = ADMIN, next_: str = "") -> httpx2.Response:
    form = {"key": key, "next": next_}
    return await client.post("/console/login", data=form, headers=POSTED)


def twin(console: Site, path: str, query: str = "") -> Mapping[str, Any]:
    """Return a page's view as JSON."""

    async def get() -> Mapping[str, Any]:
        async with browsing(console) as client:
            reply = await client.get(f"/console{path}?format=json{query}")
            assert reply.status_code == 200, reply.text
            return reply.json()["view"]

    return asyncio.run(get())


def fill(url: object) -> None:
    """Write a little of everything that pages show."""

    async def write() -> None:
        with closing(Ledger(str(url))) as ledger:
            for number, (kind, route) in enumerate(ROUTES.items()):
                await task(ledger, f"req_{number}", kind, route, at=NOW - number * DAY - 60)
            await evidence(ledger)
            await machine(ledger)

    asyncio.run(write())


ROUTES = {
    "lookup": "tier3",
    "bug_fix": "tier2",
    "architecture": "tier1",
    "question": "tier3",
    SCRIPT: "tier3",
}


async def task(ledger: Ledger, task_id: str, kind: str, tier: str, **changes: Any) -> None:
    """Write a task of two attempts of 40 nano-USD that ended 2 s after it came."""
    at, outcome = changes.get("at", NOW - 60), changes.get("outcome", "answered")
    key = changes.get("key", "default")
    profile = {"kind": kind, "confidence": 0.9, "reasons": [f"said {kind}"], "is_unsure": False}
    seats = [{"role": role, "tier": tier, "model": HAIKU} for role in ("member", "single")]
    route = {"name": tier, "composition": "consensus", "seats": seats, "reason": f"for {kind}"}
    opened = RequestOpened(
        task_id=task_id,
        key_id=key,
        asked_model="auto",
        profile=json.dumps(profile),
        route=json.dumps(route),
        at=at,
    )
    ledger.open_request(opened)
    for number, model in enumerate((HAIKU, "gemini-4-argon"), 1):
        row = {
            "task_id": task_id,
            "key_id": key,
            "tier": tier,
            "model": model,
            "provider": "anthropic" if number == 1 else "google",
            "role": "member",
            "round": number,
            "at": at,
        }
        attempt_id = f"{task_id}_{number}"
        await ledger.reserve(reservation(attempt_id, **row))
        await ledger.settle(settlement(attempt_id, at=at + 1 + number))
    answer = {"model": HAIKU, "settled_by": "agreement", "changed_outcome": False, "finish": "stop"}
    closed = RequestClosed(task_id=task_id, outcome=outcome, answer=json.dumps(answer), at=at + 4)
    ledger.close_request(closed)


HAIKU = "claude-haiku-5-5"


async def evidence(ledger: Ledger) -> None:
    """Write a key, a move, samples, an audit and labels."""
    key = Key(
        id="team",
        handle="teamteam",
        sha256=sha256(b"s"),
        month_cap_nano_usd=20_000_000_000,
        created_at=NOW - DAY,
    )
    await ledger.create_key(key)
    move = Transition(
        kind="lookup",
        seq=1,
        come_from="baseline",
        to="shadow",
        share=0.0,
        why="300 answered tasks",
        by="gate",
        evidence=json.dumps({"pairs": 12, "quality": {"value": 0.1, "low": 0.0, "high": 0.2}}),
        at=NOW - DAY,
    )
    await ledger.move_migration(move)
    judged = {"by": "judge", "judge": "gemini-4-argon", "base_quality": 0.5, "tested_quality": 0.75}
    for number in range(2):
        await ledger.note_sample(_sample(f"req_{number}", "judged", **judged, judge_nano_usd=7))
    await ledger.note_sample(_sample("req_2", "left", reason="asleep"))
    await ledger.note_audit(
        JudgeAudit(
            item="a",
            judge="gemini-4-argon",
            kind="lookup",
            judged=0.5,
            truth=0.25,
            is_consistent=True,
            at=NOW - DAY,
        )
    )
    await ledger.note_labels([_label("req_0", "test", 1.0), _label("req_1", "feedback", 0.5)])


def _sample(task_id: str, state: Any, **changes: Any) -> Sample:
    return Sample(
        task_id=task_id,
        tested_arm="local",
        purpose="migration",
        conversation=task_id,
        kind="lookup",
        side="waiting",
        probability=0.3,
        base_arm="tier3",
        state=state,
        at=NOW - 3600,
        **changes,
    )


def _label(task_id: str, source: Any, quality: float) -> Label:
    return Label(
        task_id=task_id,
        group_id=task_id,
        kind="lookup",
        kinds={"lookup": 1.0},
        is_declared=False,
        arm="tier3",
        quality=quality,
        source=source,
        cost_nano_usd=40,
        size_tokens=10,
        sketch=None,
        policy_version=None,
        propensity=None,
        at=NOW - DAY,
        seconds=1.0,
    )


async def machine(ledger: Ledger) -> None:
    """Rent a machine two hours ago that loads for ten minutes and runs; it answered for a while."""
    since = NOW - 7200
    await ledger.open_lease(LeaseOpened(lease_id="a", offer=offer(), reserve_s=900, at=since))
    await ledger.see_lease(seen("loading", since, hourly_nano_usd=60_000_000))
    await ledger.see_lease(seen("running", since + 600, hourly_nano_usd=360_000_000))
    await ledger.accrue_lease("a", NOW, 60.0)
    await ledger.note_start(
        Start(at=since + 600, phases={"load": 90.0}, total_s=100.0, node="127.1.0.2")
    )
    await answered_locally(ledger, NOW - 1000)
    for number, wants in enumerate((False, True, True)):
        decided = Decided(
            at=NOW - 300 + number,
            policy="leader",
            wants_on=wants,
            is_in_force=True,
            why="traffic",
            numbers={"rate": 9.0},
        )
        await ledger.note_decision(decided)


async def answered_locally(ledger: Ledger, at: float) -> None:
    row = {"task_id": "req_0", "tier": "local", "provider": "local", "model": "deepseek-coder"}
    await ledger.reserve(reservation("req_0_local", **row, role="single", ask=ask(0), at=at))
    done = settlement("req_0_local", at=at + 10, latency_s=10.0, settled_nano_usd=0, usage=Usage())
    await ledger.settle(done)
