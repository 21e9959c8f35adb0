"""`tercet top`: the month and what is going on, read from the ledger again and again."""
