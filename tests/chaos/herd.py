"""Replicas that share a ledger, are killed and started again; and callers who ask again."""

import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from zlib import crc32

from chaos.judge import Verdict, bills_in, judge, open_in, rows_in
from fakes.crashing import DiedError, Host, Replica
from fakes.running import wait_until
from fakes.upstreams import upstreams

from tercet.call import Call, Completion, Outcome, Prompt
from tercet.task import turn

REPLICAS = 2
AT_ONCE = 4
"""Calls under way when a replica is killed."""
DEADLINE_S = 20.0
GRACE_S = 10.0
"""How long past its deadline a call may take to say so."""
ATTEMPT_POINTS = (
    "attempt_before_reserve",
    "attempt_after_reserve",
    "attempt_after_send",
    "attempt_first_byte",
    "attempt_mid",
    "attempt_last_byte",
    "attempt_before_settle",
    "attempt_after_settle",
)
WRITER_POINTS = ("writer_before_commit", "writer_after_commit")
BATCHES = 10
"""After so many batches a point that nothing reached is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kill: where, of what sort of call, and which."""

    point: str
    stream: bool
    seed: int

    @property
    def name(self) -> str:
        return f"{self.point}/{'stream' if self.stream else 'unary'}/{self.seed}"

    def calls(self, batch: int) -> list[Call]:
        """Return calls that are under way together; the same ones for the same case."""
        random = Random(f"{self.name}/{batch}")
        return [self._call(random, f"{self.name}/{batch}/{number}") for number in range(AT_ONCE)]

    def _call(self, random: Random, task_id: str) -> Call:
        pace = f"sim:ttft={random.randrange(40, 80)} sim:delay={random.randrange(3)}"
        text = f"Describe {task_id}. sim:words={random.randrange(5, 60)} {pace}"
        return Call(
            task_id=task_id,
            key_id="chaos",
            tier="tier1",
            model=random.choice(("claude-opus-5-5", "gemini-4-argon")),
            role="brain",
            round=1,
            prompt=Prompt(
                system="",
                messages=(turn("user", text),),
                max_output_tokens=1_000,
            ),
            deadline_at=0,
            wants_deltas=self.stream,
        )


def cases_of(points: Sequence[str], seeds: Sequence[int]) -> list[Case]:
    """Return every point with every sort of call and every seed."""
    return [
        Case(point=point, stream=stream, seed=seed)
        for seed in seeds
        for point in points
        for stream in (False, True)
    ]


class Herd:
    """Two replicas; a dead one is replaced when somebody asks it, or by `mend`."""

    def __init__(self, make: Callable[[], Host], environment: Mapping[str, str]) -> None:
        self.kills = 0
        self._start = lambda: Replica(make, environment)
        self._replicas = [self._start() for _ in range(REPLICAS)]
        self._guards = [threading.Lock() for _ in range(REPLICAS)]

    def ask(self, call: Call) -> Outcome:
        """Ask as a client would: again, when the connection breaks."""
        while True:
            try:
                due = replace(call, deadline_at=time.time() + DEADLINE_S)
                replica = self._living(crc32(call.task_id.encode()) % REPLICAS)
                return replica.ask(due).result(DEADLINE_S + GRACE_S)
            except DiedError:
                continue

    def mend(self) -> None:
        """Replace the dead now, so that the next kill hits one at work and not one that starts."""
        for place in range(REPLICAS):
            self._living(place)

    def stop(self) -> None:
        """Stop every replica in good order."""
        for code in [replica.stop() for replica in self._replicas]:
            self._count(code)

    def _living(self, place: int) -> Replica:
        with self._guards[place]:
            if not self._replicas[place].is_alive:
                self._count(self._replicas[place].stop())
                self._replicas[place] = self._start()
            return self._replicas[place]

    def _count(self, code: int | None) -> None:
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"a replica ended by itself, with {code}")
        self.kills += code == -signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of a run of kills."""

    verdict: Verdict
    kills: int
    answered: int
    settled_after_s: float
    """How long the last open reservation outlived the last call."""


def crash(
    folder: Path,
    make: Callable[[], Host],
    cases: Sequence[Case],
    settle_within_s: float = 60.0,
    cap_nano_usd: int | None = None,
) -> Run:
    """Kill at every case's point, ask again, wait for the sweeper, and judge."""
    ledger = folder / "ledger.sqlite3"
    # The upstreams are stopped last: their end writes the bills of those whom nobody waits for.
    with (
        upstreams(folder) as upstream,
        _herd(folder, make, upstream.url) as herd,
        ThreadPoolExecutor(AT_ONCE) as callers,
    ):
        answered = sum(_crash_at(case, folder / "faults", herd, callers) for case in cases)
        ended_at = time.monotonic()
        wait_until(lambda: open_in(ledger) == 0, settle_within_s)
        settled_after_s = time.monotonic() - ended_at
    return Run(
        verdict=judge(bills_in(upstream.bill), rows_in(ledger), cap_nano_usd),
        kills=herd.kills,
        answered=answered,
        settled_after_s=settled_after_s,
    )


@contextmanager
def _herd(folder: Path, make: Callable[[], Host], url: str) -> Generator[Herd]:
    (folder / "faults").mkdir()
    herd = Herd(make, environment_of(folder, url))
    try:
        yield herd
    finally:
        herd.stop()


def environment_of(folder: Path, url: str) -> dict[str, str]:
    """Return what leads a replica to the simulated upstreams and to a ledger in `folder`."""
    return {
        "TERCET_LEDGER": str(folder / "ledger.sqlite3"),
        "TERCET_FAULTS": str(folder / "faults"),
        "TERCET_SIMULATED": "1",
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "simulated",
        "GOOGLE_GEMINI_BASE_URL": url,
        "GEMINI_API_KEY": "simulated",
    }


def _crash_at(case: Case, faults: Path, herd: Herd, callers: ThreadPoolExecutor) -> int:
    """Let a replica die at the case's point; return how many calls were answered."""
    herd.mend()
    fault = faults / case.point
    fault.touch()
    answered = 0
    for batch in range(BATCHES):
        outcomes = list(callers.map(herd.ask, case.calls(batch)))
        answered += sum(isinstance(outcome, Completion) for outcome in outcomes)
        if not fault.exists():
            return answered
    raise AssertionError(f"{case.name}: the point was never reached")
