"""The watchdog: what it decides, and a real process of it at the fake cloud."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from fakes.rented_cloud import KEY, SPEC, WANT, Site, booting, inside

from cluster.vps_1.watchdog import Times, ask, reason_to_stop, stop, stop_request
from tercet.config import PROJECT

TIMES = Times(beat_s=1, silent_s=100, most_s=1_000)
WATCHDOG = PROJECT / "cluster" / "vps_1" / "watchdog.py"


def why(now: float, heard_at: float = 0.0, *, is_wanted: bool = True) -> str | None:
    return reason_to_stop(
        now=now, booted_at=0.0, heard_at=heard_at, is_wanted=is_wanted, times=TIMES
    )


def test_a_machine_that_is_wanted_and_heard_runs_on() -> None:
    assert why(100.0) is None
    assert why(999.0, 998.0) is None


def test_a_head_that_is_silent_too_long_stops_it() -> None:
    assert why(101.0) == "the head has been silent for 101 s"
    assert why(301.0, 200.0) == "the head has been silent for 101 s"


def test_one_that_is_not_wanted_is_stopped_at_once() -> None:
    assert why(1.0, 1.0, is_wanted=False) == "the head does not want it"


def test_however_much_it_is_wanted_there_is_an_end() -> None:
    assert why(1_001.0, 1_001.0) == "it has run for 0.3 h, the most it may"


@pytest.mark.parametrize(
    ("command", "heard"),
    [
        ("echo '{\"wanted\": true}'", True),
        ("echo '{}'", False),
        ("echo '{}'; exit 255", None),
        ("echo what", None),
        ("exit 1", None),
    ],
)
def test_only_a_head_that_says_so_does_not_want_it(command: str, heard: bool | None) -> None:
    assert ask(["sh", "-c", command]) is heard


def test_a_command_that_cannot_be_run_is_no_answer() -> None:
    assert ask(["/nowhere/ssh"]) is None


def test_without_a_key_of_its_own_it_says_so() -> None:
    assert "gave this machine no key" in stop({})


def test_at_runpod_it_stops_its_own_pod() -> None:
    request = stop_request({"RUNPOD_API_KEY": "k", "RUNPOD_POD_ID": "p"})
    assert request is not None
    assert request.full_url == "https://api.runpod.io/v2/pods/p/action"
    assert json.loads(request.data) == {"action": "stop"}


@pytest.fixture
def cloud(tmp_path: Path):
    with inside(tmp_path) as site:
        yield site


def of_machine(site: Site, number: int = 0) -> dict[str, str]:
    return {**site.ever()[number]["environment"], "TERCET_PROVIDER_URL": site.url}


def rented(site: Site) -> None:
    """Rent two machines."""
    vast = site.vast()
    for _ in range(2):
        [offer, *_] = vast.search(WANT)
        vast.create(offer, SPEC)
    site.until(lambda: [one["phase"] for one in site.ever()] == ["running"] * 2)


def test_the_key_of_a_machine_stops_that_one_and_no_other(cloud: Site) -> None:
    rented(cloud)
    own = of_machine(cloud)
    assert KEY not in own.values()
    assert stop(own) == "the provider answered 200"
    assert [one["phase"] for one in cloud.ever()] == ["stopped", "running"]
    told = stop(own | {"CONTAINER_ID": of_machine(cloud, 1)["CONTAINER_ID"]})
    assert told.startswith("the provider did not do it: HTTP Error 401")
    assert [one["phase"] for one in cloud.ever()] == ["stopped", "running"]


def test_a_provider_that_is_away_is_asked_again(cloud: Site) -> None:
    rented(cloud)
    own = of_machine(cloud) | {"TERCET_PROVIDER_URL": "http://127.0.0.1:9"}
    assert stop(own).startswith("the provider did not do it: ")


def test_a_machine_whose_head_falls_silent_stops_itself(tmp_path: Path) -> None:
    """A real watchdog in a process that the cloud boots; its head is a script that dies."""
    head = tmp_path / "head"
    head.write_text(f"#!/bin/sh\ntest $1 = beat -a -e {tmp_path}/alive && echo '{{\"a\": 1}}'\n")
    head.chmod(head.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "alive").touch()
    times = "TERCET_BEAT_S=0.05 TERCET_SILENT_S=0.6"
    url = tmp_path / "url"
    boot = (
        f"{times} TERCET_PROVIDER_URL=$(cat {url}) "
        f"exec {sys.executable} -IS {WATCHDOG} {head} beat >> {tmp_path}/said 2>&1"
    )
    with booting(tmp_path, boot) as site:
        url.write_text(site.url)
        vast = site.vast()
        [offer, *_] = vast.search(WANT)
        made = vast.create(offer, SPEC)
        site.until(lambda: site.phase(made.instance_id) == "running")
        with pytest.raises(AssertionError):  # it runs on while it is wanted
            site.until(lambda: site.phase(made.instance_id) == "stopped", within_s=1.2)
        (tmp_path / "alive").unlink()
        site.until(lambda: site.phase(made.instance_id) == "stopped")
        assert "the head has been silent" in (tmp_path / "said").read_text()


def test_it_ends_with_nobody_but_its_machine() -> None:
    """Its command line needs no package of ours."""
    told = subprocess.run(
        [sys.executable, "-IS", str(WATCHDOG)],
        env={"PATH": os.defpath, "TERCET_BEAT_S": "no number"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ValueError: could not convert string to float: 'no number'" in told.stderr
    assert "ModuleNotFoundError" not in told.stderr


def test_the_fake_cloud_answers_a_strangers_key_as_vast_does(cloud: Site) -> None:
    rented(cloud)
    asked = httpx2.get(
        f"{cloud.url}/api/v0/instances/7001/", headers={"Authorization": "Bearer no"}
    )
    assert asked.status_code == 401
