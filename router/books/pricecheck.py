"""`tercet prices`: our price book beside a second public table, which bills nothing."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from deployments.prices import SERVICE_TIERS, PriceBook, Tariff
from router.terminal.output import tell
from tercet.catalog import Model
from tercet.config import PROJECT, load
from tercet.errors import ConfigError

SHIPPED_TABLE = PROJECT / "deployments" / "prices_second_table.json"

# LiteLLM's names: USD per token; a long-context step and a service tier are suffixes.
_FIELDS = {
    "fresh_input": "input_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "output": "output_cost_per_token",
    "thinking": "output_cost_per_reasoning_token",
}
_TIERS = {"batch": "_batches", "flex": "_flex", "priority": "_priority"}

Entry = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondTable:
    """Prices of another's making, without dates."""

    name: str
    entries: Mapping[str, Entry]

    def entry(self, model: str) -> Entry | None:
        """Return a model's prices as its own maker sells it; other sellers have other keys."""
        return self.entries.get(f"gemini/{model}", self.entries.get(model))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One price that the two tables give differently, in USD per million tokens."""

    model: str
    bucket: str
    """A bucket, its long-context step, and its service tier, whose price is then a factor."""
    ours: Decimal | None
    """`None`: we know no price, and refuse the model."""
    theirs: Decimal
    source: str
    """Where ours is from."""


def read_table(path: Path) -> SecondTable:
    """Read the shipped extract, or LiteLLM's whole file.

    Raises:
        ConfigError: it is neither.
    """
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        rows: Mapping[str, Mapping[str, Any]] = told.get("prices", told)
        entries = {name: _numbers(row) for name, row in rows.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path} is no price table: {error}; name LiteLLM's JSON with --table, or leave it out"
        ) from error
    return SecondTable(name=str(told.get("name", path.name)), entries=entries)


def _numbers(row: Mapping[str, Any]) -> Entry:
    return {key: Decimal(value) for key, value in row.items() if isinstance(value, int | Decimal)}


def disagreements(
    models: Iterable[Model], book: PriceBook, table: SecondTable, at: datetime
) -> list[Disagreement]:
    """Return every price of `models` that `table` has and gives differently from `book` at `at`."""
    return [
        found
        for model in models
        if (entry := table.entry(model.name)) is not None
        for found in (*_prices(model, book.tariff(model, at), entry), *_factors(model, entry))
    ]


def pricecheck(table: Path | None, days: Sequence[date], *, as_json: bool = False) -> int:
    """Print the disagreements at the start of each day (UTC); return 1 if there is any."""
    second = read_table(table or SHIPPED_TABLE)
    config = load()
    book, models = PriceBook(config.prices), config.catalog.models.values()
    found = {
        day: disagreements(models, book, second, datetime.combine(day, time(), UTC)) for day in days
    }
    lines = [line for day in days for line in _report(found[day], models, second, day)]
    document = [
        {"day": str(day), "table": second.name, "differ": [_document(one) for one in found[day]]}
        for day in days
    ]
    tell("".join(f"{line}\n" for line in lines), document, as_json=as_json)
    return 1 if any(found.values()) else 0


def _document(one: Disagreement) -> Mapping[str, object]:
    ours = None if one.ours is None else str(one.ours)
    return {**asdict(one), "ours": ours, "theirs": str(one.theirs)}


def _report(
    found: Sequence[Disagreement], models: Iterable[Model], table: SecondTable, day: date
) -> Iterator[str]:
    yield f"{day}: {len(found)} of our prices (used) differ from {table.name} (compared only)"
    for one in found:
        ours = "unknown" if one.ours is None else f"{one.ours.normalize():f}"
        theirs = f"{one.theirs.normalize():f}"
        yield f"  {one.model} {one.bucket}: used {ours} ({one.source}), {table.name} {theirs}"
    for model in models:
        if table.entry(model.name) is None:
            yield f"  {model.name}: not in {table.name}, so not compared"


def _prices(model: Model, tariff: Tariff | None, entry: Entry) -> Iterator[Disagreement]:
    ours = {} if tariff is None else {above: asdict(rates) for above, rates in tariff.steps}
    for above in sorted(_steps(entry) | set(ours)):
        rates = ours[max(step for step in ours if step <= above)] if ours else {}
        for bucket, field in _FIELDS.items():
            theirs = _theirs(entry, field, above, "")
            used = rates.get("output" if bucket == "thinking" else bucket)
            if theirs is not None and used != theirs:
                yield Disagreement(
                    model=model.name,
                    bucket=_label(bucket, above),
                    ours=used,
                    theirs=theirs,
                    source="no source" if tariff is None else tariff.source,
                )


def _factors(model: Model, entry: Entry) -> Iterator[Disagreement]:
    for tier, suffix in _TIERS.items():
        factor = SERVICE_TIERS[model.provider].get(tier)
        for above in sorted(_steps(entry)):
            for bucket, field in _FIELDS.items():
                plain = _theirs(entry, field, above, "")
                served = _theirs(entry, field, above, suffix)
                if not plain or served is None or served / plain == factor:
                    continue
                yield Disagreement(
                    model=model.name,
                    bucket=f"{_label(bucket, above)}, {tier}",
                    ours=factor,
                    theirs=served / plain,
                    source="SERVICE_TIERS",
                )


def _steps(entry: Entry) -> set[int]:
    named = (re.search(r"_above_(\d+)k_tokens", field) for field in entry)
    return {0} | {int(found[1]) * 1000 for found in named if found}


def _theirs(entry: Entry, field: str, above: int, tier: str) -> Decimal | None:
    """Return USD per million tokens; a bucket that names no price past a step keeps its first."""
    price = entry.get(f"{field}{tier}")
    if above:
        price = entry.get(f"{field}_above_{above // 1000}k_tokens{tier}", price)
    return None if price is None else price * 1_000_000


def _label(bucket: str, above: int) -> str:
    return f"{bucket} above {above}" if above else bucket
