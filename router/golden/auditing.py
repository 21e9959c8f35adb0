"""`tercet golden audit`: judges judged on pairs of answers whose qualities are known."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from deployments.ledger import Ledger
from router import prompts
from router.books.table import table
from router.golden.asking import Gateway, Unsaid
from router.golden.booking import lent
from router.golden.judging import Judge, Opinion
from router.golden.making import client, require_gateway
from router.golden.showing import SIMULATED
from router.golden.suites import load_suites
from router.golden.tasks import GoldPair
from router.shadowing.judging import Case
from router.statistics.fixed import mean_bounds, proportion_bounds
from tercet.config import load
from tercet.errors import ConfigError
from tercet.migration import JudgeAudit
from tercet.usage import NANO_USD_PER_USD

ALL = "all"
_HEADINGS = ("judge", "pairs", "n", "right", "95 %", "same in both orders", "95 %", "bias", "95 %",
             "to the longer")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an operator asks for."""

    judges: Sequence[str]
    """None: those of `config/migrations.yaml`."""
    suites: Sequence[Path]
    url: str
    most_nano_usd: int
    at_once: int
    folder: Path | None
    ledger: str
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one pair."""

    pair: GoldPair
    judge: str
    audit: JudgeAudit | None
    """`None`: no verdict, and `why` says why."""
    why: str = ""
    nano_usd: int = 0
    is_simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a judge did on the pairs of one trap, or on all."""

    judge: str
    trap: str
    pairs: int
    right: float
    """Share in which it prefers what is better, or neither where neither is."""
    right_low: float
    right_high: float
    consistent: float
    """Share in which both orders came to the same."""
    consistent_low: float
    consistent_high: float
    bias: float
    """Mean of what it said minus the truth, first answer over second."""
    bias_low: float
    """Minus infinity: there are too few."""
    bias_high: float
    to_longer: float | None
    """The same, longer answer over shorter; `None`: all are of one length."""


def audit(wanted: Wanted, now: Callable[[], float]) -> int:
    """Audit and print; return 0.

    Raises:
        ConfigError: suites, judges or the gateway are not as they should be.
        LedgerError: the ledger cannot be written.
    """
    config = load(wanted.folder)
    pairs = load_suites(config.taxonomy, wanted.suites, wanted.folder).pairs
    if not pairs:
        raise ConfigError("the suites have no pairs; name a file that has some with --suite")
    names = tuple(dict.fromkeys(wanted.judges or config.migrations.judges.values()))
    if unknown := [name for name in names if name not in config.catalog.models]:
        known = ", ".join(config.catalog.models)
        raise ConfigError(f"{unknown[0]!r} is not a model; models are {known}")
    with closing(Ledger(wanted.ledger)) as ledger:
        heard = asyncio.run(_through(wanted, pairs, names, ledger, now))
    _print(heard, as_json=wanted.as_json)
    return 0


async def _through(
    wanted: Wanted,
    pairs: Sequence[GoldPair],
    names: Sequence[str],
    ledger: Ledger,
    now: Callable[[], float],
) -> Sequence[Heard]:
    async with lent(ledger, now) as key, client(wanted.url, key) as http:
        await require_gateway(http, "see that --ledger is its own: it looks our key up there")
        ask, texts = Gateway(http).ask, prompts.load()
        judges = [Judge(model=name, ask=ask, texts=texts) for name in names]
        return await hear(wanted, pairs, judges, ledger.note_audit, now)


async def hear(
    wanted: Wanted,
    pairs: Sequence[GoldPair],
    judges: Sequence[Judge],
    note: Callable[[JudgeAudit], Awaitable[None]],
    now: Callable[[], float],
) -> Sequence[Heard]:
    """Have every judge compare every pair in both orders, until the money is spent."""
    heard: list[Heard] = []
    waiting = [(judge, pair) for judge in judges for pair in pairs][::-1]

    async def work() -> None:
        while waiting:
            judge, pair = waiting.pop()
            if sum(one.nano_usd for one in heard) >= wanted.most_nano_usd:
                why = f"the limit of {wanted.most_nano_usd / NANO_USD_PER_USD:g} USD"
                heard.append(Heard(pair=pair, judge=judge.model, audit=None, why=why))
                continue
            one = _heard(judge.model, pair, await judge(_case(pair)), now())
            if one.audit is not None:
                await note(one.audit)
            heard.append(one)

    async with asyncio.TaskGroup() as group:
        for _ in range(wanted.at_once):
            group.create_task(work())
    return heard


