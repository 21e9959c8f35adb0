"""The ledger against the upstreams' own bill: two sums that were made independently."""

import json
import sys
from collections import Counter
from pathlib import Path

from deployments.ledger import simulated_totals
from tercet.errors import ConfigError


def reconcile(ledger: Path, bill: Path) -> int:
    """Print both sums by model, in nano-USD; return 1 if any differ, else 0.

    Raises:
        ConfigError: a file is missing.
    """
    for file in (ledger, bill):
        if not file.exists():
            raise ConfigError(f"{file} does not exist; `make run` and some requests write it")
    booked, billed = simulated_totals(ledger), billed_totals(bill)
    lines = [f"{'model':<24}{'ledger':>18}{'billing log':>18}{'difference':>14}"]
    lines += [_line(model, booked[model], billed[model]) for model in sorted(booked | billed)]
    lines.append(_line("total", booked.total(), billed.total()))
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if booked == billed else 1


def billed_totals(bill: Path) -> Counter[str]:
    """Return nano-USD by model from the billing log, one JSON line a POST."""
    totals: Counter[str] = Counter()
    with bill.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            totals[entry["model"]] += entry["cost_nano_usd"]
    return +totals


def _line(name: str, booked: int, billed: int) -> str:
    return f"{name:<24}{booked:>18,}{billed:>18,}{booked - billed:>14,}"
