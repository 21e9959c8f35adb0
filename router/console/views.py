"""What each page shows, as values: a template renders one, and `?format=json` spells it.

Money is nano-USD in fields named `..._nano_usd`, or `nano_usd`; times are Unix seconds; shares and
qualities are 0 to 1. `None` is unknown, or that there is no such thing, and never zero. Strings may
hold anything a caller wrote: they are escaped where they are rendered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from router.console.evidence_views import MoneyInterval
from router.console.machine_views import GpuNow, ProviderNow
from router.console.request_views import RequestRow


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """A page in the navigation."""

    name: str
    """Of the page, as in `pages.PAGES`."""
    title: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """What is around every page: `shell` in each template."""

    title: str
    nav: tuple[NavItem, ...]
    at: float
    """When it was rendered."""
    is_signed_in: bool
    is_simulated: bool
    """Nothing is paid: the upstreams are this project's own."""
    dashboard: str | None
    """Ray's dashboard, for replicas, logs and actors."""
    read_share: float
    """How much of the ledger the read model has: 1 when it is complete."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastView:
    """The month at its end; low to high is meant to hold 80 %."""

    low_nano_usd: int
    middle_nano_usd: int
    high_nano_usd: int
    days: int
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthView:
    """The month against its cap."""

    month: str
    """As `2026-11`, in UTC."""
    spent_nano_usd: int
    held_nano_usd: int
    """The most that attempts under way and rented machines may still cost."""
    cap_nano_usd: int | None
    spent_share: float | None
    """Of the cap; it may be above 1."""
    forecast: ForecastView | None
    step: int
    """Of the budget's ladder, 1 to 6."""
    step_words: str
    why: str
    """What put it on that step."""
    will_stay: bool | None
    """Whether the high end of the forecast is below the cap; `None`: nobody can tell."""
    resets_at: float
    requests: int
    """Tasks of this month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayView:
    """What a UTC day of this month cost."""

    day: str
    """As `2026-11-03`."""
    at: float
    """When it began."""
    nano_usd: int
    """The rented machine's part included."""
    by_tier_nano_usd: Mapping[str, int]
    """By tier, and `gpu` for the rented machine."""
    sum_nano_usd: int | None
    """From the first of the month to the end of this day; `None`: it is yet to come."""
    low_nano_usd: int | None
    """The forecast's band of the same sum, from today on; `None` before."""
    middle_nano_usd: int | None
    high_nano_usd: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceView:
    """A part of the month's cost."""

    name: str
    attempts: int
    nano_usd: int
    share: float
    """Of the whole; 0 where nothing was spent."""
    last_month_nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaysView:
    """Whether the local model pays, in plain words."""

    verdict: Literal["off", "pays", "does not pay", "not known yet"]
    words: str
    answered: int
    """Attempts that the local model completed this month."""
    avoided_nano_usd: int | None
    """What they would have cost at this month's mean cost of an API's answer to the same kind."""
    machine_nano_usd: int
    """What the rented machine cost this month."""
    saving: MoneyInterval | None
    """A month, by the held-out conversations, of the kinds that are looked at; `None`: not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewView:
    """`overview.html`."""

    month: MonthView
    tiers: tuple[str, ...]
    """The keys of `DayView.by_tier_nano_usd`, in one order."""
    days: tuple[DayView, ...]
    """Every day of the month, those to come too."""
    by_tier: tuple[SliceView, ...]
    """The dearest first, as the two below; `gpu` is the rented machine."""
    by_model: tuple[SliceView, ...]
    by_kind: tuple[SliceView, ...]
    pays: PaysView
    gpu: GpuNow
    providers: tuple[ProviderNow, ...]
    newest: tuple[RequestRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundView:
    """`playground.html`: posts to `/console/playground/ask`, see `router.console.playground`."""

    choices: tuple[str, ...]
    """`auto`, the tiers and the models, as the gateway knows them."""
    has_local: bool
    problem: str
    """Why nothing can be asked; empty where it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """`login.html`: a form that posts `key` and `next` to `/console/login`."""

    next: str
    problem: str
    """Why the last try failed; empty at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleView:
    """`trouble.html`: why there is no page, and what to do."""

    title: str
    why: str
    remedy: str
