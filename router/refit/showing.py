"""Versions and labels as an operator reads them; nothing is written."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from deployments.ledger.inspection import inspected
from router.books.table import table
from router.refit.books import policy_of
from tercet.errors import ConfigError
from tercet.learning import PolicyVersion
from tercet.usage import NANO_USD_PER_USD

_VERSIONS = ("version", "state", "share", "since", "why")
_LABELS = ("kind", "arm", "source", "labels", "mean quality", "latest")
_WHY_CHARS = 60


def versions(ledger: str, now: float, *, as_json: bool) -> int:
    """Print the versions, the newest first, and whether learning is frozen; return 0.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with inspected(ledger) as books:
        rows, locks = books.policies(), books.locks(now)
    frozen = next((lock.why for lock in locks if lock.name == "freeze"), None)
    if as_json:
        told = {"frozen": frozen, "versions": [_document(row) for row in rows]}
        sys.stdout.write(f"{json.dumps(told)}\n")
        return 0
    lines = [
        (row.version, row.state, f"{row.share:.0%}", _utc(row.changed_at), row.why[:_WHY_CHARS])
        for row in rows
    ]
    sys.stdout.write(table(_VERSIONS, lines) if rows else "no version was made yet\n")
    if frozen is not None:
        sys.stdout.write(f"frozen: {frozen}\n")
    return 0


def version(ledger: str, name: str, *, as_json: bool) -> int:
    """Print what a version was made from and what it expects; return 0.

    Raises:
        ConfigError: there is no such version.
        DamagedPolicyError: its document is of no use.
        LedgerError: the ledger cannot be read.
    """
    with inspected(ledger) as books:
        row, policy = books.policy(name), policy_of(books, name)
    if row is None or policy is None:
        raise ConfigError(f"there is no version {name[:100]!r}; `tercet policy list` shows them")
    learned = policy.estimates
    quality = {
        kind: dict(zip(learned.arms, learned.table.quality[at].tolist(), strict=True))
        for at, kind in enumerate(learned.kinds)
    }
    if as_json:
        told = {**_document(row), "quality": quality, "reads_text": learned.reads_text}
        sys.stdout.write(f"{json.dumps(told)}\n")
        return 0
    sys.stdout.write(f"{row.version}: {row.state}, {row.why}\n\n")
    sys.stdout.write(f"{json.dumps(json.loads(row.summary), indent=2)}\n\n")
    lines = [(kind, *(f"{one:.3f}" for one in by_arm.values())) for kind, by_arm in quality.items()]
    sys.stdout.write(table(("expected quality", *learned.arms), lines))
    sys.stdout.write(
        f"\na US dollar has to buy {policy.quality_per_nano_usd * NANO_USD_PER_USD:g} of quality\n"
    )
    return 0


def label_counts(ledger: str, *, as_json: bool) -> int:
    """Print how many labels there are; return 0.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with inspected(ledger) as books:
        counts = books.label_counts(0.0)
    if as_json:
        sys.stdout.write(f"{json.dumps([asdict(count) for count in counts])}\n")
        return 0
    lines = [
        (one.kind, one.arm, one.source, str(one.count), f"{one.quality:.3f}", _utc(one.latest_at))
        for one in counts
    ]
    sys.stdout.write(table(_LABELS, lines) if counts else "there are no labels\n")
    return 0


def _document(row: PolicyVersion) -> Mapping[str, object]:
    return {
        "version": row.version,
        "state": row.state,
        "share": row.share,
        "why": row.why,
        "made_at": _utc(row.made_at),
        "changed_at": _utc(row.changed_at),
        "in_force_at": None if row.in_force_at is None else _utc(row.in_force_at),
        "summary": json.loads(row.summary),
    }


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
