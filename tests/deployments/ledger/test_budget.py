import asyncio
import random
import subprocess
import sys
from collections.abc import Callable

import pytest
from fakes.rows import (
    AT,
    ask,
    balance,
    balances_kept,
    balances_summed,
    reservation,
    rows,
    settlement,
    together,
)

from deployments.ledger import Ledger
from tercet.budget import Ask, Balance, Caps, Denied, Granted
from tercet.ledger import Spending

Opening = Callable[..., Ledger]

MONTH_END = 1_796_083_200.0  # 2026-12-01 00:00 UTC

# Opens the ledger, waits to be told, asks for argv[3] attempts at once and settles what it got.
RACER = """
import asyncio, sys
sys.path.insert(0, "tests")
from fakes.rows import reservation, settlement, together
from deployments.ledger import Ledger
from tercet.budget import Granted

async def main(url, name, count):
    ledger = Ledger(url, {"month": 500})
    print("ready", flush=True)
    sys.stdin.readline()
    names = [f"{name}-{n}" for n in range(count)]
    said = await together(*(ledger.reserve(reservation(each)) for each in names))
    got = [each for each, answer in zip(names, said) if isinstance(answer, Granted)]
    await together(*(ledger.settle(settlement(each, settled_nano_usd=100)) for each in got))
    ledger.close()
    print(len(got), flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def reserve_all(ledger: Ledger, names: list[str]) -> list[object]:
    return asyncio.run(together(*(ledger.reserve(reservation(name)) for name in names)))


def granted(said: list[object]) -> int:
    return sum(isinstance(answer, Granted) for answer in said)


@pytest.mark.parametrize("seed", range(3))
def test_of_200_at_once_5_get_in_where_there_is_room_for_5(
    opening: Opening, url: str, seed: int
) -> None:
    ledgers = [opening({"month": 500}) for _ in range(2)]
    order = random.Random(seed).sample(range(200), 200)

    async def main() -> list[object]:
        return await together(*(ledgers[n % 2].reserve(reservation(f"att_{n}")) for n in order))

    said = asyncio.run(main())
    denied = Denied(scope="month", left_nano_usd=0, is_spent=False)
    assert granted(said) == 5
    assert [answer for answer in said if isinstance(answer, Denied)] == [denied] * 195
    assert balance(url) == {"2026-11": (0, 500)}
    assert len(rows(url)) == 5


def test_of_200_at_once_in_4_processes_5_get_in_where_there_is_room_for_5(url: str) -> None:
    command = [sys.executable, "-c", RACER, url]
    racers = [
        subprocess.Popen(
            [*command, name, "50"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in "abcd"
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    said = [racer.communicate("\n")[0] for racer in racers]
    assert sum(int(count) for count in said) == 5
    assert balance(url) == {"2026-11": (500, 0)}


def test_what_was_held_and_not_spent_is_there_for_the_next(opening: Opening) -> None:
    ledger = opening({"month": 150})

    async def main() -> list[object]:
        first = await ledger.reserve(reservation("a"))
        held = await ledger.reserve(reservation("b"))
        await ledger.settle(settlement("a", settled_nano_usd=50))
        then = await ledger.reserve(reservation("b"))
        await ledger.settle(settlement("b", settled_nano_usd=100))
        return [first, held, then, await ledger.reserve(reservation("c"))]

    whole = Granted(nano_usd=100, output_tokens=1_000)
    assert asyncio.run(main()) == [
        whole,
        Denied(scope="month", left_nano_usd=50, is_spent=False),
        whole,
        Denied(scope="month", left_nano_usd=0, is_spent=True),
    ]


@pytest.mark.parametrize("scope", ["month", "key:default", "tier:tier1", "provider:anthropic"])
def test_every_scope_has_a_cap_of_its_own(opening: Opening, scope: str) -> None:
    said = reserve_all(opening({scope: 250}), ["a", "b", "c"])
    whole = Granted(nano_usd=100, output_tokens=1_000)
    assert said == [whole, whole, Denied(scope=scope, left_nano_usd=50, is_spent=False)]


def test_an_answer_is_clamped_to_what_is_left(opening: Opening, url: str) -> None:
    ledger = opening({"month": 10_000})
    dear = Ask(fixed_nano_usd=1_000, token_nano_usd=10, output_tokens=1_000)

    async def main() -> object:
        await ledger.reserve(reservation("a", ask=ask(4_000)))
        return await ledger.reserve(reservation("b", ask=dear))

    assert asyncio.run(main()) == Granted(nano_usd=6_000, output_tokens=500)
    assert (rows(url)[1]["reserved_nano_usd"], rows(url)[1]["output_limit"]) == (6_000, 500)
    assert balance(url) == {"2026-11": (0, 10_000)}


def test_what_cost_more_than_it_held_is_booked_in_full_and_stops_the_next(
    opening: Opening, url: str
) -> None:
    ledger = opening({"month": 250})

    async def main() -> object:
        await ledger.reserve(reservation("a"))
        await ledger.settle(settlement("a", settled_nano_usd=300, flag="over_reserved"))
        return await ledger.reserve(reservation("b"))

    assert asyncio.run(main()) == Denied(scope="month", left_nano_usd=0, is_spent=True)
    assert balance(url) == {"2026-11": (300, 0)}


@pytest.mark.parametrize("seed", range(3))
def test_settlements_three_times_over_in_any_order_book_once(
    opening: Opening, url: str, seed: int
) -> None:
    ledgers = [opening(), opening()]
    names = [f"att_{n}" for n in range(30)]
    replayed = [(name, n % 2) for n, name in enumerate(names * 3)]
    random.Random(seed).shuffle(replayed)

    async def main() -> None:
        await together(*(ledgers[0].reserve(reservation(name)) for name in names))
        await together(*(ledgers[which].settle(settlement(name)) for name, which in replayed))

    asyncio.run(main())
    assert balance(url) == {"2026-11": (1_200, 0)}
    assert balances_summed(url) == balances_kept(url)


def test_50_in_flight_at_midnight_are_charged_to_the_month_they_were_reserved_in(
    ledger: Ledger, url: str
) -> None:
    last = [f"old_{n}" for n in range(50)]

    async def main() -> None:
        reserved = (ledger.reserve(reservation(name, at=MONTH_END - 0.001)) for name in last)
        await together(*reserved)
        await ledger.reserve(reservation("new", at=MONTH_END))
        settled = (ledger.settle(settlement(name, at=MONTH_END + 5)) for name in last)
        await together(*settled)

    asyncio.run(main())
    assert balance(url) == {"2026-11": (2_000, 0), "2026-12": (0, 100)}


@pytest.mark.parametrize(
    ("jump_s", "month"),
    [(-3_600.0, "2026-12"), (-40 * 86_400.0, "2026-12"), (31 * 86_400.0, "2027-01")],
    ids=["back an hour", "back forty days", "on a month"],
)
def test_a_month_that_has_begun_does_not_end_because_a_clock_goes_back(
    opening: Opening, url: str, jump_s: float, month: str
) -> None:
    caps: Caps = {"month": 100}
    ledger = opening(caps)

    async def main() -> Spending:
        await ledger.reserve(reservation("a", at=MONTH_END))
        await ledger.settle(settlement("a", settled_nano_usd=100))
        await ledger.reserve(reservation("b", at=MONTH_END + jump_s))
        return await ledger.spending(MONTH_END + jump_s)

    assert asyncio.run(main()).month == month
    second = {"2027-01": (0, 100)} if month == "2027-01" else {}
    assert balance(url) == {"2026-12": (100, 0)} | second


def test_spending_tells_the_months_balances_and_the_hours_of_35_days(ledger: Ledger) -> None:
    async def main() -> Spending:
        for name, at in (("a", AT), ("b", AT + 3_599), ("c", AT + 3_600), ("d", AT - 36 * 86_400)):
            await ledger.reserve(reservation(name))
            await ledger.settle(settlement(name, at=at))
        await ledger.reserve(reservation("open", tier="tier2"))
        return await ledger.spending(AT)

    said = asyncio.run(main())
    assert said == Spending(
        month="2026-11",
        balances={
            "month": Balance(spent=160, held=100),
            "key:default": Balance(spent=160, held=100),
            "tier:tier1": Balance(spent=160),
            "tier:tier2": Balance(held=100),
            "provider:anthropic": Balance(spent=160, held=100),
        },
        hours={498_729: 80, 498_730: 40},
    )
