"""Three months at high speed: `make demo-quarter`, or with ARGS="--quick --requests 120"."""

import argparse
import asyncio
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from examples.quarter.play import QUICK, SAMPLED, play, prepared
from examples.quarter.world import World
from router.run import upstreams

START = datetime(2027, 1, 1, tzinfo=UTC).timestamp()


def main() -> int:
    """Play; the last month's report is printed, the others are files."""
    parser = argparse.ArgumentParser(prog="python -m examples.quarter", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_500, help="a month (%(default)s)")
    parser.add_argument("--months", type=int, default=3, choices=(1, 2, 3))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--quick", action="store_true", help="steps on 20 answers each: shown, not proved"
    )
    parser.add_argument("--out", type=Path, help="a new folder; default: a temporary one")
    told = parser.parse_args()
    folder = told.out or Path(tempfile.mkdtemp(prefix="tercet-quarter-"))
    folder.mkdir(parents=True, exist_ok=True)
    with upstreams(folder) as where:
        stage = prepared(folder, START, where, QUICK if told.quick else SAMPLED)
        world = World(seed=told.seed, requests=told.requests)
        asyncio.run(play(stage, world, told.months))
    for report in sorted(folder.glob("20*.txt")):
        sys.stdout.write(report.read_text())
    sys.stdout.write(f"ledger, and the reports with pictures: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
