"""A frame for people, with rich; and for programs, as JSON."""

import json
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from router.terminal.output import on_one_line
from router.terminal.top.frame import Frame, Seen, Trouble
from router.terminal.top.watching import Show
from tercet.budget import GPU, Balance
from tercet.leases import Lease
from tercet.outlook import CLOSED, NORMAL, Outlook
from tercet.usage import NANO_USD_PER_USD

WIDTH = 120
"""Columns where there is no terminal."""
_BAR = 30
_MANY = 8
"""Lines of a table at most."""


@contextmanager
def shown_on(out: TextIO, *, as_json: bool, once: bool) -> Generator[Show]:
    """Yield what shows a frame: in place on a terminal, else one after the other."""
    if as_json:
        yield lambda seen: _write(out, f"{json.dumps(document(seen))}\n")
    elif once or not out.isatty():
        console = Console(file=out, width=None if out.isatty() else WIDTH)
        yield lambda seen: console.print(drawn(seen), end="\n")
    else:
        with Live(console=Console(file=out), screen=True, auto_refresh=False) as live:
            yield lambda seen: live.update(drawn(seen), refresh=True)


def document(seen: Frame | Trouble) -> dict[str, object]:
    """Return it for programs; times are Unix seconds, money is nano-USD."""
    if isinstance(seen, Trouble):
        return {"trouble": seen.why}
    return {"trouble": None, **asdict(seen)}


def drawn(seen: Frame | Trouble) -> Group:
    """Return it for people."""
    if isinstance(seen, Trouble):
        return Group(Text(on_one_line(seen.why), style="bold red"), Text("looking again ..."))
    blocks = [
        _month(seen),
        _rate(seen),
        _today(seen),
        _newest(seen),
        _health(seen),
        _machines(seen),
    ]
    return Group(*(part for block in blocks for part in (block, Text(""))))


def _month(seen: Frame) -> Group:
    """The month in three lines: money, where it leads, and the step of the ladder."""
    look = seen.outlook
    at = datetime.fromtimestamp(seen.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    held = f", {_usd(look.held_nano_usd)} held" if look.held_nano_usd else ""
    style = "green" if look.step == NORMAL else "red" if look.step == CLOSED else "yellow"
    return Group(
        Text.assemble((f"tercet {look.month}", "bold"), f"  {at}"),
        Text(f"spent     {_usd(look.spent_nano_usd)}{_of_cap(look)}{held}"),
        Text(f"forecast  {_forecast(look)}"),
        Text(f"step      {look.step} of 6; {on_one_line(look.why)}", style=style),
    )


def _of_cap(look: Outlook) -> str:
    if not look.cap_nano_usd:
        return " (no cap)" if look.cap_nano_usd is None else " of nothing"
    share = look.spent_nano_usd / look.cap_nano_usd
    full = min(round(share * _BAR), _BAR)
    return f" of {_usd(look.cap_nano_usd)}  [{'#' * full}{'.' * (_BAR - full)}] {share:.1%}"


def _forecast(look: Outlook) -> str:
    found = look.forecast
    if found is None:
        return "none: nothing was spent in the last 35 days"
    return f"{_usd(found.middle)} [{_usd(found.low)}, {_usd(found.high)}] at the month's end"


def _rate(seen: Frame) -> Text:
    return Text(
        f"requests  {seen.last_minute} in the last minute, {seen.a_minute:.1f} a minute over "
        f"15 minutes, {seen.under_way} under way"
    )


def _today(seen: Frame) -> Table | Text:
    if not seen.today:
        return Text("today     no request yet (UTC); `tercet ask 'What is 17 * 23?'` makes one")
    rows = [
        (one.route, one.model, f"{one.requests:,}", _usd(one.nano_usd))
        for one in seen.today[:_MANY]
    ]
    rows.append(
        (
            "all",
            "",
            f"{sum(one.requests for one in seen.today):,}",
            _usd(sum(one.nano_usd for one in seen.today)),
        )
    )
    return _table(("today", "answered by", ">requests", ">spent"), rows)


def _newest(seen: Frame) -> Table | Text:
    if not seen.newest:
        return Text("newest    none")
    headings = ("newest", "key", "kind", "route", "answered by", ">cost", ">time", "why")
    return _table(headings, map(_request, seen.newest))


def _request(one: Seen) -> Sequence[str]:
    at = datetime.fromtimestamp(one.at, UTC).strftime("%H:%M:%S")
    cost = "-" if one.nano_usd is None else _usd(one.nano_usd)
    took = "..." if one.seconds is None else f"{one.seconds:.1f} s"
    return (at, one.key, one.kind, one.route, one.model or one.outcome, cost, took, one.reason)


def _health(seen: Frame) -> Table | Text:
    if not seen.health:
        return Text("providers none was asked in the last 15 minutes")
    rows = [
        (one.provider, one.model, str(one.asked), str(one.failed), one.last_failure or "")
        for one in seen.health
    ]
    return _table(("providers", "model, 15 minutes", ">asked", ">failed", "last failure"), rows)


def _machines(seen: Frame) -> Table | Text:
    spent = seen.scopes.get(GPU, Balance()).spent
    if not seen.machines:
        return Text(f"machines  none is rented; {_usd(spent)} this month")
    rows = [_machine(one, seen.at) for one in seen.machines]
    return _table(("machine", "card", "state", ">for", ">USD/h", ">spent"), rows)


def _machine(one: Lease, now: float) -> Sequence[str]:
    rate, spent = _usd(one.rate_nano_usd), _usd(one.spent_nano_usd)
    return (one.lease_id, one.gpu, one.state, f"{(now - one.since) / 60:.0f} min", rate, spent)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Return a table; a heading that begins with > is of figures, a last one of text may be cut."""
    ends_with_text = not headings[-1].startswith(">")
    made = Table(box=None, pad_edge=False, header_style="bold", expand=ends_with_text)
    for place, heading in enumerate(headings, start=1):
        made.add_column(
            heading.removeprefix(">"),
            justify="right" if heading.startswith(">") else "left",
            no_wrap=True,
            ratio=1 if ends_with_text and place == len(headings) else None,
        )
    for row in rows:
        made.add_row(*(Text(on_one_line(cell)) for cell in row))
    return made


def _usd(nano_usd: int) -> str:
    """Return dollars, small amounts with the digits that say something."""
    dollars = nano_usd / NANO_USD_PER_USD
    return f"${dollars:,.2f}" if dollars >= 1 or not dollars else f"${dollars:.6f}"


def _write(out: TextIO, line: str) -> None:
    out.write(line)
    out.flush()
