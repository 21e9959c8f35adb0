"""`tercet gpu status`: what is rented, what it has cost, and what is wrong."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.rentals.duties import Destroy, View, duties
from cluster.rentals.opening import RentalSite, opened_site
from deployments.ledger import LedgerError
from deployments.ledger.inspection import inspected
from router.books.table import table
from router.gpu.alerts import Alert, Purse, Seen, alerts, created_lately
from router.gpu.looking import look
from tercet.config import settings
from tercet.leases import Decided, Lease, hourly
from tercet.rental_file import load_rental
from tercet.rental_rules import RentalRules
from tercet.renting import Instance, RentFailure
from tercet.usage import usd

DECISIONS = 10
ENDED = 5
NOT_RENTED = "no machine is rented: config/rental.yaml names no provider (docs/rental.md)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is shown."""

    rules: RentalRules
    seen: Seen
    instances: Sequence[Instance] | RentFailure
    orphans: frozenset[str]
    """Ids of instances that no open lease is of."""
    heard_s: Mapping[str, float]
    """How long ago machines that are wanted were heard, by lease."""
    wanted: frozenset[str]
    decisions: Sequence[Decided]
    alerts: Sequence[Alert]


async def status(config: Path | None, *, as_json: bool = False) -> str:
    """Return all of it as text, or as JSON.

    Raises:
        ConfigError: something is not set.
        LedgerError: the ledger cannot be read.
    """
    if load_rental(config) is None:
        left = _left_alone()
        said = NOT_RENTED + (_warning(left) if left else "")
        alone = [asdict(lease) for lease in left]
        return f"{json.dumps({'provider': None, 'left_alone': alone})}\n" if as_json else said
    async with opened_site(config) as site:
        found = await _status(site, time.time())
    return f"{json.dumps(document(found))}\n" if as_json else text(found)


async def _status(site: RentalSite, now: float) -> Status:
    instances = await site.provider.instances(site.doorstep.site)
    if not isinstance(instances, RentFailure):
        site.doorstep.note_told()
    seen = await look(site, now)
    wanted = site.doorstep.wanted()
    heard = {lease_id: site.doorstep.silent_s(lease_id) for lease_id in wanted}
    return Status(
        rules=site.rules,
        seen=seen,
        instances=instances,
        orphans=_orphans(seen, instances, site.rules),
        heard_s={
            lease_id: silent_s for lease_id, silent_s in heard.items() if silent_s is not None
        },
        wanted=frozenset(wanted),
        decisions=await site.ledger.decisions(0.0, DECISIONS),
        alerts=alerts(seen, site.rules),
    )


def _orphans(
    seen: Seen, instances: Sequence[Instance] | RentFailure, rules: RentalRules
) -> frozenset[str]:
    view = View(
        leases=[lease for lease in seen.leases if lease.ended_at is None],
        instances=[] if isinstance(instances, RentFailure) else instances,
        wanted=frozenset(),
        silent_s={},
        refused={},
        now=seen.now,
    )
    return frozenset(
        duty.instance.instance_id
        for duty in duties(view, rules)
        if isinstance(duty, Destroy) and duty.is_orphan
    )


def _left_alone() -> Sequence[Lease]:
    """Return what was rented before the provider was taken out, and has not ended."""
    try:
        with inspected(settings().ledger) as books:
            return [lease for lease in books.leases() if lease.ended_at is None]
    except LedgerError:
        return ()


def _warning(there: Sequence[Lease]) -> str:
    names = ", ".join(f"{lease.lease_id} at {lease.provider}" for lease in there)
    return (
        f"and nobody looks after {names}, which may still bill: name the provider again and "
        "`tercet gpu destroy --all`, or end it at its console\n"
    )


def document(status: Status) -> Mapping[str, object]:
    """Return it for programs; money in nano-USD, times in Unix seconds."""
    untold, instances = None, status.instances
    if isinstance(instances, RentFailure):
        untold, instances = instances.message, ()
    return {
        "provider": status.rules.provider,
        "mode": status.rules.mode,
        "leases": [
            asdict(lease)
            | {
                "is_wanted": lease.lease_id in status.wanted,
                "heard_s": status.heard_s.get(lease.lease_id),
            }
            for lease in status.seen.leases
        ],
        "hours_today": status.seen.hours_today,
        "purses": [asdict(purse) for purse in status.seen.purses],
        "untold": untold,
        "instances": [
            asdict(one) | {"is_orphan": one.instance_id in status.orphans} for one in instances
        ],
        "decisions": [asdict(one) for one in status.decisions],
        "alerts": [asdict(one) for one in status.alerts],
    }


