"""`make chaos`: everything that is killed, at full length; the figures are printed and stored.

    PYTHONPATH=tests .venv/bin/python -m chaos [--requests 1000] [--kills 50] [--seeds 20]

The naive designs go through the same kills and the same judge, and have to be found out.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from chaos.herd import ATTEMPT_POINTS, WRITER_POINTS, Run, cases_of, crash
from chaos.naive import NO_CAP, REACHED, CheckThenCall, SettleAfterCall
from chaos.replica import Proxied
from chaos.system import raid
from fakes.crashing import Host

from bench.report import Figure, store, table


def main() -> None:
    """Run everything, and end in an error if anything is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000, help="to the whole system")
    parser.add_argument("--kills", type=int, default=50, help="of its processes")
    parser.add_argument("--seeds", type=int, default=20, help="for each point and sort of call")
    parser.add_argument("--seed", type=int, default=20261123, help="of the whole system's run")
    told = parser.parse_args()
    print(f"seed {told.seed}, seeds 0 to {told.seeds - 1}", flush=True)
    points = ATTEMPT_POINTS + WRITER_POINTS
    runs = {
        "settle after call": _crashed(SettleAfterCall, REACHED, 3),
        "check, then call": _crashed(partial(CheckThenCall, NO_CAP), REACHED, 3),
        "proxy, every point": _crashed(Proxied, points, told.seeds),
        "whole system": _raided(told.requests, told.kills, told.seed),
    }
    lines = [line(what, run) for what, run in runs.items()]
    print(table(lines))
    stored = store("chaos", {"seed": told.seed, "seeds": told.seeds, "runs": lines})
    print(f"stored in {stored}")
    naive, ours = list(runs.values())[:2], list(runs.values())[2:]
    if any(run.verdict.is_clean for run in naive):
        raise SystemExit("the harness did not find out a design that loses bills")
    for run in ours:
        if not run.verdict.is_clean:
            raise SystemExit(f"not paid for exactly once: {run.verdict}")


def line(what: str, run: Run) -> dict[str, Figure]:
    """Return a run as a line of the table."""
    verdict = run.verdict
    return {
        "what": what,
        "answered": run.answered,
        "kills": run.kills,
        "posts": verdict.posts,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "wrong": len(verdict.wrong),
        "open": len(verdict.open),
        "orphans": verdict.orphans,
        "billed_nano_usd": verdict.billed_nano_usd,
        "booked_nano_usd": verdict.booked_nano_usd,
        "settled_after_s": run.settled_after_s,
        "verdict": "clean" if verdict.is_clean else "not clean",
    }


def _crashed(make: Callable[[], Host], points: tuple[str, ...], seeds: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        return crash(Path(folder), make, cases_of(points, range(seeds)))


def _raided(requests: int, kills: int, seed: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        run, fought = raid(Path(folder), requests, kills, seed)
    print(f"killed {dict(fought.killed)}, asked again {dict(fought.asked_again)}", flush=True)
    return run


if __name__ == "__main__":
    main()
