"""What the gateway adds to the local model, and what a cold start does to everybody else.

    PYTHONPATH=tests .venv/bin/python -m bench.local [--profile gpu] [--save]

The floor is the same engine with the same settings, asked in its own process without Serve and
without the gateway, in the same run. With the profile of a card, decoding stands beside the
roofline that `tercet doctor` reckons for it. Needs `.vps_1` (`make vps_1`, or
`cluster/vps_1/install.sh` on a machine with a GPU).
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from fakes.running import Running, running

from bench.report import Figure, store, table
from deployments.local.profile import definition_of
from router.doctor.report import check
from tercet.config import PROJECT, environment, settings
from tercet.local_file import load_local

STREAMS = (1, 4, 8)
TOKENS = 400
TIMES = 3
READY_S = 1800
ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"
BEFORE = 100
"""Requests that are timed while the model sleeps."""


def main() -> None:
    """Print the tables, and store them when asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--save", action="store_true", help="store a dated result")
    told = parser.parse_args()
    steering = {
        "TERCET_LOCAL": told.profile,
        "TERCET_PHASE": "ungated",
        "TERCET_LOCAL_IDLE_S": "600",
    }
    with tempfile.TemporaryDirectory() as home, running(Path(home), **steering) as system:
        waiting, start = cold_start(system)
        through = {streams: rounds(system, streams) for streams in STREAMS}
    floor = {streams: (first_s, tokens_s) for streams, first_s, tokens_s in floor_of(told.profile)}
    decoding = list(lines(floor, through, told.profile))
    print(table(waiting), table(decoding), json.dumps(start), sep="\n\n")
    if told.save:
        result = {"start": start, "requests meanwhile": waiting, "decoding": decoding}
        store(f"local-{told.profile}", result)


def cold_start(system: Running) -> tuple[list[dict[str, Figure]], dict[str, Any]]:
    """Wake it, and ask all along; return how long answers took, and the start."""
    with system.http() as http:
        before = [routine_s(system) for _ in range(BEFORE)]
        http.post("/v1/local/wake").raise_for_status()
        during: list[float] = []
        give_up_at = time.monotonic() + READY_S
        while (page := http.get("/v1/local").json())["readiness"] != "ready":
            during.append(routine_s(system))
            if time.monotonic() > give_up_at:
                raise SystemExit(f"not ready after {READY_S} s: {page}")
            time.sleep(0.2)
    line = [spread("asleep", before), spread("loading", during)]
    return line, page["starts"][0]


def routine_s(system: Running) -> float:
    """Return how long a routine task takes that nobody told to wait."""
    began = time.perf_counter()
    messages = [{"role": "user", "content": ROUTINE}]
    system.client.chat.completions.create(model="auto", messages=messages, max_tokens=20)
    return time.perf_counter() - began


def spread(what: str, seconds: list[float]) -> dict[str, Figure]:
    """Return the spread of these times."""
    cuts = quantiles(seconds, n=100)
    return {
        "the model is": what,
        "requests": len(seconds),
        "p50 ms": cuts[49] * 1e3,
        "p99 ms": cuts[98] * 1e3,
        "longest ms": max(seconds) * 1e3,
    }


def rounds(system: Running, streams: int) -> tuple[float, float]:
    """Return the median seconds to a first token, and tokens a second, through the gateway."""
    found = [together(system, streams) for _ in range(TIMES)]
    first_s, tokens_s = zip(*found, strict=True)
    return median(first_s), median(tokens_s)


def together(system: Running, streams: int) -> tuple[float, float]:
    """Do what `local_floor.together` does, with the client people have."""
    began = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        heard = list(pool.map(lambda _: stream(system), range(streams)))
    firsts, counts = zip(*heard, strict=True)
    return median(firsts), sum(counts) / (time.perf_counter() - began)


def stream(system: Running) -> tuple[float, int]:
    """Return the seconds to the first token, and how many there were."""
    began = time.perf_counter()
    first_s, count = 0.0, 0
    chunks = system.client.chat.completions.create(
        model="local",
        messages=[{"role": "user", "content": "Tell me more."}],
        max_tokens=TOKENS,
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in chunks:
        said = any(choice.delta.content for choice in chunk.choices)
        first_s = first_s or (time.perf_counter() - began if said else 0.0)
        count = chunk.usage.completion_tokens if chunk.usage else count
    return first_s, count


def floor_of(profile: str) -> Iterator[tuple[int, float, float]]:
    """Run the floor; yield what it prints."""
    told = load_local()
    definition = definition_of(told.profiles[profile], told.lifecycle)
    asked = {"tokens": TOKENS, "streams": STREAMS, "times": TIMES}
    vps_1 = settings().vps_1 or PROJECT / ".vps_1"
    done = subprocess.run(
        [
            vps_1 / "bin" / "python",
            PROJECT / "bench" / "local_floor.py",
            definition.model_dump_json(),
            json.dumps(asked),
        ],
        env={**environment(), **definition.environment, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("["):
            yield json.loads(line)


Figures = Mapping[int, tuple[float, float]]
"""By the number of streams: seconds to a first token, and tokens a second of all together."""


def lines(floor: Figures, through: Figures, profile: str) -> Iterator[dict[str, Figure]]:
    """Yield a line for each number of streams."""
    told = load_local()
    model = told.profiles[profile]
    rooflines: dict[int, float] = {}
    if model.card is not None:
        report = check(model, told.cards[model.card])
        rooflines = {one.streams: one.roofline for one in report.decodes if one.roofline}
    for streams in STREAMS:
        (bare_s, bare), (first_s, tokens_s) = floor[streams], through[streams]
        yield {
            "streams": streams,
            "first token ms": first_s * 1e3,
            "floor": bare_s * 1e3,
            "tokens/s": tokens_s,
            "floor's": bare,
            "of the floor": tokens_s / bare,
            "roofline": rooflines.get(streams, "-"),
        }


if __name__ == "__main__":
    main()
