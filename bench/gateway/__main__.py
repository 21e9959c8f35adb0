"""Tercet beside a plain relay, bare Ray Serve and, with `--peers`, other gateways.

    .venv/bin/python -m bench.gateway [--rounds 5] [--only NAME] [--peers] [--save]

One run: everything is up at once, the same client asks each in turn, an upstream answers at once,
and each figure is the median of the rounds. CPU is that of all processes of a system, less what
they use when they are asked nothing, which is told apart.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import uvloop

from bench.gateway.client import hammer
from bench.gateway.dashboard import Dashboard, deploy_bare
from bench.gateway.fidelity import faithful
from bench.gateway.peers import started
from bench.gateway.processes import cpu_s, pids, pss_bytes
from bench.gateway.systems import (
    CHAT,
    FLASH,
    KEY,
    SONNET,
    Target,
    mark_of,
    relay,
    scratch,
    stop_on_term,
    targets,
    tercet,
    upstream,
)
from bench.report import Figure, store, table

CHUNKS = 100
IDLE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a round asks of a target: so many requests, so many at once."""

    requests: int
    at_once: int
    chunks: str = "1 chunks"
    stream: bool = False


LOADS: Mapping[str, Load] = {
    "c1": Load(requests=100, at_once=1),
    "c8": Load(requests=300, at_once=8),
    "c32": Load(requests=400, at_once=32),
    "stream1": Load(requests=100, at_once=1, stream=True),
    "stream100": Load(requests=40, at_once=1, chunks=f"{CHUNKS} chunks", stream=True),
    "paced1": Load(requests=100, at_once=8, stream=True),
    "paced100": Load(requests=40, at_once=8, chunks=f"{CHUNKS} chunks 5 ms", stream=True),
}


@dataclass(slots=True)
class Cell:
    """One target under one load: a value a round."""

    cpu_ms: list[float] = field(default_factory=list[float])
    p50_ms: list[float] = field(default_factory=list[float])
    p99_ms: list[float] = field(default_factory=list[float])
    first_ms: list[float] = field(default_factory=list[float])
    per_s: list[float] = field(default_factory=list[float])

    def medians(self) -> dict[str, float]:
        """Return the median of the rounds."""
        return {name: median(getattr(self, name)) for name in Cell.__slots__}


def measure(target: Target, load: Load, idle: float, cell: Cell) -> None:
    """Do one round of a cell; `idle` is the system's CPU seconds a second."""
    asked = target.ask(load.chunks, stream=load.stream)
    processes = pids(target.mark)
    before, began = cpu_s(processes), time.perf_counter()
    timings = uvloop.run(hammer(target.port, asked, load.requests, load.at_once))
    took = time.perf_counter() - began
    used = cpu_s(processes) - before - idle * took
    whole = [timing.whole_s * 1000 for timing in timings]
    cell.cpu_ms.append(used / load.requests * 1000)
    cell.p50_ms.append(median(whole))
    cell.p99_ms.append(quantiles(whole, n=100)[98])
    cell.first_ms.append(median(timing.first_s * 1000 for timing in timings))
    cell.per_s.append(load.requests / took)


def idle_rates(marks: Sequence[str]) -> dict[str, float]:
    """Return each system's CPU seconds a second when it is asked nothing."""
    found = {mark: pids(mark) for mark in marks}
    before = {mark: cpu_s(processes) for mark, processes in found.items()}
    time.sleep(IDLE_S)
    return {mark: (cpu_s(found[mark]) - before[mark]) / IDLE_S for mark in marks}


def line(name: str, cells: Mapping[str, Cell]) -> dict[str, Figure]:
    """Return a row of the table: milliseconds, microseconds a chunk, requests a second."""
    of = {load: cell.medians() for load, cell in cells.items()}

    def per_chunk(many: str, one: str) -> float:
        return (of[many]["cpu_ms"] - of[one]["cpu_ms"]) / (CHUNKS - 1) * 1000

    cpu: dict[str, Figure] = {f"cpu {at}": of[at]["cpu_ms"] for at in ("c1", "c8", "c32")}
    p50: dict[str, Figure] = {f"p50 {at}": of[at]["p50_ms"] for at in ("c1", "c8", "c32")}
    p99: dict[str, Figure] = {f"p99 {at}": of[at]["p99_ms"] for at in ("c1", "c8", "c32")}
    return {
        "": name,
        **cpu,
        **p50,
        **p99,
        "req/s": of["c32"]["per_s"],
        "first": of["stream1"]["first_ms"],
        "us/chunk": per_chunk("stream100", "stream1"),
        "us/paced": per_chunk("paced100", "paced1"),
    }


def measured(
    rows: Sequence[Target], rounds: int
) -> tuple[list[dict[str, Figure]], dict[str, float]]:
    """Return the table, and what each system uses when idle; rounds take turns."""
    for target in rows:
        uvloop.run(hammer(target.port, target.ask(), 200, 8))
        uvloop.run(hammer(target.port, target.ask(stream=True), 50, 4))
    idle = idle_rates(sorted({target.mark for target in rows}))
    cells = {target.name: {load: Cell() for load in LOADS} for target in rows}
    for number in range(rounds):
        for target in rows:
            print(f"round {number + 1} of {rounds}: {target.name}", file=sys.stderr, flush=True)
            for name, load in LOADS.items():
                measure(target, load, idle[target.mark], cells[target.name][name])
    return [line(name, found) for name, found in cells.items()], idle


def started_up(
    up: ExitStack, folder: Path, *, peers: bool
) -> tuple[list[Target], dict[str, Figure]]:
    """Start everything; return what is asked, and what was seen at the start."""
    behind = up.enter_context(upstream(folder / "upstream.log"))
    others = started(behind, folder, up) if peers else []
    rows = [*up.enter_context(relay(behind, folder / "relay.log")), *others]
    running = up.enter_context(tercet(behind, folder, folder / "tercet.log"))
    time.sleep(IDLE_S)
    seen: dict[str, Figure] = {
        "ready_s": running.ready_s,
        "idle_pss_mb": pss_bytes(pids(mark_of("tercet"))) / 1e6,
        **{f"{one.name}_pss_mb": pss_bytes(pids(one.mark)) / 1e6 for one in others},
    }
    deploy_bare(Dashboard(running.log), behind)
    return rows + targets(running.port), seen


def main() -> None:
    """Print the table, and store it when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", help="of the rows, those whose name has this")
    parser.add_argument("--peers", action="store_true", help="with the gateways in .peers")
    parser.add_argument("--save", action="store_true", help="store a dated result")
    given = parser.parse_args()
    stop_on_term()
    with ExitStack() as up:
        rows, seen = started_up(up, scratch(), peers=given.peers)
        asked = [t for t in rows if not given.only or any(part in t.name for part in given.only)]
        lines, idle = measured(asked, given.rounds)
        seen |= {f"{mark.rpartition('-')[0]}_idle_cpu": rate for mark, rate in idle.items()}
        seen["after_pss_mb"] = pss_bytes(pids(mark_of("tercet"))) / 1e6
        fidelity = {
            target.name: str(faithful(f"http://127.0.0.1:{target.port}", KEY, target.model))
            for target in asked
            if target.path == CHAT and target.model in {SONNET, FLASH}
        }
    print(table(lines), table([seen]), *map(": ".join, fidelity.items()), sep="\n")
    if given.save:
        at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="minutes")
        result = {"at": at, "rounds": given.rounds, "seen": seen, "fidelity": fidelity}
        store("gateway", {**result, "lines": lines})


if __name__ == "__main__":
    main()
