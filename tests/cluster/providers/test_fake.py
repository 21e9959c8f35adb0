"""The fake cloud itself: what it bills, what it keeps, what it boots, and whom it lets do what."""

import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
from fakes.rented_cloud import BID, SPEC, WANT, booting, process, world
from hypothesis import given
from hypothesis import strategies as st

from cluster.providers.fake.app import world_of
from cluster.providers.fake.bill import lines
from cluster.providers.fake.cloud import Cloud, Order
from cluster.providers.fake.world import Delays, Machine, Rented, World

DISK = 12_500_000


def cloud_of() -> Cloud:
    machine = Machine(offer_id=1, gpu="A40", hourly=220_000_000, least_bid=120_000_000)
    return Cloud(World(machines=[machine], delays=Delays(create_s=10, load_s=20, start_s=5)))


def order(dialect="vast", bid=None, stopped=DISK) -> Order:
    return Order(
        dialect=dialect,
        label="lease-1",
        image="x",
        environment={},
        command="",
        disk_gb=60,
        bid=bid,
        disk_running=DISK,
        disk_stopped=stopped,
    )


def lived(cloud: Cloud, told: Order) -> Rented:
    """Create at 1000, running from 1030 to 1120, stopped to 1200, running from 1205 to 1305."""
    one = cloud.create(cloud.machine(1), told, 1000.0)
    cloud.advance(1100.0)
    cloud.stop(one, 1120.0)
    cloud.start(one, 1200.0)
    cloud.advance(1300.0)
    cloud.destroy(one, 1305.0)
    return one


def total(one: Rented, kind: str) -> list[tuple[str, int]]:
    return [(line.phase, line.nano_usd) for line in lines([one], 0, 9999) if line.kind == kind]


def test_vast_bills_the_card_while_it_runs_and_the_disk_always() -> None:
    one = lived(cloud_of(), order())
    # 220,000,000 nano-USD an hour for 90 s and 100 s.
    assert total(one, "gpu") == [("running", 5_500_000), ("running", 6_111_111)]
    assert total(one, "disk") == [
        ("creating", 34_722),
        ("loading", 69_444),
        ("running", 312_500),
        ("stopped", 277_777),
        ("loading", 17_361),
        ("running", 347_222),
    ]


def test_runpod_bills_the_card_from_the_build_on_and_a_stopped_disk_at_its_own_price() -> None:
    one = lived(cloud_of(), order("runpod", stopped=25_000_000))
    assert total(one, "gpu") == [
        ("creating", 611_111),
        ("loading", 1_222_222),
        ("running", 5_500_000),
        ("loading", 305_555),
        ("running", 6_111_111),
    ]
    assert dict(total(one, "disk"))["stopped"] == 555_555


def test_what_was_outbid_is_billed_its_disk_and_comes_back_when_the_price_falls() -> None:
    cloud = cloud_of()
    one = cloud.create(cloud.machine(1), order(bid=120_000_000), 1000.0)
    cloud.advance(1030.0)
    cloud.machine(1).least_bid = 130_000_000
    cloud.advance(1090.0)
    assert one.phase == "outbid"
    cloud.machine(1).least_bid = 110_000_000
    cloud.advance(1150.0)
    cloud.advance(1155.0)
    assert one.phase == "running"
    bill = lines([one], 0, 1155.0)
    assert [(x.phase, x.nano_usd) for x in bill if x.kind == "gpu"] == [("running", 2_000_000)]
    assert sum(x.nano_usd for x in bill if x.phase == "outbid") == 208_333


@given(st.lists(st.floats(900, 1400), min_size=1, max_size=6))
def test_bills_of_times_that_follow_each_other_add_up_to_the_nano(cuts: list[float]) -> None:
    one = lived(cloud_of(), order())
    edges = [0.0, *sorted(cuts), 2000.0]
    parts = [line.nano_usd for start, end in pairwise(edges) for line in lines([one], start, end)]
    assert sum(parts) == sum(line.nano_usd for line in lines([one], 0.0, 2000.0)) == 12_670_137


BOOT = """
echo "id $FAKE_INSTANCE_ID greeting $GREETING" >> $FAKE_DISK/boots
cp $FAKE_COMMAND_FILE $FAKE_DISK/command
[ -e $FAKE_DISK/left ] || trap '' TERM
setsid sleep 61.5 &
echo $! > $FAKE_DISK/left
sleep 61.5
"""


def rented(site, vast, want=WANT) -> str:
    instance = vast.create(vast.search(want)[0], SPEC)
    site.until(lambda: vast.status(instance.instance_id).state == "running")
    return instance.instance_id


