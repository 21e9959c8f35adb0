"""What has to be done now so that nothing is rented that is not wanted: decided, not done.

Everything follows from three lists, so it does not matter who died in the middle of what: the
ledger's leases, the provider's instances, and the machines that are wanted.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from tercet.leases import Lease, LeaseEnd, hourly, span_state
from tercet.rental_rules import RentalRules
from tercet.renting import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class See:
    """Write down what the instance is now."""

    lease_id: str
    instance: Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Give the card back and keep the disk."""

    lease_id: str
    instance: Instance
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Destroy:
    """End all billing."""

    lease_id: str
    instance: Instance
    why: str
    is_orphan: bool = False
    """The ledger expects no such instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Write down that the instance is gone."""

    lease_id: str
    end: LeaseEnd
    why: str


Duty = See | Stop | Destroy | End


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is known at one moment."""

    leases: Sequence[Lease]
    """Those that have not ended."""
    instances: Sequence[Instance]
    """Every one of ours that the provider has."""
    wanted: Set[str]
    """Leases."""
    silent_s: Mapping[str, float]
    """Since when their machines were not heard; a lease is missing until its machine is."""
    refused: Mapping[str, str]
    """Leases that may not run on, and why: a cap."""
    now: float


def duties(view: View, rules: RentalRules) -> Sequence[Duty]:
    """Return what has to be done, in the order of leases."""
    known = {lease.lease_id: lease for lease in view.leases}
    found: list[Duty | None] = []
    for lease in view.leases:
        instance = _own(lease, view.instances)
        if instance is None:
            found.append(_absent(lease, view, rules))
        else:
            found += [_seen(lease, instance, view, rules), _due(lease, instance, view, rules)]
    found += _orphans(known, view.instances)
    return [duty for duty in found if duty is not None]


def _own(lease: Lease, instances: Iterable[Instance]) -> Instance | None:
    """Return the lease's instance; before its id is known, the first with its label."""
    ours = [one for one in instances if one.label == lease.lease_id]
    if lease.instance_id is None:
        return min(ours, key=lambda one: one.instance_id, default=None)
    return next((one for one in ours if one.instance_id == lease.instance_id), None)


def _orphans(known: Mapping[str, Lease], instances: Sequence[Instance]) -> Sequence[Duty]:
    why = "the ledger expects no such instance"
    expected = {
        own.instance_id for lease in known.values() if (own := _own(lease, instances)) is not None
    }
    return [
        Destroy(lease_id=one.label, instance=one, why=why, is_orphan=True)
        for one in instances
        if one.instance_id not in expected
    ]


def _absent(lease: Lease, view: View, rules: RentalRules) -> Duty | None:
    age_s = view.now - lease.since
    if lease.state == "requested":
        # Its create is under way, or nobody knows yet what came of it.
        is_over = age_s > rules.times.create_s
        why = "it never showed up"
        return End(lease_id=lease.lease_id, end="never_created", why=why) if is_over else None
    # A list may be older than what another process has just done.
    if age_s <= rules.times.restart_s:
        return None
    return End(lease_id=lease.lease_id, end="vanished", why="its provider has it no more")


def _seen(lease: Lease, instance: Instance, view: View, rules: RentalRules) -> Duty | None:
    if lease.lease_id in view.wanted and _is_starting(lease, instance, view, rules):
        return None
    is_told = lease.instance_id is not None and span_state(instance) == lease.state
    # The price changes while it runs where a bid is raised.
    if is_told and hourly(instance) == lease.rate_nano_usd:
        return None
    return See(lease_id=lease.lease_id, instance=instance)


def _is_starting(lease: Lease, instance: Instance, view: View, rules: RentalRules) -> bool:
    """Say whether a start may still have its effect."""
    is_asked = instance.state == "stopped" and lease.state in ("loading", "requested")
    return is_asked and view.now - lease.since <= rules.times.restart_s


def _due(lease: Lease, instance: Instance, view: View, rules: RentalRules) -> Duty | None:
    """Return what has to be done with an instance, `None` if it may go on as it is."""
    if instance.state == "failed":
        why = f"it will never run: {instance.detail or 'its provider says so'}"
        return Destroy(lease_id=lease.lease_id, instance=instance, why=why)
    if lease.lease_id in view.wanted:
        return _due_wanted(lease, instance, view, rules)
    return _due_unwanted(lease, instance, view, rules)


def _due_unwanted(lease: Lease, instance: Instance, view: View, rules: RentalRules) -> Duty | None:
    if lease.state == "requested":
        why = "its create seemed to fail, and made it all the same"
        return Destroy(lease_id=lease.lease_id, instance=instance, why=why)
    if rules.on_release == "destroy":
        return Destroy(lease_id=lease.lease_id, instance=instance, why="it is not wanted")
    if instance.state != "stopped":
        return Stop(lease_id=lease.lease_id, instance=instance, why="it is not wanted")
    if view.now - lease.since > rules.times.keep_disk_s:
        why = f"its disk was kept for {(view.now - lease.since) / 86400:.1f} days for nothing"
        return Destroy(lease_id=lease.lease_id, instance=instance, why=why)
    return None


def _due_wanted(lease: Lease, instance: Instance, view: View, rules: RentalRules) -> Duty | None:
    if lease.lease_id in view.refused:
        return _release(lease, instance, view.refused[lease.lease_id], rules)
    if instance.state == "outbid":
        # Left alone it would run, and bill, when the price falls; nobody may want it then.
        return _release(lease, instance, "another bid more for it", rules)
    if _is_starting(lease, instance, view, rules):
        return None
    if instance.state == "stopped":
        return _release(lease, instance, "it was stopped by itself or by somebody else", rules)
    silent_s = view.silent_s.get(lease.lease_id)
    if silent_s is None and view.now - lease.since > rules.times.boot_s:
        why = f"it said nothing in {view.now - lease.since:.0f} s after its {lease.state} began"
        return Destroy(lease_id=lease.lease_id, instance=instance, why=why)
    return None


def _release(lease: Lease, instance: Instance, why: str, rules: RentalRules) -> Duty:
    kind = Stop if rules.on_release == "stop" else Destroy
    return kind(lease_id=lease.lease_id, instance=instance, why=why)
