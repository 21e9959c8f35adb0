"""What an operator has to know of rented machines: decided from what was seen, not told here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tercet.budget import Balance
from tercet.leases import Lease
from tercet.rental_rules import RentalRules
from tercet.usage import usd

UNTOLD_S = 300.0
"""How long a provider may be away while something is rented."""
RECENT_S = 3600.0
"""How long an orphan that was destroyed is told."""
HOUR_S = 3600.0

AlertKind = Literal["unserved", "orphan", "untold", "cap", "unknown_charge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that costs money for nothing, or that nobody can see."""

    kind: AlertKind
    about: str
    """With the kind, which one it is: it is the same alert as long as these are the same."""
    text: str
    """Names the cause and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An instance of no open lease that was destroyed."""

    instance_id: str
    lease_id: str
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purse:
    """A scope of the budget that machines are charged to."""

    scope: str
    balance: Balance
    cap_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownCharge:
    """What a month's bill has for an instance that no lease was of."""

    instance_id: str
    month: str
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known at one moment."""

    now: float
    leases: Sequence[Lease]
    """All of them, the newest first."""
    served_at: float | None
    """When the local model last gave an answer; `None`: not since any machine ran that runs now."""
    untold_s: float | None
    """For how long the provider has not said what there is; `None`: it never did."""
    orphans: Sequence[Orphan]
    unknown: Sequence[UnknownCharge]
    hours_today: float
    purses: Sequence[Purse]


def alerts(seen: Seen, rules: RentalRules) -> Sequence[Alert]:
    """Return them, what bills now first."""
    there = [lease for lease in seen.leases if lease.ended_at is None]
    return [
        *_unserved(there, seen, rules),
        *_untold(there, seen, rules),
        *_orphans(seen),
        *_caps(seen, rules),
        *_unknown(seen),
    ]


def has_card(lease: Lease) -> bool:
    """Say whether more than its disk is billed."""
    return lease.ended_at is None and lease.rate_nano_usd > lease.stopped_hourly_nano_usd


def created_lately(leases: Iterable[Lease], now: float) -> int:
    """Return how many machines were rented within the hour."""
    return sum(1 for lease in leases if now - lease.opened_at < HOUR_S)


def _unserved(there: Iterable[Lease], seen: Seen, rules: RentalRules) -> Iterator[Alert]:
    for lease in there:
        since = max(lease.since, seen.served_at or 0.0)
        if has_card(lease) and seen.now - since > rules.times.unserved_s:
            text = (
                f"{lease.lease_id} ({lease.gpu}) has billed {usd(lease.rate_nano_usd)} USD/h for "
                f"{_minutes(seen.now - since)} and nothing was served; its log at the provider "
                f"says why, `tercet gpu destroy {lease.lease_id}` ends it"
            )
            yield Alert(kind="unserved", about=lease.lease_id, text=text)


def _untold(there: Sequence[Lease], seen: Seen, rules: RentalRules) -> Iterator[Alert]:
    if not there:
        return
    since_opened = seen.now - min(lease.opened_at for lease in there)
    untold_s = since_opened if seen.untold_s is None else min(seen.untold_s, since_opened)
    if untold_s > UNTOLD_S:
        text = (
            f"{rules.provider} has not said for {_minutes(untold_s)} what is rented, and "
            f"{len(there)} leases are open; look at its console and at the key in {rules.key_file}"
        )
        yield Alert(kind="untold", about=rules.provider, text=text)


def _orphans(seen: Seen) -> Iterator[Alert]:
    for orphan in seen.orphans:
        if seen.now - orphan.at <= RECENT_S:
            text = (
                f"instance {orphan.instance_id}, labelled {orphan.lease_id}, was destroyed: the "
                "ledger expected no such instance"
            )
            yield Alert(kind="orphan", about=orphan.instance_id, text=text)


def _caps(seen: Seen, rules: RentalRules) -> Iterator[Alert]:
    caps = rules.caps
    if seen.hours_today >= caps.hours_a_day:
        text = (
            f"machines have run {seen.hours_today:.2f} h today of caps.hours_a_day "
            f"{caps.hours_a_day:g} (rental.yaml); none runs before the next UTC day"
        )
        yield Alert(kind="cap", about="hours_a_day", text=text)
    if (created := created_lately(seen.leases, seen.now)) >= caps.creates_an_hour:
        text = (
            f"{created} machines were rented within an hour, caps.creates_an_hour of rental.yaml "
            "is reached: they do not come up, or do not stay; `tercet gpu status` says how they "
            "ended"
        )
        yield Alert(kind="cap", about="creates_an_hour", text=text)
    for purse in seen.purses:
        balance, cap = purse.balance, purse.cap_nano_usd
        if cap is not None and balance.spent + balance.held >= cap:
            text = (
                f"the budget of {purse.scope} is used up: {usd(balance.spent)} USD spent and "
                f"{usd(balance.held)} held of {usd(cap)} (budget.yaml)"
            )
            yield Alert(kind="cap", about=purse.scope, text=text)


def _unknown(seen: Seen) -> Iterator[Alert]:
    for charge in seen.unknown:
        text = (
            f"{usd(charge.nano_usd)} USD were charged in {charge.month} for instance "
            f"{charge.instance_id}, which no lease was of; if it is nobody else's, look at the "
            "provider's console"
        )
        yield Alert(kind="unknown_charge", about=f"{charge.instance_id} {charge.month}", text=text)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
