"""`python -m router.migrations.look`: one look, in a process of its own.

Whoever runs it reads one line of JSON from its standard output.
"""

import asyncio
import json
import sys
import time
from contextlib import closing

from deployments.ledger import Ledger, LedgerError
from router.migrations.looking import Desk, look
from tercet.config import load, settings
from tercet.errors import TercetError


def main() -> int:
    """Do it; return 0, or 2 where it could not be done."""
    try:
        chosen = settings()
        desk = Desk(ledger=chosen.ledger, config=load(), now=time.time())
        with closing(Ledger(chosen.ledger)) as ledger:
            said = asyncio.run(look(ledger, desk))
    except (TercetError, LedgerError) as error:
        sys.stderr.write(f"tercet: {error}\n")
        return 2
    sys.stdout.write(f"{json.dumps({'said': said})}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
