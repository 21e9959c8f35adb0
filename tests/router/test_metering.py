"""Gauges of a whole ledger, read from a real one."""

import asyncio
from pathlib import Path

import pytest
from fakes.rows import AT, reservation, settlement

from deployments.ledger import Ledger
from router.metering import Metering, scopes_of
from tercet.config import load, settings
from tercet.leases import LeaseCharged, LeaseOpened, LeaseSeen
from tercet.migration import Transition
from tercet.renting import Offer

CONFIG = load(chosen=settings({}))
USD = 1_000_000_000


def told(metering: Metering) -> dict[tuple[str, ...], float]:
    return {(r.metric.removeprefix("tercet_"), *r.labels): r.value for r in metering.gauges()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite3"


def metering(path: Path, now: float = AT) -> Metering:
    return Metering(str(path), CONFIG, lambda: now)


def test_nothing_is_told_before_there_is_a_ledger(path: Path) -> None:
    found = metering(path)
    found.look()
    assert told(found) == {}
    assert not path.exists()


def test_money_is_told_by_scope_and_what_is_uncertain_of_it(path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(path, {}, clock=lambda: AT)
        for name, state, cost in (("a", "settled", 30), ("b", "estimated", 10), ("c", "", 0)):
            await ledger.reserve(reservation(name, key_id="team" if name == "a" else "default"))
            if state:
                await ledger.settle(settlement(name, state=state, settled_nano_usd=cost * USD))
        ledger.close()

    asyncio.run(main())
    found = metering(path)
    found.look()
    seen = told(found)
    assert seen["month_spent_usd", "month"] == 40.0
    assert seen["month_spent_usd", "tier:tier1"] == 40.0
    assert (seen["month_spent_usd", "key:default"], seen["month_spent_usd", "key:other"]) == (
        10,
        30,
    )
    assert seen["month_held_usd", "month"] == 100 / USD
    assert seen["month_cap_usd", "month"] == 180.0
    assert seen["estimated_share",] == 0.25
    assert seen["open_attempts",] == 1
    assert seen["month_forecast_usd", "low"] >= 40.0
    assert sum(value for key, value in seen.items() if key[0] == "ladder_step") == 1.0
    assert seen["price_age_seconds",] > 0
    assert [key for key in seen if key[0].startswith(("gpu", "reconciliation", "migration"))] == []


def test_a_rented_machine_its_bill_and_its_idleness_are_told(path: Path) -> None:
    offer = Offer(
        offer_id="o1",
        provider="fake",
        gpu="RTX 3090",
        hourly_nano_usd=USD // 4,
        stopped_hourly_nano_usd=USD // 100,
        interruptible=True,
        trusted=False,
    )

    async def main() -> None:
        ledger = Ledger(path, {}, clock=lambda: AT)
        await ledger.open_lease(LeaseOpened(lease_id="l1", offer=offer, reserve_s=60, at=AT))
        running = LeaseSeen(
            lease_id="l1",
            instance_id="i1",
            state="running",
            hourly_nano_usd=USD // 4,
            at=AT + 100,
        )
        await ledger.see_lease(running)
        await ledger.accrue_lease("l1", AT + 3_700, 60)
        charge = LeaseCharged(
            lease_id="l1", month="2026-11", charged_nano_usd=USD // 2, reason="bill", at=AT + 3_700
        )
        await ledger.correct_lease(charge)
        await ledger.reserve(reservation("a", tier="local", provider="local", model="tiny-llama"))
        await ledger.settle(settlement("a", settled_nano_usd=0, at=AT + 3_000))
        ledger.close()

    asyncio.run(main())
    found = metering(path, AT + 3_700)
    found.look()
    seen = told(found)
    assert (seen["gpu_state", "running"], seen["gpu_state", "none"]) == (1.0, 0.0)
    assert seen["gpu_hourly_usd",] == 0.25
    assert seen["gpu_running_seconds",] == 3_600.0
    assert seen["gpu_idle_seconds",] == 700.0
    assert seen["reconciliation_delta_ratio", "fake"] == pytest.approx(1.0, abs=0.2)
    assert seen["month_spent_usd", "gpu"] == 0.5


def test_a_kind_that_moved_is_told_with_its_share(path: Path) -> None:
    async def main() -> None:
        ledger = Ledger(path, {}, clock=lambda: AT)
        await ledger.move_migration(
            Transition(
                kind="question",
                seq=1,
                come_from="baseline",
                to="canary",
                share=0.25,
                why="x",
                by="operator",
                evidence="{}",
                at=AT,
            )
        )
        ledger.close()

    asyncio.run(main())
    found = metering(path)
    found.look()
    assert told(found)["migration_share", "question"] == 0.25


def test_what_was_read_stands_and_ages_while_the_ledger_cannot_be_read(path: Path) -> None:
    Ledger(path, {}, clock=lambda: AT).close()
    now = [AT]
    found = Metering(str(path), CONFIG, lambda: now[0])
    found.look()
    assert told(found)["look_age_seconds",] == 0.0
    path.write_bytes(b"no ledger" * 1000)
    now[0] = AT + 60
    found.look()
    seen = told(found)
    assert seen["look_age_seconds",] == 60.0
    assert seen["month_cap_usd", "month"] == 180.0


def test_scopes_with_a_label_come_from_the_configuration() -> None:
    scopes = scopes_of(CONFIG)
    assert {"month", "gpu", "tier:tier1", "provider:anthropic", "provider:vast"} <= scopes
    assert {scope for scope in scopes if scope.startswith("key:")} == {
        "key:default",
        "key:evidence",
    }
