"""The relay as a process: it rents from the fake cloud, whose machines play vLLM's server."""

import asyncio
import json
import select
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from fakes import rented_cloud
from fakes.running import wait_until

from cluster.doorstep import Doorstep
from cluster.loopback import free_ports
from cluster.providers.choosing import provider_of
from cluster.rentals.rentals import Rentals
from cluster.vps_2.welcome import answer
from deployments.ledger import Ledger
from deployments.local.app import Arguments, build
from deployments.local.definition import Definition
from deployments.local.hold import server_command
from tercet.environment import PROJECT, environment
from tercet.rental_file import load_rental

FAKES = PROJECT / "tests" / "fakes"
LASTS_S = 2.0
PATIENT_S = 20.0
"""Longer than a process takes to start."""
LET_GO = ("stopped", "gone")
"""Gone: its server ended by itself, as it was not wanted, before it could be stopped."""
TIMES = {"watch_s": 0.2, "restart_s": 5, "create_s": 5, "boot_s": 30}
DEFINITION = Definition(name="tiny", source="/models/tiny", give_up_s=30)


class Process:
    """A relay that another process is."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process

    def start(self) -> "Process":
        assert self.heard() == {"is": "ready"}
        return self

    def heard(self) -> Any:
        return json.loads(self.process.stdout.readline())

    def call(self, name: str, *arguments: object) -> Any:
        self.process.stdin.write(json.dumps([name, arguments]) + "\n")
        self.process.stdin.flush()
        return self.heard()

    def ask(self, content: str, name: str = "chat") -> Any:
        request = {"model": "tiny", "messages": [{"role": "user", "content": content}]}
        return self.call(name, request, {"x-request-id": "a1"})

    def stop(self) -> None:
        self.process.terminate()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@dataclass(kw_only=True)
class Scene:
    folder: Path
    cloud: rented_cloud.Site
    port: int
    lasts_s: float = LASTS_S

    @property
    def doorstep(self) -> Doorstep:
        rules = load_rental(self.folder / "config")
        assert rules is not None
        return Doorstep(self.folder / "rental", rules.head)

    @contextmanager
    def relay(self, **definition: object) -> Iterator[Process]:
        terms = {
            "url": f"http://127.0.0.1:{self.port}",
            "lasts_s": self.lasts_s,
            "look_s": 0.1,
            "retry_s": 0.2,
        }
        told = DEFINITION.model_copy(update=definition).model_dump()
        arguments = [json.dumps(told), str(self.folder / "config"), json.dumps(terms)]
        ours = {
            "TERCET_LEDGER": str(self.folder / "ledger.sqlite3"),
            "TERCET_STATE": str(self.folder),
            "PYTHONPATH": str(PROJECT),
        }
        process = subprocess.Popen(
            [sys.executable, FAKES / "relay_process.py", *arguments],
            env={**environment(), **ours},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        made = Process(process)
        try:
            yield made
        finally:
            made.end()

    def look(self) -> None:
        """Do what `tercet gpu watch` does every few seconds."""

        async def once() -> None:
            rules = load_rental(self.folder / "config")
            assert rules is not None
            provider = provider_of("fake", rented_cloud.KEY, self.cloud.url)
            ledger = Ledger(self.folder / "ledger.sqlite3")
            await Rentals(provider, ledger, self.doorstep, rules).look()
            await provider.close()
            ledger.close()

        asyncio.run(once())

    def is_running(self) -> bool:
        """Say whether a machine runs and the ledger has it so."""
        with closing(Ledger(self.folder / "ledger.sqlite3")) as ledger:
            states = [one.state for one in asyncio.run(ledger.leases(open_only=True))]
        return (self.phases(), states) == (["running"], ["running"])

    def phases(self) -> list[str]:
        return [one["phase"] for one in self.cloud.ever()]

    def seen(self) -> dict:
        return httpx2.get(f"http://127.0.0.1:{self.port}/seen").json()


@pytest.fixture
def scene(tmp_path) -> Iterator[Scene]:
    (port,) = free_ports(1)
    server = (
        f"exec {sys.executable} {FAKES / 'openai_server.py'} {tmp_path / 'rental/nodes'} {port}"
    )
    with rented_cloud.booting(tmp_path, f"PYTHONPATH={PROJECT} {server}") as cloud:
        config = tmp_path / "config"
        shutil.copytree(PROJECT / "config", config)
        key = tmp_path / "key"
        key.write_text(rented_cloud.KEY)
        told = yaml.safe_load((config / "rental.yaml").read_text())
        told |= {"provider": "fake", "url": cloud.url, "key_file": str(key), "mode": "remote_http"}
        told["head"]["host"] = "127.0.0.1"
        told["want"]["trusted"] = False
        told["times"] |= TIMES
        (config / "rental.yaml").write_text(yaml.safe_dump(told))
        yield Scene(folder=tmp_path, cloud=cloud, port=port)


def test_it_rents_a_machine_answers_and_lets_it_go(scene):
    with scene.relay() as process:
        relay = process.start()
        chunks = relay.ask("Hi")["is"]
        assert chunks[-1]["usage"]["completion_tokens"] == 2
        state = relay.call("state")["is"]
        assert list(state["phases"]) == ["engine", "first token"]
        assert (state["name"], state["vllm"], state["unfinished"]) == ("tiny", "0.32.0", 0)
        assert relay.call("check_health") == {"is": None}
        assert relay.ask("for ever", "leave") == {"is": "left"}
        assert wait_until(lambda: scene.seen()["closed"] == 3)  # with that of the first token
        (told,) = scene.doorstep.wanted().values()
        assert told["command"] == server_command(DEFINITION.model_dump())
        assert told["reach"] == []
        assert not any("127.77.0.1" in word for word in told["forwards"])
        assert scene.phases() == ["running"]

        assert relay.call("close") == {"is": None}
    assert scene.doorstep.wanted() == {}
    assert wait_until(lambda: scene.phases() == ["stopped"])


def test_the_machine_of_a_relay_that_was_killed_is_let_go_when_its_wish_runs_out(scene):
    with scene.relay() as process:
        process.start()
        ((lease, _),) = scene.doorstep.wanted().items()
    scene.look()
    assert scene.phases() == ["running"]  # the next relay may still take it over
    assert wait_until(lambda: scene.doorstep.wanted() == {}, LASTS_S + 1)
    assert answer(scene.doorstep.nodes, lease, "beat") == "{}"  # so its watchdog stops it
    scene.look()
    assert wait_until(lambda: scene.phases() == ["stopped"])


def test_another_model_waits_for_the_machine_of_the_one_before_and_starts_it_anew(scene):
    with scene.relay() as process:
        process.start()
    with scene.relay(name="other") as process:
        relay = process.start()
        (told,) = scene.doorstep.wanted().values()
        assert "other" in told["command"]
        assert relay.call("check_health") == {"is": None}
    assert [one["boots"] for one in scene.cloud.ever()] == [2]


def test_a_relay_that_is_stopped_while_it_starts_lets_its_machine_go(scene):
    scene.port, scene.lasts_s = 9, PATIENT_S
    with scene.relay() as process:
        assert wait_until(scene.is_running)
        process.stop()
        assert "stopped while it started" in process.heard()["error"]
    assert scene.doorstep.wanted() == {}
    assert scene.phases()[0] in LET_GO


def test_a_relay_that_is_stopped_while_it_starts_does_not_end_before_its_machine_is_let_go(scene):
    scene.port, scene.lasts_s = 9, PATIENT_S
    with scene.relay() as process:
        assert wait_until(scene.is_running)
        with closing(sqlite3.connect(scene.folder / "ledger.sqlite3")) as ledger:
            ledger.execute("BEGIN IMMEDIATE")
            process.stop()
            assert select.select([process.process.stdout], [], [], 1.0)[0] == []
        assert "stopped while it started" in process.heard()["error"]
    assert scene.phases()[0] in LET_GO


def test_the_next_relay_takes_the_machine_over_and_the_one_before_does_not_let_it_go(scene):
    scene.lasts_s = PATIENT_S
    with scene.relay() as before:
        before.start()
        with scene.relay() as after:
            after.start()
            check_that_only_the_second_has_it(scene, before, after)


def check_that_only_the_second_has_it(scene, before, after) -> None:
    assert "not wanted any more" in before.call("check_health")["error"]
    before.call("close")
    assert after.call("check_health") == {"is": None}
    assert [(one["phase"], one["boots"]) for one in scene.cloud.ever()] == [("running", 1)]
    assert after.ask("Hi")["is"][-1]["usage"]
    after.call("close")
    assert wait_until(lambda: scene.phases() == ["stopped"])


def test_a_relay_whose_machine_is_taken_away_says_that_it_is_not_well(scene):
    with scene.relay() as process:
        relay = process.start()
        (lease,) = scene.doorstep.wanted()
        scene.doorstep.dismiss(lease)
        assert "not wanted any more" in relay.call("check_health")["error"]
        assert wait_until(lambda: scene.phases() == ["stopped"])  # by its own look
        assert wait_until(lambda: "error" in relay.ask("Hi"))
    assert scene.doorstep.wanted() == {}


def test_a_machine_that_never_answers_is_let_go_when_the_start_is_given_up(scene):
    scene.port = 9
    with scene.relay(give_up_s=2) as process:
        assert "no machine after 2 s" in process.heard()["error"]
    assert scene.doorstep.wanted() == {}
    assert wait_until(lambda: scene.phases() in ([], ["stopped"], ["destroyed"]))


def test_a_machine_that_no_budget_allows_is_told_at_once(scene):
    file = scene.folder / "config" / "rental.yaml"
    told = yaml.safe_load(file.read_text())
    told["times"]["warm_up_s"] = 1e9
    file.write_text(yaml.safe_dump(told))
    with scene.relay() as process:
        assert "the budget of" in process.heard()["error"]
    assert scene.phases() == []


def test_the_application_is_a_relay_on_the_head_only_where_the_machine_is_outside(scene):
    config = scene.folder / "config"
    outside = build(Arguments(profile="cpu", config=config))._bound_deployment
    assert outside.func_or_class.__name__ == "Relay"
    assert outside.ray_actor_options["label_selector"] == {"node": "vps_2"}
    assert "resources" not in outside.ray_actor_options
    inside = build(Arguments(profile="cpu"))._bound_deployment
    assert inside.func_or_class.__name__ == "Engine"
