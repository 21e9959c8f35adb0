"""From the ledger's rows to a version of what was learned, and its way into force."""
