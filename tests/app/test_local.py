"""The local model over HTTP: hold or spill, its page, and who may wake it."""

import asyncio
import json
from dataclasses import dataclass, field

import pytest
from fakes.gateway import KEYS, NOW, Says, clock, failing, gateway, run

from router.local_feed import LocalFeed
from router.waking import Holding
from tercet.readiness import LocalReport, Readiness

ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"
READY = Readiness(kind="ready", why="it runs")
ASLEEP = Readiness(kind="asleep", why="nobody has woken it")
WARMING = Readiness(kind="warming", since=NOW - 5, why="it loads")


@dataclass
class Proxy:
    """The local model's proxy, as a test sets it."""

    readiness: Readiness = ASLEEP
    wakes: list = field(default_factory=list)
    broken: bool = False

    async def report(self) -> LocalReport:
        return LocalReport(readiness=self.readiness, starts=())

    async def wake(self) -> LocalReport:
        if self.broken:
            raise TimeoutError
        self.wakes.append(NOW)
        self.readiness = Readiness(kind="asleep", since=NOW, why="it was woken")
        return await self.report()

    def feed(self) -> LocalFeed:
        return LocalFeed(Holding(2, clock), self.report, self.wake)


def served(scenario, proxy: Proxy, call=None):
    async def main():
        feed = proxy.feed()
        await feed.look()
        async with gateway(call or Says(), local=feed) as site:
            return await scenario(site, feed)

    return asyncio.run(main())


def test_the_page_says_how_ready_it_is() -> None:
    async def scenario(site, _):
        return (await site.get("/v1/local")).json()

    page = served(scenario, Proxy(WARMING))
    assert (page["model"], page["readiness"], page["starting_s"]) == ("tiny-llama", "warming", 5.0)


def test_without_a_local_model_the_page_says_off_and_there_is_nothing_to_wake() -> None:
    async def scenario(site):
        woken = await site.http.post("/v1/local/wake", headers=KEY)
        return (await site.get("/v1/local")).json(), woken

    page, woken = run(scenario)
    assert page["readiness"] == "off"
    assert (woken.status_code, woken.json()["error"]["code"]) == (404, "not_found")


KEY = {"authorization": "Bearer key-of-default"}


def test_the_operator_wakes_it_and_is_told_what_is_known_then() -> None:
    proxy = Proxy()

    async def scenario(site, _):
        return await site.http.post("/v1/local/wake", headers=KEY)

    reply = served(scenario, proxy)
    assert (reply.status_code, reply.json()["why"], proxy.wakes) == (202, "it was woken", [NOW])


def test_no_other_key_may_wake_it() -> None:
    proxy = Proxy()

    async def scenario(site, _):
        team = {"authorization": f"Bearer {KEYS['team']}"}
        return await site.http.post("/v1/local/wake", headers=team)

    reply = served(scenario, proxy)
    assert (reply.status_code, proxy.wakes) == (403, [])
    assert "only the key default" in reply.json()["error"]["message"]


def test_a_proxy_that_does_not_answer_is_a_503() -> None:
    async def scenario(site, _):
        return await site.http.post("/v1/local/wake", headers=KEY)

    reply = served(scenario, Proxy(broken=True))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    ("readiness", "route"), [(READY, "local"), (ASLEEP, "tier3"), (WARMING, "tier3")]
)
def test_a_routine_task_goes_where_the_snapshot_says(readiness, route) -> None:
    async def scenario(site, _):
        return await site.ask(ROUTINE, model="auto")

    reply = served(scenario, Proxy(readiness))
    assert (reply.status_code, reply.headers["x-tercet-route"]) == (200, route)


HELD = {"metadata": {"batch": "true"}}


async def until_held(feed: LocalFeed, count: int) -> None:
    for _ in range(1_000):
        if feed.holding.count == count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{feed.holding.count} are held")


def test_who_may_wait_is_held_and_answered_once_it_is_ready() -> None:
    async def scenario(site, feed):
        job = asyncio.create_task(site.ask(ROUTINE, model="auto", **HELD))
        await until_held(feed, 1)
        feed.holding.note(READY)
        return await job, feed.holding.count

    reply, left = served(scenario, Proxy(WARMING))
    assert (reply.headers["x-tercet-route"], reply.headers["x-tercet-models"]) == (
        "local",
        "tiny-llama",
    )
    assert left == 0


