"""The ledger equals the upstreams' own bill, whatever callers do."""

import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import pytest
from fakes.running import wait_until

from deployments.ledger import simulated_totals
from router.books.reconcile import billed_totals

pytestmark = [pytest.mark.serve, pytest.mark.timeout(600)]

REQUESTS = 500
PROMPTS = [
    ("auto", "Design a cache for a multi-region shop. sim:words=60"),
    ("auto", "Fix this bug: off by one in `for i in range(n - 1)`. sim:words=50"),
    ("auto", "What is 17 * 23?"),
    ("auto", "Rename `x` to `count` in `def f(x): return x`."),
    ("tier1", "Decide on a queue. sim:words=40"),
    ("tier2", "Implement a parser. sim:words=40"),
    ("tier3", "What is 6 * 7? sim:disagree-once"),
    ("tier3", "Say hello. sim:refusal@gemini"),
    ("local", "Sort the imports."),
    ("claude-haiku-5-5", "Say hello. sim:words=30"),
    ("claude-opus-5-5", "Think it over. sim:think sim:words=40"),
    ("gemini-4-argon", 'Look around. sim:tool=ls {"path": "."}'),
    ("auto", 'Look around. sim:tool=ls {"path": "."}'),
]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses")


def open_attempts(system) -> int:
    connection = sqlite3.connect(system.ledger)
    try:
        query = "SELECT count(*) FROM attempts WHERE state IN ('reserved', 'sent')"
        return connection.execute(query).fetchone()[0]
    finally:
        connection.close()


def request(system, number: int, seed: random.Random) -> None:
    """Send one request; every fifth caller goes away half-way."""
    model, content = PROMPTS[number % len(PROMPTS)]
    leaves = number % 5 == 0
    stream = seed.random() < 0.5
    delay = f" sim:delay={seed.choice([5, 10, 20])} sim:ttft={seed.choice([0, 20])}"
    path = seed.choice(PATHS)
    said = f"{content} #{number}{delay if leaves else ''}"
    body = {"model": model, "stream": stream, **spelt(path, said)}
    with system.http() as http:
        if not leaves:
            reply = http.post(path, json=body)
            assert reply.status_code == 200, reply.text
            return
        with suppress(httpx2.HTTPError, httpx2.StreamError):
            within_s = seed.uniform(0.02, 0.5)
            if stream:
                leave(http.stream("POST", path, json=body), seed.randrange(5), within_s)
            else:
                http.post(path, json=body, timeout=within_s)


def spelt(path: str, said: str) -> dict[str, object]:
    """Return a question, with a tool where it names one, as a path's clients spell it."""
    turns = [{"role": "user", "content": said}]
    has_tool = "sim:tool" in said
    match path:
        case "/v1/chat/completions":
            tool = {"type": "function", "function": {"name": "ls", "parameters": SCHEMA}}
            return {"messages": turns, "tools": [tool] if has_tool else []}
        case "/v1/responses":
            tool = {"type": "function", "name": "ls", "parameters": SCHEMA}
            return {"input": said, "tools": [tool] if has_tool else []}
        case _:
            tool = {"name": "ls", "input_schema": SCHEMA}
            return {"max_tokens": 500, "messages": turns, "tools": [tool] if has_tool else []}


def leave(streaming, after: int, within_s: float) -> None:
    """Go away after some lines of a stream, or after a while if they do not come."""
    with streaming as reply:
        cut = threading.Timer(within_s, reply.close)
        cut.start()
        for count, _ in enumerate(reply.iter_lines()):
            if count >= after:
                break
        cut.cancel()


def test_the_ledger_equals_the_bill_after_a_mixed_run_with_a_fifth_disconnected(system) -> None:
    seed = random.Random(7)
    with ThreadPoolExecutor(12) as callers:
        runs = [callers.submit(request, system, n, seed) for n in range(REQUESTS)]
        for run in runs:
            run.result()

    assert wait_until(lambda: open_attempts(system) == 0)
    booked, billed = simulated_totals(system.ledger), billed_totals(system.bill)
    assert booked == billed
    assert booked.total() > 0
