"""The console over 1,000,000 attempts: how long its start takes, and each page.

    PYTHONPATH=tests .venv/bin/python -m bench.console [--attempts N] [--save]

Pages are asked through the ASGI application, sign-in and template included, while the read model
goes on reading beside them. Bar: 100 ms at p95. The processor's time is told too, since a machine
that does other things stretches the rest.
"""

import argparse
import asyncio
import json
import random
import resource
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from multiprocessing import Process
from pathlib import Path
from statistics import quantiles

from fakes.console import NOW, WITH_LOCAL, browsing, site

from bench.report import Figure, store, table
from deployments.ledger import Ledger
from deployments.ledger.viewing import Viewer
from router.console.reader import EVERY_S, Reader
from router.console.site import Site
from tercet.ledger import month_of

DAYS = 50
REQUESTS = 100
AT_ONCE = 20_000
KINDS = ("lookup", "bug_fix", "architecture", "question", "code_review", "routine_code")
MODELS = (
    ("tier1", "anthropic", "claude-opus-5-5", 40_000_000),
    ("tier2", "anthropic", "claude-sonnet-5-5", 9_000_000),
    ("tier3", "anthropic", "claude-haiku-5-5", 700_000),
    ("tier3", "google", "gemini-3.8-flash", 400_000),
    ("local", "local", "deepseek-coder", 0),
)
KEYS = tuple(f"key-{number}" for number in range(20))
PAGES = (
    "", "/requests", "/requests?part=1", "/requests?kind=bug_fix", "/requests?kind=never",
    "/requests?tier=tier1&outcome=failed", "/requests/req_1000", "/migrations", "/gpu?days=31",
    "/quality", "/providers", "/keys", "/playground",
)  # fmt: skip
_ATTEMPT = (
    "INSERT INTO attempts (attempt_id, task_id, key_id, month, tier, provider, model, role, round, "
    "state, reserved_nano_usd, settled_nano_usd, price_source, usage_source, fresh_input, output, "
    "outcome, simulated, first_token_ns, latency_ns, reserved_at_ns, deadline_at_ns, settled_at_ns)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, 'member', 1, 'settled', 0, ?, 'bench', 'provider', 900, 300, ?, "
    "1, 400000000, ?, ?, ?, ?)"
)
_TASK = "INSERT INTO tasks VALUES (?, ?, 'auto', ?, ?, 'answered', ?, ?, ?)"
_SAMPLE = (
    "INSERT INTO samples (task_id, tested_arm, purpose, conversation, kind, side, probability, "
    "base_arm, state, judged_by, judge, base_quality, tested_quality, judge_nano_usd, at_ns) "
    "VALUES (?, 'local', 'migration', 'c', ?, NULL, 1, 'api', 'judged', 'judge', 'm', ?, ?, 9, ?)"
)
_DECISION = "INSERT INTO decisions VALUES (?, ?, ?, ?, 'traffic', '{\"rate\": 9.0}')"


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--save", action="store_true", help="store a dated result")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ledger.sqlite3"
        # In a process of its own, whose memory is none of the reader's.
        filling = Process(target=fill, args=(file, chosen.attempts))
        filling.start()
        filling.join()
        lines: list[dict[str, Figure]] = list(started(file))
        lines += asyncio.run(pages(file))
    print(table(lines))
    if chosen.save:
        store("console", {"attempts": chosen.attempts, "lines": lines})