def text(status: Status) -> str:
    """Return it for people."""
    rules, seen = status.rules, status.seen
    kind = "bid" if rules.want.interruptible else "on demand"
    parts = [
        f"{rules.provider}, {kind}, {' or '.join(rules.want.gpus)}; {rules.mode}\n",
        _leases(status),
        _caps(seen, rules),
        _instances(status),
        _ended(seen),
        _decisions(status.decisions, seen.now),
        _alerts(status.alerts),
    ]
    return "\n".join(part for part in parts if part)


def _leases(status: Status) -> str:
    there = [lease for lease in status.seen.leases if lease.ended_at is None]
    if not there:
        return "no lease is open\n"
    return table(
        ("lease", "card", "state", "since", "USD/h", "spent USD", "held USD", "wanted", "heard"),
        [_lease(lease, status) for lease in there],
    )


def _lease(lease: Lease, status: Status) -> Sequence[str]:
    heard_s = status.heard_s.get(lease.lease_id)
    return (
        lease.lease_id,
        lease.gpu,
        lease.state,
        _ago(status.seen.now - lease.since),
        usd(lease.rate_nano_usd),
        usd(lease.spent_nano_usd),
        usd(lease.held_nano_usd),
        "yes" if lease.lease_id in status.wanted else "no",
        "-" if heard_s is None else _ago(heard_s),
    )


def _caps(seen: Seen, rules: RentalRules) -> str:
    caps = rules.caps
    created = created_lately(seen.leases, seen.now)
    rows = [
        ("hours today", f"{seen.hours_today:.2f}", "", f"{caps.hours_a_day:g}"),
        ("rented within the hour", str(created), "", str(caps.creates_an_hour)),
        *(_purse(purse) for purse in seen.purses),
    ]
    return table(("cap", "used", "held", "of"), rows)


def _purse(purse: Purse) -> Sequence[str]:
    cap = purse.cap_nano_usd
    return (
        f"{purse.scope}, USD this month",
        usd(purse.balance.spent),
        usd(purse.balance.held),
        "-" if cap is None else usd(cap),
    )


def _instances(status: Status) -> str:
    instances = status.instances
    if isinstance(instances, RentFailure):
        return f"{status.rules.provider} does not say what there is: {instances.message}\n"
    if not instances:
        return f"{status.rules.provider} has no instance of this site\n"
    rows = [
        (
            one.instance_id,
            one.label,
            one.gpu,
            one.state,
            usd(hourly(one)),
            "orphan" if one.instance_id in status.orphans else "",
        )
        for one in instances
    ]
    return table(("instance", "label", "card", "state", "USD/h", ""), rows)


def _ended(seen: Seen) -> str:
    ended = [lease for lease in seen.leases if lease.ended_at is not None][:ENDED]
    rows = [
        (
            lease.lease_id,
            lease.gpu,
            lease.end or "",
            _ago(seen.now - (lease.ended_at or 0.0)),
            str(lease.runs),
            usd(lease.spent_nano_usd),
        )
        for lease in ended
    ]
    return table(("ended", "card", "how", "when", "boots", "spent USD"), rows) if rows else ""


def _decisions(decisions: Iterable[Decided], now: float) -> str:
    rows = [
        (
            one.policy if one.is_in_force else f"({one.policy})",
            "on" if one.wants_on else "off",
            _ago(now - one.at),
            one.why,
        )
        for one in decisions
    ]
    return table(("policy", "wants", "when", "why"), rows) if rows else ""


def _alerts(found: Sequence[Alert]) -> str:
    if not found:
        return "no alert\n"
    return "".join(f"ALERT {alert.kind}: {alert.text}\n" for alert in found)


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h ago"
    return f"{seconds / 86_400:.1f} days ago"
