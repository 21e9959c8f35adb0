"""A rehearsed site for tests: what there is, what the books say, and ways to disturb it."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from cluster.rehearsal.site import KEY, Site
from deployments.ledger import Ledger
from tercet.leases import Lease, Span

DRIVER = Path(__file__).parents[1] / "rented" / "driver.py"


class Driver:
    """The rehearsed cluster as a user of Ray sees it."""

    def __init__(self, site: Site) -> None:
        with (site.folder / "driver.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(DRIVER)],
                env={
                    **site.environment,
                    "PYTHONPATH": str(DRIVER.parents[2]),
                    "TEST_CONFIG": str(site.config),
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._read() == "ready"

    def call(self, name: str, *arguments: object) -> Any:
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        self._process.kill()
        self._process.wait()

    def _read(self) -> Any:
        line = self._process.stdout.readline()
        assert line, "the driver has ended; see driver.log"
        return json.loads(line)


class World:
    """Everything, and the ways to disturb it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.driver = Driver(site)
        self.driver.call("deploy")

    def ask(self, within_s: float = 60) -> str:
        """Return the node id of the machine that answers; there is demand until one does."""
        answer = self.driver.call("ask", within_s)
        assert answer is not None, f"nobody answered within {within_s} s"
        assert answer[0] != str(Path("/proc/self/ns/net").readlink()), "it is to run on VPS_1"
        return answer[1]

    def control(self, path: str, body: object | None = None) -> Any:
        url, headers = f"{self.site.url}/control/{path}", {"Authorization": f"Bearer {KEY}"}
        method = "GET" if body is None else "POST"
        return requests.request(method, url, json=body, headers=headers, timeout=10).json()

    def instances(self) -> dict[str, Any]:
        """Return every instance there ever was, by its id."""
        return {str(one["instance_id"]): one for one in self.control("instances")["instances"]}

    def phases(self) -> dict[str, str]:
        return {name: one["phase"] for name, one in self.instances().items()}

    def books(self) -> tuple[Sequence[Lease], Mapping[str, Sequence[Span]]]:
        """Return every lease, and the spans of each."""

        async def read() -> tuple[Sequence[Lease], Mapping[str, Sequence[Span]]]:
            ledger = Ledger(self.site.folder / "ledger.sqlite3")
            try:
                leases = await ledger.leases(open_only=False)
                return leases, {one.lease_id: await ledger.spans(one.lease_id) for one in leases}
            finally:
                ledger.close()

        return asyncio.run(read())

    def lease(self) -> Lease:
        """Return the newest lease."""
        return self.books()[0][0]

    def tercet(self, *arguments: str) -> str:
        """Run the operator's command, which has to succeed; return what it prints."""
        command = [Path(sys.executable).parent / "tercet", *arguments, "--config", self.site.config]
        told = subprocess.run(
            command,
            env=self.site.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert told.returncode == 0, told.stdout + told.stderr
        return told.stdout

    def new_head(self) -> None:
        self.driver.close()
        self.site.stop_head()
        self.site.start_head()
        self.driver = Driver(self.site)
        self.driver.call("deploy")


def until(is_so: Callable[[], object], within_s: float, what: str) -> None:
    give_up_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < give_up_at, f"after {within_s} s still not: {what}"
        time.sleep(0.3)


def check(world: World) -> None:
    """No instance without a lease, no span without an end but of what there is, and no overlap."""
    leases, spans = world.books()
    known = {lease.lease_id: lease for lease in leases}
    there = {one["label"] for one in world.instances().values() if one["phase"] != "gone"}
    assert {one["label"] for one in world.instances().values()} <= known.keys()
    for lease in leases:
        rows = [row for row in spans[lease.lease_id] if row.state != "correction"]
        ends = [row.until_ns for row in rows]
        assert (ends[-1] is None) == (lease.ended_at is None)
        assert None not in ends[:-1]
        assert [row.since_ns for row in rows[1:]] == ends[:-1]
        if lease.ended_at is not None:
            assert lease.lease_id not in there, "it bills, and its lease has ended"
            assert lease.held_nano_usd == 0
    assert sum(one["phase"] in ("running", "loading") for one in world.instances().values()) <= 1
