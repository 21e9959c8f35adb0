"""The whole system under fire: requests over HTTP while its processes are killed."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from random import Random

import httpx2
from chaos.herd import ATTEMPT_POINTS, WRITER_POINTS, Run
from chaos.judge import bills_in, judge, open_in, rows_in
from fakes.running import Running, descendants, running, wait_until

CALLERS = 16
ANSWERED_WITHIN_S = 300.0
"""How long a caller goes on asking."""
HIT_WITHIN_S = 120.0
"""How long a kill waits for its victim to live again, or for a point to be reached."""
REPLICAS = ("Ingress", "Tier1", "Tier2", "Tier3")
PROMPTS = (
    ("tier1", "Decide on a queue for a shop. sim:words=40"),
    ("tier2", "Implement a parser for dates. sim:words=40"),
    ("tier3", "What is 6 * 7? sim:disagree-once"),
    ("tier3", "What is 17 * 23?"),
    ("auto", "Design the architecture of a multi-tenant billing system. sim:words=60"),
    ("auto", "Fix this bug: off by one in `for i in range(n - 1)`. sim:words=50"),
    ("claude-haiku-5-5", "Say hello. sim:words=30"),
    ("gemini-4-argon", "Say hello. sim:words=30"),
)
Kill = tuple[str, str]
"""How (`signal` or `point`), and whom or where."""


@dataclass(slots=True, kw_only=True)
class Raid:
    """Requests, kills among them, and how far they have come."""

    system: Running
    faults: Path
    answered: int = 0
    asked_again: Counter[str] = field(default_factory=Counter)
    """Why callers asked again."""
    killed: Counter[str] = field(default_factory=Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        with self.guard:
            self.answered += 1


def raid(home: Path, requests: int, kills: int, seed: int) -> tuple[Run, Raid]:
    """Start the system, fire at it, wait for the sweeper, stop it, and judge."""
    faults = home / "faults"
    faults.mkdir()
    with running(home, TERCET_FAULTS=str(faults)) as system:
        fought = Raid(system=system, faults=faults)
        fire(fought, requests, plan(kills, seed), seed)
        ended_at = time.monotonic()
        wait_until(lambda: open_in(system.ledger) == 0, 60.0)
        settled_after_s = time.monotonic() - ended_at
        still_open = open_in(system.ledger)
    if still_open:
        raise AssertionError(f"{still_open} reservations are open a minute after the last request")
    run = Run(
        verdict=judge(bills_in(system.bill), rows_in(system.ledger)),
        kills=fought.killed.total(),
        answered=fought.answered,
        settled_after_s=settled_after_s,
    )
    return run, fought


def plan(kills: int, seed: int) -> list[Kill]:
    """Return whom to kill, in order: replicas and points in turn, each in an order of its own."""
    random = Random(seed)
    signals: list[Kill] = [("signal", name) for name in REPLICAS]
    points: list[Kill] = [("point", name) for name in ATTEMPT_POINTS + WRITER_POINTS]
    order: list[Kill] = []
    while len(order) < kills:
        for point, victim in zip(
            _shuffled(points, random), cycle(_shuffled(signals, random)), strict=False
        ):
            order += [point, victim]
    return order[:kills]


def _shuffled(kills: Sequence[Kill], random: Random) -> list[Kill]:
    return random.sample(list(kills), len(kills))


def fire(fought: Raid, requests: int, kills: Sequence[Kill], seed: int) -> None:
    """Send the requests, and more until every kill is done; kills are spread over their answers."""
    numbers = count()
    with ThreadPoolExecutor(CALLERS + 1) as threads:
        killing = threads.submit(_kill_all, fought, requests, kills)

        def ask_on() -> None:
            while (number := next(numbers)) < requests or not killing.done():
                _ask(fought, number, seed)

        for job in [*(threads.submit(ask_on) for _ in range(CALLERS)), killing]:
            job.result()


def _kill_all(fought: Raid, requests: int, kills: Sequence[Kill]) -> None:
    for number, kill in enumerate(kills):
        due = requests * number // len(kills)
        _expect(lambda due=due: fought.answered >= due, f"{due} answers before kill {number}")
        how, name = kill
        if how == "signal":
            _expect(lambda name=name: _kill(fought.system, name), f"a {name} to kill")
        else:
            _set(fought, name)
        fought.killed[name] += 1


def _set(fought: Raid, point: str) -> None:
    """Set a fault; requests that are still to come are what reaches it."""
    fault = fought.faults / point
    fault.touch()
    _expect(lambda: not fault.exists(), f"{point} to be reached")


def _expect(condition: Callable[[], bool], what: str) -> None:
    if not wait_until(condition, HIT_WITHIN_S):
        raise AssertionError(f"waited {HIT_WITHIN_S:.0f} s in vain for {what}")


def _kill(system: Running, deployment: str) -> bool:
    """Kill a replica of this system with SIGKILL, if one lives."""
    title = f"ray::ServeReplica:tercet:{deployment}"
    for pid in sorted(descendants(system.process.pid)):
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_text().startswith(title):
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def _ask(fought: Raid, number: int, seed: int) -> None:
    """Ask until there is an answer, as a client would."""
    random = Random(f"{seed}/{number}")
    model, text = random.choice(PROMPTS)
    pace = f"sim:ttft={random.randrange(60)} sim:delay={random.randrange(4)}"
    body = {
        "model": model,
        "stream": random.random() < 0.5,
        "messages": [{"role": "user", "content": f"{text} #{number} {pace}"}],
    }
    give_up_at = time.monotonic() + ANSWERED_WITHIN_S
    while (why := _try(fought.system, body)) is not None:
        with fought.guard:
            fought.asked_again[why] += 1
        if time.monotonic() > give_up_at:
            raise AssertionError(f"request {number} of seed {seed} had no answer: {why}")
        time.sleep(random.uniform(0.1, 0.5))
    fought.count()


def _try(system: Running, body: dict[str, object]) -> str | None:
    """Ask once; return why it has to be asked again."""
    try:
        with system.http() as http, http.stream("POST", "/v1/chat/completions", json=body) as reply:
            content = reply.read().decode()
    except httpx2.HTTPError as error:
        return type(error).__name__
    if reply.status_code >= 500:
        return str(reply.status_code)
    if reply.status_code != 200:
        raise AssertionError(f"{reply.status_code} for {json.dumps(body)}: {content}")
    if body["stream"] and not content.endswith("data: [DONE]\n\n"):
        return "a broken stream"
    return None
