"""Can concurrent requests spend past a cap? 4 processes ask for room that is there for 5 of 200.

    PYTHONPATH=tests .venv/bin/python -m bench.race [--save] [--seeds 100]

In a first round everybody asks before anybody has paid, so exactly 5 are let in. They pay a random
part of their upper bound, and then everybody who was refused asks again and pays at once. Beside
the ledger stands the design that reads the sum, calls, and adds to it: the race has to catch it.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol, TypeVar

from sqlalchemy import NullPool, create_engine, text

from bench.crowd import PROCESSES, Together, in_processes
from bench.places import postgres, sqlite
from bench.report import Figure, Line, store, table
from bench.rows import BOUND, reservation, settlement
from deployments.ledger import Ledger
from tercet.budget import Granted

CALLERS = 200
ROOM = 5
CAP = ROOM * BOUND
_TABLE = "CREATE TABLE IF NOT EXISTS naive (seed INT, caller INT, nano_usd BIGINT)"

T = TypeVar("T")


class Design(Protocol):
    """One way to keep a budget, in one process."""

    async def admit(self, seed: int, caller: int) -> bool:
        """Say whether the caller may make a call that costs `BOUND` at most."""
        ...

    async def pay(self, seed: int, caller: int, nano_usd: int) -> None:
        """Book what the call has cost."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class Reserving:
    """The ledger: room is taken before the call."""

    def __init__(self, url: str, seeds: int) -> None:
        self._ledger = Ledger(url, {f"key:race-{seed}": CAP for seed in range(seeds)})

    async def admit(self, seed: int, caller: int) -> bool:
        """Reserve."""
        row = reservation(f"att-{seed}-{caller}", key_id=f"race-{seed}", at=time.time())
        return isinstance(await self._ledger.reserve(row), Granted)

    async def pay(self, seed: int, caller: int, nano_usd: int) -> None:
        """Settle."""
        row = settlement(f"att-{seed}-{caller}", nano_usd=nano_usd, at=time.time())
        await self._ledger.settle(row)

    def close(self) -> None:
        """Let go of the database."""
        self._ledger.close()


class CheckThenCall:
    """The usual design: the sum is read before the call, and added to after it."""

    def __init__(self, url: str, seeds: int) -> None:
        del seeds
        self._engine = create_engine(
            url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool
        )
        with self._engine.begin() as connection:
            connection.execute(text(_TABLE))

    async def admit(self, seed: int, caller: int) -> bool:
        """Read the sum."""
        del caller
        return await asyncio.to_thread(self._spent, seed) + BOUND <= CAP

    async def pay(self, seed: int, caller: int, nano_usd: int) -> None:
        """Add to it."""
        await asyncio.to_thread(self._add, seed, caller, nano_usd)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _spent(self, seed: int) -> int:
        query = text("SELECT coalesce(sum(nano_usd), 0) FROM naive WHERE seed = :seed")
        with self._engine.connect() as connection:
            return int(connection.execute(query, {"seed": seed}).scalar_one())

    def _add(self, seed: int, caller: int, nano_usd: int) -> None:
        row = {"seed": seed, "caller": caller, "nano_usd": nano_usd}
        with self._engine.begin() as connection:
            connection.execute(text("INSERT INTO naive VALUES (:seed, :caller, :nano_usd)"), row)


Make = Callable[[str, int], Design]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process's callers did in one seed."""

    seed: int
    at_once: int
    """Let in while nobody had paid."""
    admitted: int
    paid_nano_usd: int


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    parser.add_argument("--seeds", type=int, default=100)
    told = parser.parse_args()
    lines: list[Line] = []
    for backend, place in (("sqlite", sqlite), ("postgres", postgres)):
        for design, seeds in ((Reserving, told.seeds), (CheckThenCall, min(told.seeds, 10))):
            with place() as url:
                line: dict[str, Figure] = {"backend": backend, "design": design.__name__}
                lines.append(line | raced(url, design, seeds))
    print(table(lines))
    if told.save:
        store("race", lines)
    ours = [line for line in lines if line["design"] == "Reserving"]
    if any(line["overspent_seeds"] or line["at_once"] != f"{ROOM}-{ROOM}" for line in ours):
        raise SystemExit("a budget was overspent, or refused what there was room for")
    if not all(line["overspent_seeds"] for line in lines if line not in ours):
        raise SystemExit("the race did not catch the design that checks and then calls")


def raced(url: str, make: Make, seeds: int) -> dict[str, Figure]:
    """Run every seed, and return what its callers were let in for and paid."""
    make(url, seeds).close()  # makes the tables, before four processes want to
    began = time.monotonic()
    played = in_processes(partial(_play, url, make, seeds))
    parts = [part for parts in played for part in parts]
    at_once = [sum(p.at_once for p in parts if p.seed == seed) for seed in range(seeds)]
    admitted = [sum(p.admitted for p in parts if p.seed == seed) for seed in range(seeds)]
    over = [
        max(0, sum(p.paid_nano_usd for p in parts if p.seed == seed) - CAP) for seed in range(seeds)
    ]
    return {
        "seeds": seeds,
        "callers": CALLERS,
        "room": ROOM,
        "at_once": f"{min(at_once)}-{max(at_once)}",
        "in_the_end": f"{min(admitted)}-{max(admitted)}",
        "overspent_seeds": sum(amount > 0 for amount in over),
        "overspent_of_cap": max(over) / CAP,
        "seconds": time.monotonic() - began,
    }


def _play(url: str, make: Make, seeds: int, process: int, together: Together) -> list[Part]:
    callers = range(process, CALLERS, PROCESSES)
    design = make(url, seeds)
    parts = [asyncio.run(_rounds(design, seed, callers, together)) for seed in range(seeds)]
    design.close()
    return parts


async def _rounds(design: Design, seed: int, callers: Sequence[int], together: Together) -> Part:
    together()
    first = await _all(design.admit(seed, caller) for caller in callers)
    await asyncio.to_thread(together)
    let_in = [caller for caller, is_in in zip(callers, first, strict=True) if is_in]
    refused = [caller for caller in callers if caller not in let_in]
    paid = await _all(_pay(design, seed, caller) for caller in let_in)
    await asyncio.to_thread(together)
    later = await _all(_admit_and_pay(design, seed, caller) for caller in refused)
    return Part(
        seed=seed,
        at_once=len(paid),
        admitted=len(paid) + sum(amount > 0 for amount in later),
        paid_nano_usd=sum(paid) + sum(later),
    )


async def _pay(design: Design, seed: int, caller: int) -> int:
    cost = Random(f"{seed}/{caller}").randrange(1, BOUND + 1)
    await design.pay(seed, caller, cost)
    return cost


async def _admit_and_pay(design: Design, seed: int, caller: int) -> int:
    return await _pay(design, seed, caller) if await design.admit(seed, caller) else 0


async def _all(jobs: Iterable[Coroutine[None, None, T]]) -> list[T]:
    async with asyncio.TaskGroup() as together:
        running_ones = [together.create_task(job) for job in jobs]
    return [one.result() for one in running_ones]


if __name__ == "__main__":
    main()
