"""A program that asks Tercet, run as a user runs it: with a home of its own and no network."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from clients.scene import used
from fakes.running import Running, wait_until

WITHIN_S = 180


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A command and the surroundings it is run in."""

    command: list[str | Path]
    place: Path
    """With the folders `home` and `project`."""
    settings: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [*self.command, *arguments], timeout=WITHIN_S, check=False, **self._surroundings()
        )

    def interrupted(self, system: Running, *arguments: str) -> str:
        """Run it until its request is under way, then press Ctrl-C; return the request's id."""
        since = time.time_ns()
        process = subprocess.Popen(
            [*self.command, *arguments], start_new_session=True, **self._surroundings()
        )
        try:
            assert wait_until(lambda: is_speaking(system, since), within_s=WITHIN_S)
        finally:
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate(timeout=15)
        return task_ids(system, since)[0]

    def _surroundings(self) -> dict:
        path = os.defpath if (node := shutil.which("node")) is None else Path(node).parent
        return {
            "cwd": self.place / "project",
            "env": {
                "HOME": str(self.place / "home"),
                "PATH": f"{path}:{os.defpath}",
                "LANG": "C.UTF-8",
                **self.settings,
            },
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
        }


def task_ids(system: Running, since_ns: int) -> list[str]:
    """Return the requests that came after a moment, from the ledger."""
    with closing(sqlite3.connect(f"file:{system.ledger}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute(
            "SELECT task_id FROM tasks WHERE opened_at_ns > ? ORDER BY opened_at_ns", (since_ns,)
        )
        return [task_id for (task_id,) in rows]


def is_speaking(system: Running, since_ns: int) -> bool:
    """Tell whether an attempt of a request that came after a moment is under way."""
    with closing(sqlite3.connect(f"file:{system.ledger}?mode=ro", uri=True)) as ledger:
        rows = ledger.execute(
            "SELECT count(*) FROM attempts JOIN tasks USING (task_id)"
            " WHERE opened_at_ns > ? AND settled_at_ns IS NULL",
            (since_ns,),
        )
        return rows.fetchone()[0] > 0


def receipts(system: Running, since_ns: int) -> list[dict]:
    """Return the receipts of the requests that came after a moment, once all are closed."""

    def found() -> list[dict]:
        return [system.receipt(task_id) for task_id in task_ids(system, since_ns)]

    assert wait_until(lambda: all(r["outcome"] != "under_way" for r in found()))
    return found()


def paid(system: Running, since_ns: int) -> list[bool]:
    """Tell of each request since a moment whether its receipt has tokens read and written."""
    return [min(used(receipt)) > 0 for receipt in receipts(system, since_ns)]


def json_lines(text: str) -> list[dict]:
    """Return the lines that are JSON objects; agents warn in between."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
