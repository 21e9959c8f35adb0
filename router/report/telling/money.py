"""The sections of the month's money and of how far the ledger's amounts may be trusted."""

from collections.abc import Iterator

from router.report.blocks import Band, Block, Listing, Picture, Point, Section, Sentence, Table
from router.report.honesty import Honesty
from router.report.measures import amount, bare, words
from router.report.spending import Money
from router.report.telling.wording import date_words, thinned, window_words
from tercet.usage import NANO_USD_PER_USD


def money_section(money: Money) -> Section:
    """Tell what the month costs."""
    target = amount(money.target_nano_usd, "nano_usd")
    cap = "none" if money.cap_nano_usd is None else amount(money.cap_nano_usd, "nano_usd")
    spent = f"{money.month}, models and rented machines: {words(money.spent)}"
    so_far = " so far" if money.method else ""
    lines: list[Block] = [
        Sentence(text=f"{spent}{so_far}. The plan's target is {target}, the cap {cap}.")
    ]
    if money.method:
        lines.append(Sentence(text=f"At its end: {words(money.ending)}, {money.method}."))
    elif money.ending.value is None:
        lines.append(Sentence(text="Nothing was spent lately to make a forecast from."))
    return Section(title="The month's money", blocks=(*lines, _picture(money)))


def _picture(money: Money) -> Picture:
    points = [
        _point(level.at, level.nano_usd, level.nano_usd, level.nano_usd) for level in money.levels
    ]
    ending = money.ending
    is_ahead = ending.basis == "forecast" and ending.value is not None
    ahead_from = points[-1].at if points and is_ahead else None
    if is_ahead and points:
        value = ending.value or 0
        points.append(_point(money.ends, value, ending.low or value, ending.high or value))
    lines = [("target", money.target_nano_usd)]
    if money.cap_nano_usd not in {None, money.target_nano_usd}:
        lines.append(("cap", money.cap_nano_usd or 0))
    return Picture(
        name="spending",
        title=f"Spending in {money.month} against target and cap",
        says=f"A rising line of what was spent by each day, {words(money.spent)}; the dashed end "
        f"is the forecast, {words(ending)}; level lines are target and cap.",
        shape=Band(
            points=tuple(points),
            unit="USD",
            lines=tuple((name, level / NANO_USD_PER_USD) for name, level in lines),
            ahead_from=ahead_from,
        ),
        table=Table(
            title=f"Spent in {money.month}, by the end of the day (counted)",
            headings=("Day", "USD"),
            rows=tuple(
                (date_words(level.at - 1), amount(level.nano_usd, "nano_usd"))
                for level in thinned(money.levels)
            ),
        ),
    )


def _point(at: float, value: float, low: float, high: float) -> Point:
    value, low, high = (one / NANO_USD_PER_USD for one in (value, low, high))
    return Point(at=at, value=value, low=low, high=high)


def honesty_section(honesty: Honesty) -> Section:
    """Tell how far the amounts may be trusted."""
    return Section(
        title="How far the ledger may be trusted",
        blocks=(
            Sentence(text=f"Period: {window_words(honesty.window)}; all counted."),
            Listing(points=tuple(_points(honesty))),
        ),
    )


def _points(honesty: Honesty) -> Iterator[str]:
    yield f"Attempts: {honesty.attempts:,}, of which simulated: {honesty.simulated:,}."
    yield (
        f"Estimated, because no provider counted them: {bare(honesty.estimated)} of what was spent "
        f"({honesty.estimated_attempts:,} attempts)."
    )
    yield (
        f"Orphans, whose process ended before their bill was known: {honesty.orphans:,}; they "
        "count at their upper bound, so costs are rather too high than too low."
    )
    yield f"Under way: {honesty.under_way:,}, at most {bare(honesty.held)}, in no cost above."
    yield (
        f"Tasks whose rows cannot be read (another release's): {honesty.unread:,}. Attempts "
        f"without a task that can be read cost {bare(honesty.without_task)}."
    )
    yield "`tercet ledger verify` checks the ledger's sums, `tercet ledger reconcile` the bills."
