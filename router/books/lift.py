"""`tercet ledger lift`: a provider that had refused for want of money is asked again."""

import asyncio
from contextlib import closing
from pathlib import Path

from deployments.ledger import Ledger
from deployments.ledger.inspection import inspected
from router.terminal.output import tell


def lift(ledger: Path | str, provider: str, now: float, *, as_json: bool = False) -> int:
    """Forget that the provider's own spending limit was reached; return 0.

    Raises:
        LedgerError: the ledger is not there, or cannot be written.
    """
    with inspected(ledger):
        pass  # one that is not there would be made
    with closing(Ledger(ledger)) as books:
        is_lifted = provider in asyncio.run(books.exhausted(now))
        if is_lifted:
            asyncio.run(books.note_exhausted(provider, now, "lifted", now))
    what = (
        "is asked again within ten seconds"
        if is_lifted
        else "is not marked as exhausted; nothing was done"
    )
    document = {"provider": provider, "is_lifted": is_lifted}
    tell(f"{provider} {what}\n", document, as_json=as_json)
    return 0
