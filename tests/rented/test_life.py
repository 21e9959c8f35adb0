"""The rented machine's life: real Ray, a real sshd, two network namespaces, a slow link.

The tests follow each other on one site; each begins with a machine that may be stopped, and leaves
none running.
"""

import time
from collections.abc import Generator

import pytest
from fakes.rehearsed import World, check, until

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def in_order(world: World) -> Generator[None]:
    yield
    until(lambda: idle(world), 90, "nothing runs")
    check(world)


def idle(world: World) -> bool:
    return not {"running", "loading"} & set(world.phases().values())


def test_demand_brings_a_machine_and_idleness_stops_it(world: World) -> None:
    node = world.ask()
    lease = world.lease()
    assert node == f"{lease.lease_id}-1"
    until(lambda: world.lease().state == "running", 10, "the ledger says that it runs")
    assert world.lease().held_nano_usd > 0
    until(lambda: world.lease().state == "stopped", 60, "it is stopped")
    assert world.driver.call("nodes") == ["127.77.0.1"]


def test_the_next_demand_starts_the_same_machine(world: World) -> None:
    before = world.lease()
    assert world.ask() == f"{before.lease_id}-2"
    assert world.lease().runs == 2
    assert len(world.instances()) == 1


def test_a_machine_that_dies_is_destroyed_and_another_one_answers(world: World) -> None:
    node = world.ask()
    world.control("kill", {"instance_id": world.lease().instance_id})
    until(lambda: world.books()[0][-1].ended_at is not None, 30, "the dead one's lease ends")
    until(lambda: world.driver.call("nodes") == ["127.77.0.1"], 120, "Ray notices")
    assert world.ask() != node
    assert len(world.books()[0]) == 2


def test_a_tunnel_that_is_cut_comes_back(world: World) -> None:
    node = world.ask()
    world.site.place.cut.touch()
    time.sleep(2)
    world.site.place.cut.unlink()
    assert world.ask() == node
    world.site.place.cut.touch()
    time.sleep(18)  # longer than either end of the ssh waits
    world.site.place.cut.unlink()
    assert world.ask(150)


def test_an_outbid_machine_is_not_left_to_come_back_by_itself(world: World) -> None:
    node = world.ask()
    instance = world.lease().instance_id
    world.control("outbid", {"instance_id": instance})
    until(lambda: world.lease().state == "stopped", 30, "the ledger knows")
    world.control("machine", {"offer_id": 2, "least_bid_usd": 0.5})
    until(lambda: world.driver.call("nodes") == ["127.77.0.1"], 120, "Ray notices")
    assert world.ask() != node


def test_a_cloud_that_restarts_loses_nothing(world: World) -> None:
    node = world.ask()
    before = world.instances().keys()
    world.site.stop_cloud()
    assert world.ask() == node
    world.site.start_cloud()
    assert world.ask() == node
    assert world.instances().keys() == before


def test_a_head_that_restarts_takes_its_machine_back(world: World) -> None:
    world.ask()
    before, lease = world.instances().keys(), world.lease()
    world.new_head()
    assert world.ask(120).startswith(lease.lease_id)
    assert world.instances().keys() == before


def test_in_the_end_the_ledger_is_the_bill(world: World) -> None:
    world.tercet("gpu", "destroy", "--all", "--yes")
    world.tercet("gpu", "reconcile")
    leases, spans = world.books()
    assert set(world.phases().values()) == {"gone"}
    booked = sum(row.nano_usd for rows in spans.values() for row in rows)
    assert booked == sum(lease.spent_nano_usd for lease in leases)
    assert booked == world.control("bill")["nano_usd"] > 0
