"""Rented machines: rent one, let it go, and keep everything in order in between.

Nothing is remembered here between two calls that the ledger, the provider and the doorstep do not
know, so any process may do any of it, and start anew in the middle.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cluster.doorstep import Doorstep, NodeFile
from cluster.rentals.duties import Destroy, Duty, End, See, Stop, View, duties
from tercet.budget import Denied, Granted
from tercet.leases import Lease, LeaseEnded, LeaseOpened, LeaseSeen, hourly, span_state
from tercet.rental_rules import RentalRules
from tercet.renting import GpuProvider, Instance, MachineSpec, Offer, RentFailure
from tercet.usage import usd

logger = logging.getLogger(__name__)

OFFERS_TRIED = 3
LOOK_S = 1.0
HOUR_S = 3600.0
# PYTHONPATH is set by the image; the interpreter is the one of VPS_1's environment.
BOOT = "exec ${TERCET_BOOT:-/opt/tercet/.vps_1/bin/python /opt/tercet/cluster/vps_1/boot.py}"

AsNode = Callable[[str, str], NodeFile]
"""Given a lease and the id of a boot of its machine: what the machine is to be told."""


class Books(Protocol):
    """The part of the ledger that knows of leases."""

    async def open_lease(self, row: LeaseOpened) -> Granted | Denied:
        """Write a lease and hold its money, or neither."""
        ...

    async def see_lease(self, row: LeaseSeen) -> None:
        """Begin a span, and end the one before."""
        ...

    async def accrue_lease(self, lease_id: str, at: float, ahead_s: float) -> Granted | Denied:
        """Book what has come due, and hold what the time ahead will cost."""
        ...

    async def end_lease(self, row: LeaseEnded) -> None:
        """End it."""
        ...

    async def leases(self, *, open_only: bool) -> Sequence[Lease]:
        """Return leases, the newest first."""
        ...

    async def gpu_seconds(self, at: float) -> float:
        """Return how long machines have run in the UTC day of this time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rented:
    """A machine on its way."""

    lease_id: str
    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine that is wanted, as it was last seen."""

    lease: Lease
    node: NodeFile


class Rentals:
    """The machines of one site."""

    def __init__(
        self,
        provider: GpuProvider,
        books: Books,
        doorstep: Doorstep,
        rules: RentalRules,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the three that know everything."""
        self._provider = provider
        self._books = books
        self._doorstep = doorstep
        self._rules = rules
        self._clock = clock

    @property
    def _reserve_s(self) -> float:
        return self._rules.times.warm_up_s + self._rules.times.least_run_s

    async def machines(self) -> Sequence[Machine]:
        """Return the machines that are wanted, as the ledger has them."""
        wanted = self._doorstep.wanted()
        leases = await self._books.leases(open_only=True)
        return [
            Machine(lease=lease, node=wanted[lease.lease_id])
            for lease in leases
            if lease.lease_id in wanted
        ]

    async def rent(self, as_node: AsNode) -> Rented | RentFailure:
        """Start a stopped machine, or rent another one."""
        await self.look()  # one that was just let go is known to be stopped
        leases = await self._books.leases(open_only=False)
        if (why := await self._why_not(leases)) is not None:
            return RentFailure(kind="rejected", message=why)
        wanted = self._doorstep.wanted()
        for lease in leases:
            is_there = lease.state == "stopped" and lease.ended_at is None
            if is_there and lease.lease_id not in wanted:
                started = await self._restart(lease, as_node)
                if started is not None:
                    return started
        return await self._rent_another(as_node)

    async def release(self, lease_id: str) -> None:
        """Let a machine go; what cannot be done now is done by a later `look`."""
        self._doorstep.dismiss(lease_id)
        await self.look()

    async def destroy(self, lease_id: str, why: str) -> None:
        """End a lease for good, now; what cannot be done now is done by a later `look`."""
        self._doorstep.dismiss(lease_id)
        instances = await self._provider.instances(lease_id)
        if isinstance(instances, RentFailure):
            _tell(instances)
            return
        for instance in instances:
            if instance.label == lease_id:
                await self._destroy(lease_id, instance.instance_id, why)

    async def look(self) -> Sequence[Duty]:
        """Ask the provider what there is, write it down, and put right what is not as wanted.

        A machine that came to be wanted meanwhile, or no longer is, waits for the next look: what
        is known of it here is from before.
        """
        before = self._doorstep.wanted().keys()
        refused = await self._accrue()
        instances = await self._provider.instances(self._doorstep.site)
        if isinstance(instances, RentFailure):
            logger.warning("it is not known what is rented: %s", instances.message)
            return ()
        self._doorstep.note_told()
        # After the instances: a lease that is opened in between is not missed by its instance.
        leases = await self._books.leases(open_only=True)
        wanted = self._doorstep.wanted()
        heard = {lease_id: self._doorstep.silent_s(lease_id) for lease_id in wanted}
        view = View(
            leases=leases,
            instances=instances,
            wanted=wanted.keys(),
            silent_s={lease_id: s for lease_id, s in heard.items() if s is not None},
            refused=refused,
            now=self._clock(),
        )
        changed = before ^ wanted.keys()
        found = [duty for duty in duties(view, self._rules) if duty.lease_id not in changed]
        for duty in found:
            await self._do(duty)
        return found

    async def _why_not(self, leases: Sequence[Lease]) -> str | None:
        caps, now = self._rules.caps, self._clock()
        wanted = self._doorstep.wanted()
        if any(lease.lease_id in wanted and lease.ended_at is None for lease in leases):
            return "a machine is rented already"
        hours = await self._books.gpu_seconds(now) / HOUR_S
        if hours >= caps.hours_a_day:
            return (
                f"machines have run {hours:.2f} h today, and rental.yaml allows "
                f"{caps.hours_a_day:g}; raise caps.hours_a_day or wait for the next UTC day"
            )
        created = sum(1 for lease in leases if now - lease.opened_at < HOUR_S)
        if created >= caps.creates_an_hour:
            return (
                f"{created} machines were rented within an hour, and rental.yaml allows "
                f"{caps.creates_an_hour}: they do not come up; `tercet gpu status` says why"
            )
        return None

    async def _restart(self, lease: Lease, as_node: AsNode) -> Rented | None:
        """Start a stopped instance; if its card is gone, destroy it, and return `None`."""
        node_id = f"{lease.lease_id}-{lease.runs + 1}"
        instance_id = lease.instance_id or ""
        admission = await self._books.accrue_lease(lease.lease_id, self._clock(), self._reserve_s)
        if isinstance(admission, Denied):
            return None
        self._doorstep.expect(lease.lease_id, as_node(lease.lease_id, node_id))
        await self._books.see_lease(
            LeaseSeen(
                lease_id=lease.lease_id,
                instance_id=instance_id,
                state="loading",
                hourly_nano_usd=lease.stopped_hourly_nano_usd,
                reason="started again",
                begins_boot=True,
                at=self._clock(),
            )
        )
        failure = await self._provider.start(instance_id)
        if failure is None and await self._comes_up(instance_id):
            return Rented(lease_id=lease.lease_id, node_id=node_id)
        self._doorstep.dismiss(lease.lease_id)
        why = "its card is another's now" if failure is None else failure.message
        logger.warning("%s could not be started again (%s): renting another", instance_id, why)
        await self._destroy(lease.lease_id, instance_id, f"not started again: {why}")
        return None

    async def _comes_up(self, instance_id: str) -> bool:
        """Say whether a start has an effect in time: a success alone says nothing."""
        give_up_at = time.monotonic() + self._rules.times.restart_s
        while time.monotonic() < give_up_at:
            seen = await self._provider.status(instance_id)
            if isinstance(seen, Instance) and seen.state in ("loading", "running"):
                return True
            if seen is None or (isinstance(seen, Instance) and seen.state == "failed"):
                return False
            await asyncio.sleep(LOOK_S)
        return False

    async def _rent_another(self, as_node: AsNode) -> Rented | RentFailure:
        offers = await self._provider.search(self._rules.want)
        if isinstance(offers, RentFailure):
            return offers
        last = RentFailure(
            kind="no_offer", message="no machine is offered as rental.yaml wants one (want)"
        )
        for offer in offers[:OFFERS_TRIED]:
            taken = await self._take(offer, as_node)
            if not isinstance(taken, RentFailure) or taken.kind != "no_offer":
                return taken
            last = taken
        return last

    async def _take(self, offer: Offer, as_node: AsNode) -> Rented | RentFailure:
        lease_id = f"{self._doorstep.site}{secrets.token_hex(4)}"
        opened = LeaseOpened(
            lease_id=lease_id, offer=offer, reserve_s=self._reserve_s, at=self._clock()
        )
        admission = await self._books.open_lease(opened)
        if isinstance(admission, Denied):
            return RentFailure(
                kind="rejected", message=_no_money(admission, offer, self._reserve_s)
            )
        node_id = f"{lease_id}-1"
        environment = self._doorstep.admit(lease_id, joins_ray=self._rules.mode == "ray_worker")
        self._doorstep.expect(lease_id, as_node(lease_id, node_id))
        spec = MachineSpec(
            label=lease_id,
            image=self._rules.image,
            disk_gb=self._rules.want.disk_gb,
            environment=environment,
            command=BOOT,
            volume=self._rules.volume,
        )
        made = await self._provider.create(offer, spec)
        if isinstance(made, RentFailure):
            await self._abandon(lease_id, made)
            return made
        await self._see(lease_id, made)
        return Rented(lease_id=lease_id, node_id=node_id)

    async def _abandon(self, lease_id: str, failure: RentFailure) -> None:
        """Stop wanting what was not created; `look` finds it if it was, all the same."""
        self._doorstep.dismiss(lease_id)
        logger.warning("no machine: %s", failure.message)
        if failure.kind in ("no_offer", "unauthorized", "no_credit", "rate_limited"):
            self._doorstep.forget(lease_id)
            await self._books.end_lease(
                LeaseEnded(
                    lease_id=lease_id,
                    end="never_created",
                    reason=failure.message,
                    at=self._clock(),
                )
            )

    async def _accrue(self) -> Mapping[str, str]:
        """Book what every lease has come to; return those that a cap stops, and why."""
        now = self._clock()
        refused: dict[str, str] = {}
        hours = await self._books.gpu_seconds(now) / HOUR_S
        for lease in await self._books.leases(open_only=True):
            is_on = lease.state in ("loading", "running")
            ahead_s = 2 * self._rules.times.watch_s + self._rules.times.restart_s if is_on else 0.0
            admission = await self._books.accrue_lease(lease.lease_id, now, ahead_s)
            if isinstance(admission, Denied) and is_on:
                refused[lease.lease_id] = f"the budget of {admission.scope} has no room for more"
            elif lease.state == "running" and hours >= self._rules.caps.hours_a_day:
                refused[lease.lease_id] = (
                    f"machines have run {hours:.2f} h today, the most that rental.yaml allows"
                )
        return refused

    async def _do(self, duty: Duty) -> None:
        match duty:
            case See(lease_id=lease_id, instance=instance):
                await self._see(lease_id, instance)
            case End(lease_id=lease_id, end=end, why=why):
                self._doorstep.forget(lease_id)
                ended = LeaseEnded(lease_id=lease_id, end=end, reason=why, at=self._clock())
                await self._books.end_lease(ended)
            case Stop(lease_id=lease_id, instance=instance, why=why):
                self._doorstep.dismiss(lease_id)
                logger.info("stopping %s: %s", instance.instance_id, why)
                _tell(await self._provider.stop(instance.instance_id))
            case Destroy(lease_id=lease_id, instance=instance, why=why, is_orphan=is_orphan):
                level = logging.WARNING if is_orphan else logging.INFO
                logger.log(level, "destroying %s: %s", instance.instance_id, why)
                if is_orphan:
                    await self._destroy_orphan(lease_id, instance.instance_id)
                else:
                    await self._destroy(lease_id, instance.instance_id, why)

    async def _destroy(self, lease_id: str, instance_id: str, why: str) -> None:
        """Destroy it, and end its lease only if that was done."""
        self._doorstep.dismiss(lease_id)
        self._doorstep.note_destroyed(instance_id, lease_id)
        failure = await self._provider.destroy(instance_id)
        _tell(failure)
        if failure is not None:
            return
        self._doorstep.forget(lease_id)
        ended = LeaseEnded(lease_id=lease_id, end="destroyed", reason=why, at=self._clock())
        await self._books.end_lease(ended)

    async def _destroy_orphan(self, lease_id: str, instance_id: str) -> None:
        """Destroy it; a lease that goes on with an instance of its own stays as it is."""
        leases = await self._books.leases(open_only=True)
        if all(lease.lease_id != lease_id for lease in leases):
            self._doorstep.forget(lease_id)
        # Before: what it cost is charged to this lease even if nothing is known of it later.
        self._doorstep.note_destroyed(instance_id, lease_id)
        _tell(await self._provider.destroy(instance_id))

    async def _see(self, lease_id: str, instance: Instance) -> None:
        await self._books.see_lease(
            LeaseSeen(
                lease_id=lease_id,
                instance_id=instance.instance_id,
                state=span_state(instance),
                hourly_nano_usd=hourly(instance),
                reason=instance.detail,
                at=self._clock(),
            )
        )


def _tell(failure: RentFailure | None) -> None:
    """A later `look` tries again: whatever was not done is still there to be seen."""
    if failure is not None:
        logger.warning("not done: %s", failure.message)


def _no_money(denied: Denied, offer: Offer, reserve_s: float) -> str:
    needs = int(offer.hourly_nano_usd * reserve_s / HOUR_S)
    return (
        f"the budget of {denied.scope} has {usd(denied.left_nano_usd)} USD left, and "
        f"{reserve_s:.0f} s of {offer.gpu} need {usd(needs)}; raise its cap in budget.yaml or wait "
        "for the next month"
    )
