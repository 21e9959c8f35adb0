"""Whole lives of rented machines on the fake cloud, with a ledger on disk.

After each of them `estate` gives everything back and compares the ledger with the cloud's bill.
"""

import asyncio
from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes.rented_cloud import KEY
from fakes.renting import Estate, as_node, estate

from cluster.rentals.duties import Destroy, End
from cluster.rentals.rentals import BOOT, Rentals, Rented
from tercet.leases import LeaseOpened
from tercet.renting import MachineSpec, Offer, RentFailure

Make = Callable[..., Estate]


@pytest.fixture
def make(tmp_path: Path) -> Generator[Make]:
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(estate(tmp_path / "site", **changes))


@pytest.fixture
def there(make: Make) -> Estate:
    return make()


def opened(there: Estate, lease_id: str) -> Offer:
    """Write a lease as `rent` does, and return its offer, which nobody has taken yet."""
    [offer, *_] = there.run(there.site.provider.search(there.site.rules.want))
    row = LeaseOpened(lease_id=lease_id, offer=offer, reserve_s=900.0, at=there.clock())
    there.run(there.site.ledger.open_lease(row))
    return offer


def create(there: Estate, lease_id: str, offer: Offer) -> Any:
    spec = MachineSpec(
        label=lease_id, image="none", disk_gb=80, environment={}, command=BOOT, volume=None
    )
    return there.run(there.site.provider.create(offer, spec))


def phases(there: Estate) -> list[str]:
    return [one["phase"] for one in there.cloud.ever()]


def test_a_machine_is_rented_runs_is_stopped_and_started_again(there: Estate) -> None:
    lease = there.running()
    assert lease.held_nano_usd > 0
    assert list(there.site.doorstep.wanted()) == [lease.lease_id]

    there.run(there.again().release(lease.lease_id))
    assert phases(there) == ["stopped"]
    there.look()  # sees it
    there.look()  # lets go of what was held
    assert (there.lease().state, there.lease().held_nano_usd) == ("stopped", 0)

    again = there.rent()
    assert again == Rented(lease_id=lease.lease_id, node_id=f"{lease.lease_id}-2")
    there.until(lambda: there.look() is not None and there.lease().state == "running")
    assert there.lease().runs == 2
    assert len(there.cloud.ever()) == 1
    there.check()


def test_an_account_key_is_in_no_machines_environment(there: Estate) -> None:
    there.running()
    [one] = there.cloud.ever()
    assert KEY not in str(one["environment"])
    assert KEY not in one["command"]
    assert {"TERCET_NODE_KEY_1", "TERCET_HEAD_HOST"} <= one["environment"].keys()


def test_a_second_machine_is_not_rented_beside_one_that_is_wanted(there: Estate) -> None:
    there.running()
    assert there.rent() == RentFailure(kind="rejected", message="a machine is rented already")
    assert len(there.cloud.ever()) == 1


def test_a_start_that_does_nothing_ends_that_machine_and_another_is_rented(there: Estate) -> None:
    first = there.running()
    there.run(there.again().release(first.lease_id))
    there.cloud.control("next", starts_ignored=1)
    second = there.rent()
    assert second.lease_id != first.lease_id
    assert phases(there)[0] == "gone"
    assert there.run(there.site.ledger.lease(first.lease_id)).end == "destroyed"
    assert list(there.site.doorstep.wanted()) == [second.lease_id]


def test_a_budget_without_room_rents_nothing(make: Make) -> None:
    there = make(caps={"gpu": 1_000})
    told = there.rent()
    assert told.kind == "rejected"
    assert "the budget of gpu has 0.000001000 USD left" in told.message
    assert there.leases() == there.cloud.ever() == []
    assert there.site.doorstep.wanted() == {}


def test_a_budget_that_runs_out_stops_the_machine(make: Make) -> None:
    # 900 s at 0.12 USD an hour, warm-up and least run, are 0.03 USD.
    there = make(caps={"gpu": 45_000_000}, times={"boot_s": 10_000})
    there.running()
    there.clock.later_s += 1_600
    there.look()
    assert phases(there) == ["stopped"]
    assert there.site.doorstep.wanted() == {}
    there.look()
    assert "the budget of gpu has" in there.rent().message


