"""The simulated upstreams as a process, and their billing log."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    url: str
    bill: Path

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.bill.read_text().splitlines()]

    def line(self, request_id: str | None) -> dict[str, object]:
        (found,) = [line for line in self.lines() if line["request_id"] == request_id]
        return found

    def next_line(self, seen: int) -> dict[str, object]:
        """Wait for the line after `seen` lines: nobody tells when a caller's leaving is billed."""
        give_up_at = time.monotonic() + 10
        while len(self.lines()) <= seen and time.monotonic() < give_up_at:
            time.sleep(0.01)
        return self.lines()[seen]


@contextmanager
def upstreams(folder: Path, port: int = 0) -> Iterator[Upstream]:
    """Start them with a billing log in `folder`, on a free port if none is named."""
    bill = folder / "bill.jsonl"
    command = [sys.executable, "-m", "deployments.simulated", "--bill", str(bill)]
    command += ["--port", str(port)]
    with subprocess.Popen(
        [*command, "--parent", str(os.getpid())], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield Upstream(url=line.split()[3].rstrip(","), bill=bill)
        finally:
            process.terminate()