def pid_of(site, instance_id: str) -> int | None:
    return next(one["pid"] for one in site.ever() if one["instance_id"] == instance_id)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_machine_is_a_process_with_a_disk_that_stays_over_a_stop(tmp_path) -> None:
    with booting(tmp_path, BOOT) as site:
        vast = site.vast()
        instance_id = rented(site, vast)
        disk = tmp_path / "disks" / instance_id
        site.until(lambda: (disk / "left").exists() and (disk / "left").read_text().strip())
        assert (disk / "boots").read_text() == f"id {instance_id} greeting good day, 'you'\n"
        assert (disk / "command").read_text() == "echo hello\n"
        group, left = pid_of(site, instance_id), int((disk / "left").read_text())
        assert lives(group)
        assert lives(left)
        vast.stop(instance_id)
        # It is deaf to SIGTERM, and one of its processes left its group: 3 s, then both go.
        site.until(lambda: pid_of(site, instance_id) is None)
        assert not lives(group)
        assert not lives(left)
        vast.start(instance_id)
        site.until(lambda: len((disk / "boots").read_text().splitlines()) == 2)
        vast.destroy(instance_id)
        site.until(lambda: not disk.exists())


def test_a_machine_whose_process_ends_by_itself_has_exited(tmp_path) -> None:
    with booting(tmp_path, "echo said; exit 3") as site:
        vast = site.vast()
        instance = vast.create(vast.search(WANT)[0], SPEC)
        site.until(lambda: vast.status(instance.instance_id).state == "failed")
        assert site.phase(instance.instance_id) == "exited"
        assert (tmp_path / f"instance-{instance.instance_id}.log").read_text() == "said\n"


def test_an_outbid_machine_ends_at_once(tmp_path) -> None:
    with booting(tmp_path, "sleep 61.5") as site:
        vast = site.vast()
        instance_id = rented(site, vast, BID)
        site.until(lambda: pid_of(site, instance_id) is not None)
        pid = pid_of(site, instance_id)
        site.control("outbid", instance_id=instance_id)
        site.until(lambda: not lives(pid), within_s=2)


def test_a_cloud_that_was_killed_has_everything_when_it_is_back(tmp_path) -> None:
    with process(tmp_path, "sleep 61.5") as site:
        instance_id = rented(site, site.vast())
        site.until(lambda: pid_of(site, instance_id) is not None)
        (before,) = site.ever()
        spent = site.bill()["nano_usd"]
    assert lives(before["pid"])
    with booting(tmp_path, "sleep 61.5") as site:
        (after,) = site.ever()
        assert after == before
        assert site.bill()["nano_usd"] > spent
        site.vast().stop(instance_id)
        site.until(lambda: not lives(before["pid"]))


def test_a_machine_that_died_while_the_cloud_was_away_has_exited(tmp_path) -> None:
    with process(tmp_path, "sleep 61.5") as site:
        instance_id = rented(site, site.vast())
        site.until(lambda: pid_of(site, instance_id) is not None)
        pid = pid_of(site, instance_id)
    os.killpg(pid, signal.SIGKILL)
    with booting(tmp_path, "sleep 61.5") as site:
        site.until(lambda: site.phase(instance_id) == "exited")


def test_a_machines_own_key_opens_that_machine_alone_at_vast(cloud) -> None:
    vast = cloud.vast()
    own, other = (vast.create(offer, SPEC).instance_id for offer in vast.search(WANT))
    mine = next(one["environment"] for one in cloud.ever() if one["instance_id"] == own)
    assert mine["CONTAINER_ID"] == own
    inner = cloud.vast(mine["CONTAINER_API_KEY"])
    assert inner.status(own).state in ("loading", "running")
    assert inner.stop(own) is None
    assert inner.status(own).state == "stopped"
    offer = vast.search(WANT)[0]
    for failure in (
        inner.stop(other),
        inner.status(other),
        inner.search(WANT),
        inner.instances(""),
        inner.charges(0.0, 1.0),
        inner.create(offer, SPEC),
    ):
        assert failure.kind == "unauthorized"
    assert inner.destroy(own) is None
    assert inner.status(own).kind == "unauthorized"  # the key went with it


def test_a_machines_own_key_opens_that_machine_alone_at_runpod(cloud) -> None:
    runpod = cloud.runpod()
    offer = runpod.search(WANT)[0]
    own, other = (runpod.create(offer, SPEC).instance_id for _ in range(2))
    mine = next(one["environment"] for one in cloud.ever() if one["instance_id"] == own)
    assert mine["RUNPOD_POD_ID"] == own
    inner = cloud.runpod(mine["RUNPOD_API_KEY"])
    assert inner.stop(own) is None
    for failure in (inner.stop(other), inner.instances(""), inner.search(WANT)):
        assert failure.kind == "unauthorized"
    assert inner.destroy(own) is None


def test_nobody_is_let_in_without_a_key(cloud) -> None:
    for path in ("/api/v1/instances/", "/v2/pods"):
        assert httpx2.get(f"{cloud.url}{path}").status_code == 401


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"machines": [{"offer_id": 1, "gpu": "RTX 9", "hourly": 1, "least_bid": 1}]}, "RTX 9"),
        ({"machine": []}, "machine"),
        ({"delays": {"loading_s": 1}}, "loading_s"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(tmp_path, part, word) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(world() | part))
    with pytest.raises(ValueError, match=word):
        world_of(tmp_path / "state.json", config)


@pytest.mark.parametrize("body", [{"offer_id": 999}, {"offer_id": 101, "colour": "red"}])
def test_fate_that_makes_no_sense_is_refused(cloud, body) -> None:
    response = cloud.fate.post(f"{cloud.url}/control/machine", json=body)
    assert response.status_code in (400, 404)