def fill(file: Path, attempts: int) -> None:
    """Write a ledger of so many attempts, two to a task, over `DAYS` up to `NOW`."""
    Ledger(str(file)).close()
    seed = random.Random(1)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        spent: dict[str, int] = {}
        for first in range(0, attempts // 2, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, attempts // 2))
            tasks, rows = zip(*(row(number, attempts, seed) for number in numbers), strict=True)
            connection.executemany(_TASK, tasks)
            pair = [one for two in rows for one in two]
            connection.executemany(_ATTEMPT, pair)
            for one in pair:
                spent[one[3]] = spent.get(one[3], 0) + one[7]
            connection.commit()
        for month, nano_usd in spent.items():
            connection.execute("INSERT INTO balances VALUES (?, 'month', ?, 0)", (month, nano_usd))
        beside(connection, attempts, seed)
        connection.commit()


def row(number: int, attempts: int, seed: random.Random) -> tuple[tuple, Sequence[tuple]]:
    """Return a task and its two attempts."""
    at = NOW - 60 - DAYS * 86_400 * (1 - number / (attempts / 2))
    at_ns, month = round(at * 1e9), month_of(at)
    kind, key = seed.choice(KINDS), seed.choice(KEYS)
    tier, provider, model, price = seed.choices(MODELS, (1, 3, 6, 6, 4))[0]
    profile = {
        "kind": kind,
        "confidence": 0.87,
        "reasons": ["a question of one sentence", "no code", "said: " + "x" * 120],
        "kinds": dict.fromkeys((*KINDS, "summary", "chat", "math", "translation"), 0.1),
        "conversation": f"c{number}",
    }
    seats = [{"role": "member", "tier": tier, "model": model, "alternates": ["gemini-4-argon"]}] * 2
    route = {"name": tier, "composition": "consensus", "seats": seats, "reason": "y" * 200}
    answer = {"model": model, "settled_by": "agreement", "changed_outcome": False}
    documents = (json.dumps(profile), json.dumps(route), json.dumps(answer))
    task = (f"req_{number}", key, *documents, at_ns, at_ns + 3 * 10**9)
    made = []
    for member in range(2):
        latency_ns = round(seed.lognormvariate(0.5, 0.6) * 1e9)
        cost = round(price * seed.lognormvariate(0, 0.5))
        outcome = "complete" if seed.random() < 0.98 else "overloaded"
        names = (f"a{number}_{member}", f"req_{number}", key, month, tier, provider, model)
        times = (at_ns, at_ns + 600 * 10**9, at_ns + latency_ns)
        made.append((*names, cost, outcome, latency_ns, *times))
    return task, made


def beside(connection: sqlite3.Connection, attempts: int, seed: random.Random) -> None:
    """Write evidence and decisions, as many as such a month has."""
    since_ns, step = round((NOW - 30 * 86_400) * 1e9), 30 * 86_400 * 10**9 // (attempts // 20 + 1)
    connection.executemany(
        _SAMPLE,
        (
            (f"req_{number}", seed.choice(KINDS), 0.5, seed.choice((0.4, 0.5, 0.6)), at_ns)
            for number, at_ns in enumerate(range(since_ns, round(NOW * 1e9), step))
        ),
    )
    connection.executemany(_DECISION, decisions(seed))


def decisions(seed: random.Random) -> Iterator[tuple[int, str, int, int]]:
    """Yield what five policies decide each minute of a month."""
    for minute in range(30 * 1_440):
        for number in range(5):
            at_ns = round((NOW - 60 * minute) * 1e9)
            yield at_ns, f"policy-{number}", int(seed.random() < 0.5), int(number == 0)


def started(file: Path) -> Iterator[dict[str, Figure]]:
    """Yield how long reading it all takes, and what it takes in memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with closing(Viewer(str(file))) as viewer:
        reader = Reader(viewer, WITH_LOCAL.budget, lambda: NOW)
        first = timed(reader.step)
        took = timed(lambda: read_all(reader))
        again = timed(reader.step)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    if reader.books.warning:
        raise SystemExit(reader.books.warning)
    yield line("the month's balances are there", *first)
    yield line("the whole is read", *took)
    yield line("what is new is read", *again)
    yield line(f"memory: {grown:,.0f} MB more", [0.0], 0.0)


def read_all(reader: Reader) -> None:
    """Read until there is nothing more."""
    while reader.books.read_share < 1:
        reader.step()


def timed(work: Callable[[], object]) -> tuple[list[float], float]:
    """Return the seconds something took, and those of the processor."""
    begun, used = time.monotonic(), time.process_time()
    work()
    return [time.monotonic() - begun], time.process_time() - used


async def pages(file: Path) -> list[dict[str, Figure]]:
    """Return how long each page takes while the reader reads."""
    console, stopped = site(file, WITH_LOCAL), threading.Event()
    reading = threading.Thread(target=console.reader.run, args=(stopped,))
    reading.start()
    lines = [line(f"/console{path}", *await page(console, path)) for path in PAGES]
    stopped.set()
    await asyncio.to_thread(reading.join, 10 * EVERY_S)
    return lines


async def page(console: Site, path: str) -> tuple[list[float], float]:
    """Return the seconds of `REQUESTS` requests of a page, and those of the processor for one."""
    took: list[float] = []
    used = time.process_time()
    async with browsing(console) as client:
        for _ in range(REQUESTS):
            begun = time.monotonic()
            reply = await client.get(f"/console{path}")
            took.append(time.monotonic() - begun)
            if reply.status_code != 200:
                raise SystemExit(f"{path}: {reply.status_code} {reply.text[:500]}")
    return took, (time.process_time() - used) / REQUESTS


def line(what: str, seconds: list[float], cpu_s: float) -> dict[str, Figure]:
    """Return one line of the table."""
    cuts = quantiles(seconds, n=20) if len(seconds) > 1 else [seconds[0]] * 19
    return {"what": what, "p50 ms": 1e3 * cuts[9], "p95 ms": 1e3 * cuts[18], "cpu ms": 1e3 * cpu_s}


if __name__ == "__main__":
    main()
