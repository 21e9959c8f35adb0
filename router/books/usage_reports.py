"""The ledger against what a provider itself reports to have charged, day by day."""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from pathlib import Path

from pydantic import BaseModel, ValidationError

from deployments.ledger.inspection import inspected
from router.books.table import table
from tercet.errors import ConfigError
from tercet.usage import NANO_USD_PER_USD, usd

ALARM_PERCENT = 1
"""A day's difference above this share of the provider's amount is an error."""


class _Result(BaseModel):
    """A cost of Anthropic's cost report (Admin API, `GET /v1/organizations/cost_report`)."""

    amount: Decimal
    """In cents: "123.45" is 1.23 dollars, by the API's reference."""
    currency: str


class _Bucket(BaseModel):
    starting_at: datetime
    results: list[_Result]


class _CostReport(BaseModel):
    data: list[_Bucket]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day's two amounts, in nano-USD."""

    day: date
    booked: int
    reported: int

    @property
    def difference(self) -> int:
        """What the ledger has more."""
        return self.booked - self.reported

    @property
    def is_alarming(self) -> bool:
        """Whether it is more than rounding and the hour of midnight explain."""
        return abs(self.difference) * 100 > self.reported * ALARM_PERCENT


def reconcile_report(
    ledger: Path | str, report: Path, provider: str, *, as_json: bool = False
) -> int:
    """Print the difference of every day from the report's first to its last.

    Returns:
        1 if a day differs by more than `ALARM_PERCENT`, else 0.

    Raises:
        ConfigError: the report is missing, or none that is known.
        LedgerError: the ledger cannot be read.
    """
    reported = read_report(report)
    booked = _booked(ledger, provider, min(reported), max(reported))
    days = [
        Day(day=day, booked=booked.get(day, 0), reported=reported.get(day, 0))
        for day in sorted(booked.keys() | reported.keys())
    ]
    sys.stdout.write(_json(provider, days) if as_json else _text(provider, days))
    return 1 if any(day.is_alarming for day in days) else 0


def read_report(file: Path) -> Mapping[date, int]:
    """Return nano-USD by day (UTC) of Anthropic's cost report, or of a CSV (date, model, cost_usd).

    Raises:
        ConfigError: the file is missing, or neither.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"{file} cannot be read: {why}; name a file with --report") from error
    days: Counter[date] = Counter()
    costs = _of_anthropic(file, text) if text.lstrip().startswith("{") else _of_csv(file, text)
    for day, cost in costs:
        days[day] += cost
    if not days:
        raise ConfigError(f"{file} reports no day; ask the provider for the days to compare")
    return days


def _of_anthropic(file: Path, text: str) -> Iterator[tuple[date, int]]:
    try:
        report = _CostReport.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(
            f"{file} is no cost report of Anthropic's Admin API: {error.errors()[0]['msg']}; save "
            "what GET /v1/organizations/cost_report answers"
        ) from error
    if report.has_more:
        raise ConfigError(f"{file} is only a part (has_more); ask for it with limit=31, whole")
    for bucket in report.data:
        day = bucket.starting_at.astimezone(UTC).date()
        for result in bucket.results:
            if result.currency != "USD":
                raise ConfigError(f"{file} has amounts in {result.currency}; only USD is booked")
            yield day, _nano_usd(result.amount / 100)


def _of_csv(file: Path, text: str) -> Iterator[tuple[date, int]]:
    rows = csv.DictReader(text.splitlines())
    if not {"date", "model", "cost_usd"} <= set(rows.fieldnames or ()):
        raise ConfigError(f"{file} needs a first line with the columns date, model and cost_usd")
    for row in rows:
        try:
            yield date.fromisoformat(row["date"]), _nano_usd(Decimal(row["cost_usd"]))
        except (ValueError, TypeError, InvalidOperation) as error:
            raise ConfigError(
                f"{file}, line {rows.line_num}: write a date as 2026-11-23 and dollars as 1.25 "
                f"({error})"
            ) from error


def _nano_usd(dollars: Decimal) -> int:
    return int((dollars * NANO_USD_PER_USD).to_integral_value(rounding=ROUND_HALF_EVEN))


def _booked(ledger: Path | str, provider: str, first: date, last: date) -> Mapping[date, int]:
    """Return nano-USD by day of what was really sent to the provider."""
    days: Counter[date] = Counter()
    with inspected(ledger) as books:
        for row in books.attempts():
            day = datetime.fromtimestamp(row.reserved_at_ns // 10**9, UTC).date()
            if row.provider == provider and not row.simulated and first <= day <= last:
                days[day] += row.spent
    return days


def _text(provider: str, days: list[Day]) -> str:
    lines = [
        (str(day.day), usd(day.booked), usd(day.reported), usd(day.difference), _verdict(day))
        for day in days
    ]
    headings = (provider, "ledger USD", "report USD", "difference", f"above {ALARM_PERCENT} %")
    return table(headings, lines)


def _verdict(day: Day) -> str:
    return "yes" if day.is_alarming else "no"


def _json(provider: str, days: list[Day]) -> str:
    document = [
        {
            "provider": provider,
            "day": str(day.day),
            "booked_nano_usd": day.booked,
            "reported_nano_usd": day.reported,
            "is_alarming": day.is_alarming,
        }
        for day in days
    ]
    return json.dumps(document, indent=2) + "\n"
