"""What is seen at one moment."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tercet.budget import Balance
from tercet.leases import Lease
from tercet.outlook import Outlook

RECENT_S = 900.0
"""How far back a provider's health is looked at."""
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request."""

    task_id: str
    at: float
    """Unix seconds."""
    key: str
    kind: str
    route: str
    reason: str
    asked: tuple[str, ...]
    """Models that had a seat."""
    failed: Mapping[str, str]
    """Why those said nothing that did not: by model."""
    model: str | None
    """Who answered."""
    outcome: str
    """`under_way` until it has ended."""
    nano_usd: int | None
    """Of all its attempts so far; `None`: nothing was sent."""
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What requests of today came to, by their route and by who answered."""

    route: str
    model: str
    requests: int
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A model in the last quarter of an hour."""

    provider: str
    model: str
    asked: int
    failed: int
    last_failure: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """All of it."""

    at: float
    outlook: Outlook
    scopes: Mapping[str, Balance]
    """This month's."""
    caps: Mapping[str, int]
    last_minute: int
    """Requests."""
    a_minute: float
    """Requests, over the last quarter of an hour."""
    under_way: int
    today: tuple[Spent, ...]
    """Since 00:00 UTC, the dearest first."""
    newest: tuple[Seen, ...]
    health: tuple[Health, ...]
    machines: tuple[Lease, ...]
    """That are rented now."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """The ledger could not be read, and why."""

    why: str


def spent(seen: Iterable[Seen]) -> tuple[Spent, ...]:
    """Add up what requests cost."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for one in seen:
        who = one.route, one.model or "-"
        requests, nano_usd = sums.get(who, (0, 0))
        sums[who] = requests + 1, nano_usd + (one.nano_usd or 0)
    found = (
        Spent(route=route, model=model, requests=requests, nano_usd=nano_usd)
        for (route, model), (requests, nano_usd) in sums.items()
    )
    return tuple(sorted(found, key=lambda one: (-one.nano_usd, one.route, one.model)))


def health(seen: Iterable[Seen], providers: Mapping[str, str]) -> tuple[Health, ...]:
    """Count how often each model was asked and how often it failed.

    Args:
        seen: requests, the oldest first.
        providers: by model.
    """
    asked: dict[str, list[str | None]] = {}
    for model, failure in (voice for one in seen for voice in _voices(one)):
        asked.setdefault(model, []).append(failure)
    return tuple(
        Health(
            provider=providers.get(model, "unknown"),
            model=model,
            asked=len(came),
            failed=sum(failure is not None for failure in came),
            last_failure=next((failure for failure in reversed(came) if failure), None),
        )
        for model, came in sorted(
            asked.items(), key=lambda one: (providers.get(one[0], "unknown"), one[0])
        )
    )


def _voices(one: Seen) -> Iterator[tuple[str, str | None]]:
    for model in {*one.asked, *one.failed, *([one.model] if one.model else [])}:
        yield model, one.failed.get(model)