def test_hours_of_a_day_stop_a_machine_and_no_other_is_rented(make: Make) -> None:
    there = make(rental_caps={"hours_a_day": 0.01})
    there.running()
    there.clock.later_s += 40
    there.look()
    assert phases(there) == ["stopped"]
    there.look()
    assert "machines have run 0.01 h today, and rental.yaml allows 0.01" in there.rent().message


def test_machines_that_do_not_come_up_are_not_rented_for_ever(there: Estate) -> None:
    for _ in range(there.site.rules.caps.creates_an_hour):
        rented = there.rent()
        there.run(there.again().destroy(rented.lease_id, "a test"))
    told = there.rent()
    assert "4 machines were rented within an hour, and rental.yaml allows 4" in told.message
    there.clock.later_s += 3_600
    assert isinstance(there.rent(), Rented)


def test_a_create_that_fails_and_makes_it_all_the_same_is_found(there: Estate) -> None:
    there.cloud.control("next", create="half_failed")
    told = there.rent()
    assert told.kind == "unreachable"
    assert there.lease().state == "requested"
    assert len(there.instances()) == 1
    there.look()
    assert there.lease().end == "destroyed"
    assert there.instances() == []
    there.check()
    assert isinstance(there.rent(), Rented)


def test_an_offer_that_is_gone_costs_nothing_and_the_next_one_is_taken(there: Estate) -> None:
    there.cloud.control("next", create="refused")
    assert isinstance(there.rent(), Rented)
    assert [lease.end for lease in there.leases()] == [None, "never_created"]


def test_one_that_is_started_again_during_a_look_is_left_to_the_next_look(there: Estate) -> None:
    lease = there.running()
    there.run(there.again().release(lease.lease_id))
    there.look()
    assert phases(there) == ["stopped"]
    doorstep, provider = there.site.doorstep, there.site.provider

    class Slow:
        """Has the list of before, while somebody else begins to want the machine."""

        async def instances(self, label: str) -> object:
            found = await provider.instances(label)
            doorstep.expect(lease.lease_id, as_node(lease.lease_id, f"{lease.lease_id}-2"))
            return found

    slow = Rentals(Slow(), there.site.ledger, doorstep, there.site.rules, there.clock)
    assert there.run(slow.look()) == []
    assert lease.lease_id in doorstep.wanted()


def test_one_that_another_bids_more_for_is_stopped_and_not_left_to_come_back(
    there: Estate,
) -> None:
    lease = there.running()
    there.cloud.control("outbid", instance_id=lease.instance_id)
    there.look()
    assert there.site.doorstep.wanted() == {}
    there.cloud.control("machine", offer_id=101, least_bid_usd=0.01)
    there.cloud.control("machine", offer_id=102, least_bid_usd=0.01)
    there.look()
    assert phases(there) == ["stopped"]
    assert there.lease().state == "stopped"


def test_one_whose_host_is_gone_is_destroyed(there: Estate) -> None:
    lease = there.running()
    there.cloud.control("kill", instance_id=lease.instance_id)
    there.look()
    assert (there.lease().end, phases(there)) == ("destroyed", ["gone"])
    assert there.site.doorstep.wanted() == {}


def test_one_destroyed_at_the_providers_console_has_vanished(there: Estate) -> None:
    lease = there.running()
    there.run(there.site.provider.destroy(lease.instance_id))
    there.look()
    assert there.lease().ended_at is None  # a list may be older than what was just done
    there.clock.later_s += 1
    there.look()
    assert there.lease().end == "vanished"


def test_a_provider_that_is_away_ends_nothing_and_is_looked_at_again(there: Estate) -> None:
    lease = there.running()
    there.cloud.control("garble", kind="html", method="GET", path="/instances", times=2)
    there.clock.later_s += 60
    assert list(there.look()) == []
    assert there.lease().ended_at is None
    assert list(there.site.doorstep.wanted()) == [lease.lease_id]
    there.run(there.again().release(lease.lease_id))
    assert phases(there) == ["running"]
    there.look()
    assert phases(there) == ["stopped"]


