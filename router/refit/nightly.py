"""`python -m router.refit.nightly`: one night's work, in a process of its own.

Its memory, scikit-learn's among it, is given back when it ends. Whoever runs it reads one line of
JSON from its standard output; a refit that is under way elsewhere is left alone.
"""

import asyncio
import json
import sys
import time
from contextlib import closing
from dataclasses import asdict

from deployments.ledger import Ledger, LedgerError
from router.refit.books import Desk
from router.refit.steering import night
from tercet.config import load, settings
from tercet.errors import TercetError


def main() -> int:
    """Do it; return 0, or 2 where it could not be done."""
    try:
        chosen = settings()
        desk = Desk(ledger=chosen.ledger, config=load(), folder=None, now=time.time())
        with closing(Ledger(chosen.ledger)) as ledger:
            outcome = asyncio.run(night(ledger, desk, _say))
    except (TercetError, LedgerError) as error:
        sys.stderr.write(f"tercet: {error}\n")
        return 2
    sys.stdout.write(f"{json.dumps(asdict(outcome))}\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
