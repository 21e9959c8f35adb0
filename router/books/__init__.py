"""What an operator asks of the books: `tercet ledger` and its commands."""
