"""The first page: the month's money, who it went to, whether the local model pays, what is up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from deployments.ledger.viewing import Wanted
from router.console.making.gpu import gpu_now
from router.console.making.pays import pays
from router.console.making.providers import providers_now
from router.console.making.requests import rows_of
from router.console.making.scene import Scene
from router.console.reader import before
from router.console.tally import DAY_NS, Axis
from router.console.views import (
    DayView,
    ForecastView,
    MonthView,
    OverviewView,
    SliceView,
)
from tercet.budget import GPU
from tercet.ledger import month_begin, month_end
from tercet.outlook import Outlook

NEWEST = 8
_DAY_S = 24 * 3600.0
STEPS = {
    1: "normal",
    2: "cost weighs more",
    3: "no premium tier, but for the kinds of the allow-list",
    4: "the cheapest model or the local one",
    5: "the local model alone",
    6: "nothing until the month ends",
}


def overview(scene: Scene, outlook: Outlook) -> OverviewView:
    """Return the page."""
    days = tuple(_days(scene, outlook))
    newest = scene.view.tasks(Wanted(), scene.now_ns + 10**9, NEWEST, NEWEST)
    used = {name for day in days for name in day.by_tier_nano_usd}
    tiers = [*scene.config.catalog.tiers, *sorted(used), GPU]
    return OverviewView(
        month=month_view(scene, outlook),
        tiers=tuple(name for name in dict.fromkeys(tiers) if name in used or name != GPU),
        days=days,
        by_tier=_slices(scene, "tier"),
        by_model=_slices(scene, "model"),
        by_kind=_slices(scene, "kind"),
        pays=pays(scene),
        gpu=gpu_now(scene, scene.view.leases()),
        providers=providers_now(scene),
        newest=tuple(rows_of(scene.view, newest)),
    )


def month_view(scene: Scene, outlook: Outlook) -> MonthView:
    """Return the month against its cap."""
    cap, seen = outlook.cap_nano_usd, outlook.forecast
    forecast = None
    if seen is not None:
        forecast = ForecastView(
            low_nano_usd=seen.low,
            middle_nano_usd=seen.middle,
            high_nano_usd=seen.high,
            days=seen.days,
            method=seen.method,
        )
    return MonthView(
        month=outlook.month,
        spent_nano_usd=outlook.spent_nano_usd,
        held_nano_usd=outlook.held_nano_usd,
        cap_nano_usd=cap,
        spent_share=outlook.spent_nano_usd / cap if cap else None,
        forecast=forecast,
        step=outlook.step,
        step_words=STEPS[outlook.step],
        why=outlook.why,
        will_stay=None if cap is None or seen is None else seen.high <= cap,
        resets_at=outlook.resets_at,
        requests=sum(scene.books.tally.tasks(outlook.month).values()),
    )


def _days(scene: Scene, outlook: Outlook) -> Iterable[DayView]:
    """Return every day of the month; of those to come, where the sum is heading."""
    first_at = month_begin(outlook.month)
    ends_at = month_end(first_at)
    spent = _by_day(scene)
    so_far = 0
    for number in range(round((ends_at - first_at) / _DAY_S)):
        at = first_at + number * _DAY_S
        of = spent.get(round(at * 1e9) // DAY_NS, {})
        so_far += sum(of.values())
        ahead = _ahead(outlook, (at + _DAY_S - scene.now) / max(ends_at - scene.now, 1.0))
        low, middle, high = ahead if at + _DAY_S > scene.now else (None, None, None)
        yield DayView(
            day=datetime.fromtimestamp(at, UTC).date().isoformat(),
            at=at,
            nano_usd=sum(of.values()),
            by_tier_nano_usd=of,
            sum_nano_usd=so_far if at <= scene.now else None,
            low_nano_usd=low,
            middle_nano_usd=middle,
            high_nano_usd=high,
        )


def _ahead(outlook: Outlook, share: float) -> tuple[int | None, int | None, int | None]:
    """Return the forecast's band where so much of the time that is left has passed."""
    seen, spent = outlook.forecast, outlook.spent_nano_usd
    if seen is None:
        return None, None, None
    low, middle, high = (
        spent + round((end - spent) * share) for end in (seen.low, seen.middle, seen.high)
    )
    return low, middle, high


def _by_day(scene: Scene) -> Mapping[int, Mapping[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for (day, tier), spent in scene.books.tally.days(scene.month).items():
        found[day][tier] = spent
    for month, day, spent in scene.books.rented:
        if month == scene.month:
            found[day][GPU] = spent
    return found


def _slices(scene: Scene, axis: Axis) -> tuple[SliceView, ...]:
    """Return the month's cost by one property, the dearest first; by tier with the machine's."""
    books, month = scene.books, scene.month
    now, past = books.tally.by(axis, month), books.tally.by(axis, before(month))
    spent = {name: sums.nano_usd for name, sums in now.items()}
    earlier = {name: sums.nano_usd for name, sums in past.items()}
    if axis == "tier" and books.rented_in(month):
        spent[GPU], earlier[GPU] = books.rented_in(month), books.rented_in(before(month))
    whole = sum(spent.values())
    found = [
        SliceView(
            name=name,
            attempts=now[name].attempts if name in now else 0,
            nano_usd=of,
            share=of / whole if whole else 0.0,
            last_month_nano_usd=earlier.get(name, 0),
        )
        for name, of in spent.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.nano_usd, one.name)))