def test_who_is_held_in_vain_is_answered_by_an_api_and_told_so() -> None:
    async def scenario(site, feed):
        job = asyncio.create_task(site.ask(ROUTINE, model="auto", **HELD))
        await until_held(feed, 1)
        feed.holding.note(ASLEEP)
        reply = await job
        await site.idle()
        return reply, json.loads(site.books.closed[0].answer)

    reply, answer = served(scenario, Proxy(WARMING))
    assert (reply.status_code, reply.headers["x-tercet-models"]) == (200, "claude-haiku-5-5")
    assert "local:not_ready" in reply.headers["x-tercet-degraded"]
    assert "the local model is asleep (nobody has woken it)" in answer["settled_by"]


def test_a_third_caller_is_not_held_where_two_may_be() -> None:
    async def scenario(site, feed):
        jobs = [asyncio.create_task(site.ask(ROUTINE, model="auto", **HELD)) for _ in range(2)]
        await until_held(feed, 2)
        third = await site.ask(ROUTINE, model="auto", **HELD)
        feed.holding.note(READY)
        return third, [await job for job in jobs]

    third, others = served(scenario, Proxy(WARMING))
    assert third.headers["x-tercet-route"] == "tier3"
    assert [reply.headers["x-tercet-models"] for reply in others] == ["tiny-llama"] * 2


@pytest.mark.parametrize(
    ("deadline_s", "route"), [("100", "tier3"), ("300", "local"), ("100000", "local")]
)
def test_a_deadline_lets_it_be_held_if_it_is_longer_than_a_load(deadline_s, route) -> None:
    async def scenario(site, feed):
        metadata = {"deadline_s": deadline_s}
        job = asyncio.create_task(site.ask(ROUTINE, model="auto", metadata=metadata))
        for _ in range(50):
            await asyncio.sleep(0)
        feed.holding.note(READY)
        return await job

    assert served(scenario, Proxy(WARMING)).headers["x-tercet-route"] == route


def test_a_caller_who_sets_a_deadline_is_answered_by_then_or_not_at_all() -> None:
    says = Says()

    async def scenario(site, _):
        await site.ask(model="claude-opus-5-5", metadata={"deadline_s": "90"})
        await site.ask(model="claude-opus-5-5", metadata={"deadline_s": "9000"})
        await site.ask(model="claude-opus-5-5")

    served(scenario, Proxy(), says)
    assert [call.deadline_at - NOW for call in says.calls] == [89.5, 599.5, 599.5]


@pytest.mark.parametrize("given", ["soon", "0", "-1", "1e9", "inf", "", "٣"])
def test_a_deadline_that_is_no_number_of_seconds_is_refused(given) -> None:
    async def scenario(site, _):
        return await site.ask(metadata={"deadline_s": given})

    reply = served(scenario, Proxy())
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "metadata.deadline_s"


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(("header", "kept"), [(TRACE, TRACE), ("00-zz", None), (TRACE * 2, None)])
def test_a_trace_of_the_callers_goes_along_if_it_is_one(header, kept) -> None:
    says = Says()

    async def scenario(site, _):
        site.http.headers["traceparent"] = header
        await site.ask(ROUTINE, model="auto")

    served(scenario, Proxy(READY), says)
    assert says.calls[0].prompt.traceparent == kept


def test_a_call_that_fails_before_its_first_word_is_answered_by_tier_three() -> None:
    class Broken(Says):
        async def __call__(self, call, /):
            model = failing("unreachable") if call.tier == "local" else Says()
            async for item in model(call):
                yield item

    async def scenario(site, _):
        return await site.ask(ROUTINE, model="auto")

    reply = served(scenario, Proxy(READY), Broken())
    assert (reply.status_code, reply.headers["x-tercet-models"]) == (200, "claude-haiku-5-5")
    assert "single:unreachable" in reply.headers["x-tercet-degraded"]
