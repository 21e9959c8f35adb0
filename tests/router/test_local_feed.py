import asyncio

from router.local_feed import LocalFeed
from router.local_page import local_document
from router.waking import Holding
from tercet.local_file import load_local
from tercet.readiness import LocalReport, Readiness, Start

NOW = 1_795_424_400.0
MODEL = load_local().profiles["cpu"]
START = Start(at=NOW - 500, phases={"placed": 4.25, "engine": 57.81}, total_s=62.06, node="vps_1")
READY = LocalReport(readiness=Readiness(kind="ready", why="it runs"), starts=(START,))
WOKEN = LocalReport(
    readiness=Readiness(kind="asleep", since=NOW - 2, why="it was woken"), starts=(START,)
)


def feed(*answers) -> LocalFeed:
    told = iter(answers)

    async def report():
        answer = next(told)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def wake():
        return WOKEN

    return LocalFeed(Holding(4, lambda: NOW), report, wake)


def test_what_the_proxy_says_is_what_decisions_go_by() -> None:
    made = feed(READY)
    asyncio.run(made.look())
    local = made.holding.local()
    assert (local.readiness, local.loads.starts) == (READY.readiness, (START,))


def test_a_proxy_that_is_silent_is_a_model_out_of_reach_whose_starts_are_still_known() -> None:
    made = feed(READY, TimeoutError())

    async def main() -> None:
        await made.look()
        await made.look()

    asyncio.run(main())
    assert made.holding.local().readiness.kind == "away"
    assert made.report().starts == (START,)


def test_what_a_call_has_taught_is_told_until_the_proxy_says_more() -> None:
    made = feed(READY, READY)

    async def main() -> list[str]:
        await made.look()
        made.holding.lose()
        lost = made.report().readiness.kind
        await made.look()
        return [lost, made.report().readiness.kind]

    assert asyncio.run(main()) == ["away", "ready"]


def test_a_wake_is_known_at_once() -> None:
    made = feed()
    asyncio.run(made.wake())
    assert made.holding.local().readiness.is_starting


def test_the_document_says_how_ready_it_is_and_how_long_starts_took() -> None:
    assert local_document(MODEL, WOKEN, NOW) == {
        "object": "tercet.local",
        "model": "tiny-llama",
        "readiness": "asleep",
        "why": "it was woken",
        "since": NOW - 2,
        "starting_s": 2.0,
        "load_s": {"p50": 150.0, "p95": 150.0},
        "starts": [
            {
                "at": NOW - 500,
                "node": "vps_1",
                "total_s": 62.1,
                "phases_s": {"placed": 4.2, "engine": 57.8},
            }
        ],
    }


def test_without_a_local_model_the_document_says_so() -> None:
    off = {"object": "tercet.local", "model": None, "readiness": "off"}
    assert local_document(None, None, NOW) == off
