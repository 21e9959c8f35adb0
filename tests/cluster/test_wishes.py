"""Wishes for machines that run out, by the doorstep and by what a machine hears."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster.doorstep import Doorstep, NodeFile
from cluster.vps_2.welcome import answer
from tercet.rental_rules import HeadAddress

HEAD = HeadAddress(host="head", port=2222, user="tercet")
LEASE = "tercet-a1b2c3-1"


def node(**more) -> NodeFile:
    told = {"node_id": "n", "tags": {}, "forwards": [], "reach": [], "command": ["python"]}
    return NodeFile(**told, environment={}, **more)


@pytest.fixture
def doorstep(tmp_path) -> Doorstep:
    return Doorstep(tmp_path / "rental", HEAD)


def age(doorstep: Doorstep, seconds: float) -> None:
    """Let the wish be as old as this."""
    then = time.time() - seconds
    os.utime(doorstep.nodes / f"{LEASE}.json", (then, then))


def test_a_wish_without_an_end_stays(doorstep):
    doorstep.expect(LEASE, node())
    age(doorstep, 1e6)
    assert list(doorstep.wanted()) == [LEASE]
    assert json.loads(answer(doorstep.nodes, LEASE, "beat")) == {"wanted": True}


def test_a_wish_that_is_not_renewed_runs_out_for_the_head_and_for_the_machine(doorstep):
    doorstep.expect(LEASE, node(holder="me", lasts_s=60.0))
    age(doorstep, 50)
    assert list(doorstep.wanted()) == [LEASE]
    assert json.loads(answer(doorstep.nodes, LEASE, "join"))["command"] == ["python"]
    age(doorstep, 70)
    assert doorstep.wanted() == {}
    assert answer(doorstep.nodes, LEASE, "join") == answer(doorstep.nodes, LEASE, "beat") == "{}"


def test_a_renewed_wish_lasts_anew(doorstep):
    doorstep.expect(LEASE, node(holder="me", lasts_s=60.0))
    age(doorstep, 50)
    assert doorstep.renew(LEASE, "me")
    assert time.time() - (doorstep.nodes / f"{LEASE}.json").stat().st_mtime < 10


def test_only_its_holder_renews_a_wish(doorstep):
    doorstep.expect(LEASE, node(holder="me", lasts_s=60.0))
    age(doorstep, 50)
    assert not doorstep.renew(LEASE, "another")
    age(doorstep, 70)
    assert not doorstep.renew(LEASE, "me"), "it has run out"
    doorstep.dismiss(LEASE)
    assert not doorstep.renew(LEASE, "me")
    assert doorstep.wanted() == {}


def test_what_was_heard_of_a_boot_whose_wish_ran_out_does_not_count_for_the_next(doorstep):
    doorstep.expect(LEASE, node(holder="me", lasts_s=60.0))
    answer(doorstep.nodes, LEASE, "beat")
    assert doorstep.silent_s(LEASE) is not None
    doorstep.expect(LEASE, node(holder="you", lasts_s=60.0))  # taken over
    assert doorstep.silent_s(LEASE) is not None
    age(doorstep, 70)
    doorstep.expect(LEASE, node(holder="you", lasts_s=60.0))
    assert doorstep.silent_s(LEASE) is None


def test_processes_that_open_the_door_at_once_agree_on_its_key_and_lose_no_lease(tmp_path):
    def come(number: int) -> tuple[bytes, str]:
        doorstep = Doorstep(tmp_path / "rental", HEAD)
        doorstep.admit(f"{LEASE}{number}", joins_ray=False)
        return doorstep.host_key.read_bytes(), doorstep.site

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(come, range(4)))) == 1
    keys = Doorstep(tmp_path / "rental", HEAD).authorized_keys.read_text()
    assert keys.count("ssh-ed25519") == 4
