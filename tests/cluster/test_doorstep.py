import os
import stat
import subprocess
from pathlib import Path

import pytest

from cluster.doorstep import Doorstep, NodeFile, pieces
from cluster.vps_1.boot import head_of, key_of
from tercet.rental_rules import HeadAddress

HEAD = HeadAddress(host="head.example", port=2222, user="tercet")
NODE = NodeFile(
    node_id="a-1",
    tags={"ray-node-name": "x"},
    forwards=["-L", "1"],
    reach=["127.0.0.1", 1],
    command=["ray"],
    environment={"RAY_AUTH_TOKEN": "t"},
)


@pytest.fixture
def doorstep(tmp_path: Path) -> Doorstep:
    return Doorstep(tmp_path / "rental", HEAD)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_else_reads_what_is_in_it(doorstep: Doorstep, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        doorstep.admit("a", joins_ray=True)
        doorstep.expect("a", NODE)
    finally:
        os.umask(before)
    folder = tmp_path / "rental"
    assert mode(folder / "nodes") == mode(folder / "keys") == 0o700
    for file in (doorstep.authorized_keys, doorstep.host_key, folder / "nodes" / "a.json"):
        assert mode(file) == 0o600, file


def test_a_leases_private_key_is_kept_by_its_machine_alone(
    doorstep: Doorstep, tmp_path: Path
) -> None:
    doorstep.admit("a", joins_ray=True)
    assert [file.name for file in (tmp_path / "rental" / "keys").iterdir()] == ["a.pub"]


def test_a_machine_learns_of_the_head_and_of_nothing_else(doorstep: Doorstep) -> None:
    told = doorstep.admit("a", joins_ray=True)
    keys = {name for name in told if name.startswith("TERCET_NODE_KEY_")}
    assert told.keys() - keys == {
        "TERCET_HEAD_HOST", "TERCET_HEAD_PORT", "TERCET_HEAD_USER", "TERCET_HEAD_HOST_KEY",
    }  # fmt: skip
    assert told["TERCET_HEAD_HOST_KEY"].startswith("ssh-ed25519 ")
    assert (
        doorstep.host_key.with_suffix(".pub").read_text().startswith(told["TERCET_HEAD_HOST_KEY"])
    )
    assert max(map(len, told.values())) <= 256


def test_a_key_in_pieces_is_the_same_key_again(doorstep: Doorstep, tmp_path: Path) -> None:
    told = doorstep.admit("a", joins_ray=True)
    head = head_of(told, tmp_path / "node")
    assert mode(head.key) == 0o600
    public = subprocess.check_output(["ssh-keygen", "-y", "-f", head.key], text=True)
    assert public.split()[:2] == (tmp_path / "rental" / "keys" / "a.pub").read_text().split()[:2]
    assert head.known_hosts.read_text().startswith("[head.example]:2222 ssh-ed25519 ")


@pytest.mark.parametrize("length", [0, 1, 199, 200, 201, 400, 1_799])
def test_no_piece_is_too_long_for_a_provider(length: int) -> None:
    secret = "".join(chr(97 + number % 26) for number in range(length))
    told = pieces(secret)
    assert key_of(told) == secret
    assert all(len(piece) <= 256 for piece in told.values())


def test_a_key_opens_one_command_and_its_own_tunnel(doorstep: Doorstep) -> None:
    doorstep.admit("a", joins_ray=True)
    doorstep.admit("b", joins_ray=False)
    joins, does_not = doorstep.authorized_keys.read_text().splitlines()
    for lease, line in (("a", joins), ("b", does_not)):
        assert line.startswith("restrict,port-forwarding,")
        assert f"'{lease}'\" ssh-ed25519 " in line
        assert 'permitlisten="127.77.0.2:*"' in line
    assert 'permitopen="127.77.0.1:*"' in joins
    assert 'permitopen="127.255.255.254:1"' in does_not


def test_a_lease_that_is_forgotten_has_no_key_and_others_keep_theirs(doorstep: Doorstep) -> None:
    doorstep.admit("a", joins_ray=True)
    doorstep.admit("b", joins_ray=True)
    doorstep.expect("a", NODE)
    doorstep.forget("a")
    doorstep.forget("a")
    [line] = doorstep.authorized_keys.read_text().splitlines()
    assert "'b'" in line
    assert mode(doorstep.authorized_keys) == 0o600
    assert doorstep.wanted() == {}


def test_one_that_is_dismissed_keeps_its_key_for_the_next_start(doorstep: Doorstep) -> None:
    doorstep.admit("a", joins_ray=True)
    doorstep.expect("a", NODE)
    assert doorstep.wanted() == {"a": NODE}
    doorstep.dismiss("a")
    doorstep.dismiss("a")
    assert doorstep.wanted() == {}
    assert "'a'" in doorstep.authorized_keys.read_text()


def test_a_new_process_finds_what_the_last_one_left(doorstep: Doorstep, tmp_path: Path) -> None:
    doorstep.admit("a", joins_ray=True)
    doorstep.expect("a", NODE)
    doorstep.note_destroyed("7001", "b")
    key = doorstep.host_key.read_text()

    again = Doorstep(tmp_path / "rental", HEAD)

    assert again.site == doorstep.site
    assert again.host_key.read_text() == key
    assert again.wanted() == {"a": NODE}
    [one] = again.destroyed()
    assert (one["instance_id"], one["lease_id"]) == ("7001", "b")


def test_an_instance_is_destroyed_once_however_often_it_is_tried(doorstep: Doorstep) -> None:
    for _ in range(3):
        doorstep.note_destroyed("7001", "a\nb")
    assert [one["lease_id"] for one in doorstep.destroyed()] == ["a\nb"]


def test_it_is_known_since_when_nothing_is_known(doorstep: Doorstep) -> None:
    assert doorstep.untold_s() is None
    doorstep.note_told()
    untold_s = doorstep.untold_s()
    assert untold_s is not None
    assert untold_s < 60
