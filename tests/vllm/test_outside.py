"""The gateway and a rented machine outside its cluster: the real vLLM behind a real SSH tunnel.

The tests run in this order.
"""

import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from fakes.local_site import MODEL, Site
from fakes.running import events_of, running, wait_until

from cluster import tunnel
from cluster.rehearsal import site as rehearsal
from cluster.rehearsal.place import place, why_not
from tercet.local_model import Resources

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

IDLE_S = 20.0
LONG = 3_900
"""Tokens."""
ROUTINE = "Rename the variable `x` to `count` in this function:\ndef f(x):\n    return x + 1"
WORLD = {
    "machines": [
        {
            "offer_id": 1,
            "gpu": "RTX 3090",
            "hourly": 220_000_000,
            "least_bid": 120_000_000,
            "trusted": False,
        }
    ],
    "delays": {"create_s": 0.2, "load_s": 0.5, "start_s": 0.5},
}
TIMES = {"watch_s": 1, "restart_s": 6, "boot_s": 120, "create_s": 10}
SERVER = f"http://{tunnel.NODE}:{tunnel.HTTP_PORT}"


@dataclass(frozen=True, kw_only=True)
class Outside:
    gateway: Site
    rehearsed: rehearsal.Site

    def phases(self) -> list[tuple[str, int]]:
        """Return the phase of each machine there ever was, and how often it booted."""
        url = f"{self.rehearsed.url}/control/instances"
        headers = {"authorization": f"Bearer {rehearsal.KEY}"}
        told = httpx2.get(url, headers=headers).json()["instances"]
        return [(one["phase"], one["boots"]) for one in told]

    def metric(self, name: str) -> float:
        """Return what the machine's own server counts."""
        told = httpx2.get(f"{SERVER}/metrics", timeout=30).text
        found = re.search(rf"^vllm:{name}\{{.*\}} (\S+)$", told, re.MULTILINE)
        assert found is not None, name
        return float(found[1])

    @contextmanager
    def stream(self) -> Iterator[Iterator[str]]:
        """Yield the lines of an answer that has begun, and is long."""
        body = {"model": "local", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        with (
            self.gateway.system.http() as http,
            http.stream("POST", "/v1/chat/completions", json=body | {"max_tokens": LONG}) as reply,
        ):
            lines = reply.iter_lines()
            while not next(lines).startswith("data: "):
                pass
            yield lines


@pytest.fixture(scope="module")
def outside(vps_1_environment, tiny_model) -> Iterator[Outside]:
    if (why := why_not()) is not None:
        pytest.skip(why)
    folder = Path(tempfile.mkdtemp(prefix="t-"))  # short: Unix sockets are made in it
    setting = rehearsal.Setting(
        world=WORLD,
        rental={
            "mode": "remote_http",
            "want": {"trusted": False, "interruptible": False},
            "times": TIMES,
        },
        wants=Resources(num_cpus=1, num_gpus=0, custom={}),
        node_python=vps_1_environment / "bin" / "python",
        node_environment={"TERCET_BEAT_S": "1"},
    )
    with place(folder / "rental", setting.delay_s) as where:
        made = rehearsal.Site(folder, where, setting)
        local = made.config / "local.yaml"
        local.write_text(local.read_text().replace("var/tiny-llama", str(tiny_model)))
        try:
            made.start_cloud()
            steering = {"TERCET_LOCAL": "cpu", "TERCET_PHASE": "ungated", "TERCET_VPS_1": "none"}
            with running(folder, **steering) as system:
                words = re.search(r"dashboard +(\S+) \(token (\w+)\)", system.banner)
                address = re.search(r"ray +(\S+) ", system.banner)[1]
                dashboard, token = words.groups()
                gateway = Site(system=system, dashboard=dashboard, token=token, address=address)
                gateway.deploy({"profile": "cpu", "idle_s": IDLE_S, "config": str(made.config)})
                yield Outside(gateway=gateway, rehearsed=made)
        except BaseException:
            sys.stderr.write(f"kept: {folder}\n")
            raise
        finally:
            made.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_machine_outside_the_cluster_answers_as_the_local_model(outside):
    gateway = outside.gateway
    assert wait_until(lambda: gateway.local()["readiness"] == "asleep", 60), gateway.local()
    assert outside.phases() == []
    gateway.awake()
    raw = gateway.ask(ROUTINE, "auto", max_tokens=20)
    assert (raw.headers["x-tercet-route"], raw.headers["x-tercet-models"]) == ("local", MODEL)
    (attempt,) = gateway.receipt(raw)["attempts"]
    assert (attempt["state"], attempt["outcome"]) == ("settled", "complete")
    assert attempt["usage"]["output"] == raw.parse().usage.completion_tokens > 0
    assert outside.phases() == [("running", 1)]
    (start, *_) = gateway.local()["starts"]
    assert list(start["phases_s"]) == ["placed", "engine", "first token"]


def test_a_prompt_that_its_engine_finds_too_long_is_answered_by_tier_three(outside):
    raw = outside.gateway.ask("x " * 4_500)
    assert "single:too_long" in raw.headers["x-tercet-degraded"]


def test_a_caller_who_leaves_frees_the_engine_on_the_machine(outside):
    outside.gateway.awake()
    before = outside.metric("generation_tokens_total")
    with outside.stream():
        left_at = time.monotonic()
    assert wait_until(lambda: outside.metric("num_requests_running") == 0)
    said = outside.metric("generation_tokens_total") - before
    print(f"freed after {time.monotonic() - left_at:.1f} s and {said:.0f} of {LONG} tokens")
    assert 0 < said < LONG  # the tiny model never ends by itself


def test_while_the_tunnel_is_cut_others_answer_and_it_comes_back(outside):
    gateway, cut = outside.gateway, outside.rehearsed.place.cut
    gateway.awake()
    with outside.stream() as lines:
        began = time.monotonic()
        cut.touch()
        events = events_of(lines)
    ended_s = time.monotonic() - began
    assert "error" in events[-1]
    assert ended_s < 15
    raw = gateway.ask(ROUTINE, "auto", max_tokens=20)
    answered_s = time.monotonic() - began
    assert raw.headers["x-tercet-models"] != MODEL
    assert not gateway.is_ready()
    cut.unlink()
    began = time.monotonic()
    gateway.awake()
    print(
        f"stream ended after {ended_s:.1f} s, next answered by the API at {answered_s:.1f} s; "
        f"ready {time.monotonic() - began:.1f} s after the link was back: {outside.phases()}"
    )
    assert gateway.ask("Hi", max_tokens=4).headers["x-tercet-models"] == MODEL


def test_without_requests_its_machine_is_let_go(outside):
    assert wait_until(lambda: outside.phases()[0][0] == "stopped", IDLE_S + 60), outside.phases()
    assert wait_until(lambda: outside.gateway.local()["readiness"] == "asleep")
    assert [phase for phase, _ in outside.phases()] == ["stopped"]