def _case(pair: GoldPair) -> Case:
    return Case(id=pair.id, request=pair.question, first=pair.first, second=pair.second)


def _heard(judge: str, pair: GoldPair, said: Opinion | Unsaid, at: float) -> Heard:
    if isinstance(said, Unsaid):
        return Heard(pair=pair, judge=judge, audit=None, why=said.why, nano_usd=said.nano_usd)
    row = JudgeAudit(
        item=pair.id,
        judge=judge,
        kind=pair.kind,
        judged=said.judgement.first - said.judgement.second,
        truth=pair.truth,
        is_consistent=said.judgement.is_consistent,
        at=at,
    )
    return Heard(
        pair=pair,
        judge=judge,
        audit=row,
        nano_usd=said.nano_usd,
        is_simulated=said.is_simulated,
    )


def standings(heard: Iterable[Heard]) -> Sequence[Standing]:
    """Return how each judge did, by trap and on all pairs."""
    sorted_out: dict[tuple[str, str], list[tuple[GoldPair, JudgeAudit]]] = {}
    for one in heard:
        if one.audit is not None:
            for trap in (one.pair.trap or "none", ALL):
                sorted_out.setdefault((one.judge, trap), []).append((one.pair, one.audit))
    ordered = sorted(sorted_out, key=lambda place: (place[0], place[1] == ALL, place[1]))
    return [_standing(judge, trap, sorted_out[judge, trap]) for judge, trap in ordered]


def _standing(judge: str, trap: str, seen: Sequence[tuple[GoldPair, JudgeAudit]]) -> Standing:
    count = len(seen)
    right = sum(_sign(row.judged) == _sign(row.truth) for _, row in seen)
    consistent = sum(row.is_consistent for _, row in seen)
    errors = np.array([row.judged - row.truth for _, row in seen])
    lengths = np.array([_sign(len(pair.first) - len(pair.second)) for pair, _ in seen])
    right_bounds, same_bounds = (proportion_bounds(n, count) for n in (right, consistent))
    bias_low, bias_high = mean_bounds(errors)
    return Standing(
        judge=judge,
        trap=trap,
        pairs=count,
        right=right / count,
        right_low=right_bounds[0],
        right_high=right_bounds[1],
        consistent=consistent / count,
        consistent_low=same_bounds[0],
        consistent_high=same_bounds[1],
        bias=fmean(errors),
        bias_low=bias_low,
        bias_high=bias_high,
        to_longer=fmean((errors * lengths)[lengths != 0]) if lengths.any() else None,
    )


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)


def _print(heard: Sequence[Heard], *, as_json: bool) -> None:
    found, spent = standings(heard), sum(one.nano_usd for one in heard)
    reasons = [f"{one.judge}: {one.why}" for one in heard if one.audit is None]
    left = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    if any(one.is_simulated for one in heard):
        sys.stderr.write(SIMULATED)
    if as_json:
        told = {"judges": [_document(one) for one in found], "left": left, "spent_nano_usd": spent}
        sys.stdout.write(f"{json.dumps(told, allow_nan=False)}\n")
        return
    sys.stdout.write(table(_HEADINGS, map(_line, found)) if found else "no pair was judged\n")
    sys.stdout.write("".join(f"left: {count} because {why}\n" for why, count in left.items()))
    sys.stdout.write(f"spent: {spent / NANO_USD_PER_USD:.6f} USD\n")


def _document(one: Standing) -> Mapping[str, object]:
    """Return it without infinities, which JSON does not have."""
    return {
        name: None if value in (float("inf"), float("-inf")) else value
        for name, value in asdict(one).items()
    }


def _line(one: Standing) -> Sequence[str]:
    return (
        one.judge,
        one.trap,
        str(one.pairs),
        f"{one.right:.2f}",
        f"{one.right_low:.2f} to {one.right_high:.2f}",
        f"{one.consistent:.2f}",
        f"{one.consistent_low:.2f} to {one.consistent_high:.2f}",
        f"{one.bias:+.3f}",
        f"{one.bias_low:+.3f} to {one.bias_high:+.3f}",
        "-" if one.to_longer is None else f"{one.to_longer:+.3f}",
    )
