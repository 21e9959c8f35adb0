"""Rented machines as `tercet ledger show` lists them: their times, and what each was paid for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from router.books.machines import Part, Use
from tercet.accrual import HOUR_NS, SECOND_NS
from tercet.leases import Lease
from tercet.usage import usd

HEADINGS = (
    "card", "state", "loading h", "warming h", "busy h", "idle h", "idle share", "stopped h",
    "card USD", "idle USD", "disk USD", "corrected USD", "held USD",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class MachineTally:
    """What a machine's month comes to; the sum of its amounts is what is booked for it."""

    gpu: str = ""
    state: str = ""
    """Of the lease, or how it ended."""
    loading_s: float = 0.0
    warming_s: float = 0.0
    """Running and not answering yet."""
    busy_s: float = 0.0
    idle_s: float = 0.0
    stopped_s: float = 0.0
    card_nano_usd: int = 0
    """All of the card's time, the idle too."""
    idle_nano_usd: int = 0
    disk_nano_usd: int = 0
    corrected_nano_usd: int = 0
    held_nano_usd: int = 0

    def add(self, part: Part) -> None:
        """Count a part of a span."""
        seconds = part.ns / SECOND_NS
        match part.span.state:
            case "loading":
                self.loading_s += seconds
            case "running":
                self._run(part.use, seconds)
            case _:
                self.stopped_s += seconds
        self._pay(part.use, part.nano_usd)

    def _run(self, use: Use, seconds: float) -> None:
        self.warming_s += seconds if use == "warming" else 0
        self.busy_s += seconds if use == "busy" else 0
        self.idle_s += seconds if use == "idle" else 0

    def _pay(self, use: Use, nano_usd: int) -> None:
        if use == "correction":
            self.corrected_nano_usd += nano_usd
        elif use == "storage":
            self.disk_nano_usd += nano_usd
        else:
            self.card_nano_usd += nano_usd
            self.idle_nano_usd += nano_usd if use == "idle" else 0

    def cells(self) -> tuple[str, ...]:
        """Return it under `HEADINGS`."""
        ran_s = self.warming_s + self.busy_s + self.idle_s
        hours = HOUR_NS / SECOND_NS
        return (
            self.gpu,
            self.state,
            f"{self.loading_s / hours:.2f}",
            f"{self.warming_s / hours:.2f}",
            f"{self.busy_s / hours:.2f}",
            f"{self.idle_s / hours:.2f}",
            f"{100 * self.idle_s / ran_s:.1f} %" if ran_s else "-",
            f"{self.stopped_s / hours:.2f}",
            usd(self.card_nano_usd),
            usd(self.idle_nano_usd),
            usd(self.disk_nano_usd),
            usd(self.corrected_nano_usd),
            usd(self.held_nano_usd),
        )


def tallies(
    leases: Sequence[Lease], parts: Iterable[Part], month: str
) -> Mapping[str, MachineTally]:
    """Return a month of every machine that is rented or was in it, in the order of renting."""
    found: dict[str, MachineTally] = {}
    kept = [part for part in parts if part.span.month == month]
    of_month = {part.lease.lease_id for part in kept}
    for lease in sorted(leases, key=lambda lease: (lease.opened_at, lease.lease_id)):
        if lease.ended_at is None or lease.lease_id in of_month:
            found[lease.lease_id] = MachineTally(
                gpu=lease.gpu, state=lease.end or lease.state, held_nano_usd=lease.held_nano_usd
            )
    for part in kept:
        found[part.lease.lease_id].add(part)
    return found


def summed(machines: Iterable[MachineTally]) -> MachineTally:
    """Return what all of them come to."""
    total = MachineTally()
    for one in machines:
        total.loading_s += one.loading_s
        total.warming_s += one.warming_s
        total.busy_s += one.busy_s
        total.idle_s += one.idle_s
        total.stopped_s += one.stopped_s
        total.card_nano_usd += one.card_nano_usd
        total.idle_nano_usd += one.idle_nano_usd
        total.disk_nano_usd += one.disk_nano_usd
        total.corrected_nano_usd += one.corrected_nano_usd
        total.held_nano_usd += one.held_nano_usd
    return total
