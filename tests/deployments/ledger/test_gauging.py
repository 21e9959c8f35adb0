import asyncio

from fakes.rows import AT, reservation, settlement

from deployments.ledger import Ledger
from deployments.ledger.gauging import Looking
from tercet.budget import Balance
from tercet.leases import LeaseCharged, LeaseOpened, LeaseSeen
from tercet.renting import Offer

USD = 1_000_000_000
OFFER = Offer(
    provider="fake",
    offer_id="o1",
    gpu="RTX 3090",
    hourly_nano_usd=USD // 4,
    stopped_hourly_nano_usd=USD // 100,
    interruptible=True,
    trusted=False,
)


async def worked(ledger: Ledger) -> None:
    """Make an attempt of each kind, and rent a machine whose bill is known."""
    for name, state in (("a", "settled"), ("b", "estimated"), ("c", None)):
        await ledger.reserve(reservation(name, tier="local", provider="local"))
        if state is not None:
            await ledger.settle(settlement(name, state=state, settled_nano_usd=30, at=AT + 1_800))
    await ledger.open_lease(LeaseOpened(lease_id="l1", offer=OFFER, reserve_s=60, at=AT))
    seen = LeaseSeen(
        lease_id="l1", instance_id="i1", state="running", hourly_nano_usd=USD // 4, at=AT
    )
    await ledger.see_lease(seen)
    await ledger.accrue_lease("l1", AT + 3_600, 60)
    charged = LeaseCharged(
        lease_id="l1", month="2026-11", charged_nano_usd=USD // 5, reason="bill", at=AT + 3_600
    )
    await ledger.correct_lease(charged)


def test_a_look_finds_what_gauges_show_in_either_database(ledger: Ledger, url: str) -> None:
    asyncio.run(worked(ledger))
    looking = Looking(url)
    found = looking.look(AT + 3_600)
    again = looking.look(AT + 3_610)
    looking.close()

    assert found.spending.balances["tier:local"] == Balance(spent=60, held=100)
    assert (found.estimated_nano_usd, found.opened) == (30, 1)
    assert [(lease.lease_id, lease.state) for lease in found.leases] == [("l1", "running")]
    assert found.served_at == again.served_at == AT + 1_800
    assert found.billed == [("fake", USD // 5 - USD // 4, USD // 4)]
    assert list(found.migrations) == []


def test_without_corrections_and_machines_there_are_none(ledger: Ledger, url: str) -> None:
    asyncio.run(ledger.reserve(reservation("a")))
    looking = Looking(url)
    found = looking.look(AT)
    looking.close()
    assert (list(found.billed), list(found.leases), found.served_at) == ([], [], None)
