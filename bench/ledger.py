"""What booking an attempt adds to it: reserve and settle, beside the least that writing takes.

    PYTHONPATH=tests .venv/bin/python -m bench.ledger [--save]

The floor is one bare INSERT and one bare UPDATE, each committed as durably as the ledger commits,
on one connection and with nothing else to keep: no budget, no balances, no other process.
Bars: 3 ms at p50 and 15 ms at p99 for one attempt at a time; 500 attempts a second with 4
processes.
"""

import argparse
import asyncio
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from statistics import quantiles

import psycopg

from bench.crowd import PROCESSES, Together, in_processes
from bench.places import postgres, sqlite
from bench.report import Figure, store, table
from bench.rows import reservation, settlement
from deployments.ledger import Ledger
from tercet.budget import MONTH, Granted

ATTEMPTS = 2_000
WARM_UP = 100
AT_ONCE = (1, 16)
CAPS = {MONTH: 10**18, "key:bench": 10**18, "tier:tier1": 10**18}
_TABLE = "CREATE TABLE floor (id TEXT PRIMARY KEY, state TEXT, reserved BIGINT, settled BIGINT)"
_INSERT = "INSERT INTO floor VALUES ('{}', 'reserved', 1000, NULL)"
_UPDATE = "UPDATE floor SET state = 'settled', settled = 500 WHERE id = '{}'"


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help="store a dated result")
    saves = parser.parse_args().save
    lines: list[dict[str, Figure]] = []
    for backend, place, floor in (
        ("sqlite", sqlite, sqlite_floor),
        ("postgres", postgres, postgres_floor),
    ):
        with place() as url, place() as other:
            lines.append(line(backend, "floor", 1, floor(other)))
            lines += [line(backend, "ledger", n, asyncio.run(booked(url, n))) for n in AT_ONCE]
            lines.append(line(backend, "floor again", 1, floor(other)))
            lines.append(crowd(backend, url))
    print(table(lines))
    if saves:
        store("ledger", lines)


def line(backend: str, what: str, at_once: int, seconds: list[float]) -> dict[str, Figure]:
    """Return the figures of one run: milliseconds an attempt, and attempts a second."""
    hundredths = quantiles(seconds[WARM_UP:], n=100)
    return {
        "backend": backend,
        "what": what,
        "processes": 1,
        "at once": at_once,
        "p50_ms": hundredths[49] * 1000,
        "p99_ms": hundredths[98] * 1000,
        "attempts_per_s": round(at_once * len(seconds) / sum(seconds)),
    }


def sqlite_floor(url: str) -> list[float]:
    """Time bare statements on SQLite with the ledger's settings."""
    path = Path(url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        return _floor(connection.execute)


def postgres_floor(url: str) -> list[float]:
    """Time bare statements on Postgres."""
    with psycopg.connect(url, autocommit=True) as connection:
        return _floor(lambda statement: connection.execute(statement.encode()))


def _floor(execute: Callable[[str], object]) -> list[float]:
    execute(_TABLE.replace("TABLE", "TABLE IF NOT EXISTS"))
    run = time.time_ns()
    seconds: list[float] = []
    for number in range(WARM_UP + ATTEMPTS):
        began = time.perf_counter()
        execute(_INSERT.format(f"{run}-{number}"))
        execute(_UPDATE.format(f"{run}-{number}"))
        seconds.append(time.perf_counter() - began)
    return seconds


async def booked(url: str, at_once: int, attempts: int = ATTEMPTS) -> list[float]:
    """Time the ledger: `at_once` callers reserve and settle one attempt after another."""
    ledger, numbers, seconds = Ledger(url, CAPS), count(), list[float]()
    run = f"{time.time_ns()}-{ledger.writer_id}"

    async def caller() -> None:
        while (number := next(numbers)) < WARM_UP + attempts:
            seconds.append(await _book(ledger, f"{run}-{number}"))

    async with asyncio.TaskGroup() as callers:
        for _ in range(at_once):
            callers.create_task(caller())
    ledger.close()
    return seconds


async def _book(ledger: Ledger, attempt_id: str) -> float:
    reserving = reservation(attempt_id, key_id="bench", at=time.time())
    settling = settlement(attempt_id, nano_usd=500, at=time.time())
    began = time.perf_counter()
    if not isinstance(await ledger.reserve(reserving), Granted):
        raise SystemExit("the ledger denied an attempt for which there was room")
    await ledger.settle(settling)
    return time.perf_counter() - began


def crowd(backend: str, url: str) -> dict[str, Figure]:
    """Let several processes write at once, 16 attempts each."""
    runs = in_processes(partial(_crowded, url))
    took = max(ended for _, ended, _ in runs) - min(began for began, _, _ in runs)
    seconds = [second for _, _, run in runs for second in run]
    figures = line(backend, "ledger", AT_ONCE[-1], seconds)
    return figures | {"processes": PROCESSES, "attempts_per_s": round(len(seconds) / took)}


def _crowded(url: str, process: int, together: Together) -> tuple[float, float, list[float]]:
    del process
    together()
    began = time.time()
    seconds = asyncio.run(booked(url, AT_ONCE[-1], ATTEMPTS // 2))
    return began, time.time(), seconds


if __name__ == "__main__":
    main()