def test_a_destroy_that_fails_is_done_later_and_the_lease_ends_only_then(there: Estate) -> None:
    lease = there.running()
    there.cloud.control("garble", kind="html", method="DELETE", path="/instances", times=1)
    there.run(there.again().destroy(lease.lease_id, "a test"))
    assert there.lease().ended_at is None
    there.run(there.again().destroy(lease.lease_id, "a test"))
    assert there.lease().end == "destroyed"


def test_two_processes_may_look_at_once(there: Estate) -> None:
    lease = there.running()
    late = f"{there.site.doorstep.site}late"
    offer = opened(there, late)
    there.clock.later_s += 11
    there.look()
    create(there, late, offer)
    there.site.doorstep.dismiss(lease.lease_id)

    async def both() -> list[Any]:
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(there.again().look()) for _ in range(2)]
        return [one.result() for one in looks]

    duties = [duty for did in there.run(both()) for duty in did]
    assert any(isinstance(duty, Destroy) and duty.is_orphan for duty in duties)
    there.look()
    assert [one["phase"] for one in there.cloud.ever()] == ["stopped", "gone"]


def test_a_process_that_died_before_the_create_leaves_a_lease_that_ends(there: Estate) -> None:
    lease_id = f"{there.site.doorstep.site}died"
    opened(there, lease_id)
    assert list(there.look()) == []
    there.clock.later_s += 11
    [end] = there.look()
    assert isinstance(end, End)
    assert (there.lease().end, there.lease().spent_nano_usd) == ("never_created", 0)


def test_a_process_that_died_after_the_create_has_its_machine_taken_over(there: Estate) -> None:
    lease_id = f"{there.site.doorstep.site}died"
    offer = opened(there, lease_id)
    there.site.doorstep.expect(lease_id, as_node(lease_id, f"{lease_id}-1"))
    made = create(there, lease_id, offer)
    there.until(lambda: there.look() is not None and there.lease().state == "running")
    assert there.lease().instance_id == made.instance_id
    there.check()


def test_one_that_shows_up_after_its_lease_ended_is_destroyed_and_paid_for(there: Estate) -> None:
    lease_id = f"{there.site.doorstep.site}late"
    offer = opened(there, lease_id)
    there.clock.later_s += 11
    there.look()
    made = create(there, lease_id, offer)
    there.cloud.until(lambda: there.cloud.phase(made.instance_id) == "running")
    [duty] = there.look()
    assert isinstance(duty, Destroy)
    assert duty.is_orphan
    assert there.instances() == []
    assert there.lease().instance_id is None
    [settled] = there.settle()
    assert (settled.fate, settled.row.lease_id) == ("corrected", lease_id)
    assert there.lease().spent_nano_usd == there.cloud.bill()["nano_usd"] > 0


def test_of_two_instances_with_one_label_the_lease_keeps_its_own(there: Estate) -> None:
    lease = there.running()
    [offer, *_] = there.run(there.site.provider.search(there.site.rules.want))
    create(there, lease.lease_id, offer)
    there.look()
    assert phases(there) == ["running", "gone"]
    assert there.lease().ended_at is None
    assert list(there.site.doorstep.wanted()) == [lease.lease_id]
    there.check()


def test_one_that_never_says_a_word_is_destroyed(there: Estate) -> None:
    lease = there.running()
    there.clock.later_s += 101
    there.look()
    assert there.lease().end == "destroyed"
    assert lease.lease_id not in there.site.doorstep.authorized_keys.read_text()


def test_a_disk_is_not_kept_for_ever(there: Estate) -> None:
    lease = there.running()
    there.run(there.again().release(lease.lease_id))
    there.look()
    there.clock.later_s += 1_001
    there.look()
    assert phases(there) == ["gone"]


def test_where_a_disk_is_not_to_be_kept_a_release_destroys(make: Make) -> None:
    there = make(on_release="destroy")
    lease = there.running()
    there.run(there.again().release(lease.lease_id))
    assert (there.lease().end, phases(there)) == ("destroyed", ["gone"])
