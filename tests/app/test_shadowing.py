"""Shadow runs and judges in the whole gateway: real handles in Serve's local testing mode, the real
SDKs against the simulated upstreams, a real ledger; the local model's engine alone is a fake."""

import asyncio
import time
from contextlib import closing
from dataclasses import replace

import httpx2
import pytest
from fakes.migrations import transition
from fakes.upstreams import upstreams
from ray import serve

from deployments.ledger import Ledger, simulated_totals
from deployments.ledger.inspection import inspected
from deployments.local_proxy import LocalProxy
from deployments.local_seat import LocalSeat
from deployments.proxy import TierProxy
from deployments.serve import deploy
from router.books.reconcile import billed_totals
from router.ingress import Ingress
from router.refit.tasks import came
from tercet.config import load
from tercet.readiness import LocalReport, Readiness

KEY = "app-test-key"
LOCAL_ARM = "local(tiny-llama)"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
READY = LocalReport(readiness=Readiness(kind="ready", why="it runs"), starts=())
LOOKUP = {"kind": "lookup"}


class Engine(LocalProxy):
    """The local model's own proxy with an engine in it: right about sums, wrong about the rest."""

    SLOW_S = 0.0

    def _clients(self, names, limits, chosen):
        return {"local": LocalSeat(self._chat)}

    async def report(self) -> LocalReport:
        return READY

    async def wake(self) -> LocalReport:
        return READY

    async def _chat(self, request, _headers):
        await asyncio.sleep(self.SLOW_S)
        asked = request["messages"][-1]["content"]
        said = "391" if "17 * 23" in asked else "I cannot tell."
        yield {"id": "c", "choices": [{"index": 0, "delta": {"content": said}}]}
        yield {"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield {"id": "c", "choices": [], "usage": USAGE}


class Slow(Engine):
    SLOW_S = 3.0


@pytest.fixture
def gateway(tmp_path, monkeypatch):
    """Yield a function that runs one coroutine function with a gateway that samples everything."""
    with upstreams(tmp_path) as started:
        for name, value in {
            "TERCET_API_KEY": KEY,
            "TERCET_LEDGER": str(tmp_path / "ledger.sqlite3"),
            "TERCET_SIMULATED": "1",
            "TERCET_LOCAL": "cpu",
            "ANTHROPIC_API_KEY": "simulated",
            "GEMINI_API_KEY": "simulated",
            "ANTHROPIC_BASE_URL": started.url,
            "GOOGLE_GEMINI_BASE_URL": started.url,
        }.items():
            monkeypatch.setenv(name, value)

        def run(scenario, *moves, engine=Engine, caps=None, **shares):
            config = load()
            rules = replace(config.migrations, **{"composition_share": 0.0, **shares})
            budget = replace(config.budget, caps={**config.budget.caps, **(caps or {})})
            config = replace(config, migrations=rules, budget=budget)

            async def whole():
                with closing(Ledger(tmp_path / "ledger.sqlite3")) as ledger:
                    for move in moves:
                        assert await ledger.move_migration(move)
                handles = _handles(config, engine)
                ingress = Ingress(config, handles)
                await ingress._replica.look()
                transport = httpx2.ASGITransport(ingress.__serve_build_asgi_app__())
                headers = {"authorization": f"Bearer {KEY}"}
                async with httpx2.AsyncClient(
                    transport=transport, base_url="http://gateway", headers=headers
                ) as http:
                    await scenario(http, ingress)
                await ingress.close()
                for handle in handles.values():
                    await handle.close.remote()

            asyncio.run(whole())
            with inspected(tmp_path / "ledger.sqlite3") as books:
                return {
                    "tasks": {task.task_id: task for task in came(books.tasks(0))},
                    "samples": books.samples(0),
                    "labels": books.labels(0),
                    "attempts": list(books.attempts()),
                    "balances": books.balances(),
                }

        yield run
    assert simulated_totals(tmp_path / "ledger.sqlite3") == billed_totals(tmp_path / "bill.jsonl")


def _handles(config, engine):
    def host(hosted, tier, *arguments):
        return serve.run(deploy(hosted, tier, *arguments), name=tier, _local_testing_mode=True)

    tiers = [tier for tier in config.catalog.tiers if tier != "local"]
    return {
        **{tier: host(TierProxy, tier, tier, config) for tier in tiers},
        "local": host(engine, "local", config),
    }


async def until(holds) -> None:
    give_up_at = time.monotonic() + 20
    while not holds() and time.monotonic() < give_up_at:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    assert holds()


async def ask(http, content, **fields) -> httpx2.Response:
    body = {"model": "auto", "messages": [{"role": "user", "content": content}], **fields}
    reply = await http.post("/v1/chat/completions", json={"metadata": LOOKUP, **body})
    assert reply.status_code == 200, reply.text
    return reply


async def judged(ingress) -> None:
    """Wait until nothing is compared any more."""
    shadowing = ingress._replica.shadowing
    await until(lambda: not shadowing._jobs and not shadowing._notes)


SHADOW = transition(1, "baseline", "shadow")


def test_a_shadow_run_is_judged_and_all_of_it_is_in_the_books(gateway) -> None:
    ids = []

    async def scenario(http, ingress) -> None:
        for content in ("What is 17 * 23?", "Which clause speaks of notice?"):
            reply = await ask(http, content)
            ids.append(reply.headers["x-tercet-request-id"])
        await judged(ingress)

    found = gateway(scenario, SHADOW, shadow_share=1.0)
    agreed, differs = (next(row for row in found["samples"] if row.task_id == name) for name in ids)

    assert (agreed.state, agreed.by, agreed.base_quality, agreed.tested_quality) == (
        "judged", "agreement", 1.0, 1.0,
    )  # fmt: skip
    assert (differs.state, differs.by, differs.is_consistent) == ("judged", "judge", True)
    assert (differs.base_quality, differs.tested_quality) == (1.0, 0.0)
    assert (differs.tested_arm, differs.judge) == (LOCAL_ARM, "gemini-3.8-flash")
    assert (differs.tested_nano_usd, differs.tested_chars) == (0, 14)
    assert (differs.judge_nano_usd or 0) > 0
    task = found["tasks"][ids[1]]
    assert (differs.conversation, differs.base_arm, differs.base_nano_usd) == (
        task.conversation, task.arm, task.nano_usd,
    )  # fmt: skip
    assert {(x.arm, x.quality) for x in found["labels"]} == {(LOCAL_ARM, 0.0), (task.arm, 1.0)}

    mine = [row for row in found["attempts"] if row.key_id == "evidence"]
    assert sorted((row.task_id, row.role, row.model) for row in mine) == sorted([
        (f"{ids[0]}.shadow", "shadow", "tiny-llama"),
        (f"{ids[1]}.shadow", "shadow", "tiny-llama"),
        (f"{ids[1]}.judge", "judge", "gemini-3.8-flash"),
        (f"{ids[1]}.judge", "judge", "gemini-3.8-flash"),
    ])  # fmt: skip
    (spent,) = [
        row.spent for (_, scope), row in found["balances"].items() if scope == "key:evidence"
    ]
    assert spent == differs.judge_nano_usd


def test_a_caller_does_not_wait_for_a_slow_shadow(gateway) -> None:
    took = []

    async def scenario(http, ingress) -> None:
        for n in range(3):
            began = time.monotonic()
            await ask(http, f"Which clause speaks of notice {n}?")
            took.append(time.monotonic() - began)
        assert len(ingress._replica.shadowing._jobs) == 3

    found = gateway(scenario, SHADOW, engine=Slow, shadow_share=1.0)
    assert max(took) < 2.0
    assert {(row.state, row.reason) for row in found["samples"]} == {("left", "ended")}


def test_what_the_local_model_answered_is_watched_by_the_api(gateway) -> None:
    moves = (
        SHADOW,
        transition(2, "shadow", "canary", 0.5),
        transition(3, "canary", "promoted", 1.0),
    )
    sides = {}

    async def scenario(http, ingress) -> None:
        for n in range(20):
            reply = await ask(http, f"Which clause speaks of notice {n}?")
            sides[reply.headers["x-tercet-request-id"]] = reply.headers["x-tercet-route"]
        await judged(ingress)

    found = gateway(scenario, *moves, shadow_share=0.0, watch_share=1.0)
    rows = {row.task_id: row for row in found["samples"]}
    assert set(rows) == set(sides)
    for name, route in sides.items():
        row = rows[name]
        assert row.side == ("treated" if route == "local" else "held_out")
        assert (row.state, row.tested_arm, row.tested_quality) == ("judged", LOCAL_ARM, 0.0)
        assert row.base_quality == 1.0
    assert set(sides.values()) == {"local", "tier3"}


def test_a_spent_evidence_budget_stops_comparing_and_no_caller(gateway) -> None:
    async def scenario(http, ingress) -> None:
        for n in range(3):
            await ask(http, f"Which clause speaks of notice {n}?")
            await judged(ingress)
        await ask(http, "What is 17 * 23?")
        await judged(ingress)

    found = gateway(scenario, SHADOW, shadow_share=1.0, caps={"key:evidence": 1_000_000})
    assert {(row.state, row.reason) for row in found["samples"]} == {("left", "budget")}
    assert len(found["samples"]) == len(found["tasks"]) == 4
    assert all(task.is_answered for task in found["tasks"].values())


def test_each_member_of_a_pair_is_compared_with_the_pair(gateway) -> None:
    async def scenario(http, ingress) -> None:
        await ask(http, "What is 17 * 23? sim:disagree", metadata={"kind": "maths"})
        await judged(ingress)

    found = gateway(scenario, composition_share=1.0)
    rows = {row.tested_arm: row for row in found["samples"]}
    assert set(rows) == {"claude-haiku-5-5", "gemini-3.8-flash"}
    pair = "tier3(claude-haiku-5-5+gemini-3.8-flash)"
    assert {row.base_arm for row in rows.values()} == {pair}
    assert {row.purpose for row in rows.values()} == {"composition"}
    assert all(row.state == "judged" for row in rows.values())
    qualities = {arm: (row.base_quality, row.tested_quality) for arm, row in rows.items()}
    assert qualities["claude-haiku-5-5"] == (1.0, 1.0)
    assert qualities["gemini-3.8-flash"] == (1.0, 0.0)
    assert all((row.tested_nano_usd or 0) > 0 for row in rows.values())


def test_without_a_side_nothing_is_compared(gateway) -> None:
    async def scenario(http, ingress) -> None:
        await ask(http, "Summarise this.", metadata={"kind": "summary"})
        await judged(ingress)

    assert gateway(scenario, SHADOW, shadow_share=1.0)["samples"] == []
