"""`tercet compositions`: receipts of compositions, and what to change where one does not pay."""

import json
import sys
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from deployments.ledger.inspection import inspected
from router.books.table import table
from router.golden.proposing import Proposal, proposals
from router.golden.receipts import (
    Against,
    Receipt,
    Terms,
    pairs_of_labels,
    pairs_of_samples,
    receipts,
)
from router.learning.cold import arms_of_catalog
from tercet.config import Config, load
from tercet.usage import NANO_USD_PER_USD

_HEADINGS = ("composition", "kind", "on", "against", "pairs", "quality", "95 %", "USD", "s",
             "quality a USD", "verdict")  # fmt: skip


def compositions(ledger: str, folder: Path | None, since: float, *, as_json: bool) -> int:
    """Print the receipts since a time (Unix seconds) and proposals; return 0.

    Raises:
        ConfigError: the configuration is wrong.
        LedgerError: the ledger cannot be read.
    """
    config = load(folder)
    specs = arms_of_catalog(config.catalog, config.rules)
    with inspected(ledger) as books:
        labels, samples = books.labels(since), books.samples(since)
    pairs = [*pairs_of_labels(labels, specs), *pairs_of_samples(samples)]
    found = receipts(pairs, specs, terms_of(config))
    proposed = proposals(found, specs, config.catalog)
    if as_json:
        told = {
            "receipts": [_document(one) for one in found],
            "proposals": [
                {"composition": one.composition, "why": one.why, "change": one.change}
                for one in proposed
            ],
        }
        sys.stdout.write(f"{json.dumps(told, allow_nan=False)}\n")
    else:
        sys.stdout.write(as_text(found, proposed))
    return 0


def terms_of(config: Config) -> Mapping[str, Terms]:
    """Return by what a composition is judged, by kind: the terms that routing has."""
    rules = config.learning
    return {
        kind: Terms(
            margin=rules.margin_of(kind), quality_per_nano_usd=rules.quality_per_nano_usd or 0.0
        )
        for kind in config.taxonomy.names
    }


def as_text(found: Sequence[Receipt], proposed: Sequence[Proposal]) -> str:
    """Return receipts as a table, with what is missing and what is proposed."""
    if not found:
        return (
            "no composition was compared with its seats yet: `tercet golden run --arms "
            "TIER,MODEL,...` does that on golden tasks, and `samples.composition` of "
            "config/migrations.yaml on traffic\n"
        )
    blocks = [table(_HEADINGS, [line for one in found for line in _lines(one)])]
    missing = [
        f"{one.composition}, {one.kind}, on {one.ground}: not compared with {name}\n"
        for one in found
        for name in one.not_asked
    ]
    blocks.append("".join(missing))
    blocks += [
        f"{one.composition}: {one.why}. Proposed, and not done:\n{one.change}\n" for one in proposed
    ]
    return "\n".join(filter(None, blocks))


def _lines(receipt: Receipt) -> Sequence[Sequence[str]]:
    return [
        (
            receipt.composition,
            receipt.kind,
            receipt.ground,
            one.rival,
            str(one.quality.groups),
            f"{one.quality.value:+.3f}",
            _bounds(one),
            _signed(one.extra_nano_usd, 6, NANO_USD_PER_USD),
            _signed(one.extra_seconds, 2),
            _signed(one.quality_per_usd, 1),
            one.verdict if not one.more_pairs else f"{one.verdict} ({one.more_pairs} more pairs)",
        )
        for one in receipt.against
    ] + [(receipt.composition, receipt.kind, receipt.ground, "all", *[""] * 6, receipt.verdict)]


def _bounds(one: Against) -> str:
    if not one.quality.is_bounded:
        return "too few"
    return f"{one.quality.low:+.3f} to {one.quality.high:+.3f}"


def _signed(value: float | None, places: int, unit: float = 1) -> str:
    return "-" if value is None else f"{value / unit:+.{places}f}"


def _document(receipt: Receipt) -> Mapping[str, object]:
    return {
        "composition": receipt.composition,
        "kind": receipt.kind,
        "ground": receipt.ground,
        "verdict": receipt.verdict,
        "more_pairs": receipt.more_pairs if receipt.verdict == "not yet known" else 0,
        "not_asked": receipt.not_asked,
        "against": [_compared(one) for one in receipt.against],
    }


def _compared(one: Against) -> Mapping[str, object]:
    seen = one.quality
    return {
        "rival": one.rival,
        "sort": one.sort,
        "pairs": seen.groups,
        "quality": seen.value,
        "low": seen.low if isfinite(seen.low) else None,
        "high": seen.high if isfinite(seen.high) else None,
        "extra_nano_usd": one.extra_nano_usd,
        "extra_seconds": one.extra_seconds,
        "quality_per_usd": one.quality_per_usd,
        "verdict": one.verdict,
        "more_pairs": one.more_pairs,
    }
