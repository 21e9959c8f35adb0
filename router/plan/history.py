"""The workload of the ledger's last 30 days."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from deployments.ledger.inspection import AttemptRow
from router.plan.workload import DISPLACED, Calls, TierLoad, Workload
from tercet.catalog import LOCAL
from tercet.usage import Usage

DAYS = 30
DAY_S = 86_400


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Attempts, and the tokens of those whose tokens were counted."""

    attempts: int = 0
    counted: int = 0
    usage: Usage = field(default_factory=Usage)

    def add(self, usage: Usage) -> None:
        self.attempts += 1
        self.counted += usage.output > 0
        self.usage += usage

    def mean(self) -> Usage | None:
        many = self.counted
        if not many:
            return None
        return Usage(
            fresh_input=round(self.usage.fresh_input / many),
            cache_read=round(self.usage.cache_read / many),
            cache_write_5m=round(self.usage.cache_write_5m / many),
            cache_write_1h=round(self.usage.cache_write_1h / many),
            output=round(self.usage.output / many),
        )


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What the rows come to."""

    first_ns: int | None = None
    attempts: int = 0
    uncounted: int = 0
    simulated: int = 0
    begun_ns: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict[str, dict[str, int]](dict)
    )
    """By tier and task: when it began."""
    calls: dict[str, dict[str, _Tally]] = field(
        default_factory=lambda: defaultdict[str, dict[str, _Tally]](
            lambda: defaultdict[str, _Tally](_Tally)
        )
    )
    """By tier and model."""
    sizes: dict[str, _Tally] = field(default_factory=lambda: defaultdict[str, _Tally](_Tally))
    """By tier: calls of the first round, which read the request alone."""

    def add(self, row: AttemptRow) -> None:
        begun = self.begun_ns[row.tier]
        begun[row.task_id] = min(row.reserved_at_ns, begun.get(row.task_id, row.reserved_at_ns))
        self.first_ns = min(row.reserved_at_ns, self.first_ns or row.reserved_at_ns)
        self.attempts += 1
        self.simulated += row.simulated
        usage = _usage(row) if row.output else Usage()
        self.uncounted += not row.output
        self.calls[row.tier][row.model].add(usage)
        if row.round == 1:
            self.sizes[row.tier].add(usage)


def observed(rows: Iterable[AttemptRow], now: float, otherwise: Workload) -> Workload | None:
    """Return the workload of the 30 days before `now`; `None`: nothing was asked in them.

    `otherwise` has what the ledger cannot tell. Rows of other days may be among them.
    """
    seen = _Seen()
    since_ns, until_ns = int((now - DAYS * DAY_S) * 1e9), int(now * 1e9)
    for row in rows:
        if since_ns <= row.reserved_at_ns <= until_ns and row.state != "void":
            seen.add(row)
    return None if seen.first_ns is None else _workload(seen, seen.first_ns, now, otherwise)


def _workload(seen: _Seen, first_ns: int, now: float, otherwise: Workload) -> Workload:
    days = min(DAYS, max(1.0, (now - first_ns / 1e9) / DAY_S))
    local = len(seen.begun_ns.get(LOCAL, {}))
    routine = local + len(seen.begun_ns.get(DISPLACED, {}))
    tiers = _tiers(seen, days, otherwise)
    return replace(
        otherwise,
        source=f"the ledger's last {days:.1f} days, {seen.attempts:,} attempts",
        tiers=tiers,
        local_share=local / routine if local else otherwise.local_share,
        local_usage=_size(seen) or otherwise.local_usage,
        hours=_hours(seen) or otherwise.hours,
        assumed=tuple(_assumed(seen, otherwise)),
    )


def _tiers(seen: _Seen, days: float, otherwise: Workload) -> tuple[TierLoad, ...]:
    """Return the tiers of the plan and any others; what went local counts as tier 3's."""
    usual = {tier.name: tier.calls for tier in otherwise.tiers}
    names = [*usual, *sorted(seen.begun_ns.keys() - usual.keys() - {LOCAL})]
    loads: list[TierLoad] = []
    for name in names:
        tasks = len(seen.begun_ns.get(name, {}))
        extra = len(seen.begun_ns.get(LOCAL, {})) if name == DISPLACED else 0
        size = seen.sizes[name].mean() or otherwise.local_usage
        calls = _calls(seen.calls.get(name, {}), tasks, size) or usual.get(name, ())
        loads.append(TierLoad(name=name, requests_per_day=(tasks + extra) / days, calls=calls))
    return tuple(loads)


def _calls(tallies: Mapping[str, _Tally], tasks: int, size: Usage) -> tuple[Calls, ...]:
    """Return the calls of a request; those of a model that nobody counted are of some size."""
    return tuple(
        Calls(model=model, per_request=tally.attempts / tasks, usage=tally.mean() or size)
        for model, tally in sorted(tallies.items())
    )


def _size(seen: _Seen) -> Usage | None:
    """Return the mean request that went local, or of tier 3 if none did."""
    for name in (LOCAL, DISPLACED):
        mean = seen.sizes[name].mean()
        if mean is not None:
            return Usage(fresh_input=mean.input, output=mean.output)
    return None


def _hours(seen: _Seen) -> tuple[float, ...] | None:
    tasks = [at for name in (LOCAL, DISPLACED) for at in seen.begun_ns.get(name, {}).values()]
    if not tasks:
        return None
    hours = Counter(datetime.fromtimestamp(at // 10**9, UTC).hour for at in tasks)
    return tuple(hours[hour] / len(tasks) for hour in range(24))


def _assumed(seen: _Seen, otherwise: Workload) -> Iterable[str]:
    if not any(seen.begun_ns.get(name) for name in (LOCAL, DISPLACED)):
        yield otherwise.assumed[0]
    if seen.simulated:
        yield f"{seen.simulated:,} of the attempts were simulated, and are priced as if real"
    if seen.uncounted:
        yield f"{seen.uncounted:,} attempts without a count of tokens are taken to be like others"


def _usage(row: AttemptRow) -> Usage:
    return Usage(
        fresh_input=row.fresh_input or 0,
        cache_read=row.cache_read or 0,
        cache_write_5m=row.cache_write_5m or 0,
        cache_write_1h=row.cache_write_1h or 0,
        output=row.output or 0,
    )
