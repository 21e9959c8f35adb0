"""The ledger against the simulated upstreams' own bill: two books that were kept independently."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import inf
from pathlib import Path
from typing import TextIO

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.books.matching import Matching, Pair, Posted, match
from router.terminal.progress import progress, watched
from tercet.errors import ConfigError
from tercet.ledger import Settlement
from tercet.usage import Usage

_NAMED = 20
"""Offenders printed of each sort."""


def reconcile(
    ledger: Path | str,
    bill: Path,
    now: float = inf,
    *,
    as_json: bool = False,
    screen: TextIO | None = None,
) -> int:
    """Print both sums by model in nano-USD, and what differs; return 1 if anything sure does.

    What is settled after `now` is not compared: a gateway may be running. How far it is, it says
    on `screen`.

    Raises:
        ConfigError: the log is missing or is none.
        LedgerError: the ledger cannot be read.
    """
    found = _match(ledger, bill, now, screen)
    sys.stdout.write(_json(found) if as_json else _text(found))
    return 0 if found.is_right else 1


def settle_orphans(ledger: Path | str, bill: Path, now: float) -> int:
    """Book orphans at what the log says they cost, and say so on stderr; return 0.

    Raises:
        ConfigError: the log is missing or is none.
        LedgerError: the ledger cannot be read or written.
    """
    pairs = [pair for pair in _match(ledger, bill, now).unsure if _is_proved(pair)]
    asyncio.run(_settle(ledger, pairs, now))
    saved = sum(pair.booked - pair.billed for pair in pairs)
    sys.stderr.write(f"{len(pairs):,} orphans settled, {saved:,} nano-USD less than estimated\n")
    return 0


def billed_totals(bill: Path) -> Counter[str]:
    """Return nano-USD by model from the billing log, one JSON line a POST."""
    totals: Counter[str] = Counter()
    for line in _read(bill):
        totals[line.model] += line.cost_nano_usd
    return +totals


def _match(ledger: Path | str, bill: Path, now: float, screen: TextIO | None = None) -> Matching:
    if not bill.is_file():
        what = "is no file" if bill.exists() else "does not exist"
        raise ConfigError(f"{bill} {what}; `make run` and some requests write it")
    with progress("reading the bill", screen) as advance:
        lines = list(watched(_read(bill), advance))
    with inspected(ledger) as books, progress("reading the ledger", screen) as advance:
        rows = watched(books.attempts(), advance)
        return match((row for row in rows if row.simulated), lines, now)


def _read(bill: Path) -> Iterator[Posted]:
    with bill.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                yield _posted(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(
                    f"{bill}, line {number} is no line of a billing log ({error}); name the "
                    "simulated upstreams' log with --bill"
                ) from error


def _posted(entry: dict[str, object]) -> Posted:
    cost = entry["cost_nano_usd"]
    if not isinstance(cost, int):
        raise TypeError(f"cost_nano_usd is {cost!r}")
    named, request = entry.get("client_request_id"), entry.get("request_id")
    return Posted(
        attempt_id=None if named is None else str(named),
        model=str(entry["model"]),
        cost_nano_usd=cost,
        upstream_id=None if request is None else str(request),
        usage=Usage(
            fresh_input=_tokens(entry, "fresh_input"),
            cache_read=_tokens(entry, "cache_read"),
            cache_write_5m=_tokens(entry, "cache_write_5m"),
            cache_write_1h=_tokens(entry, "cache_write_1h"),
            output=_tokens(entry, "output"),
        ),
    )


def _tokens(entry: dict[str, object], name: str) -> int:
    count = entry.get(name, 0)
    if not isinstance(count, int):
        raise TypeError(f"{name} is {count!r}")
    return count


def _is_proved(pair: Pair) -> bool:
    """Whether the log says what an orphan cost; no line says only that the log has none."""
    return pair.row.flag == "orphan" and len(pair.posted) == 1


async def _settle(ledger: Path | str, pairs: Sequence[Pair], now: float) -> None:
    with closing(Ledger(ledger)) as opened:
        for pair in pairs:
            await opened.settle(_settlement(pair, now))


def _settlement(pair: Pair, now: float) -> Settlement:
    post = pair.posted[0]
    return Settlement(
        attempt_id=pair.row.attempt_id,
        state="settled",
        outcome=pair.row.outcome or "orphaned",
        usage=post.usage,
        usage_source="provider",
        settled_nano_usd=post.cost_nano_usd,
        price_source="the upstream's billing log",
        upstream_id=post.upstream_id,
        first_token_s=None,
        latency_s=0.0,
        at=now,
    )


def _text(found: Matching) -> str:
    models = sorted(found.booked.keys() | found.billed.keys())
    lines = [f"{'model':<24}{'ledger':>18}{'billing log':>18}{'difference':>14}"]
    lines += [_line(m, found.booked.get(m, 0), found.billed.get(m, 0)) for m in models]
    lines.append(_line("total", sum(found.booked.values()), sum(found.billed.values())))
    if found.matched:
        above = sum(pair.booked - pair.billed for pair in found.unsure)
        lines += [
            "",
            f"by attempt: {found.matched:,} matched, {len(found.lost):,} lost, "
            f"{len(found.doubled):,} doubled, {len(found.wrong):,} wrong; {len(found.unsure):,} "
            f"estimated or open, {above:,} above the bill",
            *_offenders("lost", [(p.attempt_id or "", 0, p.cost_nano_usd) for p in found.lost]),
            *_offenders("doubled", _amounts(found.doubled)),
            *_offenders("wrong", _amounts(found.wrong)),
            *_offenders("estimated or open", _amounts(found.unsure)),
        ]
    return "\n".join(lines) + "\n"


def _amounts(pairs: Sequence[Pair]) -> list[tuple[str, int, int]]:
    return [(pair.row.attempt_id, pair.booked, pair.billed) for pair in pairs]


def _offenders(sort: str, found: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    for attempt_id, booked, billed in found[:_NAMED]:
        yield f"  {sort}: {attempt_id}, booked {booked:,}, billed {billed:,}"
    if len(found) > _NAMED:
        yield f"  {sort}: {len(found) - _NAMED:,} more"


def _line(name: str, booked: int, billed: int) -> str:
    return f"{name:<24}{booked:>18,}{billed:>18,}{booked - billed:>14,}"


def _json(found: Matching) -> str:
    pairs = {"doubled": found.doubled, "wrong": found.wrong, "estimated_or_open": found.unsure}
    document = {
        "is_right": found.is_right,
        "booked_nano_usd": found.booked,
        "billed_nano_usd": found.billed,
        "unexplained_nano_usd": found.unexplained,
        "matched": found.matched,
        "lost": [
            {"attempt_id": post.attempt_id, "billed_nano_usd": post.cost_nano_usd}
            for post in found.lost
        ],
        **{
            name: [
                {"attempt_id": of, "booked_nano_usd": booked, "billed_nano_usd": billed}
                for of, booked, billed in _amounts(some)
            ]
            for name, some in pairs.items()
        },
    }
    return json.dumps(document, indent=2) + "\n"
