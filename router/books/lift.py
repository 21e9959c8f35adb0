"""`tercet ledger lift`: a provider that had refused for want of money is asked again."""

import asyncio
import sys
from contextlib import closing
from pathlib import Path

from deployments.ledger import Ledger


def lift(ledger: Path | str, provider: str, now: float) -> int:
    """Forget that the provider's own spending limit was reached; return 0.

    Raises:
        LedgerError: the ledger cannot be written.
    """
    with closing(Ledger(ledger)) as books:
        until = asyncio.run(books.exhausted(now)).get(provider)
        if until is None:
            sys.stdout.write(f"{provider} is not marked as exhausted; nothing was done\n")
            return 0
        asyncio.run(books.note_exhausted(provider, now, "lifted", now))
    sys.stdout.write(f"{provider} is asked again within ten seconds\n")
    return 0
